//! The entries that `--image` points at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::choices;
use crate::digest::Digest;
use crate::error::Result;
use crate::glob::Glob;
use crate::image::{ImageEntry, ImageSet, Name, Node, NodeIdentity};
use crate::options::ImageRef;
use crate::path::escape_for_terminal;
use crate::spec::descriptor::Descriptor;
use crate::spec::reference::Reference;

/// An entry, or a part of it, with the selected names, and its position in the archive.
type Picked = (usize, ImageEntry);

/// Returns the entries that the selectors select, each with the selected names; all without selectors.
pub(super) fn pick(set: &ImageSet, selectors: &[ImageRef]) -> Result<Vec<ImageEntry>> {
    if selectors.is_empty() {
        return Ok(set.entries.clone());
    }
    let mut picked: Vec<Picked> = Vec::new();
    let mut places: HashMap<(usize, *const ()), usize> = HashMap::new();
    for selector in selectors {
        let found = match selector {
            ImageRef::Position(n) => vec![at_position(set, *n)?],
            ImageRef::Text(text) => by_text(set, text)?,
        };
        for (position, entry) in found {
            let place = *places.entry((position, entry.node.address())).or_insert(picked.len());
            match picked.get_mut(place) {
                Some((_, known)) => add_names(known, entry.names),
                None => picked.push((position, entry)),
            }
        }
    }
    picked.sort_by_key(|(position, _)| *position);
    Ok(picked.into_iter().map(|(_, entry)| entry).collect())
}

fn add_names(entry: &mut ImageEntry, names: Vec<Name>) {
    entry.names.extend(names);
    drop_repeated(&mut entry.names);
}

/// Leaves each name where it stands first.
pub(super) fn drop_repeated(names: &mut Vec<Name>) {
    let mut seen = HashSet::with_capacity(names.len());
    names.retain(|name| seen.insert(name.clone()));
}

fn at_position(set: &ImageSet, n: usize) -> Result<Picked> {
    let is_image =
        |entry: &ImageEntry| entry.node.leaves().any(|leaf| matches!(leaf, Node::Image(_) | Node::Broken(_)));
    let mut images = set.entries.iter().enumerate().filter(|(_, entry)| is_image(entry));
    let (position, entry) = images.nth(n).ok_or_else(|| choices::unknown(set, &format!("@{n}")))?;
    Ok((position, entry.clone()))
}

/// By name first, then by digest prefix, as `docker` does. A name may stand at several entries, one a platform (N-9).
fn by_text(set: &ImageSet, text: &str) -> Result<Vec<Picked>> {
    let named = with_names(set, |name| name.is(text));
    if !named.is_empty() {
        return Ok(named);
    }
    if let Some(found) = by_repository(set, text)? {
        return Ok(found);
    }
    let found = if Glob::is_pattern(text.as_bytes()) { by_pattern(set, text) } else { by_prefix(set, text)? };
    if found.is_empty() { Err(choices::unknown(set, text)) } else { Ok(found) }
}

/// The entries that have fitting names, with no others.
fn with_names(set: &ImageSet, fits: impl Fn(&Name) -> bool) -> Vec<Picked> {
    let mut found = Vec::new();
    for (position, entry) in set.entries.iter().enumerate() {
        let names: Vec<Name> = entry.names.iter().filter(|name| fits(name)).cloned().collect();
        if !names.is_empty() {
            found.push((position, ImageEntry { names, ..entry.clone() }));
        }
    }
    found
}

/// By a repository, which must have only one tag; `None` if no name is in it.
fn by_repository(set: &ImageSet, text: &str) -> Result<Option<Vec<Picked>>> {
    let Ok(typed) = text.parse::<Reference>() else { return Ok(None) };
    if typed.tag().is_some() || typed.digest().is_some() {
        return Ok(None);
    }
    let is_in = |name: &Name| match name {
        Name::Reference(known) => (known.domain(), known.path()) == (typed.domain(), typed.path()),
        Name::Tag(_) | Name::Text(_) => false,
    };
    let found = with_names(set, is_in);
    let names: BTreeSet<&Name> = found.iter().flat_map(|(_, entry)| &entry.names).collect();
    match names.len() {
        0 => Ok(None),
        1 => Ok(Some(found)),
        _ => Err(choices::names(format!("{}: `{text}` has several tags; name one", set.archive), names)),
    }
}

/// By a pattern of names, as they are written in short or in full; one without a tag fits every tag.
fn by_pattern(set: &ImageSet, text: &str) -> Vec<Picked> {
    let pattern = Glob::new(text.as_bytes());
    let matches = |text: &str| pattern.matches(text.as_bytes());
    with_names(set, |name| match name {
        Name::Reference(reference) => [reference.familiar(), reference.full()].iter().any(|spelling| {
            let tag = reference.tag().map_or(0, |tag| tag.len() + 1);
            matches(spelling) || matches(&spelling[..spelling.len() - tag])
        }),
        Name::Tag(text) | Name::Text(text) => matches(text),
    })
}

/// By the beginning of a digest or image ID, which must be that of one image.
fn by_prefix(set: &ImageSet, text: &str) -> Result<Vec<Picked>> {
    let Some(prefix) = DigestPrefix::new(text) else { return Ok(Vec::new()) };
    let mut found: Vec<Picked> = Vec::new();
    let mut places: HashMap<NodeIdentity<'_>, usize> = HashMap::new();
    for (position, entry) in set.entries.iter().enumerate() {
        for (node, descriptor) in prefix.within(entry) {
            // Listed twice, with other annotations, say: all names are the image's.
            let place = *places.entry(node.identity()).or_insert(found.len());
            match found.get_mut(place) {
                Some((_, known)) => add_names(known, entry.names.clone()),
                None => {
                    let (archive, names) = (Arc::clone(&entry.archive), entry.names.clone());
                    let entry = ImageEntry { archive, names, descriptor: descriptor.cloned(), node: node.clone() };
                    found.push((position, entry));
                }
            }
        }
    }
    if found.len() > 1 {
        let problem = format!("{}: `{}` matches several images", set.archive, escape_for_terminal(text.as_bytes()));
        return Err(choices::names(problem, found.iter().map(|(_, entry)| entry.title())));
    }
    Ok(found)
}

/// The beginning of a digest, with or without its algorithm.
struct DigestPrefix<'t> {
    algorithm: Option<&'t str>,
    hex: &'t str,
}

impl<'t> DigestPrefix<'t> {
    fn new(text: &'t str) -> Option<Self> {
        let (algorithm, hex) = text.split_once(':').map_or((None, text), |(algorithm, hex)| (Some(algorithm), hex));
        let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then_some(Self { algorithm, hex })
    }

    fn fits(&self, digest: &Digest) -> bool {
        self.algorithm.is_none_or(|algorithm| digest.algorithm().to_string() == algorithm)
            && digest.encoded().starts_with(self.hex)
    }

    /// The entry itself, or the parts of its index, whose digest or image ID begins so.
    fn within<'e>(&self, entry: &'e ImageEntry) -> Vec<(&'e Node, Option<&'e Descriptor>)> {
        let mut found = Vec::new();
        let mut waiting = vec![(&entry.node, entry.descriptor.as_ref())];
        while let Some((node, descriptor)) = waiting.pop() {
            let is_hit = match node {
                Node::Image(image) => self.fits(&image.image_id) || self.fits(image.own_digest()),
                Node::Index(index) => self.fits(&index.document.digest),
                Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => {
                    descriptor.is_some_and(|descriptor| self.fits(descriptor.digest()))
                }
            };
            match node {
                _ if is_hit => found.push((node, descriptor)),
                Node::Index(index) => {
                    waiting.extend(index.children.iter().map(|child| (&child.node, Some(&child.descriptor))));
                }
                Node::Image(_) | Node::Artifact(_) | Node::Missing(_) | Node::Broken(_) => {}
            }
        }
        found
    }
}
