//! Two things that one archive repeats, n of each and 2n of each: what is done for every one of the first beside every one of
//! the second takes four times as long for an archive of twice the size.

use serde_json::{Value, json};

use super::{Repeat, is_whole};
use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, whiteout};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::tarball::Tarball;

/// Times for each of both, in a debug build and in a release build; and twice that, which makes documents as long as is read.
const TIMES: (usize, usize) = (70, 250);

/// What an archive can repeat, each beside any of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Annotations,
    Attestations,
    Entries,
    Files,
    History,
    Images,
    Layers,
    Links,
    Members,
    Names,
    Platforms,
    Removals,
    Repetitions,
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

    /// Whether only layouts have it.
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
    /// The number of things of that sort: those of the pair many times, the others once.
    fn of(&self, thing: Thing) -> usize {
        self.more(thing).max(1)
    }

    /// The number of things that an archive need not have.
    fn more(&self, thing: Thing) -> usize {
        if self.pair.contains(&thing) { self.times } else { 0 }
    }

    fn images(&self) -> Vec<TestImage> {
        (0..self.of(Thing::Images)).map(|nth| self.image(nth)).collect()
    }

    fn image(&self, nth: usize) -> TestImage {
        let files = (0..self.of(Thing::Files)).map(|nth| file(format!("d/{nth}"), ""));
        let links = (0..self.more(Thing::Links)).map(|nth| hardlink(format!("link{nth}"), "d/0"));
        let first: Vec<Item> = [dir("d")].into_iter().chain(files).chain(links).collect();
        let first = layer_tar(first);
        let mut image = TestImage::new().key("author", json!(nth.to_string()));
        for _ in 0..self.of(Thing::Repetitions) {
            image = image.layer_bytes(&*first);
        }
        for nth in 0..self.more(Thing::Layers) {
            image = image.layer([file("f", nth.to_string())]);
        }
        if self.more(Thing::Removals) > 0 {
            let removals = (0..self.more(Thing::Removals)).map(|nth| whiteout(&format!("d/{nth}")));
            image = image.layer_bytes(layer_tar(removals));
        }
        for nth in 0..self.more(Thing::History) {
            image = image.metadata_step(&format!("ENV a={nth}"));
        }
        let variables: Vec<_> = (0..self.more(Thing::Variables)).map(|nth| format!("a{nth}=b")).collect();
        image = image.key("config", json!({"Env": variables})).all_stored(Codec::Plain);
        (0..self.of(Thing::Names)).fold(image, |image, name| image.tag(&format!("app{nth}:{name}")))
    }

    /// Members of no document.
    fn members(&self, mut tar: Tarball) -> Vec<u8> {
        (0..self.more(Thing::Members)).for_each(|nth| tar.file(format!("notes/{nth}"), ""));
        tar.bytes()
    }

    fn layout(&self) -> Vec<u8> {
        let mut layout = Layout::new();
        for image in self.images() {
            let mut descriptor = layout.image(&image, Types::Oci);
            let annotations = (0..self.more(Thing::Annotations)).map(|nth| (format!("a{nth}"), json!("b")));
            descriptor["annotations"] = Value::Object(annotations.collect());
            let attestations: Vec<_> = (0..self.more(Thing::Attestations))
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
            for nth in 0..self.more(Thing::Entries) {
                let mut entry = descriptor.clone();
                entry["annotations"]["entry"] = json!(nth.to_string());
                layout.list(&entry);
            }
            for nth in 0..self.more(Thing::Platforms) {
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
            items.extend(vec![item; self.of(Thing::Entries)]);
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
        // Where not all is tried, in turns.
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
