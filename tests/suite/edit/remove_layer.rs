//! Layers left out (E-30, E-31).

use serde_json::Value;

use crate::rootfs::random::{Random, from_env, shown};
use crate::support::expect::{Target, edit, refuse_edit};
use crate::support::layer::{Item, dir, file, hardlink, opaque, symlink, whiteout};
use crate::support::rootfs::entries;
use crate::support::run::imgtar;
use crate::support::shape::Shape;

use super::{assert_tree, listing, stacked, tree};

/// The names in each layer after those with these numbers were left out.
#[track_caller]
fn gives(layers: &[Vec<Item>], numbers: &[&str], expected: &[&[&str]]) {
    let flags: Vec<&str> = numbers.iter().flat_map(|number| ["--remove-layer", number]).collect();
    let written = edit(&Shape::Oci.save_one(&stacked(layers)), Target::Oci, &flags);
    assert_eq!(listing(&written), expected, "without {numbers:?}");
}

#[track_caller]
fn refuses(layers: &[Vec<Item>], number: &str, says: &[&str]) {
    let source = Shape::Oci.save_one(&stacked(layers));
    let refused = refuse_edit(&source, Target::Oci, &["--remove-layer", number], 4);
    says.iter().fold(refused, |refused, says| refused.says([*says]));
}

#[test]
fn e_31_numbers_are_those_of_the_input_and_history_goes_along() {
    let layers = [vec![file("a", "")], vec![file("b", "")], vec![file("c", "")], vec![file("d", "")]];
    gives(&layers, &["0", "2"], &[&["b"], &["d"]]);
    gives(&layers, &["2", "0", "2"], &[&["b"], &["d"]]);
    let image = stacked(&layers).metadata_step("CMD x");
    let written = edit(&Shape::Docker20.save_one(&image), Target::Oci, &["--remove-layer", "1"]);
    let config: Value = serde_json::from_slice(&written.images[0].config).unwrap();
    let commands: Vec<_> = config["history"].as_array().unwrap().iter().map(|entry| &entry["created_by"]).collect();
    assert_eq!(commands, ["ADD layer 0", "ADD layer 2", "ADD layer 3", "CMD x"]);
    written.outcome.says(["layer 1", "left out"]);
    refuses(&layers, "4", &["there is no layer 4", "0 to 3"]);
    gives(&[vec![file("a", "")]], &["0"], &[]);
}

#[test]
fn layers_above_keep_every_byte() {
    let layers = [
        vec![dir("d"), file("d/x", "")],
        vec![file("z", "1")],
        vec![dir("d"), file("d/y", ""), whiteout("d/x"), whiteout("z")],
        vec![dir("d"), opaque("d"), file("d/n", "")],
    ];
    let image = stacked(&layers);
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--remove-layer", "1"]);
    assert_eq!(written.images[0].layer_digests()[1..], image.layer_digests()[2..]);
}

#[test]
fn a06_a_whiteout_in_a_directory_that_is_gone_goes_too() {
    let upper = vec![dir("n"), file("n/k", ""), whiteout("n/a")];
    gives(&[vec![file("f", "")], vec![dir("n"), file("n/a", "")], upper.clone()], &["1"], &[&["f"], &["n/", "n/k"]]);
    // One that hid nothing before either stays.
    gives(&[vec![file("f", "")], vec![file("g", "")], upper], &["1"], &[&["f"], &["n/", "n/k", "n/.wh.a"]]);
}

#[test]
fn e_5_directories_that_only_the_layer_described_are_listed() {
    let layers = [
        vec![file("f", "")],
        vec![dir("p").mode(0o750).owner(1, 2).mtime(7), dir("p/q").mode(0o1777)],
        vec![file("p/q/x", "1"), file("p/y", "1")],
        vec![file("p/q/z", "1")],
    ];
    gives(&layers, &["1"], &[&["f"], &["p/", "p/q/", "p/q/x", "p/y"], &["p/q/z"]]);
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove-layer", "1"]);
    let nodes = entries(written.images[0].layers[1].plain.as_ref().unwrap());
    assert_eq!((nodes[0].mode, nodes[0].owner, &*nodes[0].mtime), (0o750, (1, 2), "7"));
    assert_eq!(nodes[1].mode, 0o1777);
    written.outcome.says(["layer 2", "written again", "`p`, `p/q`"]);
}

#[test]
fn e_30_what_leads_into_it_is_refused_by_both_names() {
    refuses(&[vec![file("f", "")], vec![file("a", "1")], vec![hardlink("c", "a")]], "1", &["layer 2", "c", "a"]);
    let through = [vec![dir("usr"), dir("usr/lib")], vec![symlink("lib", "usr/lib")], vec![file("lib/foo", "")]];
    refuses(&through, "1", &["layer 2", "`lib/foo` at `usr/lib/foo`"]);
    // Where only the directory is gone that the link leads to, it is made again.
    gives(&through, &["0"], &[&["lib -> usr/lib"], &["usr/", "usr/lib/", "lib/foo"]]);
    // Within one layer a link has its target with it.
    gives(&[vec![file("f", "")], vec![file("a", "1"), hardlink("c", "a")]], &["0"], &[&["a", "c = a"]]);
}

#[test]
fn e_35_a_directory_on_what_the_layer_hid_is_warned_of() {
    let layers = [vec![dir("usr"), symlink("lib", "usr")], vec![whiteout("lib")], vec![dir("lib"), file("lib/x", "")]];
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove-layer", "1"]);
    written.outcome.says(["warning", "`lib`"]);
    let layers = [vec![dir("lib"), file("lib/x", "")], vec![whiteout("lib")], vec![symlink("lib", "usr")]];
    let written = edit(&Shape::Oci.save_one(&stacked(&layers)), Target::Oci, &["--remove-layer", "1"]);
    written.outcome.says(["warning", "a file or link takes the place of `lib`"]);
}

#[test]
fn the_tree_is_that_of_the_other_layers_for_any_stack() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    let count = from_env("IMGTAR_STACKS").unwrap_or(40);
    let mut done = 0;
    for seed in first..first + count {
        let mut random = Random::new(seed);
        let stack = random.sound_stack();
        let number = random.below(stack.len());
        let mut others = stack.clone();
        others.remove(number);
        let context = format!("IMGTAR_SEED={seed} --remove-layer {number}: {:#?}", shown(&stack));
        let run = imgtar(["edit", "--to", "oci", "--remove-layer", &number.to_string()]);
        let run = run.stdin(Shape::Oci.save_one(&stacked(&stack)).bytes()).run();
        match tree(&others) {
            Some(expected) if run.code == 0 => assert_tree(run.stdout.clone(), &expected, &context),
            // What the others cannot be without it, or would be in another place.
            _ => assert_eq!(run.code, 4, "{context}\n{run}"),
        }
        done += u64::from(run.code == 0);
    }
    assert!(2 * done > count, "{done} of {count} were not refused");
}

#[cfg(target_os = "linux")]
#[test]
fn h_24_a_deep_path_in_a_layer_above_costs_no_more_than_its_length() {
    let stack = |depth: usize| stacked(&[vec![file("k", "1")], vec![file("d/".repeat(depth) + "f", "1")]]);
    let args = ["edit", "IN", "-q", "--remove-layer", "0", "--to", "legacy"];
    crate::support::cost::grows_evenly(&args, 4_000, |depth| Shape::Oci.save_one(&stack(depth)), 0);
}
