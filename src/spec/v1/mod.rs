//! The words of docker's first image format: a directory for each layer, named by its v1 ID.
//!
//! Since docker 1.10 nothing but the fallback for archives without `manifest.json` reads them (docs/formats.md L-30); they
//! are written for that fallback and for old scanners, as ggcr does.
//!
//! Sources: moby image spec v1.0; go-containerregistry `pkg/legacy/tarball`; docs/formats.md L-10 to L-16, L-31 to L-34.

mod layer;
mod legacy;

pub use layer::{Steps, layer_json};
pub use legacy::{LegacyLayer, synthesise_config};

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// The name of a layer's directory: 64 lower-case hex digits. Readers take it for an opaque key (L-19).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct V1Id(Box<str>);

/// The error for a text that is not a v1 ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a layer ID of 64 lower-case hex digits", .0.escape_debug())]
pub struct ParseV1IdError(String);

impl V1Id {
    /// The IDs of an image's layers, base first, as ggcr gives them (L-10).
    ///
    /// `layers` are the digests that the source lists, else the diff_ids (L-11); `config` is the config's exact bytes.
    pub fn of_layers(layers: &[Digest], config: &[u8]) -> Vec<Self> {
        let mut ids: Vec<Self> = Vec::with_capacity(layers.len());
        for (at, layer) in layers.iter().enumerate() {
            let mut input = format!("{} {}", layer.encoded(), ids.last().map_or("", Self::as_str)).into_bytes();
            if at + 1 == layers.len() && !config.is_empty() {
                input.push(b' ');
                input.extend_from_slice(config);
            }
            ids.push(Self(Digest::sha256(&input).encoded().into()));
        }
        ids
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The member that holds the layer's tar.
    pub fn layer_member(&self) -> String {
        format!("{self}/layer.tar")
    }

    /// The member that holds the layer's metadata.
    pub fn json_member(&self) -> String {
        format!("{self}/json")
    }

    /// The member that names the version of this format.
    pub fn version_member(&self) -> String {
        format!("{self}/VERSION")
    }
}

impl FromStr for V1Id {
    type Err = ParseV1IdError;

    fn from_str(text: &str) -> Result<Self, ParseV1IdError> {
        match Digest::from_sha256_hex(text) {
            Some(_) => Ok(Self(text.into())),
            None => Err(ParseV1IdError(text.chars().take(80).collect())),
        }
    }
}

impl fmt::Display for V1Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The images of L-12, verified with ggcr.
#[cfg(test)]
mod examples {
    pub(super) const TWO_LAYERS: &str = r#"{"architecture":"amd64","config":{"Cmd":["/bin/sh"],"Env":["A=1"]},"created":"2020-01-02T03:04:05Z","history":[{"created":"2020-01-02T03:04:03Z","created_by":"ADD one"},{"created":"2020-01-02T03:04:04Z","created_by":"ENV A=1","empty_layer":true},{"created":"2020-01-02T03:04:05Z","created_by":"RUN two \u0026\u0026 <x>","author":"me","comment":"c"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef","sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"]}}"#;
    pub(super) const ONE_LAYER: &str = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;
    pub(super) const TWO_LAYERS_IDS: [&str; 2] = [
        "1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69",
        "a892f1057c03eadf905acd62d1abb49cabf22e8f3579ac4f463af6cad778d865",
    ];
    pub(super) const ONE_LAYER_ID: &str = "43790b2ec37d4336a49884da231eafae6c31d2e820ed3948b96b520d432699e9";
}

#[cfg(test)]
mod tests {
    use super::examples::*;
    use super::*;

    #[test]
    fn ids_are_ggcrs() {
        let layers = [Digest::sha256(&[0; 1024]), Digest::sha256(&[0; 10240])];
        let strings = |ids: Vec<V1Id>| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(strings(V1Id::of_layers(&layers, TWO_LAYERS.as_bytes())), TWO_LAYERS_IDS);
        assert_eq!(strings(V1Id::of_layers(&layers[..1], ONE_LAYER.as_bytes())), [ONE_LAYER_ID]);
        assert_eq!(strings(V1Id::of_layers(&[], b"{}")), [""; 0]);
    }

    #[test]
    fn one_layer_twice_has_two_ids_and_a_shared_base_one() {
        let layer = Digest::sha256(b"");
        let ids = V1Id::of_layers(&[layer.clone(), layer.clone(), layer.clone()], b"{}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(V1Id::of_layers(&[layer.clone(), layer], b"x")[0], ids[0]);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let id: V1Id = ONE_LAYER_ID.parse().unwrap();
        assert_eq!(id.layer_member(), format!("{ONE_LAYER_ID}/layer.tar"));
        for text in ["", "..", &ONE_LAYER_ID[1..], &ONE_LAYER_ID.to_uppercase(), &format!("{ONE_LAYER_ID}/")] {
            assert!(text.parse::<V1Id>().is_err(), "{text}");
        }
    }
}
