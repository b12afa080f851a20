//! Platforms: those to take from each entry, and the images that one name can stand for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::choices;
use crate::error::{Result, Setting};
use crate::image::{Broken, Image, ImageEntry, Name, Node};
use crate::options::Platforms;
use crate::spec::platform::{Machine, Platform};

/// An entry, and the platforms to take from it.
pub(super) struct Wanted<'e> {
    pub(super) entry: &'e ImageEntry,
    /// `None` for all, and for entries without platforms: artifacts, such as the signatures that refer to images
    /// (O-14).
    pub(super) platforms: Option<Vec<&'e Platform>>,
    /// The entries among which this one is, for messages.
    entries: &'e [ImageEntry],
}

impl<'e> Wanted<'e> {
    /// Returns `entries` with the platforms to take from each. Entries that share a name and differ in platform count
    /// as one (N-9): a platform that one of them has need not be in the others, and one without any is not taken.
    pub(super) fn of_each(entries: &'e [ImageEntry], platforms: &'e Platforms) -> Vec<Self> {
        let new = |entry, platforms| Self { entry, platforms, entries };
        let Platforms::Only(wanted) = platforms else {
            return entries.iter().map(|entry| new(entry, None)).collect();
        };
        let runs_on = |entry: &ImageEntry, platform: &Platform| {
            entry.node.images().iter().any(|image| platform.matches(&image.platform))
        };
        let names_on = |platform| -> HashSet<&Name> {
            entries.iter().filter(|entry| runs_on(entry, platform)).flat_map(|entry| &entry.names).collect()
        };
        let named: Vec<(&Platform, HashSet<&Name>)> =
            wanted.iter().map(|platform| (platform, names_on(platform))).collect();
        let wanted_of = |entry: &'e ImageEntry| {
            let is_elsewhere = |names: &HashSet<&Name>| entry.names.iter().any(|name| names.contains(name));
            let here = named.iter().filter(|(platform, names)| runs_on(entry, platform) || !is_elsewhere(names));
            let here: Vec<_> = here.map(|(platform, _)| *platform).collect();
            let has_platform = !entry.node.is_artifact();
            (!here.is_empty()).then(|| new(entry, has_platform.then_some(here)))
        };
        entries.iter().filter_map(wanted_of).collect()
    }

    /// Returns the archive and the entry, as messages name them.
    pub(super) fn at(&self) -> String {
        self.entry.at()
    }

    /// Returns the selected images, each once.
    ///
    /// # Errors
    /// [`Error::Choice`](crate::error::Error::Choice) when a selected platform has no image, or several; the error of a
    /// broken image that is selected or may be.
    pub(super) fn images(&self) -> Result<Vec<&'e Arc<Image>>> {
        let node = &self.entry.node;
        let Some(platforms) = &self.platforms else {
            return node
                .first_broken()
                .map_or_else(|| Ok(node.distinct_images()), |broken| Err(broken.error(self.at())));
        };
        let images = node.images();
        let mut found: Vec<&Arc<Image>> = Vec::new();
        let mut seen = HashSet::new();
        for platform in platforms {
            let fitting: Vec<_> = images.iter().copied().filter(|image| platform.matches(&image.platform)).collect();
            let distinct: HashSet<_> = fitting.iter().map(|image| image.identity()).collect();
            if let ([], Some(broken)) = (&fitting[..], broken_on(node, platform)) {
                return Err(broken.error(self.at()));
            }
            let problem = match (&fitting[..], distinct.len()) {
                ([image, ..], 1) => {
                    if seen.insert(image.identity()) {
                        found.push(*image);
                    }
                    continue;
                }
                ([], _) => format!("there is no image for {platform}"),
                _ => format!("several images are for {platform}"),
            };
            let error = choices::platforms(format!("{}: {problem}", self.at()), self.of_its_names());
            return Err(if fitting.is_empty() { error } else { error.avoided_by(Setting::ImageDigest) });
        }
        Ok(found)
    }

    /// The nodes of all entries that share a name with this one, itself included.
    fn of_its_names(&self) -> impl Iterator<Item = &'e Node> {
        let entry = self.entry;
        let names: HashSet<&Name> = entry.names.iter().collect();
        let is_one = move |other: &&ImageEntry| {
            std::ptr::eq(*other, entry) || other.names.iter().any(|name| names.contains(name))
        };
        self.entries.iter().filter(is_one).map(|entry| &entry.node)
    }
}

/// Returns the first broken image at or below `node` that may be for `platform`.
fn broken_on<'n>(node: &'n Node, platform: &Platform) -> Option<&'n Arc<Broken>> {
    let is_for_it = |broken: &Broken| broken.platform.as_ref().is_none_or(|other| platform.matches(other));
    node.leaves().find_map(|leaf| match leaf {
        Node::Broken(broken) if is_for_it(broken) => Some(broken),
        Node::Broken(_) | Node::Image(_) | Node::Index(_) | Node::Artifact(_) | Node::Missing(_) => None,
    })
}

/// The key by which an image is found that [matches](Platform::matches) a platform: the machine, and the version and features
/// of its operating system; `None` for any.
type PlatformKey<'e> = (Machine, Option<&'e str>, Option<&'e [String]>);

/// The entries that one name stands for: images, and indexes of images, of which no two are for one platform (N-9).
#[derive(Default)]
pub(crate) struct OneName<'e> {
    pub(super) entries: Vec<&'e ImageEntry>,
    nodes: HashSet<*const ()>,
    images: HashMap<PlatformKey<'e>, (&'e ImageEntry, &'e Arc<Image>)>,
}

/// The outcome of giving a name to an entry.
pub(crate) enum Naming<'e> {
    /// The name stands for the entry too.
    Added,
    /// The name stands for all of the entry already.
    Known,
    /// The name stands for another thing, which cannot share it.
    Taken(&'e ImageEntry),
}

impl<'e> OneName<'e> {
    /// Gives the name to `entry` too, where that can be.
    pub(crate) fn add(&mut self, entry: &'e ImageEntry) -> Naming<'e> {
        let naming = self.naming(entry);
        if let Naming::Added = naming {
            self.entries.push(entry);
            self.nodes.insert(entry.node.address());
            for image in entry.node.images() {
                for key in keys_of(&image.platform) {
                    self.images.entry(key).or_insert((entry, image));
                }
            }
        }
        naming
    }

    fn naming(&self, entry: &ImageEntry) -> Naming<'e> {
        let Some(first) = self.entries.first() else { return Naming::Added };
        if self.nodes.contains(&entry.node.address()) {
            return Naming::Known;
        }
        // Only images share a name.
        if !is_shareable(&first.node) || !is_shareable(&entry.node) {
            return Naming::Taken(first);
        }
        let images = entry.node.images();
        let mut all_known = true;
        for image in &images {
            let mut is_known = false;
            for (other, rival) in keys_matching(&image.platform).iter().filter_map(|key| self.images.get(key)) {
                if !is_one_image(rival, image) {
                    return Naming::Taken(other);
                }
                is_known = true;
            }
            all_known &= is_known;
        }
        // An entry with attestations is kept even if all its images are known.
        if all_known && !images.is_empty() && entry.node.artifacts().is_empty() { Naming::Known } else { Naming::Added }
    }
}

/// Returns true if other entries, with images for other platforms, may have the name of `node`.
fn is_shareable(node: &Node) -> bool {
    matches!(node, Node::Image(_) | Node::Index(_))
}

/// Returns true if the two are the same image to every engine, which identifies images by their IDs (B-33).
fn is_one_image(one: &Image, other: &Image) -> bool {
    one.identity() == other.identity() || one.image_id == other.image_id
}

/// The keys under which an image for `platform` is kept: with its own version and features, and with any.
fn keys_of(platform: &Platform) -> [PlatformKey<'_>; 4] {
    let (version, features) = (Some(platform.os_version.as_str()), Some(platform.os_features.as_slice()));
    let at = |version, features| (platform.machine(), version, features);
    [at(version, features), at(version, None), at(None, features), at(None, None)]
}

/// The keys of the images that match `platform`; one that names no version or features matches all of them.
fn keys_matching(platform: &Platform) -> Vec<PlatformKey<'_>> {
    let (version, features) = (platform.os_version.as_str(), platform.os_features.as_slice());
    let versions = if version.is_empty() { vec![None] } else { vec![Some(version), Some("")] };
    let features = if features.is_empty() { vec![None] } else { vec![Some(features), Some(&[][..])] };
    let pairs = versions.iter().flat_map(|&version| features.iter().map(move |&features| (version, features)));
    pairs.map(|(version, features)| (platform.machine(), version, features)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::config::ImageConfig;
    use proptest::prelude::*;

    /// An image for a platform of few values, so that many platforms match.
    fn entry((machine, version, features): (bool, u8, u8)) -> ImageEntry {
        let platform = Platform {
            os_version: ["", "1", "2"][usize::from(version)].to_owned(),
            os_features: [vec![], vec!["f".to_owned()], vec!["g".to_owned()]][usize::from(features)].clone(),
            ..Platform::new("windows", if machine { "amd64" } else { "arm64" })
        };
        let config = br#"{"os":"windows","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = Arc::new(ImageConfig::read(config.to_vec(), "config").unwrap());
        let image = Image { platform, ..Image::new("image".to_owned(), config, []) };
        ImageEntry {
            archive: "archive".into(),
            names: Vec::new(),
            descriptor: None,
            node: Node::Image(Arc::new(image)),
        }
    }

    proptest! {
        #[test]
        fn two_images_share_a_name_unless_their_platforms_match(
            platforms in proptest::collection::vec((any::<bool>(), 0..3_u8, 0..3_u8), 0..6)
        ) {
            let entries: Vec<_> = platforms.into_iter().map(entry).collect();
            let mut name = OneName::default();
            for entry in &entries {
                let platform = |entry: &ImageEntry| entry.node.images()[0].platform.clone();
                let clashes = name.entries.iter().any(|other| platform(other).matches(&platform(entry)));
                prop_assert_eq!(matches!(name.add(entry), Naming::Added), !clashes);
            }
        }
    }
}
