//! `edit --split`: an archive for each changed image, all or none, as `convert --split` writes them (docs/bundles.md B-41).

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::expect::Target;
use crate::support::image::TestImage;
use crate::support::layer::{file, whiteout};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Runs `command` on `source`, with outputs in a directory that is there.
fn split(scratch: &Scratch, command: &[&str], source: &Tarball, pattern: &str, flags: &[&str]) -> Outcome {
    fs::create_dir_all(scratch.path("out")).unwrap();
    let run = imgtar(command).args(["--split", "-o", &format!("out/{pattern}")]).args(flags);
    run.dir(scratch.dir()).stdin(source.bytes()).run()
}

fn edit(scratch: &Scratch, source: &Tarball, pattern: &str, flags: &[&str]) -> Outcome {
    split(scratch, &["edit", "--squash", "--to", "oci"], source, pattern, flags)
}

fn found(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path("out")).unwrap();
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

fn stacked(name: &str) -> TestImage {
    let image = TestImage::demo(name).layer([file("etc/new", name), file("etc/old", "1")]);
    image.layer([whiteout("etc/old")]).all_stored(Codec::Gzip)
}

fn three() -> Tarball {
    Shape::Oci.save(&["ex.org/team/api:1", "web:2.0", "localhost:5000/db:3"].map(stacked))
}

/// Two names whose indexes share an image, with an attestation and a signature of one of the others.
fn platforms() -> Tarball {
    let mut layout = Layout::new();
    let images = ["linux/amd64", "linux/arm64", "linux/arm/v7"];
    let [one, two, three] = images.map(|platform| layout.image(&stacked(platform).platform(platform), Types::Oci));
    let (attestation, signature) = (layout.attestation(&two), layout.artifact(&three));
    for (name, members) in [("app:1", [one.clone(), two, attestation].as_slice()), ("web:1", &[one, three])] {
        let index = layout.nested(members, Types::Oci);
        layout.list_as(&index, &[name.to_owned()]);
    }
    layout.list_as(&signature, &["web:sha256-x.sig".to_owned()]);
    layout.tarball()
}

#[test]
fn archives_are_those_of_a_split_that_are_edited_one_by_one() {
    for (source, pattern) in [(three(), "{name}-{tag}"), (platforms(), "{name}-{arch}"), (platforms(), "{name}")] {
        for target in Target::ALL.into_iter().filter(|target| pattern != "{name}" || target.is_oci()) {
            let (at_once, one_by_one, to) = (Scratch::new(), Scratch::new(), target.flag());
            let command = ["edit", "--squash", "--label", "a=b", "--to", to];
            let outcome = split(&at_once, &command, &source, pattern, &["-j", "3"]);
            let parts = split(&one_by_one, &["convert", "--to", to], &source, pattern, &[]);
            assert_eq!((outcome.code, found(&at_once)), (parts.code, found(&one_by_one)), "{outcome}{parts}");
            assert!(found(&at_once).len() > 1, "{outcome}");
            for name in found(&at_once).iter().map(|name| format!("out/{name}")) {
                imgtar(command).args(["-f", "-o", "one", &name]).dir(one_by_one.dir()).success();
                let bytes = |path: PathBuf| match target {
                    Target::OciDir => imgtar(["convert", "--to", "oci"]).arg(path).success().stdout,
                    _ => fs::read(path).unwrap(),
                };
                assert!(bytes(at_once.path(&name)) == bytes(one_by_one.path("one")), "{name} to {to}");
            }
        }
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn filesystems_are_those_of_the_images() {
    let scratch = Scratch::new();
    let outcome = split(&scratch, &["edit", "--remove", "etc/new", "--to", "rootfs"], &three(), "{name}", &[]);
    assert_eq!((outcome.code, found(&scratch)), (0, strings(&["api", "db", "web"])), "{outcome}");
    let web = imgtar(["edit", "--remove", "etc/new", "--to", "rootfs", "--image", "web"]).stdin(three().bytes());
    assert!(web.success().stdout == scratch.read("out/web"));
}

#[test]
fn reports_tell_the_changes_of_each_archive() {
    let scratch = Scratch::new();
    assert_eq!(edit(&scratch, &platforms(), "{name}", &["--report", "report"]).code, 0);
    let text = String::from_utf8(scratch.read("report")).unwrap();
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let dropped: Vec<_> = documents.iter().map(|document| document["warnings"].as_array().unwrap().len()).collect();
    assert_eq!(dropped, [2, 0], "what an edit leaves out is told in the first: {text}");
    for document in &documents {
        schema::check("report", document);
        // The image that both have is changed in both.
        assert_eq!(document["images"].as_array().unwrap().len(), 2);
        for image in document["images"].as_array().unwrap() {
            let (id, old) = (&image["image_id"], &image["source_image_id"]);
            let platform = image["platform"].as_str().unwrap();
            assert_eq!(old.as_str().unwrap()[7..], stacked(platform).platform(platform).id());
            assert!(id != old && image["changes"].as_array().unwrap().len() == 1, "{image}");
            assert_eq!(image["layers"][0]["action"], "new");
        }
    }
    let run = |jobs: &str| {
        let scratch = Scratch::new();
        let outcome = edit(&scratch, &platforms(), "{name}", &["--report", "report", "-j", jobs, "-v"]);
        (outcome.stderr, scratch.read("report"), ["out/app", "out/web"].map(|name| scratch.read(name)))
    };
    assert!(run("1") == run("3"));
}

#[test]
fn a_preview_names_the_archives_and_refuses_what_the_run_refuses() {
    let scratch = Scratch::new();
    let outcome = edit(&scratch, &three(), "{name}.tar", &["--dry-run"]);
    assert_eq!((outcome.code, found(&scratch)), (0, vec![]), "{outcome}");
    outcome.says(["would write out/api.tar", "would write out/web.tar", "web:2.0 (linux/amd64): image ID"]);
    let nested = edit(&scratch, &three(), "{name}", &["--dry-run", "--to", "oci-dir"]);
    assert_eq!(nested.code, 2, "{nested}");
    let directories = split(&scratch, &["edit", "--squash", "--to", "oci-dir"], &three(), "{name}/", &["--dry-run"]);
    assert_eq!((directories.code, found(&scratch)), (0, vec![]), "{directories}");
    scratch.write("out/web.tar", "precious");
    for (pattern, flags, code, says) in [
        ("{name}.tar", &[][..], 5, "web.tar: exists"),
        ("{os}.tar", &[], 4, "two images would be written to linux.tar"),
        ("none/{name}.tar", &[], 5, "there is no directory"),
        ("{name}/{tag}.tar", &[], 2, "only the last part of a pattern"),
        ("{name}.tar.bz2", &[], 2, "--outer"),
        ("{name}.tar", &["--all-blobs"], 2, "--all-blobs"),
        ("{name}.tar", &["--append"], 2, "--append"),
        ("{name}.tar", &["--image", "none"], 4, "none"),
    ] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let outcome = edit(&scratch, &three(), pattern, &[flags, dry_run].concat());
            assert_eq!((outcome.code, found(&scratch)), (code, strings(&["web.tar"])), "{outcome}");
            outcome.says([says]);
        }
    }
    assert_eq!(scratch.read("out/web.tar"), b"precious");
    assert_eq!(edit(&scratch, &three(), "{name}.tar", &["-f", "--dry-run"]).code, 0);
    assert_eq!(scratch.read("out/web.tar"), b"precious");
    assert_eq!(edit(&scratch, &three(), "{name}.tar", &["-f"]).code, 0);
    let one = ["edit", "--user", "1", "--to", "oci", "--split"];
    for dry_run in [&[][..], &["--dry-run"]] {
        imgtar(one).args(dry_run).stdin(three().bytes()).exits(2).says([r#"-o "out/"#]);
    }
    imgtar(["import", "--to", "oci", "--arch", "amd64", "--split", "-o", "{n}"]).stdin("x").exits(2).says(["--split"]);
}

#[test]
fn no_archive_replaces_what_is_read() {
    let scratch = Scratch::new();
    let base = Shape::Oci.save_one(&TestImage::demo("base:1")).bytes();
    scratch.write("base.tar", &base);
    let built = Shape::Oci.save_one(&TestImage::demo("base:1").layer([file("a", "1")]).layer([file("b", "2")]));
    scratch.write("built.tar", built.bytes());
    for flags in [&["--squash-above", "base.tar"][..], &["--add", "base.tar:srv/"], &["--user", "1", "base.tar"]] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let run = imgtar(["edit", "--to", "oci", "--split", "-f", "-o", "{name}.tar"]).args(flags).args(dry_run);
            let run = if flags.contains(&"1") { run } else { run.arg("built.tar") };
            run.dir(scratch.dir()).exits(2).says(["base.tar: is the input"]);
            assert_eq!(
                (scratch.names(), scratch.read("base.tar")),
                (strings(&["base.tar", "built.tar"]), base.clone())
            );
        }
    }
}

#[test]
fn where_one_image_is_damaged_no_archive_appears() {
    let mut source = three();
    let layer = blob_path(&stacked("web:2.0").layer_digests()[2]);
    let member = source.members.iter_mut().find(|member| member.name == layer).unwrap();
    let Kind::File(bytes) = &mut member.kind else { panic!("a layer") };
    let last = bytes.len() - 6;
    bytes[last] ^= 1;
    for change in [["--squash"].as_slice(), &["--user", "1"]] {
        let scratch = Scratch::new();
        let outcome = split(&scratch, &["edit", "--to", "oci"], &source, "{name}.tar", change);
        assert_eq!((outcome.code, found(&scratch)), (3, vec![]), "{outcome}");
    }
}

#[test]
fn an_archive_without_images_is_refused() {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    let signature = layout.artifact(&image);
    layout.list_as(&signature, &["ex.org/chart:1".to_owned()]);
    for dry_run in [&[][..], &["--dry-run"]] {
        let scratch = Scratch::new();
        let outcome = edit(&scratch, &layout.tarball(), "{n}.tar", dry_run);
        assert_eq!((outcome.code, found(&scratch)), (4, vec![]), "{outcome}");
        outcome.says(["there is no image in it, only", "ex.org/chart:1"]);
    }
}
