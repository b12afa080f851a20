//! Which images, platforms and index entries of an archive are taken: from what was asked for to what will be written.
//!
//! Nothing here depends on the machine (docs/formats.md O-12): where a choice is needed and none was made, the choices are
//! listed in the error.

mod choice;
pub(crate) mod names;

pub use choice::{ImageSelector, SelectedImage};

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{Child, Image, ImageEntry, ImageIndex, ImageSet, Missing, Name, Node};
use crate::nearest::nearest_name;
use crate::options::{Attestations, ConvertOptions, ImageRef, IndexPolicy, Platforms, Target};
use crate::path::escape_for_terminal;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::platform::Platform;

/// The entries to write, in the archive's order.
///
/// # Errors
/// [`Error::Choice`] with the list of what there is, when something that was asked for is not there or a target that holds
/// one platform is given several; [`Error::MissingMember`] when nothing whole is left.
pub(crate) fn select(set: &ImageSet, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageEntry>> {
    let entries = pick(set, &options.images)?;
    let mut selected = Vec::new();
    for (entry, platforms) in with_platforms(&entries, &options.platforms) {
        if let (IndexPolicy::Strict, Some(absent)) = (options.index, first_absent(&entry.node)) {
            return Err(absent.missing(&set.archive));
        }
        let at = format!("{}: {}", set.archive, entry.title());
        let node = match &options.target {
            Target::Oci(_) => for_layout(&entry.node, &at, &platforms, options, run)?,
            Target::Legacy(_) | Target::Docker(_) | Target::Rootfs(_) => {
                one_image(&entry.node, &at, &platforms, options, run)?.map(Node::Image)
            }
        };
        selected.extend(node.map(|node| ImageEntry {
            names: entry.names.clone(),
            descriptor: descriptor_of(&node, entry),
            node,
        }));
    }
    if selected.is_empty() {
        return Err(nothing_left(set));
    }
    Ok(selected)
}

/// Each entry with the platforms that are wanted of it. Entries that share a name and differ in platform are one name
/// (N-9): what one of them has need not be in the others, and one that has nothing of it is not taken.
pub(crate) fn with_platforms<'a>(entries: &'a [ImageEntry], platforms: &Platforms) -> Vec<(&'a ImageEntry, Platforms)> {
    let Platforms::Only(wanted) = platforms else {
        return entries.iter().map(|entry| (entry, platforms.clone())).collect();
    };
    let runs_on =
        |entry: &ImageEntry, wanted: &Platform| entry.node.images().iter().any(|image| wanted.matches(&image.platform));
    let names_on = |platform: &Platform| -> HashSet<&'a Name> {
        entries.iter().filter(|entry| runs_on(entry, platform)).flat_map(|entry| &entry.names).collect()
    };
    let named: Vec<(&Platform, HashSet<&Name>)> = wanted.iter().map(|wanted| (wanted, names_on(wanted))).collect();
    let wanted_of = |entry: &ImageEntry| -> Vec<Platform> {
        let is_elsewhere = |names: &HashSet<&Name>| entry.names.iter().any(|name| names.contains(name));
        let here = named.iter().filter(|(wanted, names)| runs_on(entry, wanted) || !is_elsewhere(names));
        here.map(|(wanted, _)| (*wanted).clone()).collect()
    };
    let pairs = entries.iter().map(|entry| (entry, wanted_of(entry)));
    pairs.filter(|(_, wanted)| !wanted.is_empty()).map(|(entry, wanted)| (entry, Platforms::Only(wanted))).collect()
}

/// What `index.json` says of `node`: of an image that was taken out of an index, what that index said, platform included.
fn descriptor_of(node: &Node, entry: &ImageEntry) -> Option<Descriptor> {
    let mut children = entry.node.indexes().into_iter().flat_map(|index| &index.children);
    match (node, children.find(|child| child.node.is_same(node))) {
        (Node::Image(image), Some(child)) => {
            let descriptor = Name::strip(child.descriptor.clone());
            let says = descriptor.platform().is_some();
            Some(if says { descriptor } else { descriptor.with_platform(&image.platform) })
        }
        _ => entry.descriptor.clone(),
    }
}

/// The entries that the selectors point at, each with the names that were asked for; all without selectors.
pub(crate) fn pick(set: &ImageSet, selectors: &[ImageRef]) -> Result<Vec<ImageEntry>> {
    if selectors.is_empty() {
        return Ok(set.entries.clone());
    }
    let mut picked: Vec<(usize, ImageEntry)> = Vec::new();
    for selector in selectors {
        let found = match selector {
            ImageRef::Position(n) => vec![at_position(set, *n)?],
            ImageRef::Text(text) => by_text(set, text)?,
        };
        for (position, entry) in found {
            match picked.iter_mut().find(|(other, known)| *other == position && known.node.is_same(&entry.node)) {
                Some((_, known)) => add_names(known, entry.names),
                None => picked.push((position, entry)),
            }
        }
    }
    picked.sort_by_key(|(position, _)| *position);
    Ok(picked.into_iter().map(|(_, entry)| entry).collect())
}

fn add_names(entry: &mut ImageEntry, names: Vec<Name>) {
    let new: Vec<Name> = names.into_iter().filter(|name| !entry.names.contains(name)).collect();
    entry.names.extend(new);
}

fn at_position(set: &ImageSet, n: usize) -> Result<(usize, ImageEntry)> {
    let mut with_images = set.entries.iter().enumerate().filter(|(_, entry)| !entry.node.images().is_empty());
    let (position, entry) = with_images.nth(n).ok_or_else(|| unknown(set, &format!("@{n}")))?;
    Ok((position, entry.clone()))
}

/// By name first, then by digest prefix, as `docker` does. A name may stand at several entries, one a platform (N-9).
fn by_text(set: &ImageSet, text: &str) -> Result<Vec<(usize, ImageEntry)>> {
    let mut named = Vec::new();
    for (position, entry) in set.entries.iter().enumerate() {
        let names: Vec<Name> = entry.names.iter().filter(|name| name.is(text)).cloned().collect();
        if !names.is_empty() {
            named.push((position, ImageEntry { names, ..entry.clone() }));
        }
    }
    if !named.is_empty() {
        return Ok(named);
    }
    let mut found: Vec<(usize, ImageEntry)> = Vec::new();
    for (position, entry) in set.entries.iter().enumerate() {
        for candidate in by_digest(entry, text) {
            // Listed twice, with other annotations, say: all names are the image's.
            match found.iter_mut().find(|(_, known)| known.node.is_alike(&candidate.node)) {
                Some((_, known)) => add_names(known, candidate.names),
                None => found.push((position, candidate)),
            }
        }
    }
    if found.len() > 1 {
        return Err(Error::Choice {
            problem: format!("{}: `{}` fits several images", set.archive, escape_for_terminal(text.as_bytes())),
            choices: found.iter().map(|(_, entry)| entry.title()).collect(),
        });
    }
    if found.is_empty() { Err(unknown(set, text)) } else { Ok(found) }
}

/// The entry itself, or the parts of its index, whose digest or image ID begins with `prefix`.
fn by_digest(entry: &ImageEntry, prefix: &str) -> Vec<ImageEntry> {
    let (algorithm, hex) = prefix.split_once(':').map_or((None, prefix), |(algorithm, hex)| (Some(algorithm), hex));
    if hex.is_empty() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Vec::new();
    }
    let fits = |digest: &Digest| {
        algorithm.is_none_or(|algorithm| digest.algorithm().to_string() == algorithm)
            && digest.encoded().starts_with(hex)
    };
    let mut found = Vec::new();
    let mut waiting = vec![(&entry.node, entry.descriptor.clone())];
    while let Some((node, descriptor)) = waiting.pop() {
        let hit = match node {
            Node::Image(image) => {
                fits(&image.image_id) || image.manifest.as_ref().is_some_and(|manifest| fits(&manifest.digest))
            }
            Node::Index(index) => fits(&index.document.digest),
            Node::Artifact(_) | Node::Missing(_) => {
                descriptor.as_ref().is_some_and(|descriptor| fits(descriptor.digest()))
            }
        };
        match node {
            _ if hit => found.push(ImageEntry { names: entry.names.clone(), descriptor, node: node.clone() }),
            Node::Index(index) => {
                waiting.extend(index.children.iter().map(|child| (&child.node, Some(child.descriptor.clone()))));
            }
            _ => {}
        }
    }
    found
}

/// What a layout will hold of `node`; `None` when nothing of it is in the archive.
fn for_layout(
    node: &Node,
    at: &str,
    platforms: &Platforms,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Option<Node>> {
    let (Platforms::Only(wanted), false) = (platforms, has_no_platform(node)) else {
        let node = match options.attestations {
            Some(Attestations::Drop) => without_attestations(node),
            Some(Attestations::Keep) | None => Some(node.clone()),
        };
        return node.map_or(Ok(None), |node| prune(&node, at, options.index, run));
    };
    let index = match node {
        Node::Image(_) => return on_platforms(node, at, wanted).map(|_| Some(node.clone())),
        Node::Index(index) => index,
        Node::Artifact(carried) => {
            run.diagnostics.note(Rule::O12, at, format!("{} is left out: it is for no platform", carried.what));
            return Ok(None);
        }
        Node::Missing(_) => return prune(node, at, options.index, run),
    };
    let images = on_platforms(node, at, wanted)?;
    let keeps = options.attestations == Some(Attestations::Keep);
    if let ([image], [_], false) = (&images[..], &wanted[..], keeps) {
        note_left_out(index, image, at, run);
        return Ok(Some(Node::Image(Arc::clone(image))));
    }
    let kept = keep_images(index, &images, keeps).map(Node::Index);
    let of_kept: Vec<&Node> = kept.iter().flat_map(leaves).collect();
    let left_out = left_out(index, |node| of_kept.iter().any(|kept| kept.is_same(node)));
    if !left_out.is_empty() {
        let taken: Vec<_> = images.iter().map(|image| image.platform.to_string()).collect();
        let (taken, left_out) = (taken.join(", "), left_out.join(", "));
        run.diagnostics.note(Rule::O14, at, format!("a new index lists {taken}; left out: {left_out}"));
    }
    Ok(kept)
}

/// Whether no platform can be asked of it: artifacts stand beside images, such as the signatures that refer to them (O-14).
fn has_no_platform(node: &Node) -> bool {
    matches!(node, Node::Artifact(_))
}

/// The images of `node` that run on the wanted platforms, each of which must be there once.
pub(crate) fn on_platforms(node: &Node, at: &str, wanted: &[Platform]) -> Result<Vec<Arc<Image>>> {
    let images = node.images();
    let mut found: Vec<Arc<Image>> = Vec::new();
    for platform in wanted {
        let mut fitting: Vec<&Arc<Image>> = Vec::new();
        for image in images.iter().filter(|image| platform.matches(&image.platform)) {
            if !fitting.iter().any(|known| known.is_alike(image)) {
                fitting.push(image);
            }
        }
        match fitting[..] {
            [] => return Err(choose_platform(&format!("{at}: there is no image for {platform}"), [node])),
            [image] => {
                if !found.iter().any(|known| Arc::ptr_eq(known, image)) {
                    found.push(Arc::clone(image));
                }
            }
            _ => {
                return Err(choose_platform(
                    &format!("{at}: several images are for {platform}; choose one by its digest with --image"),
                    [node],
                ));
            }
        }
    }
    Ok(found)
}

/// The one image that a target for one platform gets; `None`, with a notice, for what is no image.
fn one_image(
    node: &Node,
    at: &str,
    platforms: &Platforms,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Option<Arc<Image>>> {
    if options.attestations == Some(Attestations::Keep) && leaves(node).into_iter().any(is_attestation) {
        return Err(Error::inexpressible(at, "attestations can be kept in an OCI layout only"));
    }
    let images = match platforms {
        Platforms::Only(wanted) if !has_no_platform(node) => on_platforms(node, at, wanted)?,
        Platforms::Only(_) | Platforms::Unspecified | Platforms::All => {
            node.distinct_images().into_iter().cloned().collect()
        }
    };
    match &images[..] {
        [image] => {
            if let Node::Index(index) = node {
                note_left_out(index, image, at, run);
            }
            Ok(Some(Arc::clone(image)))
        }
        [] => {
            match node {
                Node::Missing(absent) => return Err(absent.missing(at)),
                Node::Artifact(carried) => run.diagnostics.note(Rule::O14, at, format!("{} is left out", carried.what)),
                Node::Index(_) | Node::Image(_) => {
                    run.diagnostics.note(Rule::O12, at, "an index without images is left out");
                }
            }
            Ok(None)
        }
        _ => Err(choose_platform(&format!("{at}: the target holds one platform; choose one with --platform"), [node])),
    }
}

/// Says what goes with an index when one of its images is taken.
fn note_left_out(index: &ImageIndex, image: &Arc<Image>, at: &str, run: &Run) {
    let is_taken = |node: &Node| matches!(node, Node::Image(other) if other.is_alike(image));
    let left_out = [vec!["the index".to_owned()], left_out(index, is_taken)].concat();
    run.diagnostics.note(Rule::O12, at, format!("{} is taken; left out: {}", image.platform, left_out.join(", ")));
}

/// What is below `index` and not kept, in words.
fn left_out(index: &ImageIndex, is_kept: impl Fn(&Node) -> bool) -> Vec<String> {
    let below = index.children.iter().flat_map(|child| leaves(&child.node));
    let gone = below.filter(|node| !is_kept(node));
    gone.filter_map(|node| match node {
        Node::Image(image) => Some(image.platform.to_string()),
        Node::Artifact(carried) => Some(carried.what.clone()),
        Node::Missing(absent) => {
            let what = absent.platform.as_ref().map_or_else(|| absent.member.clone(), ToString::to_string);
            Some(format!("{what} (absent)"))
        }
        Node::Index(_) => None,
    })
    .collect()
}

/// All below `node` that is no index, or `node` itself, in order.
fn leaves(node: &Node) -> Vec<&Node> {
    match node {
        Node::Index(index) => index.children.iter().flat_map(|child| leaves(&child.node)).collect(),
        leaf => vec![leaf],
    }
}

fn is_attestation(node: &Node) -> bool {
    matches!(node, Node::Artifact(carried) if carried.attestation)
}

/// `node` without what is not in the archive, as `policy` says.
fn prune(node: &Node, at: &str, policy: IndexPolicy, run: &Run) -> Result<Option<Node>> {
    match node {
        Node::Image(_) | Node::Artifact(_) => Ok(Some(node.clone())),
        Node::Missing(absent) => match policy {
            IndexPolicy::Strict | IndexPolicy::Keep => Ok(Some(node.clone())),
            IndexPolicy::Prune => {
                let what = absent.platform.as_ref().map_or_else(|| "an entry".to_owned(), ToString::to_string);
                let problem = format!("{what} is listed but `{}` is not in the archive; left out", absent.member);
                run.diagnostics.warn(Rule::O15, at, problem)?;
                Ok(None)
            }
        },
        Node::Index(index) => {
            let mut children = Vec::new();
            for child in &index.children {
                let node = prune(&child.node, at, policy, run)?;
                children.extend(node.map(|node| Child { descriptor: child.descriptor.clone(), node }));
            }
            Ok(with_children(index, children).map(Node::Index))
        }
    }
}

fn without_attestations(node: &Node) -> Option<Node> {
    match node {
        Node::Artifact(carried) if carried.attestation => None,
        Node::Index(index) => {
            let children = index.children.iter().filter_map(|child| {
                without_attestations(&child.node).map(|node| Child { descriptor: child.descriptor.clone(), node })
            });
            with_children(index, children.collect()).map(Node::Index)
        }
        Node::Image(_) | Node::Artifact(_) | Node::Missing(_) => Some(node.clone()),
    }
}

/// The index with only these images, and their attestations if those are kept.
fn keep_images(index: &Arc<ImageIndex>, images: &[Arc<Image>], attestations: bool) -> Option<Arc<ImageIndex>> {
    let kept: BTreeSet<_> =
        images.iter().filter_map(|image| Some(image.manifest.as_ref()?.digest.to_string())).collect();
    let children = index.children.iter().filter_map(|child| {
        let node = match &child.node {
            Node::Image(image) => images.iter().any(|kept| Arc::ptr_eq(kept, image)).then(|| child.node.clone()),
            Node::Index(nested) => keep_images(nested, images, attestations).map(Node::Index),
            Node::Artifact(carried) => {
                let subject = child.descriptor.annotation("vnd.docker.reference.digest");
                (attestations && carried.attestation && subject.is_some_and(|subject| kept.contains(subject)))
                    .then(|| child.node.clone())
            }
            Node::Missing(_) => None,
        };
        node.map(|node| Child { descriptor: child.descriptor.clone(), node })
    });
    with_children(index, children.collect())
}

/// The same index where nothing was taken away, a shorter one where something is left, `None` where nothing is.
fn with_children(index: &Arc<ImageIndex>, children: Vec<Child>) -> Option<Arc<ImageIndex>> {
    let unchanged = children.len() == index.children.len()
        && children.iter().zip(&index.children).all(|(new, old)| new.node.is_same(&old.node));
    if unchanged {
        return Some(Arc::clone(index));
    }
    (!children.is_empty()).then(|| Arc::new(ImageIndex { document: index.document.clone(), children }))
}

/// Lists the platforms of `nodes` as choices.
pub(crate) fn choose_platform<'a>(problem: &str, nodes: impl IntoIterator<Item = &'a Node>) -> Error {
    let choices =
        nodes.into_iter().flat_map(Node::images).map(|image| format!("{} ({})", image.platform, image.own_digest()));
    Error::Choice { problem: problem.to_owned(), choices: choices.collect() }
}

fn unknown(set: &ImageSet, text: &str) -> Error {
    let meant = nearest_name(text, set.entries.iter().flat_map(|entry| &entry.names));
    let hint = meant.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    Error::Choice {
        problem: format!("{}: there is no image `{}`{hint}", set.archive, escape_for_terminal(text.as_bytes())),
        choices: set.entries.iter().map(ImageEntry::title).collect(),
    }
}

pub(crate) fn nothing_left(set: &ImageSet) -> Error {
    let absent = set.entries.iter().find_map(|entry| first_absent(&entry.node));
    match absent {
        Some(absent) => absent.missing(&set.archive),
        None => Error::Choice { problem: format!("{}: there is no image in it", set.archive), choices: Vec::new() },
    }
}

fn first_absent(node: &Node) -> Option<&Missing> {
    match node {
        Node::Missing(absent) => Some(absent),
        Node::Index(index) => index.children.iter().find_map(|child| first_absent(&child.node)),
        Node::Image(_) | Node::Artifact(_) => None,
    }
}
