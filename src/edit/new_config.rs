//! The config of an imported filesystem: a new one, or another image's for this one layer (docs/formats.md X-3).

use serde_json::{Map, Value};

use super::config::ConfigChanges;
use super::document::ConfigDocument;
use super::history::HistoryEntries;
use crate::diagnostics::Diagnostics;
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::spec::json;

/// The `created_by` of the layer in the history.
const IMPORTED: &str = "imgtar import";

/// The config that an imported filesystem gets. Nothing is taken from this machine: a new one should have
/// [`os`](ConfigChanges::os) and [`architecture`](ConfigChanges::architecture), or the image is for no platform.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct NewConfig {
    /// The bytes of another image's config, of which everything stays but layers and history.
    pub from: Option<Vec<u8>>,
    /// The changes to apply to it.
    pub changes: ConfigChanges,
}

impl NewConfig {
    /// Refuses what [`Self::of_layer`] would, before there is a layer.
    ///
    /// # Errors
    /// Those of [`ConfigChanges`].
    pub(crate) fn check(&self) -> Result<()> {
        self.of_layer(&DiffId(Digest::sha256(b"")), &Diagnostics::silent()).map(drop)
    }

    /// The config for an image of this one layer: compact, without a newline, the keys of a new one ascending (L-9).
    ///
    /// The bytes depend on nothing else: neither on the input's name nor on a clock.
    ///
    /// # Errors
    /// Those of [`ConfigChanges`].
    pub(crate) fn of_layer(&self, diff_id: &DiffId, diagnostics: &Diagnostics) -> Result<Vec<u8>> {
        match &self.from {
            Some(raw) => self.taken_from(raw, diff_id, diagnostics),
            None => self.made(diff_id, diagnostics),
        }
    }

    /// The entries of the history stay and made no layer, so that the commands are on record.
    fn taken_from(&self, raw: &[u8], diff_id: &DiffId, diagnostics: &Diagnostics) -> Result<Vec<u8>> {
        let mut document = ConfigDocument::read(raw, "the other image's config")?;
        self.changes.apply(&mut document, diagnostics)?;
        document.set_diff_ids([diff_id].into_iter())?;
        let created = document.text("created").unwrap_or("1970-01-01T00:00:00Z").to_owned();
        let mut history = HistoryEntries::new(document.history());
        history.squash(0..usize::MAX, IMPORTED, &created);
        document.set_history(history.into_entries());
        Ok(document.to_bytes())
    }

    fn made(&self, diff_id: &DiffId, diagnostics: &Diagnostics) -> Result<Vec<u8>> {
        // Written even when empty, as every builder does.
        let mut document = ConfigDocument::read(br#"{"config":{}}"#, "the config")?;
        self.changes.apply(&mut document, diagnostics)?;
        let mut step = Map::new();
        if let Some(created) = document.text("created") {
            step.insert("created".to_owned(), created.into());
        }
        step.insert("created_by".to_owned(), IMPORTED.into());
        document.set_history(vec![step.into()]);
        document.set_diff_ids([diff_id].into_iter())?;
        let mut object = document.object().clone();
        if let Some(rootfs) = object.get_mut("rootfs").and_then(Value::as_object_mut) {
            rootfs.insert("type".to_owned(), "layers".into());
        }
        let mut value = Value::Object(object);
        value.sort_all_objects();
        Ok(json::write(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::edit::RuntimeChanges;
    use crate::spec::config::ImageConfig;
    use crate::spec::timestamp::Timestamp;

    fn written(config: &NewConfig) -> (DiffId, String) {
        let diff_id = DiffId(Digest::sha256(b""));
        let bytes = config.of_layer(&diff_id, &Diagnostics::silent()).unwrap();
        (diff_id, String::from_utf8(bytes).unwrap())
    }

    fn platform() -> ConfigChanges {
        ConfigChanges { os: Some("linux".into()), architecture: Some("amd64".into()), ..ConfigChanges::default() }
    }

    #[test]
    fn a_new_config_says_what_is_known_and_no_more() {
        let (diff_id, text) = written(&NewConfig { from: None, changes: platform() });
        let expected = r#"{"architecture":"amd64","config":{},"history":[{"created_by":"imgtar import"}],"os":"linux","rootfs":{"diff_ids":["DIFF_ID"],"type":"layers"}}"#;
        assert_eq!(text, expected.replace("DIFF_ID", &diff_id.to_string()));
    }

    #[test]
    fn a_new_config_reads_back_as_it_was_meant() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect::<Vec<_>>();
        let runtime = RuntimeChanges {
            cmd: Some(words(&["-c", "a && <b>"])),
            entrypoint: Some(words(&["/bin/sh"])),
            env: pairs(&[("B", "2"), ("A", "1")]),
            labels: pairs(&[("z", "1"), ("a", "")]),
            user: Some("1000:1000".into()),
            working_dir: Some("/srv".into()),
            ..RuntimeChanges::default()
        };
        let changes = ConfigChanges { created: Timestamp::from_unix(1), runtime, ..platform() };
        let (diff_id, text) = written(&NewConfig { from: None, changes });
        let config = ImageConfig::read(text.into_bytes(), "x").unwrap();
        assert_eq!(config.diff_ids(), [diff_id]);
        assert_eq!(config.created(), Some("1970-01-01T00:00:01Z"));
        assert_eq!(config.history()[0].created.as_deref(), config.created());
        assert_eq!(
            serde_json::to_string(config.runtime()).unwrap(),
            r#"{"Cmd":["-c","a && <b>"],"Entrypoint":["/bin/sh"],"Env":["B=2","A=1"],"Labels":{"a":"","z":"1"},"User":"1000:1000","WorkingDir":"/srv"}"#
        );
    }

    #[test]
    fn a_config_from_another_image_keeps_what_it_says_and_how_it_was_made() {
        let other = br#"{"os":"linux","x":1.50,"config":{"User":"1"},"created":"2020-01-01T00:00:00Z","history":[{"created":"2019-01-01T00:00:00Z","created_by":"a"},{"created_by":"b","empty_layer":true}],"rootfs":{"type":"layers","diff_ids":["sha256:0"]}}"#;
        let changes = ConfigChanges { author: Some("me".into()), ..ConfigChanges::default() };
        let (diff_id, text) = written(&NewConfig { from: Some(other.to_vec()), changes });
        let expected = r#"{"os":"linux","x":1.50,"config":{"User":"1"},"created":"2020-01-01T00:00:00Z","history":[{"created":"2019-01-01T00:00:00Z","created_by":"a","empty_layer":true},{"created_by":"b","empty_layer":true},{"created":"2019-01-01T00:00:00Z","created_by":"imgtar import"}],"rootfs":{"type":"layers","diff_ids":["DIFF_ID"]},"author":"me"}"#;
        assert_eq!(text, expected.replace("DIFF_ID", &diff_id.to_string()));
    }
}
