//! Images on another base (E-32 to E-36).

use serde_json::{Value, json};

use crate::rootfs::random::{Random, from_env, shown};
use crate::support::codec::Codec;
use crate::support::expect::{Converted, Target, edit, refuse_edit};
use crate::support::image::TestImage;
use crate::support::judge::runnable;
use crate::support::layer::{Item, dir, file, hardlink, symlink, whiteout};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::rootfs::{Rootfs, entries};
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

use super::{assert_tree, listing, stacked, tree};

/// Two bases and an image on the first.
struct Bases {
    old: Vec<Vec<Item>>,
    new: Vec<Vec<Item>>,
    own: Vec<Vec<Item>>,
}

fn bases() -> Bases {
    Bases {
        old: vec![vec![dir("etc").mtime(1), file("etc/passwd", "old"), file("etc/release", "1")], vec![file("a", "")]],
        new: vec![vec![dir("etc").mtime(2), file("etc/passwd", "new"), file("etc/release", "2"), file("n", "")]],
        own: vec![vec![dir("srv"), file("srv/app", "app")], vec![file("srv/conf", "1")]],
    }
}

impl Bases {
    fn image(&self) -> TestImage {
        stacked(&[&self.old[..], &self.own].concat())
    }

    /// The flags that change the one base for the other; both are archives of other forms than the image.
    fn flags(&self, scratch: &Scratch) -> Vec<String> {
        let old = scratch.write("old.tar", Shape::Docker20.save_one(&stacked(&self.old)).bytes());
        let new = scratch.write("new.tar", Shape::Oci.save_one(&stacked(&self.new)).bytes());
        vec!["--rebase".to_owned(), format!("{}={}", old.display(), new.display())]
    }

    fn rebased(&self, more: &[&str]) -> Converted {
        let scratch = Scratch::new();
        let flags = self.flags(&scratch);
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        edit(&Shape::Oci.save_one(&self.image().all_stored(Codec::Gzip)), Target::Oci, &flags)
    }

    fn refused(&self, more: &[&str]) -> Outcome {
        let scratch = Scratch::new();
        let flags = self.flags(&scratch);
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        refuse_edit(&Shape::Oci.save_one(&self.image()), Target::Oci, &flags, 4)
    }
}

fn config(written: &Converted) -> Value {
    serde_json::from_slice(&written.images[0].config).unwrap()
}

#[test]
fn e_32_the_base_is_told_by_diff_ids_and_own_layers_keep_every_byte() {
    let bases = bases();
    let written = bases.rebased(&[]);
    let (old, new) = (bases.image().diff_ids(), stacked(&bases.new).diff_ids());
    assert_eq!(written.images[0].diff_ids(), [&new[..], &old[2..]].concat());
    let stored = bases.image().all_stored(Codec::Gzip);
    assert_eq!(written.images[0].layer_digests()[1..], stored.layer_digests()[2..]);
    written.outcome.says(["rebased: 2 layers", "replaced by 1"]);
    let rootfs = imgtar(["convert", "--to", "rootfs"]).stdin(written.bytes.clone()).success().stdout;
    let tree = Rootfs::written(&rootfs);
    assert_eq!(tree.paths(), ["etc/", "etc/passwd", "etc/release", "n", "srv/", "srv/app", "srv/conf"]);
    assert_eq!(tree.node(b"etc/passwd").body, b"new");
}

#[test]
fn e_32_another_platform_a_base_that_is_none_and_an_image_without_own_layers_are_refused() {
    let scratch = Scratch::new();
    let bases = bases();
    let rebase = |old: &TestImage, new: &TestImage| {
        let old = scratch.write("old.tar", Shape::Oci.save_one(old).bytes());
        let new = scratch.write("new.tar", Shape::Oci.save_one(new).bytes());
        let flag = format!("{}={}", old.display(), new.display());
        refuse_edit(&Shape::Oci.save_one(&bases.image()), Target::Oci, &["--rebase", &flag], 4)
    };
    let [old, new] = [&bases.old, &bases.new].map(|layers| stacked(layers));
    rebase(&new, &old).says(["it is not built on an image of", "old.tar"]);
    rebase(&bases.image(), &new).says(["no layers but those of that base"]);
    rebase(&stacked(&[]), &new).says(["that base has no layers"]);
    rebase(&old, &new.platform("linux/arm64")).says(["no image for linux/amd64", "new.tar"]);
    let flags = ["--rebase", "a=b"];
    refuse_edit(&Shape::Oci.save_one(&bases.image()), Target::Oci, &flags, 5).says(["a"]);
    refuse_edit(&Shape::Oci.save_one(&bases.image()), Target::Oci, &["--rebase", "a"], 2).says(["OLD=NEW"]);
    refuse_edit(&Shape::Oci.save_one(&bases.image()), Target::Oci, &["--force-rebase"], 2);
}

#[test]
fn e_33_the_history_is_spliced_where_the_base_ends() {
    let scratch = Scratch::new();
    let bases = bases();
    let [old, new] = [&bases.old, &bases.new].map(|layers| stacked(layers));
    let (old, new) = (old.metadata_step("CMD old"), new.metadata_step("CMD new"));
    let commands = |image: &TestImage| {
        let [old, new] = [("old.tar", &old), ("new.tar", &new)]
            .map(|(name, base)| scratch.write(name, Shape::Docker20.save_one(base).bytes()));
        let flag = format!("{}={}", old.display(), new.display());
        let written = edit(&Shape::Docker20.save_one(image), Target::Docker, &["--rebase", &flag]);
        let history = config(&written)["history"].clone();
        let command = |entry: &Value| entry["created_by"].as_str().unwrap_or_default().to_owned();
        (history.as_array().unwrap().iter().map(command).collect::<Vec<_>>(), written)
    };
    let entry = |command: &str, is_empty: bool| match is_empty {
        true => json!({"created_by": command, "empty_layer": true}),
        false => json!({"created_by": command}),
    };
    let own = [entry("COPY app", false), entry("ENV x", true), entry("COPY conf", false)];
    let same = [&[entry("ADD layer 0", false), entry("ADD layer 1", false), entry("CMD old", true)][..], &own].concat();
    let (found, written) = commands(&bases.image().key("history", json!(same)));
    assert_eq!(found, ["ADD layer 0", "CMD new", "COPY app", "ENV x", "COPY conf"]);
    written.outcome.never_says(["history"]);
    let other = [&[entry("FROM a", false), entry("FROM b", false)][..], &own].concat();
    let (found, written) = commands(&bases.image().key("history", json!(other)));
    assert_eq!(found, ["ADD layer 0", "CMD new", "COPY app", "ENV x", "COPY conf"]);
    written.outcome.says(["warning", "its history does not begin with that of the old base"]);
    let (found, _) = commands(&bases.image().key("history", Value::Null));
    assert_eq!(found, ["ADD layer 0", "CMD new", "unknown", "unknown"]);
}

#[test]
fn e_34_what_was_inherited_stays_and_is_named() {
    let scratch = Scratch::new();
    let bases = bases();
    let [old, new, image] = [stacked(&bases.old), stacked(&bases.new), bases.image()];
    let old = old.key("config", json!({"Env": ["PATH=/bin", "A=1"], "Cmd": ["sh"], "Labels": {"v": "1", "w": "1"}}));
    let new = new.key("config", json!({"Env": ["PATH=/usr/bin", "A=1"], "Cmd": ["bash"], "Labels": {"v": "2"}}));
    let new = new.key("os.version", json!("6.1"));
    let own = json!({"Env": ["PATH=/bin", "A=1", "B=2"], "Cmd": ["app"], "Labels": {"v": "1", "w": "2"}});
    let image = image.key("config", own.clone()).key("os.features", json!(["x"]));
    let [old, new] = [("old.tar", &old), ("new.tar", &new)]
        .map(|(name, base)| scratch.write(name, Shape::Crane.save_one(base).bytes()));
    let flag = format!("{}={}", old.display(), new.display());
    let written = edit(&Shape::Crane.save_one(&image), Target::Docker, &["--rebase", &flag]);
    assert_eq!(config(&written)["config"], own);
    assert_eq!((&config(&written)["os.version"], config(&written).get("os.features")), (&json!("6.1"), None));
    written.outcome.says(["the same as in the old base, but not as in the new one: `Env PATH`, `label v`"]);
}

#[test]
fn a05_a_directory_on_a_link_of_the_new_base_is_refused() {
    let merged = vec![dir("usr"), dir("usr/lib"), file("usr/lib/ld", "1"), symlink("lib", "usr/lib")];
    let mut bases = Bases {
        old: vec![vec![dir("lib"), file("lib/ld", "1")]],
        new: vec![merged],
        own: vec![vec![dir("lib"), file("lib/foo", "")]],
    };
    bases.refused(&[]).says(["`lib`", "--force-rebase"]);
    let written = bases.rebased(&["--force-rebase"]);
    assert_eq!(listing(&written)[1], ["lib/", "lib/foo"]);
    written.outcome.says(["warning", "`lib`"]);
    // The same without an entry for the directory: engines that copy follow the link, others replace it.
    bases.own = vec![vec![file("lib/foo", "")]];
    bases.refused(&[]).says(["`lib`"]);
    // Nothing is told of a path that the image had replaced before.
    bases.old = vec![vec![symlink("lib", "usr/lib"), file("f", "")]];
    bases.own = vec![vec![dir("lib"), file("lib/foo", "")]];
    bases.rebased(&[]).outcome.never_says(["`lib`"]);
}

#[test]
fn e_35_a_file_or_link_on_a_directory_of_the_new_base_is_refused() {
    let mut bases = Bases {
        old: vec![vec![file("f", "1")]],
        new: vec![vec![dir("etc"), dir("etc/app"), file("etc/app/conf", "1"), dir("usr"), symlink("cfg", "etc")]],
        own: vec![vec![file("etc/app", "mine")]],
    };
    bases.refused(&[]).says(["a file or link takes the place of `etc/app`, a directory", "--force-rebase"]);
    let written = bases.rebased(&["--force-rebase"]);
    written.outcome.says(["warning", "`etc/app`"]);
    bases.own = vec![vec![symlink("etc", "usr")]];
    bases.refused(&[]).says(["`etc`"]);
    bases.own = vec![vec![file("g", "1"), hardlink("etc/app", "g")]];
    bases.refused(&[]).says(["`etc/app`"]);
    // Through a link that both bases have, and not through one that the image replaces.
    bases.old = vec![vec![dir("etc"), symlink("cfg", "etc")]];
    bases.own = vec![vec![file("cfg/app", "mine")]];
    bases.refused(&[]).says(["`etc/app`"]);
    bases.own = vec![vec![whiteout("cfg")], vec![dir("cfg"), file("cfg/app", "mine")]];
    bases.rebased(&[]).outcome.never_says(["`etc/app`"]);
    // Nothing is told of a path that the image had replaced before.
    bases.old = vec![vec![dir("etc"), dir("etc/app"), file("etc/app/conf", "0")]];
    bases.own = vec![vec![file("etc/app", "mine")]];
    bases.rebased(&[]).outcome.never_says(["`etc/app`"]);
}

#[test]
fn e_35_old_content_that_hides_new_is_warned_of() {
    let mut bases = bases();
    bases.own.push(vec![dir("etc"), file("etc/passwd", "old and mine"), file("etc/own", "1")]);
    let written = bases.rebased(&[]);
    written.outcome.says(["warning", "`etc/passwd`"]).never_says(["etc/release", "etc/own"]);
    bases.refused(&["--strict"]).says(["etc/passwd"]);
}

#[test]
fn e_30_what_cannot_stay_on_the_new_base_is_refused_and_what_must_be_is_written_again() {
    let mut bases = bases();
    bases.old[0].extend([dir("opt").mode(0o2775).owner(3, 4), file("opt/x", "1"), symlink("l", "opt")]);
    bases.own = vec![vec![file("opt/y", "1"), whiteout("opt/x")]];
    let written = bases.rebased(&[]);
    // No engine but would show `x`, or make `opt` otherwise.
    assert_eq!(listing(&written)[1], ["opt/", "opt/y"]);
    let node = &entries(written.images[0].layers[1].plain.as_ref().unwrap())[0];
    assert_eq!((node.mode, node.owner), (0o2775, (3, 4)));
    written.outcome.says(["layer 2", "written again", "`opt/x`", "`opt`"]);
    bases.own = vec![vec![file("l/y", "1")]];
    bases.refused(&[]).says(["layer 2", "`l/y` at `opt/y`"]);
    bases.own = vec![vec![hardlink("y", "opt/x")]];
    bases.refused(&[]).says(["layer 2", "y", "opt/x"]);
}

#[test]
fn e_36_the_annotations_name_the_new_base() {
    let scratch = Scratch::new();
    let bases = bases();
    let (old, new) = (stacked(&bases.old), stacked(&bases.new));
    let old = scratch.write("old.tar", Shape::Oci.save_one(&old).bytes());
    let annotations = |new: Vec<u8>, source: Shape, more: &[&str]| {
        let new = scratch.write("new.tar", new);
        let flag = format!("{}={}", old.display(), new.display());
        let flags = [&["--rebase", &flag][..], more].concat();
        let written = edit(&source.save_one(&bases.image()), Target::Oci, &flags);
        let (descriptor, _) = runnable(&written.archive).remove(0);
        let manifest = written.archive.json(&blob_path(descriptor["digest"].as_str().unwrap()));
        let of = |key: &str| manifest["annotations"][format!("org.opencontainers.image.base.{key}")].clone();
        (of("name"), of("digest"))
    };
    let mut layout = Layout::new();
    let manifest = layout.image(&new, Types::Oci);
    layout.list_as(&manifest, &["base:2".into()]);
    let named = (json!("docker.io/library/base:2"), manifest["digest"].clone());
    assert_eq!(annotations(layout.tarball().bytes(), Shape::Oci, &[]), named);
    assert_eq!(annotations(layout.tarball().bytes(), Shape::Docker20, &[]), named, "an image without a manifest");
    assert_eq!(annotations(layout.tarball().bytes(), Shape::Oci, &["--squash-top", "2"]), named);
    let nothing = (Value::Null, Value::Null);
    assert_eq!(annotations(layout.tarball().bytes(), Shape::Oci, &["--squash"]), nothing);
    let mut layout = Layout::new();
    let manifest = layout.image(&new, Types::Oci);
    let index = layout.nested(&[manifest], Types::Oci);
    layout.list_as(&index, &["base:2".into()]);
    let named = (json!("docker.io/library/base:2"), index["digest"].clone());
    assert_eq!(annotations(layout.tarball().bytes(), Shape::Oci, &[]), named);
    let untagged = Shape::Oci.save_one(&new.untagged());
    assert_eq!(annotations(untagged.bytes(), Shape::Oci, &[]), nothing);
}

#[test]
fn layers_above_the_new_base_can_be_squashed_at_once() {
    let scratch = Scratch::new();
    let bases = bases();
    let mut flags = bases.flags(&scratch);
    flags.extend(["--squash-above".to_owned(), scratch.path("new.tar").display().to_string()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let written = edit(&Shape::Oci.save_one(&bases.image()), Target::Oci, &flags);
    assert_eq!(listing(&written)[1..], [["srv/", "srv/app", "srv/conf"]]);
}

#[test]
fn the_tree_is_that_of_the_own_layers_on_the_new_base_for_any_stacks() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    let count = from_env("IMGTAR_STACKS").unwrap_or(40);
    let (mut tried, mut done) = (0, 0);
    for seed in first..first + count {
        let mut random = Random::new(seed);
        let (stack, new) = (random.sound_stack(), random.sound_stack());
        if stack.len() < 2 {
            continue;
        }
        let (old, own) = stack.split_at(1 + random.below(stack.len() - 1));
        let scratch = Scratch::new();
        let bases = Bases { old: old.to_vec(), new: new.clone(), own: own.to_vec() };
        let run = imgtar(["edit", "--to", "oci", "--force-rebase"]).args(bases.flags(&scratch));
        let run = run.stdin(Shape::Oci.save_one(&bases.image()).bytes()).run();
        let context = format!("IMGTAR_SEED={seed} {:#?} on {:#?}: {:#?}", shown(old), shown(&new), shown(own));
        match tree(&[&new, own].concat()) {
            Some(expected) if run.code == 0 => assert_tree(run.stdout.clone(), &expected, &context),
            _ => assert_eq!(run.code, 4, "{context}\n{run}"),
        }
        tried += 1;
        done += u64::from(run.code == 0);
    }
    assert!(2 * done > tried, "{done} of {tried} were not refused");
}

#[test]
fn paths_with_equals_signs_are_parted_where_both_are_there() {
    let (bases, scratch) = (bases(), Scratch::new());
    let flags = bases.flags(&scratch);
    let (old, new) = flags[1].split_once('=').unwrap();
    let [a, b] = [(old, "a=1.tar"), (new, "b=2.tar")].map(|(from, to)| {
        std::fs::copy(from, scratch.path(to)).unwrap();
        scratch.path(to).display().to_string()
    });
    let archive = Shape::Crane.save_one(&bases.image()).bytes();
    let edit = |pair: String| imgtar(["edit", "--to", "oci", "--rebase", &pair]).stdin(archive.clone());
    assert!(edit(format!("{a}={b}")).success().stdout == edit(format!("{old}={new}")).success().stdout);
    edit(format!("{a}=none")).exits(5).says(["none"]);
    edit("=x".to_owned()).exits(2).says(["OLD=NEW"]);
}
