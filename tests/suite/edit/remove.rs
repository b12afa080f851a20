//! Paths taken out of every layer (E-20 to E-26).

use std::collections::BTreeSet;

use crate::rootfs::random::{Random, apply, from_env, shown};
use crate::support::codec::Codec;
use crate::support::expect::{Target, edit, refuse_edit};
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, opaque, symlink, whiteout};
use crate::support::model::Refused;
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;

use super::{listing, stacked};

/// The listing after `paths` were removed.
#[track_caller]
fn removed(layers: &[Vec<Item>], paths: &[&str]) -> Vec<Vec<String>> {
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--remove", path]).collect();
    let written = edit(&Shape::Oci.save_one(&stacked(layers)), Target::Oci, &flags);
    listing(&written)
}

#[track_caller]
fn gives(layers: &[Vec<Item>], path: &str, expected: &[&[&str]]) {
    assert_eq!(removed(layers, &[path]), expected, "without {path}");
}

#[test]
fn r01_the_next_name_becomes_the_file() {
    let a = file("a", "data").mode(0o4755).owner(7, 8).xattr("security.capability", "x");
    let layers = [vec![a, hardlink("b", "a"), hardlink("c", "a"), file("z", "")]];
    gives(&layers, "a", &[&["b", "c = b", "z"]]);
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "a"]);
    written.outcome.says(["`a`: removed from layer 0", "the content of `a` stays, as `b`", "warning"]);
    let nodes = crate::support::rootfs::entries(written.images[0].layers[0].plain.as_ref().unwrap());
    assert_eq!(
        (nodes[0].kind, nodes[0].mode, nodes[0].owner, &nodes[0].body[..]),
        (b'0', 0o4755, (7, 8), &b"data"[..])
    );
    assert_eq!((nodes[1].mode, &nodes[1].records), (0o4755, &nodes[0].records));
}

#[test]
fn r02_r14_whiteouts_of_it_go_and_an_empty_layer_stays() {
    let layers = [vec![file("a", "1"), file("z", "")], vec![whiteout("a")], vec![file("y", "")]];
    gives(&layers, "a", &[&["z"], &[], &["y"]]);
}

#[test]
fn r03_r05_an_opaque_marker_stays_while_it_hides_something() {
    let upper = vec![dir("d"), opaque("d"), file("d/n", "")];
    gives(
        &[vec![dir("d"), file("d/x", "1"), file("d/y", "")], upper.clone()],
        "d/x",
        &[&["d/", "d/y"], &["d/", "d/.wh..wh..opq", "d/n"]],
    );
    gives(&[vec![dir("d"), file("d/x", "1")], upper], "d/x", &[&["d/"], &["d/", "d/n"]]);
}

#[test]
fn r06_directories_that_it_implied_are_written() {
    gives(&[vec![file("z", ""), file("p/q/x", "1")]], "p/q/x", &[&["z", "p/", "p/q/"]]);
    gives(&[vec![file("p/q/x", "1"), file("p/y", "")]], "p/q/x", &[&["p/q/", "p/y"]]);
    gives(&[vec![file("f", "")], vec![file("f/k", "1")]], "f/k", &[&["f"], &["f/"]]);
}

#[test]
fn r07_r08_paths_through_symbolic_links_are_the_same() {
    let layers = [vec![dir("usr"), dir("usr/lib").mode(0o711), symlink("lib", "usr/lib")], vec![file("lib/foo", "1")]];
    for path in ["usr/lib/foo", "lib/foo"] {
        gives(&layers, path, &[&["usr/", "usr/lib/", "lib -> usr/lib"], &[]]);
    }
    gives(&layers, "lib", &[&["usr/", "usr/lib/"], &["usr/", "usr/lib/", "usr/lib/foo"]]);
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "lib"]);
    let nodes = crate::support::rootfs::entries(written.images[0].layers[1].plain.as_ref().unwrap());
    assert_eq!(nodes[1].mode, 0o711);
    let old = vec![dir("usr"), dir("usr/lib"), file("usr/lib/old", "1"), symlink("lib", "usr/lib")];
    gives(
        &[old, vec![whiteout("lib/old")]],
        "lib",
        &[&["usr/", "usr/lib/", "usr/lib/old"], &["usr/", "usr/lib/", "usr/lib/.wh.old"]],
    );
}

#[test]
fn r09_a_link_into_a_lower_layer_gets_its_data() {
    let layers = [vec![file("a", "data").mode(0o600)], vec![hardlink("c", "a")]];
    gives(&layers, "a", &[&[], &["c"]]);
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "a"]);
    let node = &crate::support::rootfs::entries(written.images[0].layers[1].plain.as_ref().unwrap())[0];
    assert_eq!((node.kind, node.mode, &node.body[..]), (b'0', 0o600, &b"data"[..]));
}

#[test]
fn r10_r11_r13_whatever_is_there_goes_and_whiteouts_of_the_rest_stay() {
    gives(&[vec![file("p", "1")], vec![whiteout("p")], vec![dir("p"), file("p/k", "2")]], "p", &[&[], &[], &[]]);
    let layers = [vec![dir("d"), file("d/a", "1"), file("d/b", "")], vec![whiteout("d")]];
    gives(&layers, "d/a", &[&["d/", "d/b"], &[".wh.d"]]);
    let layers = [
        vec![file(".env", "1"), dir("a"), file("a/.env", "2"), dir("a/b"), file("a/b/.env", "3"), file("a/env", "")],
        vec![whiteout("a/.env")],
    ];
    gives(&layers, "**/.env", &[&["a/", "a/b/", "a/env"], &[]]);
}

#[test]
fn links_among_names_keep_their_file() {
    let group = vec![file("a", "1"), hardlink("b", "a"), hardlink("c", "b")];
    gives(std::slice::from_ref(&group), "b", &[&["a", "c = a"]]);
    assert_eq!(removed(&[group], &["a", "b"]), [["c"]]);
}

#[test]
fn e_21_content_that_another_name_keeps_is_named_whichever_name_goes() {
    let key = || file("etc/key", "secret");
    for layers in [
        vec![vec![dir("etc"), key(), hardlink("etc/bak", "etc/key")]],
        vec![vec![dir("etc"), key()], vec![hardlink("etc/bak", "etc/key")]],
        vec![vec![dir("etc"), key(), hardlink("etc/bak", "etc/key")], vec![whiteout("etc/bak")]],
    ] {
        let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "etc/bak"]);
        written.outcome.says(["warning", "`etc/key` (that of `etc/bak`)"]);
    }
    let layers = [vec![dir("etc"), file("etc/key", ""), hardlink("etc/bak", "etc/key")]];
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "etc/bak"]);
    written.outcome.never_says(["warning"]);
}

#[test]
fn r_5_files_of_aufs_go_with_their_last_name() {
    let aside = ".wh..wh.plnk/1.2";
    let plink = || vec![dir(".wh..wh.plnk"), file(aside, "secret"), dir("etc"), hardlink("etc/key", aside)];
    gives(&[plink()], "etc/key", &[&[".wh..wh.plnk/", "etc/"]]);
    let two = [plink(), vec![hardlink("etc/bak", aside)]].concat();
    let link = "etc/bak = .wh..wh.plnk/1.2";
    gives(std::slice::from_ref(&two), "etc/key", &[&[".wh..wh.plnk/", aside, "etc/", link]]);
    assert_eq!(removed(&[two], &["etc/key", "etc/bak"]), [[".wh..wh.plnk/", "etc/"]]);
    let upper = vec![file("z", ""), hardlink("c", "etc/key")];
    gives(&[plink(), upper], "etc/key", &[&[".wh..wh.plnk/", "etc/"], &["z", "c"]]);
    let group = vec![dir("etc"), file("etc/key", "secret"), dir(".wh..wh.plnk"), hardlink(aside, "etc/key")];
    gives(&[group], "etc/key", &[&["etc/", ".wh..wh.plnk/"]]);
}

#[test]
fn untouched_entries_and_layers_keep_every_block() {
    let odd = file("etc/odd", "1").pax("comment", "kept").owner_names("me", "us").mtime(7);
    let layers =
        [vec![file("usr/x", "1")], vec![dir("etc"), odd.clone(), file("etc/key", "secret")], vec![file("y", "")]];
    let image = stacked(&layers);
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--remove", "etc/key"]);
    let digests = written.images[0].layer_digests();
    assert_eq!((digests[0], digests[2]), (&*image.layer_digests()[0], &*image.layer_digests()[2]));
    let expected = layer_tar([dir("etc"), odd]);
    assert_eq!(written.images[0].layers[1].plain.as_ref().unwrap(), &expected, "E-25");
}

#[test]
fn what_is_nowhere_is_refused() {
    let source = Shape::Oci.save_one(&stacked(&[vec![file("a", "1")]]));
    refuse_edit(&source, Target::Oci, &["--remove", "a", "--remove", "b"], 4).says(["`b`"]);
    refuse_edit(&source, Target::Oci, &["--remove", ".wh.a"], 2);
    refuse_edit(&source, Target::Oci, &["--remove", "/"], 2);
    refuse_edit(&source, Target::Oci, &["--remove", "a", "--all-blobs"], 2).says(["--all-blobs"]);
    refuse_edit(&source, Target::OciDir, &["--remove", "a", "--append"], 2).says(["--append", "--remove"]);
}

#[test]
fn what_leads_to_it_and_what_has_its_content_is_named() {
    let layers = [vec![file("key", "secret"), symlink("current", "key"), file("copy", "secret")]];
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "key"]);
    written.outcome.says(["`current` is a symbolic link to what is removed", "warning", "`copy` (that of `key`)"]);
    refuse_edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "key", "--strict"], 4);
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove", "key", "--remove", "copy"]);
    written.outcome.says(["no layer has the content"]);
}

#[test]
fn h_24_no_path_is_restored_that_no_system_takes() {
    let source = |depth: usize| {
        Shape::Oci.save_one(&stacked(&[vec![file("k", "1")], vec![file("d/".repeat(depth) + "f", "1")]]))
    };
    let too_deep = source(2_100);
    refuse_edit(&too_deep, Target::Oci, &["--remove", "**/f"], 3).says(["no system takes more than 4096"]);
    edit(&too_deep, Target::Oci, &["--remove", "k"]);
    edit(&too_deep, Target::Oci, &["--remove", "d"]);
    edit(&too_deep, Target::Oci, &["--remove-layer", "0"]);
    let written = edit(&source(2_000), Target::Oci, &["--remove", "**/f"]);
    assert_eq!(listing(&written)[1].len(), 2_000);
    // Directories of their own, each a hundred times as long as their entry.
    let deep = |nth: usize| file(format!("{nth}/") + &"d/".repeat(2_000) + "f", "1");
    let many = Shape::Oci.save_one(&stacked(&[(0..8).map(deep).collect()]));
    refuse_edit(&many, Target::Oci, &["--remove", "**/f"], 3).says(["directories that only the paths of others imply"]);
}

/// 1 MiB that no compression shortens and no other file has.
fn secret() -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..1 << 17).flat_map(|_| next()).collect()
}

#[test]
fn no_piece_of_a_leaked_file_is_in_any_layer_of_any_format() {
    let secret = secret();
    let layers = [
        vec![dir("etc"), dir("usr")],
        vec![file("usr/a", "1")],
        vec![file("etc/key", secret.clone()), hardlink("etc/key.bak", "etc/key"), hardlink("usr/key", "etc/key")],
        vec![file("usr/b", "2")],
        vec![whiteout("etc/key"), file("usr/c", "3")],
        vec![whiteout("usr/key"), whiteout("etc/key.bak")],
        vec![file("usr/d", "4")],
    ];
    let mut image = stacked(&layers);
    for (layer, codec) in image.layers.iter_mut().zip([Codec::Gzip, Codec::Plain, Codec::Zstd].into_iter().cycle()) {
        layer.codec = codec;
    }
    let pieces: BTreeSet<&[u8]> = secret.chunks(4096).map(|chunk| &chunk[..32]).collect();
    for target in Target::ALL {
        let flags = ["--remove", "etc/key", "--remove", "**/key", "--remove", "etc/key.bak"];
        let written = edit(&Shape::Oci.save_one(&image), target, &flags);
        assert_eq!(written.images[0].layers.len(), 7);
        for layer in &written.images[0].layers {
            let tar = layer.plain.as_ref().unwrap();
            assert!(!tar.windows(32).any(|window| pieces.contains(window)), "{}", target.flag());
        }
        for member in written.archive.names().into_iter().filter(|name| written.archive.is_regular(name)) {
            let body = written.archive.body(member);
            assert!(!body.windows(32).any(|window| pieces.contains(window)), "{member} in {}", target.flag());
        }
        written.outcome.says(["`etc/key`: removed from layer 2", "layer 4", "no layer has the content"]);
    }
}

/// What is left of a stack without symbolic links, and without what the model then refuses.
fn without_symlinks(mut stack: Vec<Vec<Item>>) -> Vec<Vec<Item>> {
    stack.iter_mut().for_each(|layer| layer.retain(|item| item.kind != b'2'));
    while let Err((layer, Refused(nth))) = apply(&stack) {
        stack[layer].remove(nth);
    }
    stack
}

#[test]
fn the_tree_is_the_old_one_without_the_path_for_any_stack() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    for seed in first..first + from_env("IMGTAR_STACKS").unwrap_or(40) {
        let mut random = Random::new(seed);
        let mut stack = random.sound_stack();
        // What a path means may change from layer to layer where there are symbolic links, and then other paths go too.
        let has_links = seed % 2 == 0;
        if !has_links {
            stack = without_symlinks(stack);
        }
        let source = Shape::Oci.save_one(&stacked(&stack)).bytes();
        let before = Rootfs::written(&imgtar(["convert", "--to", "rootfs"]).stdin(source.clone()).success().stdout);
        let Some(path) = before.paths().get(random.below(before.0.len().max(1))).cloned() else { continue };
        let path = path.trim_end_matches('/');
        if path == "." {
            continue;
        }
        let context = format!("IMGTAR_SEED={seed} --remove {path}: {:#?}", shown(&stack));
        let once = imgtar(["edit", "--to", "oci", "--remove", path]).stdin(source).run();
        // A directory that is there because a path leads through it and back is nobody's entry.
        if once.code == 4 && (path == "d" || path.ends_with("/d")) {
            continue;
        }
        assert_eq!(once.code, 0, "{once}");
        let once = once.stdout;
        let after = Rootfs::written(&imgtar(["convert", "--to", "rootfs"]).stdin(once.clone()).success().stdout);
        // Names of one file may lie in several layers, and then are files of their own (E-21): only paths are compared,
        // and what is not a hard link's.
        let is_gone = |name: &str| name.trim_end_matches('/') == path || name.starts_with(&format!("{path}/"));
        // `d` is only ever led through, by `d/../a`.
        let is_way = |name: &str| name == "d/" || name.ends_with("/d/");
        let left = |tree: &Rootfs| tree.paths().into_iter().filter(|name| !is_gone(name) && !is_way(name)).collect();
        let (found, expected): (Vec<String>, Vec<String>) = (left(&after), left(&before));
        if has_links {
            assert!(found.iter().all(|path| expected.contains(path)), "{context}");
            continue;
        }
        assert_eq!(found, expected, "{context}");
        for node in before.0.iter().filter(|node| node.kind != b'1') {
            let name = String::from_utf8_lossy(&node.path);
            if is_gone(&name) || is_way(&name) {
                continue;
            }
            let found = after.node(&node.path);
            if found.kind != b'1' {
                assert_eq!(found, node, "{context}");
            }
        }
        imgtar(["edit", "--to", "oci", "--remove", path]).stdin(once).exits(4);
    }
}
