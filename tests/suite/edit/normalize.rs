//! Two builds of the same files (E-60 to E-65).

use serde_json::{Value, json};

use crate::rootfs::random::{Random, from_env, shown};
use crate::support::expect::{Target, edit};
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::rootfs::{Rootfs, entries};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

use super::stacked;

/// The same files by a build at `time` on the host `host`, in an order of its own.
fn build(time: u64, host: &str, is_reversed: bool) -> TestImage {
    let base = vec![dir("d"), file("d/x", "1")];
    let mut files: Vec<Item> = vec![
        dir("d"),
        file("d/b", "data").mode(0o4755).xattr("security.capability", "c"),
        hardlink("d/c", "d/b").mode(0o4755),
        symlink("l", "d"),
        file("b-a", ""),
        whiteout("d/x"),
    ];
    if is_reversed {
        files = vec![
            file("b-a", ""),
            whiteout("d/x"),
            dir("d"),
            file("d/c", "data").mode(0o4755).xattr("security.capability", "c"),
            hardlink("d/b", "d/c").mode(0o4755),
            symlink("l", "d"),
        ];
    }
    let made = |item: Item| item.mtime(time).owner_names(if is_reversed { "root" } else { "" }, "");
    let layers = [base, files].map(|layer| layer.into_iter().map(made).collect());
    let created = if is_reversed { "2024-05-06T07:08:09.1Z" } else { "2023-01-01T00:00:00Z" };
    stacked(&layers)
        .key("created", json!(created))
        .key("container", json!(host))
        .key("container_config", json!({"Hostname": host}))
        .key("config", json!({"Hostname": host, "Image": host, "Cmd": ["x"]}))
}

#[test]
fn n01_n02_two_builds_become_one_image() {
    let id = |image: &TestImage| edit(&Shape::Docker20.save_one(image), Target::Oci, &["--normalize"]).images.remove(0);
    let (one, other) = (id(&build(2000, "a", false)), id(&build(3000, "b", true)));
    assert_eq!((&one.id, one.diff_ids()), (&other.id, other.diff_ids()));
    let nodes = entries(other.layers[1].plain.as_ref().unwrap());
    let found: Vec<_> = nodes.iter().map(|node| String::from_utf8_lossy(&node.path).into_owned()).collect();
    assert_eq!(found, ["b-a", "d/", "d/b", "d/c", "d/.wh.x", "l"]);
    assert!(nodes.iter().all(|node| node.mtime == "0" && node.owner_names.0.is_empty()));
    assert_eq!((nodes[2].kind, nodes[2].mode, nodes[3].kind, nodes[3].mode), (b'0', 0o4755, b'1', 0o4755));
    let config: Value = serde_json::from_slice(&other.config).unwrap();
    assert_eq!((config.get("container"), config.get("container_config")), (None, None));
    assert_eq!((&config["config"], &config["created"]), (&json!({"Cmd": ["x"]}), &json!("1970-01-01T00:00:00Z")));
    assert_eq!(config["history"][0]["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn e_62_only_later_times_are_changed() {
    let times = |epoch: &str| {
        let image = stacked(&[vec![file("old", "").mtime(500), file("young", "").mtime(2000)]]);
        let run = imgtar(["edit", "--normalize", "--to", "oci"]).env("SOURCE_DATE_EPOCH", epoch);
        let written = run.stdin(Shape::Oci.save_one(&image).bytes()).success().stdout;
        let rootfs = imgtar(["convert", "--to", "rootfs"]).stdin(written).success().stdout;
        entries(&rootfs).into_iter().map(|node| node.mtime).collect::<Vec<_>>()
    };
    assert_eq!(times("1000"), ["500", "1000"]);
    assert_eq!(times("3000"), ["500", "2000"]);
}

#[test]
fn what_is_normal_stays_what_it_is() {
    let once = edit(&Shape::Oci.save_one(&build(2000, "a", true)), Target::Oci, &["--normalize"]);
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", &once.bytes);
    imgtar(["edit", "--normalize", "--to", "oci", "-o"]).arg(scratch.path("out")).arg(input).success();
    assert!(scratch.read("out") == once.bytes);
    once.outcome.says(["1970"]);
}

#[test]
fn e_65_the_layers_of_a_base_keep_every_byte() {
    let image = build(2000, "a", false);
    let scratch = Scratch::new();
    let base = stacked(&[]).layer_bytes(image.layers[0].tar.clone());
    let path = scratch.write("base.tar", Shape::Docker20.save_one(&base).bytes());
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--normalize", "--above", path.to_str().unwrap()]);
    assert_eq!(written.images[0].layers[0].digest, image.layer_digests()[0]);
    assert_ne!(written.images[0].layers[1].diff_id, image.diff_ids()[1]);
}

#[test]
fn a_layer_whose_order_means_something_keeps_it() {
    let layer = layer_tar([
        symlink("z", "d").mtime(9),
        file("z/f", "1").mtime(9),
        file("a", "1").mtime(9),
        file("a", "2").mtime(9),
    ]);
    let image = stacked(&[vec![dir("d")]]).layer_bytes(layer);
    let before = imgtar(["convert", "--to", "rootfs", "--clamp-mtime"]);
    let before = before.env("SOURCE_DATE_EPOCH", "0").stdin(Shape::Oci.save_one(&image).bytes()).success().stdout;
    let written = edit(&Shape::Oci.save_one(&image), Target::Oci, &["--normalize"]);
    let after = imgtar(["convert", "--to", "rootfs"]).stdin(written.bytes.clone()).success().stdout;
    assert!(before == after);
}

#[test]
fn two_ways_to_one_path_stay_in_their_order() {
    let base = vec![dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib"), file("f", "old")];
    for (layer, path, body) in [
        (vec![file("usr/lib/x", "1"), file("lib/x", "2")], "usr/lib/x", "2"),
        (vec![hardlink("z", "f"), file("f", "new")], "z", "old"),
    ] {
        let written = edit(&Shape::Oci.save_one(&stacked(&[base.clone(), layer])), Target::Oci, &["--normalize"]);
        let rootfs = imgtar(["convert", "--to", "rootfs"]).stdin(written.bytes).success().stdout;
        assert_eq!(Rootfs::written(&rootfs).text(path), body);
    }
}

#[test]
fn two_builds_of_any_stack_become_one_image() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    for seed in first..first + from_env("IMGTAR_STACKS").unwrap_or(15) {
        let mut random = Random::new(seed);
        let stack = random.sound_stack();
        let built = |time: u64, name: &str| {
            let made = |item: &Item| item.clone().mtime(time).owner_names(name, name);
            let layers: Vec<Vec<Item>> = stack.iter().map(|layer| layer.iter().map(made).collect()).collect();
            stacked(&layers).key("container", json!(name))
        };
        let id =
            |image: &TestImage| edit(&Shape::Crane.save_one(image), Target::Oci, &["--normalize"]).images[0].id.clone();
        assert_eq!(id(&built(2000, "root")), id(&built(3000, "")), "IMGTAR_SEED={seed}: {:#?}", shown(&stack));
        let tree = |image: Vec<u8>| {
            let run = imgtar(["convert", "--to", "rootfs", "--clamp-mtime"]).env("SOURCE_DATE_EPOCH", "0");
            run.stdin(image).success().stdout
        };
        let image = Shape::Oci.save_one(&built(2000, ""));
        let normal = edit(&image, Target::Oci, &["--normalize"]).bytes;
        assert!(tree(normal) == tree(image.bytes()), "IMGTAR_SEED={seed}: {:#?}", shown(&stack));
    }
}
