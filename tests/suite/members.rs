//! How members are found: links, names, hints, detection (G-3 … G-14, H-1, H-6, X-1, X-2).

use std::fs;

use serde_json::{Value, json};

use crate::support::expect::{Target, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar, whiteout};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

fn image() -> TestImage {
    TestImage::demo("app:1")
}

/// An archive whose first layer is at `real` and whose `Layers` names `link`; links come first (G-3).
fn linked(links: &[(&str, Kind)], real: &str) -> Tarball {
    let tar = Shape::Nix.save_one(&image());
    let old = tar.name_ending("/layer.tar");
    let mut found = Tarball::default();
    links.iter().for_each(|(name, kind)| found.push(*name, kind.clone()));
    found.members.extend(tar.renamed(|name| if name == old { real.into() } else { name.into() }).members);
    found.editing("manifest.json", |json| json[0]["Layers"][0] = json!(links[0].0))
}

fn link(target: &str) -> Kind {
    Kind::Symlink(target.into())
}

#[track_caller]
fn reads(tar: &Tarball) {
    for target in Target::ALL {
        assert_same(&convert(tar, target, &[]).images[0], &Shape::Nix.stored(&image()), target);
    }
}

#[track_caller]
fn refuses<const N: usize>(tar: &Tarball, words: [&str; N]) {
    for target in Target::ALL {
        refuse(&tar.bytes(), target, &[], 3).says(words);
    }
}

#[test]
fn links_to_layers_are_followed_inside_the_archive() {
    reads(&linked(&[("a/layer.tar", link("../b/real.tar"))], "b/real.tar"));
    reads(&linked(&[("a/layer.tar", link("/b/real.tar"))], "b/real.tar"));
    reads(&linked(&[("a/layer.tar", link("../c/layer.tar")), ("c/layer.tar", link("../b/real.tar"))], "b/real.tar"));
    reads(&linked(&[("a/layer.tar", Kind::Hardlink("b/real.tar".into()))], "b/real.tar"));
    reads(&linked(&[("./a/layer.tar", link("../b/real.tar"))], "b/real.tar"));
}

#[test]
fn a_symlinked_directory_on_the_way_is_followed() {
    let tar = linked(&[("a/layer.tar", link("../dir/real.tar")), ("dir", link("b"))], "b/real.tar");
    reads(&tar);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let chain = |length: usize| {
        let names: Vec<_> = (0..length).map(|nth| format!("link{nth:02}")).collect();
        let target = |nth: usize| link(names.get(nth + 1).map_or("real.tar", String::as_str));
        let links: Vec<_> = names.iter().enumerate().map(|(nth, name)| (name.as_str(), target(nth))).collect();
        linked(&links, "real.tar")
    };
    reads(&chain(40));
    refuses(&chain(41), ["link00"]);
}

#[test]
fn h_6_links_in_a_circle_or_out_of_the_archive_are_refused() {
    refuses(&linked(&[("circle", link("round")), ("round", link("circle"))], "real.tar"), ["circle"]);
    refuses(&linked(&[("circle", link("circle"))], "real.tar"), ["circle"]);
    for outside in ["../../etc/passwd", "../x", "/../etc/passwd"] {
        refuses(&linked(&[("outward", link(outside))], "real.tar"), ["outward"]);
    }
    refuses(&linked(&[("a", link("nowhere"))], "real.tar"), ["nowhere"]);
}

#[test]
fn a_link_that_nothing_needs_may_dangle() {
    let mut tar = Shape::Nix.save_one(&image());
    tar.push("dangling", link("nowhere"));
    reads(&tar);
}

#[test]
fn h_1_names_that_climb_out_of_the_archive_are_refused() {
    for name in ["../evil", "a/../../evil", "/../evil"] {
        refuses(&Shape::Nix.save_one(&image()).with(name, "1"), ["evil"]);
    }
    let tar = Shape::Nix.save_one(&image());
    refuses(
        &tar.clone().editing("manifest.json", |json| json[0]["Config"] = json!("../config.json")),
        ["../config.json"],
    );
    refuses(&tar.editing("manifest.json", |json| json[0]["Layers"][0] = json!("../../layer.tar")), ["../../layer.tar"]);
}

#[test]
fn a_file_of_this_machine_is_never_a_layer() {
    let scratch = Scratch::new();
    let secret = scratch.write("secret", &image().layers[0].tar);
    let tar = Shape::Nix.save_one(&image());
    let old = tar.name_ending("/layer.tar");
    let tar = tar.without(&old).editing("manifest.json", |json| json[0]["Layers"][0] = json!(secret.to_str()));
    refuses(&tar, ["manifest.json"]);
}

#[test]
fn a_layer_that_is_missing_is_named_with_what_names_it() {
    let tar = Shape::Nix.save_one(&image());
    let layer = tar.name_ending("/layer.tar");
    refuses(&tar.clone().without(&layer), [&layer, "manifest.json"]);
    let config = format!("{}.json", image().id());
    refuses(&tar.without(&config), [&config, "manifest.json"]);
}

#[test]
fn a_directory_is_no_layer() {
    let tar = Shape::Nix.save_one(&image());
    let layer = tar.name_ending("/layer.tar");
    refuses(&tar.replacing(&layer, Kind::Dir), [&layer]);
}

#[test]
fn an_archive_below_a_directory_is_refused_with_a_hint() {
    for shape in [Shape::Docker20, Shape::Oci] {
        let tar = shape.save_one(&image()).renamed(|name| format!("img/{name}"));
        refuses(&tar, ["not an image archive", "img"]);
    }
}

#[test]
fn what_is_no_image_archive_is_told_by_what_it_looks_like() {
    let rootfs = layer_tar([file("etc/passwd", "root"), file("usr/bin/true", "1")]);
    let layer = layer_tar([file("app", "1"), whiteout("old")]);
    for (bytes, hint) in
        [(rootfs, "root filesystem"), (layer, "layer"), (b"just text\n".repeat(100), "not a tar archive")]
    {
        refuse(&bytes, Target::Oci, &[], 3).says([hint]);
    }
}

#[test]
fn a_directory_that_holds_no_archive_is_refused() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("dir")).unwrap();
    scratch.write("dir/README", "");
    imgtar(["convert", "--to", "oci"]).arg(scratch.path("dir")).exits(3).says(["not an image archive"]);
    fs::create_dir(scratch.path("dir/out")).unwrap();
    scratch.write("dir/out/oci-layout", "{}");
    let refused = imgtar(["convert", "--to", "oci"]).arg(scratch.path("dir")).exits(3);
    refused.says(["there is one below it", "out"]).never_says([r"\\?\"]);
}

#[test]
fn manifest_json_is_one_clean_document() {
    let tar = Shape::Nix.save_one(&image());
    let body = String::from_utf8(tar.body("manifest.json").to_vec()).unwrap();
    let twice = body.replacen("\"Layers\":", "\"Layers\":[],\"Layers\":", 1);
    for (wrong, word) in [
        (format!("\u{feff}{body}"), "manifest.json"),
        (format!("{body}[]"), "manifest.json"),
        (format!("{body} trailing"), "manifest.json"),
        (twice, "Layers"),
        (body.replace("Layers", "Layer"), "Layers"),
        ("null".into(), "manifest.json"),
        ("{}".into(), "manifest.json"),
        (String::new(), "manifest.json"),
        (body[..body.len() - 2].to_owned(), "manifest.json"),
    ] {
        let wrong = tar.clone().replacing("manifest.json", Kind::File(wrong.into_bytes()));
        refuse(&wrong.bytes(), Target::Docker, &[], 3).says([word]);
    }
}

#[test]
fn h_20_entries_that_are_no_strings_are_refused() {
    let spoil = |edit: fn(&mut Value)| Shape::Nix.save_one(&image()).editing("manifest.json", edit);
    refuses(&spoil(|json| json[0]["Layers"][1] = json!(7)), ["manifest.json"]);
    refuses(&spoil(|json| json[0]["Config"] = json!(null)), ["manifest.json"]);
    refuses(&spoil(|json| json[0]["RepoTags"] = json!([1])), ["manifest.json"]);
    refuses(&spoil(|json| json[0]["RepoTags"] = json!("app:1")), ["manifest.json"]);
}

#[test]
fn an_archive_without_images_has_no_image_to_give() {
    let tar = Tarball::default().with("manifest.json", "[]");
    refuse(&tar.bytes(), Target::Docker, &["--image", "app:1"], 4).says(["app:1"]);
}
