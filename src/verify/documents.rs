//! Contradictions between the documents of images, and missing parts of images.
//!
//! Sources: docs/formats.md H-2, H-21, L-16, L-20, L-23, L-30, O-3, O-12, O-15.

use std::collections::HashSet;
use std::sync::Arc;

use super::Verification;
use crate::diagnostics::{Diagnostic, Severity};
use crate::digest::{DiffId, Digest};
use crate::error::Result;
use crate::image::{Blob, Image, ListedNode, Missing, Node, PartialImage, platform_title};
use crate::path::quote;
use crate::reader::Format;
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::docker::{ManifestItem, REPOSITORIES_MEMBER, digest_in_name};
use crate::spec::platform::Platform;
use crate::spec::v1::V1Id;

impl Verification<'_> {
    /// Adds all images that the archive lists.
    pub(super) fn images(&mut self) -> Result<()> {
        let set = self.set;
        for entry in &set.entries {
            self.node(&entry.node)?;
            entry.node.distinct_images().into_iter().for_each(|image| self.needs(image));
        }
        let listed = set.index_json.iter().flat_map(|listing| &listing.listed);
        // A `dir:` has no list: the archive itself is named.
        let unlisted = set.entries.iter().filter(|_| self.archive.format == Format::Dir);
        let label = self.archive.label();
        let nodes = listed.map(|listed| (&*listed.at, &listed.node)).chain(unlisted.map(|entry| (label, &entry.node)));
        for (at, node) in nodes {
            if let Some(missing) = self.missing(node)? {
                let problem = format!("the archive does not hold {}", missing.member);
                self.add(Diagnostic::error(Rule::O3, at, problem));
            }
        }
        let Some(listing) = &set.manifest_json else { return Ok(()) };
        for item in &listing.listed {
            self.node(&item.node)?;
            self.item(item)?;
        }
        Ok(())
    }

    /// Adds the members that are blobs or layers by their names, whether a document refers to them or not.
    pub(super) fn members(&mut self) -> Result<()> {
        match self.archive.format {
            Format::Oci | Format::Delta | Format::Hybrid => self.blobs(),
            Format::V1 => self.layer_directories(),
            Format::Dir => self.hex_files(),
            Format::Docker => Ok(()),
        }
    }

    /// Checks that every blob has the digest in its name (O-3).
    fn blobs(&mut self) -> Result<()> {
        let unreferenced: HashSet<&Digest> = self.set.unreferenced.iter().map(|blob| &blob.digest).collect();
        for path in self.archive.members.names()? {
            let Some(rest) = path.as_bytes().strip_prefix(b"blobs/") else { continue };
            let at = self.archive.members.at(&path.to_string());
            let name = std::str::from_utf8(rest).ok().and_then(|rest| rest.split_once('/'));
            let digest = name.map(|(algorithm, encoded)| format!("{algorithm}:{encoded}").parse::<Digest>());
            let Some(Ok(digest)) = digest else {
                self.add(Diagnostic::warning(Rule::H2, at, "its name is not a digest, and nothing can refer to it"));
                continue;
            };
            let Some(extent) = self.find_blob(&digest.blob_path())? else { continue };
            if unreferenced.contains(&digest) {
                self.add(Diagnostic::note(Rule::O3, &at, "nothing refers to this blob"));
            }
            let body = self.bodies.add(extent, &at)?;
            self.bodies.expect(body, &digest, (Severity::Error, Rule::H3), "its name");
        }
        Ok(())
    }

    /// Checks that every file of a `dir:` whose name is the hex of a digest has that digest.
    fn hex_files(&mut self) -> Result<()> {
        for path in self.archive.members.names()? {
            let name = path.to_string();
            let Some(digest) = digest_in_name(&name) else { continue };
            let at = self.archive.members.at(&name);
            if let Some(extent) = self.find_blob(&name)? {
                let body = self.bodies.add(extent, &at)?;
                self.bodies.expect(body, &digest, (Severity::Error, Rule::H3), "its name");
            }
        }
        Ok(())
    }

    /// Adds every layer of Docker 1.9 and older, and notes if Docker from 1.10 on would not load them (L-30).
    fn layer_directories(&mut self) -> Result<()> {
        if !self.archive.members.has(REPOSITORIES_MEMBER)? {
            let problem =
                "it is missing: without it and without manifest.json Docker from 1.10 on does not load the archive";
            self.add(Diagnostic::note(Rule::L30, self.archive.members.at(REPOSITORIES_MEMBER), problem));
        }
        for path in self.archive.members.names()? {
            let Some((directory, b"layer.tar")) = path.split() else { continue };
            let id = std::str::from_utf8(directory.as_bytes()).ok().and_then(|name| name.parse::<V1Id>().ok());
            let Some(member) = id.map(|id| id.layer_member()) else { continue };
            if let Some(extent) = self.find(&member, "its directory")? {
                let body = self.bodies.add(extent, &self.archive.members.at(&member))?;
                self.bodies.layer(body, None);
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<()> {
        if !self.visited.insert(node.address()) {
            return Ok(());
        }
        match node {
            Node::Image(image) => self.image(image),
            Node::Index(index) => index.children.iter().try_for_each(|child| self.node(&child.node)),
            Node::Artifact(artifact) => {
                for blob in &artifact.blobs {
                    let at = self.archive.members.at(&blob.digest.blob_path());
                    let body = self.bodies.add(blob.extent.clone(), &at)?;
                    blob.size.into_iter().for_each(|size| self.bodies.expect_size(body, size));
                }
                Ok(())
            }
            Node::Missing(missing) => missing.image.as_ref().map_or(Ok(()), |image| self.partial(image)),
            Node::Broken(broken) => broken.image.as_ref().map_or(Ok(()), |image| self.partial(image)),
        }
    }

    fn image(&mut self, image: &Image) -> Result<()> {
        let config_at = match &image.manifest {
            Some(manifest) => self.archive.members.at(&manifest.view.config().digest().blob_path()),
            None => image.at.clone(),
        };
        self.checked.insert((image.image_id.clone(), Some(image.platform.machine())));
        // A v1 image has no config: the reader made this one (L-32).
        if self.archive.format != Format::V1 {
            self.config(&image.config, &config_at);
        }
        self.platform(&image.platform, image.config.platform(), &image.at);
        if image.platform.os == "windows" {
            let problem = "an image for Windows: engines on Linux may store it, but cannot run it";
            self.add(Diagnostic::warning(Rule::O12, &image.at, problem));
        }
        if self.archive.format != Format::V1 {
            self.unknown_platform(&image.platform, &config_at);
        }
        self.stack(image)
    }

    /// B-15: layers that are left to a base are not damage.
    fn needs(&mut self, image: &Image) {
        if let Some(needs) = &image.needs {
            let count = format!("{} of its {} layers", needs.layers, image.layers.len());
            self.add(match &needs.image {
                Some(base) if needs.delta.is_some() => {
                    let problem = format!(
                        "it is a delta that needs {base}. Its blobs were checked; its layers were not rebuilt: that takes an \
                         archive of {base} with it"
                    );
                    Diagnostic::note(Rule::P3, &image.at, problem)
                }
                Some(base) => Diagnostic::note(Rule::B15, &image.at, format!("it leaves {count} to {base}")),
                None => {
                    let problem = format!("{count} are not there, the lowest: it is an increment, or damaged");
                    Diagnostic::warning(Rule::B15, &image.at, problem)
                }
            });
        }
    }

    fn partial(&mut self, image: &PartialImage) -> Result<()> {
        if let Some(image_id) = &image.image_id {
            let machine = image.config.as_ref().map(|config| config.platform().machine());
            self.checked.insert((image_id.clone(), machine));
        }
        if let Some(config) = &image.config {
            self.config(config, &image.config_at);
            self.unknown_platform(config.platform(), &image.config_at);
        }
        self.partial_stack(image)
    }

    /// L-16, M-14, O-12: no engine needs a history that fits, but ggcr refuses to write such an image as legacy.
    fn config(&mut self, config: &Arc<ImageConfig>, at: &str) {
        if !self.visited.insert(Arc::as_ptr(config).cast()) {
            return;
        }
        let steps = config.history().iter().filter(|step| !step.empty_layer).count();
        if steps > 0 && steps != config.diff_ids().len() {
            let problem = "its history has another number of steps that make a layer than there are diff_ids";
            self.add(Diagnostic::warning(Rule::L16, at, problem).values(&config.diff_ids().len(), &steps));
        }
        for fault in config.type_faults() {
            let severity = if fault.stops_all() { Severity::Error } else { Severity::Warning };
            self.add(Diagnostic::new(severity, Rule::M14, at, fault.problem()));
        }
    }

    /// O-12: neither the descriptor nor the config has the image's platform.
    fn unknown_platform(&mut self, platform: &Platform, at: &str) {
        if platform.os.is_empty() || platform.architecture.is_empty() {
            let problem = "the config does not say on which operating system and architecture the image runs";
            self.add(Diagnostic::warning(Rule::O12, at, problem));
        }
    }

    /// O-12: engines select by the platform in the descriptor, even where the config has another one.
    fn platform(&mut self, described: &Platform, config: &Platform, at: &str) {
        let is_known = !config.os.is_empty() && !config.architecture.is_empty();
        if is_known && is_of_another_machine(described, config) {
            let problem = "its descriptor names another platform than its config";
            self.add(Diagnostic::warning(Rule::O12, at, problem).values(config, described));
        }
    }

    /// Reports what below `node` is not there; returns `node` itself if nothing of it is.
    fn missing<'n>(&mut self, node: &'n Node) -> Result<Option<&'n Missing>> {
        match node {
            Node::Missing(missing) if is_gone(missing) => Ok(Some(missing)),
            Node::Missing(missing) => {
                let at = self.archive.members.at(&missing.named_by);
                for member in std::iter::once(&missing.member).chain(&missing.others) {
                    self.add(Diagnostic::error(Rule::O3, &at, format!("the archive does not hold {member}")));
                }
                Ok(None)
            }
            Node::Index(index) => {
                let mut gone = Vec::new();
                for child in &index.children {
                    gone.extend(self.missing(&child.node)?.map(|missing| (&child.descriptor, missing)));
                }
                if node.images().is_empty() && !gone.is_empty() {
                    return Ok(Some(gone[0].1));
                }
                let at = self.archive.members.at(&index.document.digest.blob_path());
                for (child, missing) in gone {
                    let what = platform_title(child.platform());
                    let problem = format!("{what} is listed, but the archive does not hold {}", missing.member);
                    self.add(Diagnostic::warning(Rule::O15, &at, problem));
                }
                Ok(None)
            }
            Node::Image(_) | Node::Artifact(_) | Node::Broken(_) => Ok(None),
        }
    }

    /// Checks the layers of an item of `manifest.json` against its `LayerSources`.
    fn item(&mut self, item: &ListedNode<ManifestItem>) -> Result<()> {
        let nothing: &[_] = &[];
        match &item.node {
            Node::Image(image) => {
                let layers = image.layers.iter().map(|layer| (layer.blob.as_ref(), Some(&layer.diff_id)));
                self.item_layers(item, &layers.collect::<Vec<_>>())
            }
            Node::Broken(broken) => {
                let layers = broken.image.as_ref().map_or(nothing, |image| &image.layers);
                let layers = layers.iter().map(|layer| (layer.blob.as_ref(), layer.diff_id.as_ref()));
                self.item_layers(item, &layers.collect::<Vec<_>>())
            }
            Node::Index(_) | Node::Artifact(_) | Node::Missing(_) => Ok(()),
        }
    }

    fn item_layers(
        &mut self,
        item: &ListedNode<ManifestItem>,
        layers: &[(Option<&Blob>, Option<&DiffId>)],
    ) -> Result<()> {
        for (member, (blob, diff_id)) in item.written.layers.iter().zip(layers) {
            let Some(source) = item.written.layer_source(member, *diff_id) else { continue };
            let is_foreign = source.media_type().is_nondistributable();
            match blob {
                Some(blob) => {
                    let body = self.bodies.add(blob.extent.clone(), &self.archive.members.at(member))?;
                    match is_foreign {
                        true => self.bodies.foreign(body, source),
                        false => {
                            self.bodies.expect(body, source.digest(), (Severity::Warning, Rule::H21), "LayerSources");
                        }
                    }
                }
                None if is_foreign => {
                    let problem = format!(
                        "the archive does not hold its layer `{}`, which may not be distributed",
                        quote(member)
                    );
                    self.add(Diagnostic::note(Rule::L23, &item.at, problem));
                }
                None => {}
            }
        }
        let by_name = item.written.layers.iter().filter_map(|member| digest_in_name(member));
        let by_config = layers.iter().filter_map(|(_, diff_id)| Some(diff_id.as_ref()?.digest().clone()));
        let known: HashSet<String> = by_name.chain(by_config).map(|digest| digest.to_string()).collect();
        for key in item.written.layer_sources.keys().filter(|key| !known.contains(*key)) {
            let problem = format!("LayerSources has an entry for `{}`, which is none of its layers", quote(key));
            self.add(Diagnostic::note(Rule::L20, &item.at, problem));
        }
        Ok(())
    }
}

/// Returns true if the archive holds nothing that a manifest names: its platform was not exported (O-15).
fn is_gone(missing: &Missing) -> bool {
    missing.present.len() <= 1
        && missing
            .image
            .as_ref()
            .is_none_or(|image| image.image_id.is_none() && image.layers.iter().all(|layer| layer.blob.is_none()))
}

/// Returns whether the two differ in more than the variant, which older tools never wrote into configs.
fn is_of_another_machine(one: &Platform, other: &Platform) -> bool {
    let (one, other) = (one.machine(), other.machine());
    (one.os, one.architecture) != (other.os, other.architecture)
}
