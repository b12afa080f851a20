//! Random sets of images that share layers, saved by random writers in random archives, against a model of what the one
//! archive must hold.
//!
//! `IMGTAR_BUNDLES` says how many sets (40 if unset), `IMGTAR_SEED` with which one to begin; a failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use crate::rootfs::random::Random;
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layer::{file, layer_tar};
use crate::support::name::full;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/arm/v7"];

/// An archive: a writer, and its images.
type Saved = (Shape, Vec<TestImage>);

/// A layer of the few that there are.
fn layer(number: usize) -> Vec<u8> {
    layer_tar([file(format!("f{number}"), "x".repeat(100 * number))])
}

fn image(random: &mut Random) -> TestImage {
    let layers = 1 + random.below(4);
    let image = (0..layers).fold(TestImage::new(), |image, _| image.layer_bytes(layer(random.below(5))));
    // Few distinct images, so that some meet again in other archives.
    image.platform(PLATFORMS[random.below(3)])
}

fn archives(random: &mut Random) -> Vec<Saved> {
    let archive = |random: &mut Random| {
        let shape = Shape::ALL[random.below(Shape::ALL.len())];
        // jib names every config alike; a docker tarball has no two images under one name.
        let most = if shape == Shape::Jib { 1 } else { 1 + random.below(3) };
        let mut names = BTreeSet::new();
        let mut images = Vec::new();
        for _ in 0..most {
            let name = format!("ex.org/app{}:1", random.below(6));
            if names.insert(name.clone()) {
                images.push(image(random).tag(&name));
            }
        }
        (shape, images)
    };
    (0..2 + random.below(3)).map(|_| archive(random)).collect()
}

/// The images under each name, one a platform; `None` if two that differ would have one name and platform.
fn model(archives: &[Saved]) -> Option<BTreeMap<String, BTreeMap<String, String>>> {
    let mut named: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for image in archives.iter().flat_map(|(_, images)| images) {
        for tag in &image.tags {
            let platforms = named.entry(full(tag)).or_default();
            let id = platforms.entry(image.platform_json().to_string()).or_insert_with(|| image.id());
            if *id != image.id() {
                return None;
            }
        }
    }
    Some(named)
}

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |value| value.parse().expect("a number"))
}

#[test]
fn any_archives_are_one_archive_of_all_their_images() {
    let first = number("IMGTAR_SEED", 0);
    let mut written = 0;
    for seed in first..first + number("IMGTAR_BUNDLES", 40) {
        let archives = archives(&mut Random::new(seed));
        let scratch = Scratch::new();
        let paths: Vec<_> = (archives.iter().enumerate())
            .map(|(nth, (shape, images))| scratch.write(&format!("{nth}.tar"), shape.save(images).bytes()))
            .collect();
        let outcome = imgtar(["convert", "--to", "oci"]).args(&paths).run();
        let Some(named) = model(&archives) else {
            assert_eq!(outcome.code, 4, "seed {seed}: two images of one name\n{outcome}");
            continue;
        };
        assert_eq!(outcome.code, 0, "seed {seed}: {outcome}");
        written += 1;
        // Blobs are in the order of the images, which are together in the index if they share a name.
        let archive = Archive::written(&outcome.stdout);
        let images = judge::oci_images(&archive);
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for image in &images {
            for name in &image.names {
                found.entry(name.clone()).or_default().insert(image.id.clone());
            }
        }
        let expected: BTreeMap<_, BTreeSet<_>> =
            named.into_iter().map(|(name, platforms)| (name, platforms.into_values().collect())).collect();
        assert_eq!(found, expected, "seed {seed}");
        // A layer is there in as many forms as its writers store it in, and in each of them once.
        let stored = archives.iter().flat_map(|(shape, images)| images.iter().map(|image| shape.stored(image)));
        let forms: BTreeSet<String> = stored.flat_map(|image| image.layer_digests()).collect();
        let layers: BTreeSet<&str> = images.iter().flat_map(|image| image.layer_digests()).collect();
        assert!(layers.iter().all(|digest| forms.contains(*digest)), "seed {seed}: kept as somebody stored them");
        let names = archive.names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "seed {seed}: each member once");
        let again = imgtar(["convert", "--to", "oci", "-j", "8"]).args(&paths).success();
        assert!(again.stdout == outcome.stdout, "seed {seed}: threads change nothing");
        imgtar(["verify"]).stdin(outcome.stdout).success();
    }
    assert!(written > 0, "no set could be written");
}
