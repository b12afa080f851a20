//! Image configs: the exact bytes, and a view of them.
//!
//! The bytes are the image's identity and no conversion changes them (docs/formats.md M-2), so nothing here writes a config.
//! The view is tolerant: configs come from tools of every kind and age, and most keys do not matter here.
//!
//! Sources: OCI image-spec `config.md`, moby image spec v1.2, docs/formats.md M-2, M-3, M-11, O-12, L-9, L-14 to L-16.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::config_types::CONFIG;
use super::fields::spell_keys;
use super::json::{self, null_as_default};
use super::platform::Platform;
use super::typed;
use crate::diagnostics::Diagnostics;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::path::quote;
use crate::rule::Rule;

/// An image's config.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    raw: Vec<u8>,
    image_id: Digest,
    diff_ids: Vec<DiffId>,
    fields: ConfigFields,
    platform: Platform,
}

#[derive(Debug, Clone, Deserialize)]
struct ConfigFields {
    #[serde(default, deserialize_with = "null_as_default")]
    rootfs: RootFs,
    #[serde(default, deserialize_with = "null_as_default")]
    history: Vec<History>,
    created: Option<String>,
    author: Option<String>,
    container: Option<String>,
    docker_version: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    config: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct RootFs {
    /// Left out where there are no layers, as by `docker build` of nothing but `FROM scratch`.
    #[serde(default, deserialize_with = "null_as_default", rename = "type")]
    kind: String,
    /// Each is parsed for itself; here it only has to be a list.
    #[serde(default, deserialize_with = "null_as_default", rename = "diff_ids")]
    _diff_ids: Vec<Value>,
}

/// One step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct History {
    /// The time of the step as written: RFC 3339 if all is well.
    pub created: Option<String>,
    /// The command that the step ran.
    pub created_by: Option<String>,
    /// The author of the step.
    pub author: Option<String>,
    /// A message about the step.
    pub comment: Option<String>,
    /// True if the step made no layer (L-16).
    #[serde(default, deserialize_with = "null_as_default")]
    pub empty_layer: bool,
}

/// A config as far as it can be read. Cheap to clone: thousands of images may name one.
#[derive(Debug, Clone)]
pub(crate) struct ConfigParts {
    /// The image ID.
    pub image_id: Digest,
    /// The layers' digests uncompressed, base first; `None` in the place of one that is refused.
    pub diff_ids: Arc<[Option<DiffId>]>,
    /// The config, where nothing is wrong with it.
    pub whole: Option<Arc<ImageConfig>>,
}

/// The shape of a document that may be an image's config, whatever its media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigShape {
    /// It has a `rootfs`; the number of its layers.
    Layers(usize),
    /// It has `os` or `architecture`, but no `rootfs`.
    Bare,
    /// It is a JSON object without any of these keys.
    Empty,
    /// It is not a JSON object, or one of these keys has a value that no config of an image has.
    Other,
}

impl ConfigShape {
    /// The shape of the document `raw`.
    pub(crate) fn of(raw: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct ShapeFields {
            rootfs: Option<ShapeRootFs>,
            os: Option<String>,
            architecture: Option<String>,
        }
        #[derive(Deserialize)]
        struct ShapeRootFs {
            #[serde(rename = "type")]
            kind: Option<String>,
            diff_ids: Option<Vec<String>>,
        }
        let document = json::read(&json::as_go_reads(raw), "", MAX_DOCUMENT, Rule::M11).and_then(|mut document| {
            spell_keys(&mut document, CONFIG, "", &Diagnostics::silent())?;
            Ok(document)
        });
        let Ok(document) = document else { return Self::Other };
        let Ok(ShapeFields { rootfs, os, architecture }) = typed::parse(&document) else { return Self::Other };
        match rootfs {
            Some(ShapeRootFs { kind, .. }) if kind.as_ref().is_some_and(|kind| kind != "layers") => Self::Other,
            Some(ShapeRootFs { kind, diff_ids }) if kind.is_some() || diff_ids.is_some() => {
                Self::Layers(diff_ids.map_or(0, |diff_ids| diff_ids.len()))
            }
            _ if os.is_some() || architecture.is_some() => Self::Bare,
            _ => Self::Empty,
        }
    }
}

impl ConfigParts {
    /// Reads the config that `raw` is as far as `diagnostics` let it.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless `diagnostics` go on: for what is not a config of an image made of layers (M-11), and for a
    /// diff_id that is not a digest (H-2).
    pub(crate) fn read(raw: Vec<u8>, at: &str, diagnostics: &Diagnostics) -> Result<Self> {
        let image_id = Digest::sha256(&raw);
        let text = json::as_go_reads(&raw);
        if let Cow::Owned(_) = text {
            let problem = "some of its text is not valid Unicode; engines read U+FFFD in its place, and so does imgtar";
            diagnostics.warn(Rule::G14, at, problem)?;
        }
        let mut object: Value = match json::read(&text, at, MAX_DOCUMENT, Rule::G14) {
            Ok(object) => object,
            Err(error) => {
                return diagnostics.fault(error).map(|()| Self { image_id, diff_ids: Arc::default(), whole: None });
            }
        };
        spell_keys(&mut object, CONFIG, at, diagnostics)?;
        let diff_ids = diff_ids(&object, at, diagnostics)?;
        let whole = match (ConfigFields::parse(&object), diff_ids.iter().cloned().collect::<Option<Vec<_>>>()) {
            (Ok((fields, platform)), Some(diff_ids)) => {
                Some(Arc::new(ImageConfig { raw, image_id: image_id.clone(), diff_ids, fields, platform }))
            }
            // The diff_id that is refused has been reported.
            (_, None) => None,
            (Err(message), Some(_)) => diagnostics.fault(Error::invalid(Rule::M11, at, message)).map(|()| None)?,
        };
        Ok(Self { image_id, diff_ids: diff_ids.into(), whole })
    }
}

impl ConfigFields {
    /// Returns the fields of `object` and the platform that it names.
    fn parse(object: &Value) -> std::result::Result<(Self, Platform), String> {
        let fields: Self = typed::parse(object).map_err(|error| error.to_string())?;
        if !matches!(&*fields.rootfs.kind, "" | "layers") {
            return Err(format!("rootfs.type is `{}`, expected `layers`", quote(&fields.rootfs.kind)));
        }
        Ok((fields, typed::parse(object).map_err(|error| error.to_string())?))
    }
}

/// The diff_ids that the config `object` lists.
fn diff_ids(object: &Value, at: &str, diagnostics: &Diagnostics) -> Result<Vec<Option<DiffId>>> {
    let listed = object.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
    let diff_id = |(nth, value): (usize, &Value)| match typed::parse::<DiffId>(value) {
        Ok(diff_id) => Ok(Some(diff_id)),
        Err(error) => {
            let at = format!("{at}: rootfs.diff_ids[{nth}]");
            diagnostics.fault(Error::invalid(Rule::H2, at, error.to_string())).map(|()| None)
        }
    };
    listed.map_or(&[][..], Vec::as_slice).iter().enumerate().map(diff_id).collect()
}

impl ImageConfig {
    /// Reads the config that `raw` is and keeps every byte.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is not a config of an image made of layers (M-11).
    pub fn read(raw: Vec<u8>, at: &str) -> Result<Self> {
        let parts = ConfigParts::read(raw, at, &Diagnostics::silent())?;
        parts
            .whole
            .and_then(Arc::into_inner)
            .ok_or_else(|| Error::invalid(Rule::M11, at, "it is not a config of an image"))
    }

    /// The bytes exactly as they were read.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The image ID: the digest of the exact bytes. A digest in the name of the config's member proves nothing (L-6).
    pub fn image_id(&self) -> Digest {
        self.image_id.clone()
    }

    /// The layers' digests uncompressed, base first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.diff_ids
    }

    /// The steps that made the image, oldest first; they need not match the layers (L-16).
    pub fn history(&self) -> &[History] {
        &self.fields.history
    }

    /// The platform of the image; used where a descriptor names none (O-12).
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The time at which the image was made, as written.
    pub fn created(&self) -> Option<&str> {
        self.fields.created.as_deref()
    }

    /// The author of the image.
    pub fn author(&self) -> Option<&str> {
        self.fields.author.as_deref()
    }

    /// The container that a docker image was committed from.
    pub fn container(&self) -> Option<&str> {
        self.fields.container.as_deref()
    }

    /// The version of Docker that made the image.
    pub fn docker_version(&self) -> Option<&str> {
        self.fields.docker_version.as_deref()
    }

    /// The runtime configuration of a container of the image: `Cmd`, `Env`, `Labels` and so on, as written.
    pub fn runtime(&self) -> &Map<String, Value> {
        &self.fields.config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ImageConfig> {
        ImageConfig::read(text.as_bytes().to_vec(), "x")
    }

    #[test]
    fn a_config_keeps_its_bytes_and_shows_what_they_say() {
        let text = r#" {"os.version":"1","variant":"v8","architecture":"arm64","os":"linux","created":null,"author":"me",
            "config":{"Cmd":["sh"]},"history":[{"created":"2020-01-02T03:04:05Z","empty_layer":true},{"created_by":"x"}],
            "rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}} "#;
        let config = read(text).unwrap();
        assert_eq!(config.raw(), text.as_bytes());
        assert_eq!(config.image_id(), Digest::sha256(text.as_bytes()));
        assert_eq!(config.diff_ids().len(), 1);
        assert_eq!(config.platform().to_string(), "linux/arm64/v8 (1)");
        assert_eq!((config.created(), config.author()), (None, Some("me")));
        assert_eq!(config.runtime()["Cmd"][0], "sh");
        assert!(config.history()[0].empty_layer && !config.history()[1].empty_layer);
    }

    #[test]
    fn empty_and_unknown_things_are_tolerated() {
        let config = read(
            r#"{"rootfs":{"type":"layers","diff_ids":null},"history":null,"config":null,"os":null,"Size":1,"x":[{}]}"#,
        )
        .unwrap();
        assert!(config.diff_ids().is_empty() && config.history().is_empty() && config.runtime().is_empty());
        assert_eq!(config.platform(), &Platform::default());
    }

    #[test]
    fn a_config_without_layers_may_leave_out_what_would_list_them() {
        for text in ["{}", r#"{"rootfs":null}"#, r#"{"rootfs":{}}"#, r#"{"rootfs":{"type":"","diff_ids":[]}}"#] {
            assert!(read(text).unwrap().diff_ids().is_empty(), "{text}");
        }
    }

    #[test]
    fn text_that_is_none_is_read_as_engines_do() {
        for text in
            [&b"{\"author\":\"caf\xe9\",\"rootfs\":{\"type\":\"layers\"}}"[..], br#"{"author":"\ud83d","rootfs":{}}"#]
        {
            let config = ImageConfig::read(text.to_vec(), "x").unwrap();
            assert_eq!(config.raw(), text);
            assert!(config.author().unwrap().ends_with('\u{fffd}'));
            assert_eq!(config.type_faults(), []);
        }
    }

    #[test]
    fn a_document_is_as_much_of_a_config_as_it_holds() {
        use ConfigShape::{Bare, Empty, Layers, Other};
        for (text, shape) in [
            (r#"{"rootfs":{"type":"layers","diff_ids":["a","b"]}}"#, Layers(2)),
            (r#"{"rootfs":{"diff_ids":["a"]},"os":"linux"}"#, Layers(1)),
            (r#"{"rootfs":{"type":"layers","diff_ids":null}}"#, Layers(0)),
            (r#"{"rootfs":{},"architecture":"amd64"}"#, Bare),
            (r#"{"os":"linux"}"#, Bare),
            ("{}", Empty),
            (r#"{"name":"chart","version":"1"}"#, Empty),
            (r#"{"rootfs":{"type":"squashfs"}}"#, Other),
            (r#"{"rootfs":"layers"}"#, Other),
            ("[]", Other),
            ("signed", Other),
        ] {
            assert_eq!(ConfigShape::of(text.as_bytes()), shape, "{text}");
        }
    }

    #[test]
    fn what_has_other_layers_is_no_config() {
        for (text, expected) in [
            (r#"{"rootfs":{"type":"foo\u001b"}}"#, "rootfs.type is `foo\\u{1b}`, expected `layers`"),
            (r#"{"rootfs":{"type":"layers","diff_ids":["sha256:x"]}}"#, "`sha256:x` is not a digest"),
            (r#"{"rootfs":{"type":"layers"},"rootfs":{"type":"layers"}}"#, "`rootfs` occurs twice"),
            (r#"{"rootfs":{"type":"layers"},"history":[1]}"#, "`history[0]` is the number `1`, expected an object"),
            ("null", "it is null, expected an object"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
