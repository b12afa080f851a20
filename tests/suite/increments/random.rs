//! Random sets of images that share layers in random ways, some of them bases, against a model of what is left out.
//!
//! `IMGTAR_INCREMENTS` says how many sets (30 if unset), `IMGTAR_SEED` with which one to begin; a failure names its seed.

use std::collections::BTreeSet;

use crate::rootfs::random::Random;
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::blob_path;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Writers that keep a layer's blob as it is, so that all agree about its digest.
const SHAPES: [Shape; 4] = [Shape::Oci, Shape::Containerd, Shape::OciNested, Shape::Crane];

fn image(random: &mut Random, name: &str) -> TestImage {
    let layers = 1 + random.below(5);
    let layer = |number: usize| layer_tar([file(format!("f{number}"), "x".repeat(100 * number))]);
    (0..layers).fold(TestImage::new(), |image, _| image.layer_bytes(layer(random.below(3)))).tag(name)
}

/// Images with names that begin with `prefix`, in one to three archives.
fn archives(random: &mut Random, prefix: &str) -> Vec<(Shape, Vec<TestImage>)> {
    (0..1 + random.below(3))
        .map(|archive| {
            let shape = SHAPES[random.below(SHAPES.len())];
            let images = 1 + random.below(3);
            (shape, (0..images).map(|nth| image(random, &format!("ex.org/{prefix}{archive}-{nth}:1"))).collect())
        })
        .collect()
}

/// The blobs of the layers that must be written: those that some image has above what it shares with one image of a base.
fn written(new: &[&TestImage], bases: &[&TestImage]) -> BTreeSet<String> {
    let shared = |image: &TestImage, base: &TestImage| {
        image.diff_ids().iter().zip(base.diff_ids()).take_while(|(one, other)| *one == other).count()
    };
    let above = |image: &&TestImage| {
        let most = bases.iter().map(|base| shared(image, base)).max().unwrap_or(0);
        image.layer_digests().split_off(most)
    };
    new.iter().flat_map(above).collect()
}

#[test]
fn of_any_images_only_that_is_written_which_no_base_has() {
    let number =
        |variable: &str, otherwise: u64| std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap());
    let first = number("IMGTAR_SEED", 0);
    for seed in first..first + number("IMGTAR_INCREMENTS", 30) {
        let random = &mut Random::new(seed);
        let (bases, new) = (archives(random, "old"), archives(random, "new"));
        let scratch = Scratch::new();
        let write = |prefix: &str, archives: &[(Shape, Vec<TestImage>)]| -> Vec<String> {
            let name = |nth: usize| format!("{prefix}{nth}.tar");
            let written = archives.iter().enumerate();
            written.for_each(|(nth, (shape, images))| drop(scratch.write(&name(nth), shape.save(images).bytes())));
            (0..archives.len()).map(name).collect()
        };
        let (base_names, new_names) = (write("old", &bases), write("new", &new));
        let flags = |flag: &str| base_names.iter().flat_map(|name| [flag.to_owned(), name.clone()]).collect::<Vec<_>>();
        let convert = || imgtar(["convert", "--to", "oci"]).dir(scratch.dir());
        let up = convert().args(&new_names).args(flags("--base")).success();
        let images = |archives: &'_ [(Shape, Vec<TestImage>)]| {
            archives.iter().flat_map(|(_, images)| images.clone()).collect::<Vec<_>>()
        };
        let (all_bases, all_new) = (images(&bases), images(&new));
        let expected = written(&all_new.iter().collect::<Vec<_>>(), &all_bases.iter().collect::<Vec<_>>());
        let archive = Archive::written(&up.stdout);
        let layers: BTreeSet<String> = all_new.iter().flat_map(TestImage::layer_digests).collect();
        let found: BTreeSet<String> = layers.into_iter().filter(|digest| archive.has(&blob_path(digest))).collect();
        assert_eq!(found, expected, "seed {seed}: B-2");
        imgtar(["verify"]).stdin(up.stdout.clone()).success();
        let whole = convert().args(&new_names).success();
        let back = convert().arg("-").args(flags("--with")).stdin(up.stdout.clone()).success();
        assert!(back.stdout == whole.stdout, "seed {seed}: byte for byte");
        let again = convert().args(&new_names).args(flags("--base")).args(["-j", "8"]).success();
        assert!(again.stdout == up.stdout, "seed {seed}: threads change nothing");
    }
}
