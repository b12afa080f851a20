//! A layout: `oci-layout`, `index.json`, and everything that it leads to.
//!
//! Sources: docs/formats.md O-1 to O-15, O-19, H-2 to H-4, H-7.

use std::collections::{HashMap, HashSet};

use super::Checker;
use super::documents::ManifestView;
use super::image::{Checked, CheckedLayer};
use crate::codec::Codec;
use crate::diagnostics::{Diagnostic, Severity};
use crate::digest::Digest;
use crate::error::Result;
use crate::image::Name;
use crate::limits::{MAX_DESCRIPTORS, MAX_DOCUMENT, MAX_INDEX_DEPTH};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::spec::config::ImageConfig;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::{Compression, MediaType};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER, check_layout};
use crate::spec::platform::Platform;
use crate::stream::source::{Extent, Source};

/// What a descriptor led to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Led {
    /// Images, by their numbers among the checked ones; none for artifacts and for what is broken.
    To(Vec<usize>),
    /// Nothing that is in the archive: the missing blob (O-15).
    Nowhere(Digest),
}

/// Checks the layout half of an archive.
pub(super) fn check(checker: &mut Checker<'_>) -> Result<()> {
    if let Some(layout) = checker.member(LAYOUT_MEMBER, "the format")?
        && let Some(bytes) = checker.bytes(&layout, LAYOUT_MEMBER, MAX_DOCUMENT)?
        && let Err(error) = check_layout(&bytes, LAYOUT_MEMBER)
    {
        checker.refused(error, LAYOUT_MEMBER)?;
    }
    let mut walk = Walk { checker, known: HashMap::new(), path: Vec::new(), descriptors: 0, used: HashSet::new() };
    walk.index_json()?;
    let used = walk.used;
    blobs(checker, &used)
}

/// Every blob is what its name says (O-3), whether anything leads to it or not.
fn blobs(checker: &mut Checker<'_>, used: &HashSet<Digest>) -> Result<()> {
    for path in checker.members.names()? {
        let Some(rest) = path.as_bytes().strip_prefix(b"blobs/") else { continue };
        let place = path.to_string();
        let name = std::str::from_utf8(rest).ok().and_then(|rest| rest.split_once('/'));
        let digest = name.map(|(algorithm, encoded)| format!("{algorithm}:{encoded}").parse::<Digest>());
        let Some(Ok(digest)) = digest else {
            checker.add(Diagnostic::warning(Rule::H2, place, "no digest is spelled so, and nothing can refer to it"));
            continue;
        };
        let Some(extent) = checker.member(&digest.blob_path(), "its name")? else { continue };
        if !used.contains(&digest) {
            checker.add(Diagnostic::note(Rule::O3, &place, "nothing refers to this blob"));
        }
        let body = checker.bodies.add(extent, &place)?;
        checker.bodies.expect(body, &digest, (Severity::Error, Rule::H3), "its name");
    }
    Ok(())
}

struct Walk<'c, 'a> {
    checker: &'c mut Checker<'a>,
    /// What was read already, and how many descriptors are below it.
    known: HashMap<(Digest, MediaType, bool), (Led, usize)>,
    /// The indexes above, against cycles.
    path: Vec<Digest>,
    descriptors: usize,
    used: HashSet<Digest>,
}

impl Walk<'_, '_> {
    fn index_json(&mut self) -> Result<()> {
        let Some(extent) = self.checker.member(INDEX_MEMBER, "the format")? else { return Ok(()) };
        let Some(bytes) = self.checker.bytes(&extent, INDEX_MEMBER, MAX_DOCUMENT)? else { return Ok(()) };
        let Some(entries) = self.checker.index(&bytes, INDEX_MEMBER, None)? else { return Ok(()) };
        for (nth, descriptor) in entries.iter().enumerate() {
            let place = format!("{INDEX_MEMBER}: manifests[{nth}]");
            let name = Name::of(descriptor);
            self.checker.annotated_names(descriptor, &place);
            let led = self.node(descriptor, INDEX_MEMBER)?;
            if let Some(name) = &name {
                let platform = self.platform(descriptor, &led);
                self.checker.names.claim(name, descriptor.digest(), platform.as_ref(), &place);
            }
            match led {
                Led::To(images) => {
                    for image in images {
                        let names = &mut self.checker.images[image].names;
                        names.extend(name.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
                    }
                }
                Led::Nowhere(missing) => {
                    let problem = format!("the archive does not hold {}", missing.blob_path());
                    self.checker.add(Diagnostic::error(Rule::O3, place, escape_for_terminal(problem.as_bytes())));
                }
            }
        }
        Ok(())
    }

    /// What the image that `descriptor` lists runs on: by the descriptor, else by its config (O-12). An index is for no
    /// platform.
    fn platform(&self, descriptor: &Descriptor, led: &Led) -> Option<Platform> {
        let Led::To(images) = led else { return None };
        let [image] = images[..] else { return None };
        let of_config = || self.checker.images[image].config.config.as_ref().map(ImageConfig::platform);
        let platform = descriptor.platform().or_else(of_config);
        platform.filter(|_| descriptor.media_type().is_manifest()).cloned()
    }

    fn node(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Led> {
        let nothing = Ok(Led::To(Vec::new()));
        let digest = descriptor.digest();
        if self.descriptors > MAX_DESCRIPTORS {
            return nothing;
        }
        self.count(1);
        if self.path.contains(digest) {
            let problem = format!("{digest} is an index that leads back to itself");
            self.checker.add(Diagnostic::error(Rule::H7, named_by, problem));
            return nothing;
        }
        let extent = self.blob(descriptor, named_by)?;
        if descriptor.media_type().is_schema1() {
            let problem = "a schema 1 manifest, of docker before 1.10; it holds no image config";
            self.checker.add(Diagnostic::error(Rule::M1, place_of(digest), problem));
            return nothing;
        }
        let Some(extent) = extent else { return Ok(Led::Nowhere(digest.clone())) };
        let key = (digest.clone(), descriptor.media_type().clone(), descriptor.is_attestation());
        if let Some((led, below)) = self.known.get(&key) {
            let (led, below) = (led.clone(), *below);
            self.count(below);
            return Ok(led);
        }
        let before = self.descriptors;
        let led = match descriptor.media_type() {
            media_type if media_type.is_index() => self.index(descriptor, &extent)?,
            media_type if media_type.is_manifest() => self.manifest(descriptor, &extent)?,
            _ => Led::To(Vec::new()),
        };
        self.known.insert(key, (led.clone(), self.descriptors - before));
        Ok(led)
    }

    /// Counts every way to a descriptor (H-7); that there are too many is said once.
    fn count(&mut self, descriptors: usize) {
        let before = self.descriptors;
        self.descriptors += descriptors;
        if before <= MAX_DESCRIPTORS && self.descriptors > MAX_DESCRIPTORS {
            let problem = format!("more than {MAX_DESCRIPTORS} descriptors; the others were not looked at");
            self.checker.add(Diagnostic::error(Rule::H7, INDEX_MEMBER, problem));
        }
    }

    /// A blob by its descriptor, `data` standing in where there is no member (O-7); its size is judged here (O-6), its
    /// digest with all others.
    fn blob(&mut self, descriptor: &Descriptor, named_by: &str) -> Result<Option<Extent>> {
        let digest = descriptor.digest();
        self.used.insert(digest.clone());
        let name = digest.blob_path();
        let extent = match (self.checker.member(&name, named_by)?, descriptor.data()) {
            (Some(extent), _) => extent,
            (None, Some(data)) => Source::memory(&name, data).extent(),
            (None, None) => return Ok(None),
        };
        if extent.size() != descriptor.size() {
            let problem = format!("its content has another size than {named_by} says");
            let finding = Diagnostic::error(Rule::O6, place_of(digest), problem);
            self.checker.add(finding.values(&descriptor.size(), &extent.size()));
        }
        Ok(Some(extent))
    }

    fn index(&mut self, descriptor: &Descriptor, extent: &Extent) -> Result<Led> {
        let place = place_of(descriptor.digest());
        let nothing = Ok(Led::To(Vec::new()));
        if self.path.len() >= MAX_INDEX_DEPTH {
            let problem = format!("indexes are nested deeper than {MAX_INDEX_DEPTH}");
            self.checker.add(Diagnostic::error(Rule::H7, place, problem));
            return nothing;
        }
        let Some(bytes) = self.checker.bytes(extent, &place, MAX_DOCUMENT)? else { return nothing };
        let Some(entries) = self.checker.index(&bytes, &place, Some(descriptor.media_type()))? else { return nothing };
        self.path.push(descriptor.digest().clone());
        let (mut images, mut missing) = (Vec::new(), Vec::new());
        for child in &entries {
            match self.node(child, &place)? {
                Led::To(found) => images.extend(found),
                Led::Nowhere(digest) => missing.push((child, digest)),
            }
        }
        self.path.pop();
        if let ([], [(_, digest), ..]) = (&images[..], &missing[..]) {
            return Ok(Led::Nowhere(digest.clone()));
        }
        for (child, digest) in missing {
            self.checker.add(Diagnostic::warning(Rule::O15, &place, not_here(child, &digest)));
        }
        Ok(Led::To(images))
    }

    fn manifest(&mut self, descriptor: &Descriptor, extent: &Extent) -> Result<Led> {
        let place = place_of(descriptor.digest());
        let nothing = Ok(Led::To(Vec::new()));
        let Some(bytes) = self.checker.bytes(extent, &place, MAX_DOCUMENT)? else { return nothing };
        let Some(view) = self.checker.manifest(&bytes, &place, descriptor.media_type())? else { return nothing };
        let config = match &view.config {
            Some(config) => self.blob(config, &place)?,
            None => None,
        };
        let mut layers = Vec::with_capacity(view.layers.len());
        for layer in &view.layers {
            layers.push(match layer {
                Some(layer) => self.blob(layer, &place)?,
                None => None,
            });
        }
        if let Some(digest) = nothing_of_it(&view, config.as_ref(), &layers) {
            return Ok(Led::Nowhere(digest));
        }
        self.missing_parts(&view, config.as_ref(), &layers, &place);
        if !is_runnable(descriptor, &view) {
            return nothing;
        }
        let Some((described, config)) = view.config.as_ref().zip(config) else { return nothing };
        let config_place = place_of(described.digest());
        let Some(bytes) = self.checker.bytes(&config, &config_place, MAX_DOCUMENT)? else { return nothing };
        let config = self.checker.config(bytes, &config_place)?;
        let bound = self.bind(&view, layers)?;
        let image = Checked::new(&place, &config_place, config, bound, Some(descriptor));
        Ok(Led::To(vec![self.checker.image(image)?]))
    }

    /// What a manifest names and the archive does not hold, foreign layers apart (O-3, M-8).
    fn missing_parts(&mut self, view: &ManifestView, config: Option<&Extent>, layers: &[Option<Extent>], place: &str) {
        let described = view.config.iter().zip([config]).chain(
            view.layers.iter().zip(layers).filter_map(|(layer, extent)| Some((layer.as_ref()?, extent.as_ref()))),
        );
        for (descriptor, extent) in described {
            if extent.is_none() && !descriptor.media_type().is_nondistributable() {
                let member = descriptor.digest().blob_path();
                let problem = format!("the archive does not hold {}", escape_for_terminal(member.as_bytes()));
                self.checker.add(Diagnostic::error(Rule::O3, place, problem));
            }
        }
    }

    /// The layers as bodies to be read.
    fn bind(&mut self, view: &ManifestView, extents: Vec<Option<Extent>>) -> Result<Vec<CheckedLayer>> {
        let mut layers = Vec::with_capacity(extents.len());
        for (descriptor, extent) in view.layers.iter().zip(extents) {
            let at = descriptor.as_ref().map_or_else(|| "a layer".to_owned(), |layer| place_of(layer.digest()));
            let is_encrypted = descriptor.as_ref().is_some_and(|layer| layer.media_type().is_encrypted());
            let body = extent.map(|extent| self.checker.bodies.add(extent, &at)).transpose()?;
            if let (Some(body), Some(descriptor)) = (body, descriptor) {
                let codec = self.checker.bodies.get(body).codec;
                if let Some(finding) = fault_of_type(descriptor, codec) {
                    self.checker.add(finding);
                }
            }
            if is_encrypted {
                self.checker.add(Diagnostic::note(Rule::O19, &at, "the layer is encrypted, and was not looked into"));
            }
            layers.push(CheckedLayer { at, body: body.filter(|_| !is_encrypted) });
        }
        Ok(layers)
    }
}

/// O-9: what a descriptor says of a layer's compression is held against its first bytes.
fn fault_of_type(descriptor: &Descriptor, codec: Codec) -> Option<Diagnostic> {
    let media_type = descriptor.media_type();
    let agrees = match (media_type.compression()?, codec) {
        (Compression::Plain, codec) => codec == Codec::Plain,
        (Compression::Gzip, codec) => codec == Codec::Gzip,
        (Compression::Zstd, codec) => codec == Codec::Zstd,
    };
    let problem = "its content is compressed otherwise than its media type says";
    let finding = Diagnostic::warning(Rule::O9, place_of(descriptor.digest()), problem);
    (!agrees).then(|| finding.values(media_type, &codec.name()))
}

/// A missing blob, if nothing that a manifest names is there: a platform that was not exported (O-15).
fn nothing_of_it(view: &ManifestView, config: Option<&Extent>, layers: &[Option<Extent>]) -> Option<Digest> {
    let absent = config.is_none() && layers.iter().all(Option::is_none);
    view.config.as_ref().filter(|_| absent).map(|config| config.digest().clone())
}

/// O-13.
fn is_runnable(descriptor: &Descriptor, view: &ManifestView) -> bool {
    let is_image = view.config.as_ref().is_some_and(|config| config.media_type().is_config());
    let attests = view.layers.iter().flatten().any(|layer| layer.media_type().is_in_toto());
    is_image && !attests && !descriptor.is_attestation()
}

fn not_here(child: &Descriptor, missing: &Digest) -> String {
    let what = child.platform().map_or_else(|| "an entry".to_owned(), ToString::to_string);
    format!("{what} is listed, but the archive does not hold {}", escape_for_terminal(missing.blob_path().as_bytes()))
}

fn place_of(digest: &Digest) -> String {
    escape_for_terminal(digest.blob_path().as_bytes())
}
