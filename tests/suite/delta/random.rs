//! Random pairs of images: what a delta makes is the new one, by this program and by the format's own page.
//!
//! `IMGTAR_DELTAS` says how many pairs (40 if unset), `IMGTAR_SEED` with which one to begin; a failure names its seed.

use std::collections::BTreeMap;

use super::{Shelf, assert_image, noise};
use crate::rootfs::random::{Random, apply, from_env};
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::layer::{Item, file, layer_tar, unended_tar};
use crate::support::shape::Shape;
use crate::support::tar_diff::{self, TAR_DIFF};

const SHAPES: [Shape; 4] = [Shape::Oci, Shape::Docker20, Shape::Crane, Shape::Containerd];

/// Bodies that are alike now and then, of sizes that matter.
fn body(random: &mut Random) -> Vec<u8> {
    let mut bytes = noise(random.below(3) as u64, [0, 10, 24, 25, 700, 70_000][random.below(6)]);
    for _ in 0..random.below(4) {
        let place = random.below(bytes.len() + 1);
        let end = (place + random.below(20)).min(bytes.len());
        bytes.splice(place..end, noise(random.below(9) as u64, random.below(40)));
    }
    bytes
}

fn stack(random: &mut Random) -> Vec<Vec<Item>> {
    let mut stack = random.sound_stack();
    for layer in &mut stack {
        for nth in 0..random.below(5) {
            let mode = [0o644, 0o640, 0o600][random.below(3)];
            let name = format!("{}{nth}", ["f-1.", "dir/f-2.", "other."][random.below(3)]);
            layer.push(file(name, body(random)).mode(mode));
        }
    }
    stack
}

/// `old` with some entries changed, left out and added.
fn changed(old: &[Vec<Item>], random: &mut Random) -> Vec<Vec<Item>> {
    let mut new = if random.below(4) == 0 { stack(random) } else { old.to_vec() };
    for layer in &mut new {
        layer.retain(|_| random.below(12) > 0);
        for item in layer.iter_mut() {
            if random.below(3) > 0 {
                continue;
            }
            item.mtime += 1;
            if item.kind == b'0' && !item.name.windows(4).any(|window| window == b".wh.") {
                item.body = body(random);
            }
        }
    }
    new
}

fn image(stack: &[Vec<Item>], random: &mut Random, name: &str) -> TestImage {
    stack.iter().fold(TestImage::new().tag(name), |image, layer| {
        let tar = if random.below(5) == 0 { unended_tar(layer.clone()) } else { layer_tar(layer.clone()) };
        image.layer_bytes(tar).stored(random.codec())
    })
}

#[test]
fn of_any_image_another_is_made() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    for seed in first..first + from_env("IMGTAR_DELTAS").unwrap_or(40) {
        let random = &mut Random::new(seed);
        let old_stack = stack(random);
        let new_stack = changed(&old_stack, random);
        let Ok(model) = apply(&old_stack) else { continue };
        let (old, new) = (image(&old_stack, random, "ex.org/app:1"), image(&new_stack, random, "ex.org/app:2"));
        let shapes = [SHAPES[random.below(4)], SHAPES[random.below(4)]];
        let shelf = Shelf::of([("old.tar", shapes[0].save_one(&old)), ("new.tar", shapes[1].save_one(&new))]);
        let fast = ["", " --fast"][random.below(2)];
        let written = shelf.convert(&format!("new.tar --to delta --base old.tar{fast}")).success().stdout;
        let again = shelf.convert(&format!("new.tar --to delta --base old.tar{fast} -j 8")).success().stdout;
        assert!(again == written, "IMGTAR_SEED={seed}: threads change nothing");
        let tars: BTreeMap<_, _> =
            shapes[1].stored(&new).layers.into_iter().map(|layer| (layer.diff_id(), layer)).collect();
        let by_blob =
            tars.values().flat_map(|layer| [(crate::support::digest(&layer.blob()), layer), (layer.diff_id(), layer)]);
        let by_blob: BTreeMap<_, _> = by_blob.collect();
        for (to, (media_type, blob)) in tar_diff::layers(&Archive::written(&written)) {
            if media_type == TAR_DIFF {
                assert!(tar_diff::apply(&blob, &model) == by_blob[&to].tar, "IMGTAR_SEED={seed}: {to}");
            }
        }
        let made = shelf.convert("- --with old.tar --to oci").stdin(written).success();
        assert_image(&made.stdout, &new);
    }
}
