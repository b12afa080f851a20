//! Documents, read as far as they go: one part that is wrong is a finding, and the rest is still looked at.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Checker;
use super::finding;
use crate::diagnostics::Diagnostic;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::json;
use crate::spec::media_type::MediaType;
use crate::spec::oci;
use crate::stream::source::Extent;

/// A manifest, as far as it can be read.
pub(super) struct ManifestView {
    /// `None` if its descriptor cannot be read.
    pub(super) config: Option<Descriptor>,
    /// `None` where a descriptor cannot be read.
    pub(super) layers: Vec<Option<Descriptor>>,
}

/// A config, as far as it can be read.
pub(super) struct ConfigView {
    pub(super) image_id: Digest,
    /// `None` where a diff_id cannot be read, or there is no list.
    pub(super) diff_ids: Vec<Option<DiffId>>,
    /// All else, if nothing is wrong with it.
    pub(super) config: Option<ImageConfig>,
}

impl Checker<'_> {
    /// The bytes of a document, if it is not too large.
    pub(super) fn bytes(&mut self, extent: &Extent, place: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        match extent.read(place, cap) {
            Ok(bytes) => {
                self.run.budget.charge_memory(json::memory_size(&bytes), place)?;
                Ok(Some(bytes))
            }
            Err(error) => {
                self.refused(error, place)?;
                Ok(None)
            }
        }
    }

    /// What `bytes` say, if they are a JSON document of this form; `rule` is that of the form.
    pub(super) fn json<T: DeserializeOwned>(
        &mut self,
        bytes: &[u8],
        place: &str,
        cap: u64,
        rule: Rule,
    ) -> Result<Option<T>> {
        match json::read(bytes, place, cap, rule) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.refused(error, place)?;
                Ok(None)
            }
        }
    }

    /// Takes note of what another module refused.
    pub(super) fn refused(&mut self, error: Error, place: &str) -> Result<()> {
        let finding = finding::of(error, place)?;
        self.add(finding);
        Ok(())
    }

    /// The entries of the index that `bytes` are (O-2); `None` if it is no JSON object.
    pub(super) fn index(
        &mut self,
        bytes: &[u8],
        place: &str,
        promised: Option<&MediaType>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let Some(object) = self.object(bytes, place)? else { return Ok(None) };
        let before = self.findings.len();
        let entries = self.descriptors(object.get("manifests"), "manifests", place);
        self.refused_unless_said(before, oci::Index::read(bytes, place, promised).err(), place)?;
        Ok(Some(entries.into_iter().flatten().collect()))
    }

    /// The manifest that `bytes` are (O-8); `None` if it is no JSON object.
    pub(super) fn manifest(&mut self, bytes: &[u8], place: &str, promised: &MediaType) -> Result<Option<ManifestView>> {
        let Some(object) = self.object(bytes, place)? else { return Ok(None) };
        let before = self.findings.len();
        let config = object.get("config").and_then(|config| self.descriptor(config, &format!("{place}: config")));
        let layers = self.descriptors(object.get("layers"), "layers", place);
        self.refused_unless_said(before, oci::Manifest::read(bytes, place, Some(promised)).err(), place)?;
        Ok(Some(ManifestView { config, layers }))
    }

    /// The config that `bytes` are (M-11).
    pub(super) fn config(&mut self, bytes: Vec<u8>, place: &str) -> Result<ConfigView> {
        let image_id = Digest::sha256(&bytes);
        let unreadable = |image_id| ConfigView { image_id, diff_ids: Vec::new(), config: None };
        let Some(object) = self.object(&bytes, place)? else { return Ok(unreadable(image_id)) };
        let listed = object.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")).and_then(Value::as_array);
        let diff_ids = listed.map(|listed| self.diff_ids(listed, place)).unwrap_or_default();
        let config = match ImageConfig::read(bytes, place) {
            Ok(config) => Some(config),
            // The diff_id that cannot be read has been named.
            Err(_) if diff_ids.contains(&None) => None,
            Err(error) => {
                self.refused(error, place)?;
                None
            }
        };
        Ok(ConfigView { image_id, diff_ids, config })
    }

    fn diff_ids(&mut self, listed: &[Value], place: &str) -> Vec<Option<DiffId>> {
        let mut diff_ids = Vec::with_capacity(listed.len());
        for (nth, value) in listed.iter().enumerate() {
            let parsed = DiffId::deserialize(value);
            if let Err(error) = &parsed {
                self.add(Diagnostic::error(Rule::H2, format!("{place}: rootfs.diff_ids[{nth}]"), error.to_string()));
            }
            diff_ids.push(parsed.ok());
        }
        diff_ids
    }

    fn object(&mut self, bytes: &[u8], place: &str) -> Result<Option<Map<String, Value>>> {
        self.json(bytes, place, MAX_DOCUMENT, Rule::G14)
    }

    /// The document as a whole was refused; not worth a finding if one of its parts, looked at before, has the same fault.
    fn refused_unless_said(&mut self, before: usize, error: Option<Error>, place: &str) -> Result<()> {
        let Some(error) = error else { return Ok(()) };
        let text = error.to_string();
        if self.findings[before..].iter().any(|finding| text.contains(&finding.message)) {
            return Ok(());
        }
        self.refused(error, place)
    }

    fn descriptors(&mut self, list: Option<&Value>, key: &str, place: &str) -> Vec<Option<Descriptor>> {
        let values = list.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let place = |nth| format!("{place}: {key}[{nth}]");
        values.iter().enumerate().map(|(nth, value)| self.descriptor(value, &place(nth))).collect()
    }

    /// A descriptor; one whose `data` is false counts without it (O-7).
    fn descriptor(&mut self, value: &Value, place: &str) -> Option<Descriptor> {
        match Descriptor::deserialize(value) {
            Ok(descriptor) => Some(descriptor),
            Err(error) => {
                let problem = error.to_string();
                self.add(Diagnostic::error(super::rules::told(&problem).unwrap_or(Rule::O6), place, problem));
                let mut rest = value.as_object()?.clone();
                rest.shift_remove("data")?;
                Descriptor::deserialize(Value::Object(rest)).ok()
            }
        }
    }
}
