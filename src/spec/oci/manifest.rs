//! Image manifests: one config, its layers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DocumentFields, MANIFEST, descriptor, set_annotations, set_family, subject, write};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::rule::Rule;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Family, MediaType};
use crate::spec::typed;

/// The config of an artifact that has none.
pub const EMPTY_CONFIG: &[u8] = b"{}";

/// An image manifest of either family.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    media_type: MediaType,
    config: Descriptor,
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
    fields: DocumentFields,
    /// All keys in the order they were read in, the list of layers empty; this is what is written.
    object: Map<String, Value>,
}

/// The descriptors of a manifest as far as they can be read.
#[derive(Debug)]
pub struct ManifestParts {
    /// That of the config.
    pub config: Option<Descriptor>,
    /// Those of the layers, base first.
    pub layers: Vec<Option<Descriptor>>,
    /// The manifest, where nothing is wrong with it.
    pub whole: Option<Manifest>,
}

impl ManifestParts {
    /// Reads the parts of the manifest that `bytes` are; `described` is the media type in the descriptor that led here.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not a manifest; and unless `diagnostics` go on, for one that is an index as well or
    /// contradicts `described` (H-4), for schema 1 (M-1), and for a part that is not a descriptor.
    pub fn read(bytes: &[u8], at: &str, described: Option<&MediaType>, diagnostics: &Diagnostics) -> Result<Self> {
        let (media_type, mut object) = MANIFEST.read(bytes, at, described, diagnostics)?;
        let config = match object.get("config") {
            Some(value) => {
                descriptor(value.clone(), || format!("{at}: config"), &mut |error| diagnostics.fault(error))?
            }
            None => diagnostics.fault(Error::invalid(Rule::O8, at, "it has no `config`")).map(|()| None)?,
        };
        let subject = subject(&object, at, diagnostics)?;
        let layers = MANIFEST.descriptors(&mut object, "layers", at, &mut |error| diagnostics.fault(error))?;
        let fields = match typed::parse_object(&object) {
            Ok(fields) => Some(fields),
            Err(error) => diagnostics.fault(Error::invalid(Rule::O8, at, error.to_string())).map(|()| None)?,
        };
        let whole_layers = layers.iter().cloned().collect::<Option<Vec<_>>>();
        let whole = match (&config, whole_layers, fields) {
            (Some(config), Some(layers), Some(fields)) => {
                Some(Manifest { media_type, config: config.clone(), layers, subject, fields, object })
            }
            _ => None,
        };
        Ok(Self { config, layers, whole })
    }
}

impl Manifest {
    /// Reads the manifest that `bytes` are; `described` is the media type in the descriptor that led here.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not a manifest, for one that is an index as well or contradicts `described` (H-4), and
    /// for schema 1 (M-1).
    pub fn read(bytes: &[u8], at: &str, described: Option<&MediaType>) -> Result<Self> {
        let parts = ManifestParts::read(bytes, at, described, &Diagnostics::silent())?;
        parts.whole.ok_or_else(|| Error::invalid(Rule::O8, at, "it is not a manifest"))
    }

    /// A manifest for an image that had none, in OCI's words and M-6's order of keys.
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        let media_type = MANIFEST.usual;
        let mut object = Map::from_iter([
            ("schemaVersion".to_owned(), 2.into()),
            ("mediaType".to_owned(), media_type.as_str().into()),
            ("config".to_owned(), config.to_value()),
            ("layers".to_owned(), Value::Array(Vec::new())),
        ]);
        set_annotations(&mut object, &annotations);
        let fields = DocumentFields { artifact_type: None, annotations };
        Self { media_type, config, layers, subject: None, fields, object }
    }

    /// The manifest of an artifact of the type `kind` about the manifest `subject`; its config is OCI's empty object.
    pub(crate) fn artifact(
        kind: &str,
        layers: Vec<Descriptor>,
        subject: Descriptor,
        annotations: BTreeMap<String, String>,
    ) -> Self {
        let config = Descriptor::of(MediaType::Empty, EMPTY_CONFIG);
        let mut manifest = Self::new(config, layers, annotations);
        let annotations = manifest.object.shift_remove("annotations");
        manifest.object.shift_insert(2, "artifactType".into(), kind.into());
        manifest.object.insert("subject".into(), subject.to_value());
        manifest.object.extend(annotations.map(|annotations| ("annotations".to_owned(), annotations)));
        manifest.fields.artifact_type = Some(kind.to_owned());
        Self { subject: Some(subject), ..manifest }
    }

    /// The manifest's own type.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The image's config.
    pub fn config(&self) -> &Descriptor {
        &self.config
    }

    /// The layers, base first.
    pub fn layers(&self) -> &[Descriptor] {
        &self.layers
    }

    /// The manifest to which this one refers; it may well be absent (O-14).
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The `artifactType` of the manifest; ordinary images have it too (O-13).
    pub fn artifact_type(&self) -> Option<&str> {
        self.fields.artifact_type.as_deref()
    }

    /// The manifest's own annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.fields.annotations
    }

    /// This manifest with other layers, base first; all else stays.
    #[must_use]
    pub(crate) fn with_layers(mut self, layers: Vec<Descriptor>) -> Self {
        self.object.insert("layers".into(), Value::Array(Vec::new()));
        self.layers = layers;
        self
    }

    /// This manifest with another config; all else stays.
    #[must_use]
    pub(crate) fn with_config(mut self, config: Descriptor) -> Self {
        self.object.insert("config".into(), config.to_value());
        self.config = config;
        self
    }

    /// This manifest without its `subject`.
    #[must_use]
    pub(crate) fn without_subject(mut self) -> Self {
        self.object.shift_remove("subject");
        self.subject = None;
        self
    }

    /// This manifest with an annotation of its own set to `value`, or removed; written in ascending order, as Go does (L-9).
    #[must_use]
    pub(crate) fn with_annotation(mut self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => drop(self.fields.annotations.insert(key.into(), value.into())),
            None if self.fields.annotations.remove(key).is_none() => return self,
            None => {}
        }
        set_annotations(&mut self.object, &self.fields.annotations);
        self
    }

    /// This manifest, its config and layers in the words of `family` (M-1, `--oci-types`).
    #[must_use]
    pub(crate) fn with_family(mut self, family: Family) -> Self {
        set_family(&mut self.media_type, &mut self.object, family);
        self.config = self.config.with_family(family);
        self.object.insert("config".into(), self.config.to_value());
        let layers = self.layers.iter().map(|layer| layer.clone().with_family(family)).collect();
        self.with_layers(layers)
    }

    /// The document: compact, without a newline (M-6).
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&self.object, "layers", &self.layers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = r#"{"layers":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0,"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","x":1}],"annotations":{"b":"1","a":"2"},"unknown":[1.0],"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}"#;

    fn read(text: &str) -> Manifest {
        Manifest::read(text.as_bytes(), "x", None).unwrap()
    }

    fn written(manifest: &Manifest) -> String {
        String::from_utf8(manifest.to_bytes()).unwrap()
    }

    #[test]
    fn an_edit_changes_nothing_else() {
        let manifest = read(DOCKER);
        assert_eq!(written(&manifest), DOCKER);
        assert_eq!(
            written(&manifest.clone().with_family(Family::Oci)),
            DOCKER
                .replace("docker.distribution.manifest.v2", "oci.image.manifest.v1")
                .replace("docker.container.image.v1", "oci.image.config.v1")
                .replace("docker.image.rootfs.diff.tar.gzip", "oci.image.layer.v1.tar+gzip")
        );
        assert_eq!(manifest.clone().with_family(Family::Docker), manifest);
        let layer = manifest.layers()[0].clone();
        let doubled = manifest.with_layers(vec![layer.clone(), layer]);
        assert_eq!(doubled, read(&written(&doubled)));
    }

    #[test]
    fn a_new_manifest_has_the_order_of_the_rule() {
        let config = Descriptor::of(MediaType::Config(Family::Oci), b"{}");
        let manifest = Manifest::new(config, Vec::new(), BTreeMap::from([("a".into(), "1".into())]));
        assert_eq!(
            written(&manifest),
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[],"annotations":{"a":"1"}}"#
        );
        assert_eq!(read(&written(&manifest)), manifest);
    }

    #[test]
    fn a_manifest_has_a_config_and_a_list_of_layers() {
        let read = |text: &str| Manifest::read(text.as_bytes(), "x", None);
        let config = r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;
        for text in [
            r#"{"schemaVersion":2,"layers":[]}"#.to_owned(),
            format!(r#"{{"schemaVersion":2,{config}}}"#),
            format!(r#"{{"schemaVersion":2,{config},"layers":{{}}}}"#),
            format!(r#"{{"schemaVersion":2,{config},"layers":[null]}}"#),
            format!(r#"{{"schemaVersion":2,{config},"layers":[],"annotations":{{"a":1}}}}"#),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
        let artifact = read(&format!(r#"{{"schemaVersion":2,{config},"layers":null,"subject":null}}"#)).unwrap();
        assert!(artifact.layers().is_empty());
    }
}
