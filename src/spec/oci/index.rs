//! Image indexes: `index.json`, and the lists of platforms that it leads to.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{DocumentFields, INDEX, set_annotations, set_family, subject, write};
use crate::diagnostics::Diagnostics;
use crate::error::{Error, Result};
use crate::rule::Rule;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Family, MediaType};
use crate::spec::typed;

/// An image index, in docker's words a manifest list. Its entries may be of any media type (O-2).
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    media_type: MediaType,
    entries: Vec<Descriptor>,
    subject: Option<Descriptor>,
    fields: DocumentFields,
    /// All keys in the order they were read in, the list of entries empty; this is what is written.
    object: Map<String, Value>,
}

impl Index {
    /// Reads the index that `bytes` are; `described` is the media type in the descriptor that led here, `None` for `index.json`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not an index; and unless `diagnostics` go on, for one that is a manifest as well or
    /// contradicts `described` (H-4), and for an entry that is not a descriptor.
    pub fn read(bytes: &[u8], at: &str, described: Option<&MediaType>, diagnostics: &Diagnostics) -> Result<Self> {
        Self::read_entries(bytes, at, described, diagnostics, &mut |error| diagnostics.fault(error))
    }

    /// The same, but the error of each entry that is not a descriptor goes to `on_fault`; after `Ok` the others are read.
    ///
    /// # Errors
    /// Those of [`Index::read`] and of `on_fault`.
    pub(crate) fn read_entries(
        bytes: &[u8],
        at: &str,
        described: Option<&MediaType>,
        diagnostics: &Diagnostics,
        on_fault: &mut dyn FnMut(Error) -> Result<()>,
    ) -> Result<Self> {
        let (media_type, mut object) = INDEX.read(bytes, at, described, diagnostics)?;
        let entries = INDEX.descriptors(&mut object, "manifests", at, on_fault)?.into_iter().flatten().collect();
        let subject = subject(&object, at, diagnostics)?;
        let fields = typed::parse_object(&object).map_err(|error| Error::invalid(Rule::O2, at, error.to_string()))?;
        Ok(Self { media_type, entries, subject, fields, object })
    }

    /// A new index of `entries`, in OCI's words.
    pub(crate) fn new(entries: Vec<Descriptor>) -> Self {
        let media_type = INDEX.usual;
        let object = Map::from_iter([
            ("schemaVersion".to_owned(), 2.into()),
            ("mediaType".to_owned(), media_type.as_str().into()),
            ("manifests".to_owned(), Value::Array(Vec::new())),
        ]);
        Self { media_type, entries, subject: None, fields: DocumentFields::default(), object }
    }

    /// The index's own type.
    pub fn media_type(&self) -> &MediaType {
        &self.media_type
    }

    /// The descriptors that the index lists, in its order.
    pub fn entries(&self) -> &[Descriptor] {
        &self.entries
    }

    /// The manifest to which this index refers; it may well be absent (O-14).
    pub fn subject(&self) -> Option<&Descriptor> {
        self.subject.as_ref()
    }

    /// The `artifactType` of the index.
    pub fn artifact_type(&self) -> Option<&str> {
        self.fields.artifact_type.as_deref()
    }

    /// The index's own annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.fields.annotations
    }

    /// This index with other entries: some replaced, dropped or added; all else stays.
    #[must_use]
    pub(crate) fn with_entries(mut self, entries: Vec<Descriptor>) -> Self {
        self.object.insert("manifests".into(), Value::Array(Vec::new()));
        self.entries = entries;
        self
    }

    /// This index with these annotations; an empty map removes the key.
    #[must_use]
    pub fn with_annotations(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.object.shift_remove("annotations");
        set_annotations(&mut self.object, &annotations);
        self.fields.annotations = annotations;
        self
    }

    /// This index in the words of `family` (M-1, `--oci-types`).
    ///
    /// The entries stay: rewriting what they describe gives each a new digest, so they come through [`Self::with_entries`].
    #[must_use]
    pub(crate) fn with_family(mut self, family: Family) -> Self {
        set_family(&mut self.media_type, &mut self.object, family);
        self
    }

    /// The document: compact, without a newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        write(&self.object, "manifests", &self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: impl AsRef<[u8]>, described: Option<&MediaType>) -> Result<Index> {
        Index::read(text.as_ref(), "x", described, &Diagnostics::silent())
    }

    #[test]
    fn entries_of_any_type_are_carried() {
        let text = r#"{"x":[],"schemaVersion":2,"manifests":[{"mediaType":"text/x","digest":"a:b","size":7,"y":{}}]}"#;
        let index = read(text, None).unwrap();
        assert_eq!(index.to_bytes(), text.as_bytes());
        assert_eq!(index.entries()[0].media_type().as_str(), "text/x");
        assert_eq!(index.clone().with_family(Family::Oci), index);
        assert_eq!(
            String::from_utf8(index.with_entries(Vec::new()).to_bytes()).unwrap(),
            r#"{"x":[],"schemaVersion":2,"manifests":[]}"#
        );
    }

    #[test]
    fn a_new_index_reads_back() {
        let entry = Descriptor::of(MediaType::Manifest(Family::Oci), b"{}");
        let index = Index::new(vec![entry]);
        assert!(index.to_bytes().starts_with(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"#
        ));
        assert_eq!(read(index.to_bytes(), Some(index.media_type())).unwrap(), index);
    }

    #[test]
    fn an_index_lists_manifests() {
        for text in [r#"{"schemaVersion":2}"#, r#"{"schemaVersion":2,"manifests":{}}"#, "[]", "null"] {
            assert!(read(text, None).is_err(), "{text}");
        }
        assert!(read(br#"{"schemaVersion":2,"manifests":null}"#, None).unwrap().entries().is_empty());
    }

    #[test]
    fn a_docker_list_can_be_spelled_as_an_index() {
        let text = r#"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}"#;
        let index = read(text, None).unwrap().with_family(Family::Oci);
        assert_eq!(index.to_bytes(), Index::new(Vec::new()).to_bytes());
    }
}
