//! One layer in place of several (E-1 to E-15, E-50 to E-52).

use serde_json::{Value, json};

use crate::rootfs::random::{Random, from_env, shown};
use crate::support::codec::Codec;
use crate::support::expect::{Converted, Target, edit, refuse_edit};
use crate::support::layer::{Item, dir, file, hardlink, opaque, symlink, whiteout};
use crate::support::rootfs::{Node, Rootfs, flatten};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;

use super::stacked;

/// The root filesystem of what was written.
fn rootfs(written: &Converted) -> Vec<u8> {
    imgtar(["convert", "--to", "rootfs"]).stdin(written.bytes.clone()).success().stdout
}

/// The entries of the layer that stands for those above `base`, which must make the same tree.
#[track_caller]
fn squashed(base: &[Vec<Item>], cut: &[Vec<Item>]) -> Vec<Node> {
    let image = stacked(&[base, cut].concat());
    let top = cut.len().to_string();
    let flags: &[&str] = if base.is_empty() { &["--squash"] } else { &["--squash-top", &top] };
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, flags);
    assert_eq!(written.images[0].layers.len(), base.len() + 1);
    assert!(rootfs(&written) == flatten(&image, &[]), "the same tree, byte for byte");
    crate::support::rootfs::entries(written.images[0].layers[base.len()].plain.as_ref().unwrap())
}

/// Each entry's name, with what it links to.
fn names(nodes: &[Node]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name = |node: &Node| match node.kind {
        b'1' => format!("{} = {}", text(&node.path), text(&node.link)),
        b'2' => format!("{} -> {}", text(&node.path), text(&node.link)),
        _ => text(&node.path),
    };
    nodes.iter().map(name).collect()
}

#[test]
fn the_tree_of_any_stack_stays_the_same_for_every_kept_base() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    for seed in first..first + from_env("IMGTAR_STACKS").unwrap_or(25) {
        let mut random = Random::new(seed);
        let stack = random.sound_stack();
        let mut image = stacked(&stack);
        image.layers.iter_mut().for_each(|layer| layer.codec = random.codec());
        let source = Shape::Oci.save_one(&image);
        let before = imgtar(["convert", "--to", "rootfs"]).stdin(source.bytes()).success().stdout;
        for top in 2..=stack.len() {
            let written = edit(&source, Target::Oci, &["--squash-top", &top.to_string()]);
            assert!(rootfs(&written) == before, "IMGTAR_SEED={seed} top {top}: {:#?}", shown(&stack));
            let kept = stack.len() - top;
            let digests: Vec<_> = image.layer_digests();
            let is_kept = |nth: usize| matches!(image.layers[nth].codec, Codec::Plain | Codec::Gzip | Codec::Zstd);
            for nth in (0..kept).filter(|nth| is_kept(*nth)) {
                assert_eq!(written.images[0].layers[nth].digest, digests[nth], "a layer below keeps every byte");
            }
        }
    }
}

#[test]
fn s13_s32_parents_keep_their_bits_and_owners() {
    let base = [vec![dir("a").mode(0o1777).owner(3, 4).mtime(7), dir("a/b").mode(0o2775).mtime(8)]];
    let nodes = squashed(&base, &[vec![file("a/b/n", "1")], vec![file("a/b/n", "2")]]);
    assert_eq!(names(&nodes), ["a/", "a/b/", "a/b/n"]);
    assert_eq!((nodes[0].mode, nodes[0].owner, &*nodes[0].mtime), (0o1777, (3, 4), "7"));
    assert_eq!((nodes[1].mode, &*nodes[1].mtime), (0o2775, "8"));
}

#[test]
fn s15_s16_a_new_name_of_a_lower_file_brings_the_file_along() {
    let base = [vec![file("a", "data").mode(0o640).owner(3, 0), hardlink("b", "a")]];
    let image = stacked(&[base[0].clone(), vec![hardlink("c", "b")], vec![file("z", "")]]);
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash-top", "2"]);
    written.outcome.says(["carries 4 B of the kept layers", "`a`"]);
    let nodes = squashed(&base, &[vec![hardlink("c", "b")], vec![file("z", "")]]);
    assert_eq!(names(&nodes), ["a", "b = a", "c = a", "z"]);
    assert_eq!(nodes[0].body, b"data");
}

#[test]
fn s20_s36_links_have_all_metadata_of_their_first_name() {
    let a = file("a", "x").mode(0o4755).owner(7, 8).mtime(9).xattr("security.capability", "\x01\0\0\x02");
    let nodes = squashed(&[], &[vec![a, hardlink("b", "a"), hardlink("c", "a")], vec![whiteout("a")]]);
    assert_eq!(names(&nodes), ["b", "c = b"]);
    let metadata = |node: &Node| (node.mode, node.owner, node.mtime.clone(), node.records.clone());
    assert_eq!(metadata(&nodes[0]), metadata(&nodes[1]));
    assert_eq!(nodes[1].records["SCHILY.xattr.security.capability"], b"\x01\0\0\x02");
}

#[test]
fn s23_attributes_that_engines_obey_are_left_out_and_said() {
    let base = vec![dir("d"), file("d/x", "1")];
    let cut = [
        vec![dir("d").xattr("trusted.overlay.opaque", "y").xattr("user.a", "b"), file("d/n", "1")],
        vec![file("z", "")],
    ];
    let image = stacked(&[base, cut[0].clone(), cut[1].clone()]);
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash-top", "2"]);
    let nodes = crate::support::rootfs::entries(written.images[0].layers[1].plain.as_ref().unwrap());
    assert_eq!(nodes[0].records.keys().collect::<Vec<_>>(), ["SCHILY.xattr.user.a"]);
    written.outcome.says(["warning", "`d`", "trusted.overlay"]);
    refuse_edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash-top", "2", "--strict"], 4);
}

#[test]
fn e_11_whiteouts_are_empty_files_without_metadata() {
    let base = [vec![dir("d").mtime(5), file("d/x", "1").mtime(5), file("f", "1")]];
    let nodes = squashed(&base, &[vec![opaque("d")], vec![whiteout("f"), dir("d").mtime(6)]]);
    assert_eq!(names(&nodes), ["d/", "d/.wh.x", ".wh.f"]);
    for node in &nodes[1..] {
        assert_eq!((node.kind, node.mode, node.owner, &*node.mtime, node.body.len()), (b'0', 0, (0, 0), "0", 0));
    }
}

#[test]
fn s25_a_squash_of_nothing_is_an_empty_layer() {
    let nodes = squashed(&[vec![file("f", "1")]], &[vec![file("n", "")], vec![whiteout("n"), whiteout("zz")]]);
    assert!(nodes.is_empty());
}

#[test]
fn e_15_the_new_layer_is_stored_as_the_topmost_was() {
    for (codec, expected) in
        [(Codec::Plain, Codec::Plain), (Codec::Gzip, Codec::Gzip), (Codec::Zstd, Codec::Zstd), (Codec::Xz, Codec::Gzip)]
    {
        let image = stacked(&[vec![file("a", "1")], vec![file("b", "1")]]).stored(codec);
        let source = Shape::Oci.save_one(&image);
        let form = |target, flags: &[&str]| edit(&source, target, flags).images[0].layers[0].codec;
        assert_eq!(form(Target::Oci, &["--squash"]), expected, "{codec:?}");
        assert_eq!(form(Target::OciDir, &["--squash", "--compress", "zstd"]), Codec::Zstd);
        assert_eq!(form(Target::Docker, &["--squash"]), Codec::Gzip);
        assert_eq!(form(Target::Legacy, &["--squash"]), Codec::Plain);
    }
}

#[test]
fn e_52_the_history_keeps_its_commands_and_names_the_change() {
    let image = stacked(&[vec![file("a", "1")], vec![file("b", "1")], vec![file("c", "1")]]).metadata_step("CMD x");
    let written = edit(&Shape::Crane.save_one(&image), Target::Docker, &["--squash-top", "2"]);
    let config: Value = serde_json::from_slice(&written.images[0].config).unwrap();
    let entry = |layer: &str, is_empty: bool| {
        let mut entry = json!({"created": "2020-01-02T03:04:05Z", "created_by": layer});
        if is_empty {
            entry["empty_layer"] = json!(true);
        }
        entry
    };
    let expected = json!([
        entry("ADD layer 0", false),
        entry("ADD layer 1", true),
        entry("ADD layer 2", true),
        {"created_by": "CMD x", "empty_layer": true},
        entry("imgtar edit --squash-top 2", false),
    ]);
    assert_eq!(config["history"], expected);
    assert_eq!(config["created"], "2020-01-02T03:04:05.5Z");
}

#[test]
fn layers_above_a_base_become_one_and_the_base_keeps_its_bytes() {
    let scratch = Scratch::new();
    let base = stacked(&[vec![dir("usr"), file("usr/a", "1")], vec![symlink("lib", "usr")]]);
    let image = stacked(&[
        vec![dir("usr"), file("usr/a", "1")],
        vec![symlink("lib", "usr")],
        vec![file("usr/b", "1")],
        vec![whiteout("usr/a")],
    ]);
    // Told by diff_ids: how the base's layers are compressed does not matter.
    let path = scratch.write("base.tar", Shape::Docker20.save_one(&base.all_stored(Codec::Plain)).bytes());
    let above = ["--squash-above", path.to_str().unwrap()];
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &above);
    assert_eq!(written.images[0].layers.len(), 3);
    assert_eq!(written.images[0].layer_digests()[..2], image.layer_digests()[..2]);
    assert!(rootfs(&written) == flatten(&image, &[]));
    let other = stacked(&[vec![file("x", "1")], vec![file("y", "1")]]);
    refuse_edit(&Shape::Oci.save_one(&other), Target::Oci, &above, 4).says(["base.tar"]);
}

#[test]
fn what_cannot_be_squashed_is_refused_and_one_layer_stays() {
    let image = stacked(&[vec![file("a", "1")]]);
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash"]);
    assert_eq!(written.images[0].id, image.id());
    written.outcome.says(["nothing to squash"]);
    refuse_edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash-top", "2"], 4);
    refuse_edit(&Shape::Oci.save_one(&image), Target::Oci, &["--squash-top", "0"], 2);
    let windows = stacked(&[vec![dir("Files")], vec![dir("Hives")]]).platform("windows/amd64");
    refuse_edit(&Shape::Oci.save_one(&windows), Target::Oci, &["--squash"], 4).says(["Windows"]);
}

#[test]
fn a_squashed_image_is_a_filesystem_too() {
    let image = stacked(&[vec![dir("d"), file("d/a", "1")], vec![whiteout("d/a"), file("d/b", "2")]]);
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(&image).bytes());
    let run = imgtar(["edit", "--squash", "--to", "rootfs", "-o"]).arg(scratch.path("out")).arg(input);
    run.success();
    assert_eq!(Rootfs::written(&scratch.read("out")).paths(), ["d/", "d/b"]);
}

/// `size` bytes that differ from file to file.
pub(super) fn noise(seed: u8, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7) as u8 ^ seed.wrapping_mul(at as u8)).collect()
}

#[test]
fn large_files_are_the_same_in_every_target_from_a_file_a_directory_and_a_pipe_on_any_threads() {
    let sparse = Sparse { size: 200_000, pieces: vec![(70_000, b"here"), (199_999, b"!")] };
    let large = |name: &str, seed| file(name, noise(seed, 70_000 + usize::from(seed) * 513));
    let stack = [
        vec![dir("d"), large("d/a", 1), file("d/small", "1"), large("hidden", 2), hardlink("d/b", "d/a")],
        vec![large("d/exact", 3), file("full", noise(4, 64 << 10)), file("less", noise(5, (64 << 10) - 1))],
        vec![whiteout("hidden"), sparse.pax_1_0("sparse"), large("z", 6), hardlink("y", "z")],
    ];
    for codec in [Codec::Plain, Codec::Gzip] {
        let image = stacked(&stack).all_stored(codec);
        let source = Shape::Oci.save_one(&image);
        let scratch = Scratch::new();
        let (archive, directory) = (scratch.write("in.tar", source.bytes()), scratch.path("in"));
        source.unpack(&directory);
        for target in [Target::Legacy, Target::Docker, Target::Oci] {
            let expected = edit(&source, target, &["--squash", "--jobs", "1"]);
            assert!(rootfs(&expected) == flatten(&image, &[]), "{target:?}");
            let squash = || imgtar(["edit", "--squash", "--jobs", "2", "--to", target.flag()]);
            let streamed = squash().stdin(source.bytes()).success().stdout;
            assert!(streamed == expected.bytes, "{target:?} from a pipe to a pipe");
            for input in [&archive, &directory] {
                squash().arg("--force").arg("-o").arg(scratch.path("out")).arg(input).success();
                assert!(scratch.read("out") == expected.bytes, "{target:?} from {}", input.display());
            }
        }
        // Layers that were rewritten before they are squashed, and are rewritten again.
        let flags = ["--remove", "d/b", "--squash-top", "2", "--normalize"];
        let kept = [stack[0][..4].to_vec(), stack[1].clone(), stack[2].clone()];
        let written = edit(&source, Target::Legacy, &flags);
        assert!(rootfs(&written) == flatten(&stacked(&kept), &[]));
        let other = edit(&Shape::Docker20.save_one(&image), Target::OciDir, &flags);
        assert_eq!(written.images[0].id, other.images[0].id);
    }
}

#[test]
fn a_false_layer_is_told_by_its_digest_whatever_it_breaks() {
    let image = stacked(&[vec![file("a", noise(1, 70_000))], vec![file("b", "1")]]).all_stored(Codec::Plain);
    let source = Shape::Oci.save_one(&image);
    let member = format!("blobs/{}", image.layer_digests()[0].replace(':', "/"));
    for place in [0, 600, 60_000] {
        let mut layer = source.body(&member).to_vec();
        layer[place] ^= 1;
        let damaged = source.clone().without(&member).with(&member, layer);
        for flags in [&["--squash"][..], &["--normalize"], &["--squash", "--jobs", "1"]] {
            refuse_edit(&damaged, Target::Oci, flags, 3).says(["content is sha256:", "expected sha256:"]);
        }
    }
}

#[test]
fn a_squashed_filesystem_tells_the_image_that_it_is_of() {
    let image = stacked(&[vec![file("a", "1")], vec![file("b", "2")]]);
    let source = Shape::Oci.save_one(&image);
    let new = edit(&source, Target::Oci, &["--squash"]).images[0].id[..12].to_owned();
    let run = imgtar(["edit", "--squash", "--to", "rootfs"]).stdin(source.bytes()).success();
    run.says([&format!("image ID {new}, new (was {})", &image.id()[..12])]);
    let converted = imgtar(["convert", "--to", "rootfs"]).stdin(source.bytes()).success();
    converted.never_says(["new", "unchanged"]);
}
