//! Two things that one archive repeats, n of each and 2n of each: work done for each pair of them takes four times as long,
//! though the archive is only twice as large.

use serde_json::{Value, json};

use super::{Repeat, is_whole};
use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, whiteout};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::tarball::Tarball;

/// The number of each, in a debug build and in a release build. Twice as many make documents nearly as long as imgtar reads.
const TIMES: (usize, usize) = (40, 250);

/// What an archive can repeat, each beside any of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Annotations,
    Attestations,
    /// Entries that list an image again.
    Entries,
    Files,
    History,
    Images,
    Layers,
    /// Hard links to one file.
    Links,
    /// Members that no document names.
    Members,
    Names,
    Platforms,
    /// Whiteouts.
    Removals,
    /// Listings of the first layer.
    Repetitions,
    /// Variables of the environment.
    Variables,
}

impl Thing {
    const ALL: [Self; 14] = [
        Self::Annotations,
        Self::Attestations,
        Self::Entries,
        Self::Files,
        Self::History,
        Self::Images,
        Self::Layers,
        Self::Links,
        Self::Members,
        Self::Names,
        Self::Platforms,
        Self::Removals,
        Self::Repetitions,
        Self::Variables,
    ];

    /// Returns true if only layouts have it.
    fn is_of_layouts(self) -> bool {
        matches!(self, Self::Annotations | Self::Attestations | Self::Platforms)
    }
}

/// How often a thing is there.
struct Counts {
    pair: [Thing; 2],
    times: usize,
}

impl Counts {
    /// The number of `thing`, without which there is no image: one unless it is of the pair.
    fn at_least_one(&self, thing: Thing) -> usize {
        self.count(thing).max(1)
    }

    /// The number of `thing`: none unless it is one of the pair.
    fn count(&self, thing: Thing) -> usize {
        if self.pair.contains(&thing) { self.times } else { 0 }
    }

    fn images(&self) -> Vec<TestImage> {
        (0..self.at_least_one(Thing::Images)).map(|nth| self.image(nth)).collect()
    }

    fn image(&self, nth: usize) -> TestImage {
        let files = (0..self.at_least_one(Thing::Files)).map(|nth| file(format!("d/{nth}"), ""));
        let links = (0..self.count(Thing::Links)).map(|nth| hardlink(format!("link{nth}"), "d/0"));
        let first: Vec<Item> = [dir("d")].into_iter().chain(files).chain(links).collect();
        let first = layer_tar(first);
        let mut image = TestImage::new().key("author", json!(nth.to_string()));
        for _ in 0..self.at_least_one(Thing::Repetitions) {
            image = image.layer_bytes(&*first);
        }
        for nth in 0..self.count(Thing::Layers) {
            image = image.layer([file("f", nth.to_string())]);
        }
        if self.count(Thing::Removals) > 0 {
            let removals = (0..self.count(Thing::Removals)).map(|nth| whiteout(&format!("d/{nth}")));
            image = image.layer_bytes(layer_tar(removals));
        }
        for nth in 0..self.count(Thing::History) {
            image = image.metadata_step(&format!("ENV a={nth}"));
        }
        let variables: Vec<_> = (0..self.count(Thing::Variables)).map(|nth| format!("a{nth}=b")).collect();
        image = image.key("config", json!({"Env": variables})).all_stored(Codec::Plain);
        (0..self.at_least_one(Thing::Names)).fold(image, |image, name| image.tag(&format!("app{nth}:{name}")))
    }

    /// Members of no document.
    fn members(&self, mut tar: Tarball) -> Vec<u8> {
        (0..self.count(Thing::Members)).for_each(|nth| tar.file(format!("notes/{nth}"), ""));
        tar.bytes()
    }

    fn layout(&self) -> Vec<u8> {
        let mut layout = Layout::new();
        for image in self.images() {
            let mut descriptor = layout.image(&image, Types::Oci);
            let annotations = (0..self.count(Thing::Annotations)).map(|nth| (format!("a{nth}"), json!("b")));
            descriptor["annotations"] = Value::Object(annotations.collect());
            let attestations: Vec<_> = (0..self.count(Thing::Attestations))
                .map(|nth| {
                    let mut attestation = layout.attestation(&descriptor);
                    attestation["annotations"]["nth"] = json!(nth.to_string());
                    attestation
                })
                .collect();
            if !attestations.is_empty() {
                let children: Vec<_> = [descriptor].into_iter().chain(attestations).collect();
                descriptor = layout.nested(&children, Types::Oci);
            }
            layout.list_as(&descriptor, &image.tags);
            for nth in 0..self.count(Thing::Entries) {
                let mut entry = descriptor.clone();
                entry["annotations"]["entry"] = json!(nth.to_string());
                layout.list(&entry);
            }
            for nth in 0..self.count(Thing::Platforms) {
                let mut entry = descriptor.clone();
                entry["platform"] = json!({"os": "linux", "architecture": "arm", "variant": format!("v{nth}")});
                layout.list_as(&entry, &image.tags[..1]);
            }
        }
        self.members(layout.tarball())
    }

    fn docker(&self) -> Vec<u8> {
        let mut tar = Tarball::default();
        let mut items = Vec::new();
        for image in self.images() {
            let config = blob_path(&digest(&image.config()));
            let layers: Vec<_> = image.layers.iter().map(|layer| (blob_path(&layer.diff_id()), &layer.tar)).collect();
            let item = docker::item(&image, &config, layers.iter().map(|(path, _)| path.clone()));
            items.extend(vec![item; self.at_least_one(Thing::Entries)]);
            for (path, bytes) in [(config, &image.config())].into_iter().chain(layers) {
                tar.file_once(path, &**bytes);
            }
        }
        tar.json("manifest.json", &items.into());
        self.members(tar)
    }
}

/// Each two things together, in a layout and in an archive with manifest.json.
pub(super) fn all() -> Vec<Repeat> {
    let mut repeats = Vec::new();
    let things = Thing::ALL.into_iter().enumerate();
    let pairs = things.flat_map(|(nth, one)| Thing::ALL[nth + 1..].iter().map(move |&other| [one, other]));
    for (nth, pair) in pairs.enumerate() {
        let mut push = |form: &str, archive: fn(&Counts) -> Vec<u8>| {
            let what = format!("{:?} and {:?}, {form}", pair[0], pair[1]);
            repeats.push(Repeat::new(what, TIMES, move |times| archive(&Counts { pair, times })));
        };
        // Without the whole table, layouts and Docker archives take turns.
        let is_docker = !pair.iter().any(|thing| thing.is_of_layouts());
        if is_whole() || !is_docker || nth % 2 == 0 {
            push("layout", Counts::layout);
        }
        if is_docker && (is_whole() || nth % 2 == 1) {
            push("docker", Counts::docker);
        }
    }
    repeats
}
