//! Images of docker before 1.10: `<v1 id>/json` read, and the config that they never had made from it (L-31, L-32).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::V1Id;
use crate::diagnostics::Diagnostics;
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::rule::Rule;
use crate::spec::config_types::CONFIG;
use crate::spec::fields::spell_keys;
use crate::spec::json::{self, null_as_default};
use crate::spec::timestamp::Timestamp;
use crate::spec::typed;

/// A layer's metadata as docker before 1.10 kept it.
#[derive(Debug, Clone)]
pub struct LegacyLayer {
    parent: Option<V1Id>,
    step: LegacyStep,
    docker_version: String,
    /// Every key of the object and its value as it was spelled.
    object: BTreeMap<String, Box<RawValue>>,
}

/// Keys that are about the layer or its place on a disk, not about the image (L-32).
const NOT_OF_THE_IMAGE: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// Docker keeps the values of a json verbatim if this version or a later one wrote it (L-32).
const VERBATIM_SINCE: [u64; 3] = [1, 8, 3];

impl LegacyLayer {
    /// Reads the `json` in the directory of layer `id`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not the metadata of a layer, or that of another layer (L-31).
    pub fn read(bytes: &[u8], at: &str, id: &V1Id, diagnostics: &Diagnostics) -> Result<Self> {
        let mut document = json::read(bytes, at, MAX_DOCUMENT, Rule::L31)?;
        spell_keys(&mut document, CONFIG, at, diagnostics)?;
        let invalid = |problem: String| Error::invalid(Rule::L31, at, problem);
        let LegacyFields { id: stated, parent, created, author, comment, container_config, docker_version } =
            typed::parse(&document).map_err(|error| invalid(error.to_string()))?;
        if stated != id.as_str() {
            return Err(invalid(format!(
                "the layer's id is `{}`, expected that of its directory",
                stated.escape_debug()
            )));
        }
        let parent = match parent.as_str() {
            "" => None,
            parent => Some(parent.parse().map_err(|error| invalid(format!("parent: {error}")))?),
        };
        let created = match created.as_deref() {
            None => Timestamp::ZERO,
            Some(created) => created.parse().map_err(|error| invalid(format!("created: {error}")))?,
        };
        let step =
            LegacyStep { created: created.to_string(), author, created_by: container_config.cmd.0.join(" "), comment };
        let object = json::read(bytes, at, MAX_DOCUMENT, Rule::L31)?;
        Ok(Self { parent, step, docker_version, object })
    }

    /// The layer below; `None` for a base.
    pub fn parent(&self) -> Option<&V1Id> {
        self.parent.as_ref()
    }

    /// Returns whether Docker rewrites this top layer's JSON through a struct of its own, so that the image it loads
    /// has an ID that depends on Docker's version and differs from ours (L-32).
    pub fn has_another_id_in_docker(&self) -> bool {
        // Docker reads a part that is not a number as zero.
        let mut parts = self.docker_version.split('.').map(|part| part.parse().unwrap_or(0));
        [(); 3].map(|()| parts.next().unwrap_or(0)) < VERBATIM_SINCE
    }
}

/// The config of an image that never had one, from its `layers`, base first (L-32); `None` where there are none.
///
/// The result is the config that docker 1.10 to 24 make of the same archive, byte for byte, except for a top layer for
/// which [`LegacyLayer::has_another_id_in_docker`] is true.
pub fn synthesise_config(layers: &[(&LegacyLayer, &DiffId)]) -> Option<Vec<u8>> {
    let (top, _) = layers.last()?;
    let mut config: BTreeMap<&str, Box<RawValue>> = top
        .object
        .iter()
        .filter(|(key, _)| !NOT_OF_THE_IMAGE.contains(&key.as_str()))
        .map(|(key, value)| (key.as_str(), json::compact(value)))
        .collect();
    let diff_ids = layers.iter().map(|(_, diff_id)| *diff_id).collect();
    config.insert("rootfs", json::raw(&LegacyRootFs { kind: "layers", diff_ids }));
    config.insert("history", json::raw(&layers.iter().map(|(layer, _)| &layer.step).collect::<Vec<_>>()));
    Some(json::write(&config))
}

#[derive(Deserialize)]
struct LegacyFields {
    id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    parent: String,
    created: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    author: String,
    #[serde(default, deserialize_with = "null_as_default")]
    comment: String,
    #[serde(default, deserialize_with = "null_as_default")]
    container_config: ContainerConfig,
    #[serde(default, deserialize_with = "null_as_default")]
    docker_version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    #[serde(default, deserialize_with = "null_as_default")]
    cmd: Command,
}

/// A command: a list, or in the oldest files one string.
#[derive(Default)]
struct Command(Vec<String>);

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct CommandVisitor;

        impl<'de> Visitor<'de> for CommandVisitor {
            type Value = Command;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_str<E>(self, command: &str) -> std::result::Result<Command, E> {
                Ok(Command(vec![command.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> std::result::Result<Command, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(words)).map(Command)
            }
        }

        deserializer.deserialize_any(CommandVisitor)
    }
}

/// A step of the history in docker's order of keys; `created` is never left out.
#[derive(Debug, Clone, Serialize)]
struct LegacyStep {
    created: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    comment: String,
}

#[derive(Serialize)]
struct LegacyRootFs<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<&'a DiffId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn id(digit: &str) -> V1Id {
        digit.repeat(64).parse().unwrap()
    }

    fn read(digit: &str, text: &str) -> Result<LegacyLayer> {
        let text = text.replace("aa…a", &"a".repeat(64)).replace("bb…b", &"b".repeat(64));
        LegacyLayer::read(text.as_bytes(), "x", &id(digit), &Diagnostics::silent())
    }

    fn diff_id(zeros: usize) -> DiffId {
        DiffId(Digest::sha256(&vec![0; zeros]))
    }

    /// L-33, verified with docker 20.10.
    #[test]
    fn the_config_of_the_verified_image_is_dockers() {
        let base = read("a", r##"{"id":"aa…a","created":"2015-10-01T00:00:00.123Z","container":"cc","container_config":{"Hostname":"h","Cmd":["/bin/sh","-c","#(nop) ADD file:x in /"]},"docker_version":"1.9.1","author":"A <a@b>","architecture":"amd64","os":"linux","Size":123}"##).unwrap();
        let top = read("b", r##"{"id":"bb…b","parent":"aa…a","created":"2015-10-02T00:00:00Z","container_config":{"Cmd":["/bin/sh","-c","#(nop) CMD [\"sh\"]"]},"docker_version":"1.9.1","comment":"hi","config":{"Cmd":["sh"],"Env":null,"X":"<&>"},"architecture":"amd64","os":"linux","Size":0,"unknownField":{"z":1,"a":2}}"##).unwrap();
        assert_eq!((base.parent(), top.parent()), (None, Some(&id("a"))));
        assert!(!top.has_another_id_in_docker());
        let config = synthesise_config(&[(&base, &diff_id(10240)), (&top, &diff_id(1024))]).unwrap();
        assert_eq!(
            std::str::from_utf8(&config).unwrap(),
            r##"{"architecture":"amd64","comment":"hi","config":{"Cmd":["sh"],"Env":null,"X":"\u003c\u0026\u003e"},"container_config":{"Cmd":["/bin/sh","-c","#(nop) CMD [\"sh\"]"]},"created":"2015-10-02T00:00:00Z","docker_version":"1.9.1","history":[{"created":"2015-10-01T00:00:00.123Z","author":"A \u003ca@b\u003e","created_by":"/bin/sh -c #(nop) ADD file:x in /"},{"created":"2015-10-02T00:00:00Z","created_by":"/bin/sh -c #(nop) CMD [\"sh\"]","comment":"hi"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652","sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]},"unknownField":{"z":1,"a":2}}"##
        );
        assert_eq!(
            Digest::sha256(&config).encoded(),
            "069b0445c414329da3b2ec557aa4fdb7458a1d8118522402db1a8d1438798ce1"
        );
    }

    #[test]
    fn values_keep_their_spelling() {
        let top = read(
            "a",
            r#"{ "z" : [ 1.0, 1e400, "\/\u0041\b" ], "id":"aa…a", "throwaway":true, "parent_id":"", "layer_id":"", "n":null,
                 "container_config":{"Cmd":"run  me"}, "history":1, "rootfs":2, "a<":{} }"#,
        )
        .unwrap();
        let config = synthesise_config(&[(&top, &diff_id(0))]).unwrap();
        assert_eq!(
            std::str::from_utf8(&config).unwrap(),
            r#"{"a\u003c":{},"container_config":{"Cmd":"run  me"},"history":[{"created":"0001-01-01T00:00:00Z","created_by":"run  me"}],"n":null,"rootfs":{"type":"layers","diff_ids":["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]},"z":[1.0,1e400,"\/\u0041\b"]}"#
        );
        assert_eq!(synthesise_config(&[]), None);
    }

    #[test]
    fn versions_that_docker_rewrites_are_known() {
        for (version, rewritten) in [
            ("", true),
            ("0.6.3", true),
            ("1.8.2", true),
            ("1.8.3-rc1", true),
            ("1.8.3", false),
            ("1.9", false),
            ("1.10.0-dev", false),
            ("20.10.24", false),
        ] {
            let layer = read("a", &format!(r#"{{"id":"aa…a","docker_version":"{version}"}}"#)).unwrap();
            assert_eq!(layer.has_another_id_in_docker(), rewritten, "{version}");
        }
    }

    #[test]
    fn metadata_of_another_layer_and_damaged_metadata_are_refused() {
        for (text, expected) in [
            ("{}", "`id` is missing"),
            (r#"{"id":"bb…b"}"#, "expected that of its directory"),
            (r#"{"id":"aa…a","parent":"../x"}"#, "parent: `../x` is not a layer ID"),
            (r#"{"id":"aa…a","created":"yesterday"}"#, "created: `yesterday` is not an RFC 3339 time"),
            (r#"{"id":"aa…a","container_config":{"Cmd":[1]}}"#, "expected a text"),
            (r#"{"id":"aa…a","id":"aa…a"}"#, "`id` occurs twice"),
            (r#"{"id":"aa…a","author":[]}"#, "expected a text"),
        ] {
            let error = read("a", text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
