//! Small archives that ask for much work: the processor's time grows no faster than they do, and none passes a limit unseen
//! (H-7, H-14).

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::cost::grows_evenly;
use crate::support::digest;
use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, layer_tar, symlink};
use crate::support::layout::{Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types, blob_path};
use crate::support::noise;
use crate::support::process::{FOREGROUND, Process, piped};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

#[test]
fn indexes_that_list_one_another_many_times_over_are_refused() {
    let mut layout = Layout::new();
    let mut node = layout.image(&TestImage::demo("app:1"), Types::Oci);
    for _ in 0..6 {
        node = layout.nested(&vec![node; 60], Types::Oci);
    }
    layout.list(&node);
    for target in Target::ALL {
        refuse(&layout.tarball().bytes(), target, &[], 3).says(["more than 10000 descriptors"]);
    }
}

#[test]
fn an_image_with_ten_thousand_names_takes_no_longer_than_they_deserve() {
    let named = |times: usize| {
        let tags: Vec<_> = (0..times).map(|n| format!("app:{n}")).collect();
        let mut tar = Tarball::default();
        tar.file("config", TestImage::new().config());
        tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": tags, "Layers": []}]));
        tar
    };
    grows_evenly(&["convert", "--to", "docker", "-q", "IN"], 10_000, named, 0);
}

#[test]
fn images_that_share_a_long_chain_are_counted_against_the_limit() {
    let id = |n: usize| format!("{n:064x}");
    let mut tar = Tarball::default();
    let mut push = |id: &str, parent: Option<String>| {
        tar.json(format!("{id}/json"), &json!({"id": id, "parent": parent.unwrap_or_default()}));
        tar.file(format!("{id}/layer.tar"), "");
    };
    (0..200).for_each(|n| push(&id(n), n.checked_sub(1).map(id)));
    (1000..1200).for_each(|n| push(&id(n), Some(id(199))));
    let tops: serde_json::Map<String, Value> = (1000..1200).map(|n| (n.to_string(), json!(id(n)))).collect();
    tar.json("repositories", &json!({"app": tops}));
    refuse(&tar.bytes(), Target::Docker, &["--max-metadata", "1M"], 6).says(["--max-metadata"]);
    // All layers are empty and all configs alike.
    let converted = convert(&tar, Target::Docker, &[]);
    assert_eq!((converted.images.len(), converted.images[0].names.len()), (1, 200));
}

/// A config that gives `diff_ids`, and says `more`.
fn config(diff_ids: &[String], more: &Value) -> String {
    let mut config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config.to_string()
}

#[test]
fn a_name_of_half_a_million_directories_is_looked_through_once() {
    let deep = |times| {
        let mut tar = Tarball::default();
        tar.push("link", Kind::Symlink("elsewhere".into()));
        tar.json("manifest.json", &json!([{"Config": "a/".repeat(times) + "b", "Layers": []}]));
        tar
    };
    grows_evenly(&["inspect", "IN"], 1 << 18, deep, 3);
}

#[test]
fn a_file_that_is_there_many_times_and_named_many_times_is_compared_once() {
    let repeated = |times| {
        let mut tar = Tarball::default();
        tar.file("config", config(&vec![digest(b""); times], &json!({})));
        tar.json("manifest.json", &json!([{"Config": "config", "Layers": vec!["layer"; times]}]));
        (0..times / 10).for_each(|_| tar.file("layer", ""));
        tar
    };
    grows_evenly(&["inspect", "IN"], 5_000, repeated, 0);
}

#[test]
fn images_of_one_config_are_told_apart_at_once() {
    let of_one_config = |times: usize| {
        let mut tar = Tarball::default();
        tar.file("config", config(&[digest(b"")], &json!({})));
        let items: Vec<_> = (0..times).map(|n| json!({"Config": "config", "Layers": [n.to_string()]})).collect();
        tar.json("manifest.json", &Value::Array(items));
        (0..times).for_each(|n| tar.file(n.to_string(), ""));
        tar
    };
    grows_evenly(&["inspect", "--json", "IN"], 10_000, of_one_config, 0);
}

#[test]
fn many_images_have_their_numbers_at_once() {
    let images = |times: usize| {
        let mut tar = Tarball::default();
        let items: Vec<_> = (0..times).map(|n| json!({"Config": n.to_string(), "Layers": []})).collect();
        tar.json("manifest.json", &Value::Array(items));
        (0..times).for_each(|n| tar.file(n.to_string(), config(&[], &json!({"author": n.to_string()}))));
        tar
    };
    grows_evenly(&["inspect", "--json", "IN"], 5_000, images, 0);
}

/// A layout whose one manifest lists layers of these digests, all of them empty files.
fn of_empty_layers(digests: &[String], names: usize) -> Layout {
    let mut layout = Layout::new();
    let config = layout.blob(OCI_CONFIG, config(digests, &json!({})));
    let layers: Vec<_> =
        digests.iter().rev().map(|digest| json!({"mediaType": OCI_LAYER, "digest": digest, "size": 0})).collect();
    let manifest =
        layout.manifest(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}));
    for name in 0..names {
        let mut descriptor = manifest.clone();
        descriptor["annotations"] = json!({"n": name.to_string()});
        layout.list(&descriptor);
    }
    layout
}

#[test]
fn many_layers_in_disorder_are_sorted_at_once() {
    let disordered = |times: usize| {
        let digests: Vec<_> = (0..times).map(|n| format!("sha256:{n:064x}")).collect();
        let mut tar = of_empty_layers(&digests, 1).tarball();
        digests.iter().for_each(|digest| tar.file(blob_path(digest), ""));
        let paths: Vec<_> = digests.iter().map(|digest| blob_path(digest)).collect();
        let config = blob_path(&digest(config(&digests, &json!({})).as_bytes()));
        tar.json("manifest.json", &json!([{"Config": config, "Layers": paths}]));
        tar
    };
    grows_evenly(&["inspect", "--json", "IN"], 5_000, disordered, 0);
}

#[test]
fn an_image_that_is_listed_many_times_is_planned_once() {
    // Layers and entries grow together: what is planned for each of both takes four times as long.
    let listed = |times| {
        let mut layout = of_empty_layers(&vec![digest(b""); times], times);
        layout.blob(OCI_LAYER, "");
        layout.tarball()
    };
    for command in [
        &["convert", "-q", "--to", "oci", "IN"][..],
        &["convert", "-q", "--to", "oci", "--compress", "none", "IN"],
        &["convert", "-q", "--to", "docker", "IN"],
        &["edit", "-q", "--label", "a=b", "--to", "oci", "--dry-run", "IN"],
    ] {
        grows_evenly(command, 1_500, listed, 0);
    }
}

#[test]
fn an_image_that_is_listed_many_times_is_held_once() {
    let mut layout = of_empty_layers(&vec![digest(b""); 2000], 200);
    layout.blob(OCI_LAYER, "");
    let tar = layout.tarball();
    // These have no descriptors, or list it once in `manifest.json`: it is one image.
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        convert(&tar, target, &["--max-metadata", "20M"]);
    }
    imgtar(["inspect", "--max-metadata", "20M"]).stdin(tar.bytes()).success();
}

#[test]
fn documents_count_for_what_they_take_when_they_are_read() {
    let values = |count: usize| json!({"config": {"x": vec![0; count]}});
    let mut tar = Tarball::default();
    tar.file("config", config(&[], &values(500_000)));
    tar.json("manifest.json", &json!([{"Config": "config", "Layers": []}]));
    refuse(&tar.bytes(), Target::Docker, &["--max-metadata", "16M"], 6).says(["--max-metadata"]);

    let mut tar = Tarball::default();
    tar.file("config", config(&[], &json!({})));
    let names: Vec<_> = (0..100_000).map(|n| format!("{n}:1")).collect();
    tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": names, "Layers": []}]));
    refuse(&tar.bytes(), Target::Docker, &["--max-metadata", "16M"], 6).says(["--max-metadata"]);

    let mut layout = of_empty_layers(&vec![digest(b""); 10_000], 1);
    layout.blob(OCI_LAYER, "");
    refuse(&layout.tarball().bytes(), Target::Docker, &["--max-metadata", "14M"], 6).says(["--max-metadata"]);
}

#[test]
fn a_check_compares_names_and_sources_at_once() {
    let with_sources = |times| {
        let mut tar = Tarball::default();
        tar.file("config", config(&vec![digest(b""); times], &json!({})));
        let source = json!({"mediaType": "a", "digest": digest(b""), "size": 0});
        let sources: serde_json::Map<_, _> = (0..times).map(|n| (format!("sha256:{n:064x}"), source.clone())).collect();
        tar.json("manifest.json", &json!([{"Config": "config", "Layers": [], "LayerSources": sources}]));
        tar
    };
    grows_evenly(&["verify", "IN"], 5_000, with_sources, 1);

    let of_one_name = |times| {
        let mut tar = Tarball::default();
        tar.file("config", config(&[], &json!({})));
        tar.json("manifest.json", &json!(vec![json!({"Config": "config", "RepoTags": ["a:1"], "Layers": []}); times]));
        tar
    };
    grows_evenly(&["verify", "IN"], 5_000, of_one_name, 0);

    let with_repositories = |times: usize| {
        let mut tar = Tarball::default();
        tar.file("config", config(&[], &json!({})));
        let tags: Vec<_> = (0..times).map(|n| n.to_string()).collect();
        let names: Vec<_> = tags.iter().map(|tag| format!("app:{tag}")).collect();
        tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": names, "Layers": []}]));
        let ids: serde_json::Map<_, _> = tags.iter().map(|tag| (tag.clone(), json!("f".repeat(64)))).collect();
        tar.json("repositories", &json!({"app": ids}));
        tar
    };
    grows_evenly(&["verify", "IN"], 10_000, with_repositories, 0);
}

#[test]
fn a_deep_path_counts_for_all_that_it_implies() {
    let scratch = Scratch::new();
    let deep = TestImage::new().layer([file("a/".repeat(8 << 10) + "f", "")]).tag("app:1");
    let deep = scratch.write("deep.tar", Shape::Docker20.save_one(&deep).bytes());
    let other = TestImage::new().layer([file("f", "")]).tag("app:1");
    let other = scratch.write("other.tar", Shape::Docker20.save_one(&other).bytes());
    imgtar(["diff", "-q", "--max-metadata", "2M"]).arg(&deep).arg(&other).exits(6).says(["--max-metadata"]);
    // Those that no system takes are left out, so the others are all that is printed.
    let output = imgtar(["diff", "-q"]).arg(deep).arg(other).run();
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stdout.len() < 8 << 20, "{} bytes", output.stdout.len());
}

#[test]
fn further_names_count_for_the_records_that_are_written_with_them() {
    let first = file("f", "").xattr("user.large", vec![b'x'; 256 << 10]);
    let links = (0..100).map(|n| hardlink(format!("link{n}"), "f"));
    let image = TestImage::new().layer_bytes(layer_tar([first].into_iter().chain(links))).tag("app:1");
    let tar = Shape::Docker20.save_one(&image).bytes();
    imgtar(["convert", "-q", "--to", "rootfs", "--max-size", "8M"]).stdin(tar).exits(6).says(["--max-size"]);
}

#[test]
fn a_layer_that_is_listed_many_times_is_decoded_once() {
    let layer = layer_tar([file("zeros", vec![0; 1 << 20])]);
    let mut tar = Tarball::default();
    tar.file("layer", Codec::Gzip.encode(&layer));
    tar.file("config", config(&vec![digest(&layer); 40], &json!({})));
    tar.json("manifest.json", &json!([{"Config": "config", "Layers": vec!["layer"; 40]}]));
    imgtar(["convert", "-q", "--to", "rootfs", "--max-size", "16M"]).stdin(tar.bytes()).success();

    let items: Vec<_> = (0..40).map(|n| json!({"Config": n.to_string(), "Layers": ["layer"]})).collect();
    let mut tar = Tarball::default();
    tar.file("layer", Codec::Gzip.encode(&layer));
    (0..40).for_each(|n| tar.file(n.to_string(), config(&[digest(&layer)], &json!({"author": n.to_string()}))));
    tar.json("manifest.json", &Value::Array(items));
    imgtar(["inspect", "--full", "--max-size", "16M"]).stdin(tar.bytes()).success();
}

#[test]
fn layers_may_be_more_than_a_process_may_have_files() {
    let (scratch, noise) = (Scratch::new(), noise(1100 << 10));
    let image = TestImage::new().tag("app:1");
    let image = (0..60).fold(image, |image, nth| image.layer([file(format!("f{nth}"), noise.clone())]));
    let input = scratch.write("in.tar", Shape::Crane.save_one(&image).bytes());
    let limit = format!("ulimit -n 56; {FOREGROUND}");
    let out = scratch.path("out.tar");
    let args = ["convert", "-q", "-j", "2", "--to", "legacy", "-o", out.to_str().unwrap(), input.to_str().unwrap()];
    Process::start(&limit, args, piped(&input)).end().exits(0, []);
}

#[test]
fn links_that_every_entry_has_to_walk_are_refused() {
    // Long components: it is the bytes that are counted, and few of them are soon walked.
    let walked = |times: usize| {
        let name = "d".repeat(250);
        let mut items = vec![dir(&name), symlink("l", format!("{name}/../").repeat(63))];
        items.extend((0..times).map(|n| file(format!("l/{n}"), "")));
        Shape::Docker20.save_one(&TestImage::new().layer_bytes(layer_tar(items)).tag("app:1"))
    };
    let said = grows_evenly(&["convert", "--to", "rootfs", "IN"], 20_000, walked, 3);
    assert!(said.contains("symbolic links"), "{said}");
}
