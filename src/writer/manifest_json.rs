//! Docker's `manifest.json` in the making: thousands of entries may list one image, whose layers are held once.
//!
//! Sources: docs/formats.md D-4, L-4; docs/bundles.md B-35.

use std::collections::{BTreeMap, HashMap};
use std::mem;
use std::rc::Rc;

use crate::error::Result;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::docker::{self, ManifestItem};

/// The largest document that podman, buildah and skopeo read, bytes (docs/bundles.md B-35).
const MOST_FOR_PODMAN: usize = 1 << 20;

/// The fields of an item that depend on its image alone, without the names.
pub(super) struct ImageItem {
    /// The config's member.
    pub(super) config: String,
    /// The layers' members, base first.
    pub(super) layers: Vec<String>,
    /// The image ID of the parent, if that is in the archive too.
    pub(super) parent: Option<String>,
    /// Foreign layers by diff_id.
    pub(super) layer_sources: BTreeMap<String, Descriptor>,
}

impl ImageItem {
    /// Returns the item to be shared by all that list it; `at` names the image.
    ///
    /// # Errors
    /// When its members take more memory than is allowed.
    pub(super) fn shared(self, at: &str, run: &Run) -> Result<Rc<Self>> {
        let sizes = self.layers.iter().map(|layer| size_of::<String>() + layer.len());
        run.budget.charge_memory(sizes.sum::<usize>() as u64, at)?;
        Ok(Rc::new(self))
    }
}

/// The items of the document, in order, each with its names.
#[derive(Default)]
pub(super) struct ManifestJson {
    items: Vec<(Vec<String>, Rc<ImageItem>)>,
}

impl ManifestJson {
    /// Lists an image under `names`.
    pub(super) fn list(&mut self, names: Vec<String>, item: Rc<ImageItem>) {
        self.items.push((names, item));
    }

    /// Returns the document with items that are one image but for their names as one, as readers take them: what made two
    /// images of them in the input, such as another compression of a layer, need not be there any more (D-4).
    pub(super) fn merged(mut self) -> Self {
        let (mut of_content, mut of_item) = (HashMap::new(), HashMap::new());
        let mut firsts = Vec::with_capacity(self.items.len());
        for (number, (_, item)) in self.items.iter().enumerate() {
            // Layers are compared once for all entries that list an image.
            let first = of_item.entry(Rc::as_ptr(item)).or_insert_with(|| {
                let first = *of_content.entry((&item.config, &item.layers)).or_insert(number);
                if self.items[first].1.layer_sources == item.layer_sources { first } else { number }
            });
            firsts.push(*first);
        }
        for (number, &first) in firsts.iter().enumerate().filter(|(number, first)| number != *first) {
            let names = mem::take(&mut self.items[number].0);
            self.items[first].0.extend(names);
        }
        let is_first = |(number, item)| (firsts[number] == number).then_some(item);
        Self { items: self.items.into_iter().enumerate().filter_map(is_first).collect() }
    }

    /// Returns the document's bytes.
    ///
    /// # Errors
    /// When they take more memory than is allowed; under `--strict` when they are more than podman reads.
    pub(super) fn to_bytes(&self, run: &Run) -> Result<Vec<u8>> {
        let items = self.items.iter().map(|(names, item)| ManifestItem {
            config: item.config.clone(),
            repo_tags: names.clone(),
            layers: item.layers.clone(),
            parent: item.parent.clone(),
            layer_sources: item.layer_sources.clone(),
        });
        let bytes = docker::manifest(items, |bytes| run.budget.charge_memory(bytes as u64, docker::MANIFEST_MEMBER))?;
        if bytes.len() > MOST_FOR_PODMAN {
            let problem =
                "it is larger than 1 MiB, which podman, buildah and skopeo refuse: write fewer images to an archive";
            run.diagnostics.warn_of_target(Rule::B35, docker::MANIFEST_MEMBER, problem)?;
        }
        Ok(bytes)
    }
}
