//! Changes of the config, and what refers to a changed image (E-40 to E-43, E-53 to E-57).

use serde_json::{Value, json};

use crate::support::expect::{Target, edit, refuse_edit};
use crate::support::image::TestImage;
use crate::support::judge::runnable;
use crate::support::layer::{Item, file, layer_tar, whiteout};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;
use crate::support::{digest, sha256};

use super::stacked;

fn image() -> TestImage {
    let runtime =
        json!({"Env": ["A=1", "PATH=/bin"], "Cmd": ["old"], "Labels": {"z": "1"}, "Healthcheck": {"Test": ["NONE"]}});
    TestImage::demo("example.com/demo:v1").key("config", runtime)
}

fn config(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn without_a_change_every_image_stays_what_it_is() {
    for target in Target::ALL {
        for shape in [Shape::Crane, Shape::Docker20, Shape::OciNested] {
            let edited = edit(&shape.save_one(&image()), target, &[]);
            assert_eq!(edited.images[0].config, image().config(), "{}", target.flag());
            assert_eq!(edited.images[0].id, image().id());
        }
    }
    let same = ["--env", "A=1", "--label", "z=1", "--cmd", "old"];
    assert_eq!(edit(&Shape::Crane.save_one(&image()), Target::Oci, &same).images[0].id, image().id());
}

#[test]
fn a_change_rewrites_what_it_names_and_nothing_else() {
    let flags =
        ["--entrypoint", "/bin/app", "--env", "A=2", "--unset-env", "PATH", "--label", "a=<b>", "--expose", "80"];
    for target in Target::ALL {
        let edited = edit(&Shape::Crane.save_one(&image()), target, &flags);
        let found = &edited.images[0];
        let mut expected = config(&image().config());
        let runtime = json!({
            "Env": ["A=2"], "Labels": {"z": "1", "a": "<b>"}, "Healthcheck": {"Test": ["NONE"]},
            "Entrypoint": ["/bin/app"], "ExposedPorts": {"80/tcp": {}},
        });
        expected["config"] = runtime;
        assert_eq!(config(&found.config), expected, "{}", target.flag());
        let text = String::from_utf8(found.config.clone()).unwrap();
        assert!(text.contains(r#""x-unknown":{"b":1.5,"a":"ü"}"#) && text.contains(r"\u003cb\u003e"), "{text}");
        assert_eq!(found.diff_ids(), image().diff_ids());
        edited.outcome.says(["image ID", &found.id[..12], &image().id()[..12]]);
    }
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Crane.save_one(&image()).bytes());
    let id = edit(&Shape::Crane.save_one(&image()), Target::Oci, &["--user", "1"]).images[0].id.clone();
    let run = imgtar(["edit", "--dry-run", "--to", "oci", "--user", "1", "-o"]).arg(scratch.path("out")).arg(input);
    run.success().says([&id[..12]]);
    assert_eq!(scratch.names(), ["in.tar"]);
}

#[test]
fn a_dry_run_refuses_what_the_run_would() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Crane.save_one(&image()).bytes());
    scratch.write("there", "old");
    std::fs::create_dir(scratch.path("dir")).unwrap();
    let two = [image().platform("linux/amd64"), image().platform("linux/arm64")];
    scratch.write("two.tar", Shape::Oci.save(&two).bytes());
    let false_layer = Shape::Docker20.save_one(&image());
    let layer = false_layer.members.iter().find(|member| member.name.ends_with("/layer.tar")).unwrap().name.clone();
    scratch.write("false.tar", false_layer.replacing(&layer, Kind::File(vec![0; 2048])).bytes());
    let before = scratch.names();
    for (flags, code) in [
        (&["in.tar", "--to", "oci", "-o", "new"][..], 0),
        (&["in.tar", "--to", "oci", "-o", "there"], 5),
        (&["in.tar", "--to", "oci", "-o", "there", "-f"], 0),
        (&["in.tar", "--to", "oci", "-o", "dir"], 5),
        (&["in.tar", "--to", "oci", "-o", "none/new"], 5),
        (&["in.tar", "--to", "oci", "-o", "in.tar", "-f"], 2),
        (&["in.tar", "--to", "oci", "-o", "new.bz2"], 2),
        (&["in.tar", "--to", "oci", "-o", "new.gz", "--strict"], 4),
        (&["in.tar", "--to", "oci-dir", "-o", "dir"], 0),
        (&["in.tar", "--to", "oci-dir", "-o", "there"], 5),
        (&["in.tar", "--to", "rootfs", "-o", "new", "--config-out", "there"], 5),
        (&["two.tar", "--to", "docker", "-o", "new"], 4),
        (&["false.tar", "--to", "oci", "-o", "new"], 3),
    ] {
        let run = |more: &[&str]| imgtar(["edit", "--squash"]).args(flags).args(more).dir(scratch.dir()).run();
        let dry = run(&["--dry-run"]);
        assert_eq!(dry.code, code, "{dry}");
        assert_eq!((scratch.names(), scratch.read("there")), (before.clone(), b"old".to_vec()), "{dry}");
        if code != 0 {
            let real = run(&[]);
            assert_eq!((real.code, &real.stderr), (code, &dry.stderr));
        }
    }
    imgtar(["edit", "--dry-run", "--user", "1", "--to", "oci", "--report", "r"]).arg(input).exits(2).says(["--report"]);
}

#[test]
fn a_dry_run_tells_what_becomes_of_each_layer_and_its_size() {
    let scratch = Scratch::new();
    let layers = [vec![file("a", vec![b'a'; 3000])], vec![whiteout("a"), file("b", "1")], vec![file("c", "1")]];
    let source = Shape::Oci.save_one(&stacked(&layers));
    let input = scratch.write("in.tar", source.bytes());
    let written =
        |flags: &[&str], nth: usize| edit(&source, Target::Oci, flags).images[0].diff_ids()[nth][7..19].to_owned();
    let preview = |flags: &[&str]| imgtar(["edit", "--dry-run", "--to", "oci"]).args(flags).arg(&input).success();
    let size = |tars: &[&[Item]]| tars.iter().map(|items| layer_tar(items.to_vec()).len()).sum::<usize>();
    let before = size(&[&layers[0], &layers[1], &layers[2]]);
    let kib = |bytes: usize| format!("{:.1} KiB", bytes as f64 / 1024.0);
    let after = size(&[&[file("b", "1"), file("c", "1")]]);
    let squashed = format!("its layers would take {} uncompressed, {} less", kib(after), kib(before - after));
    let short = |number: usize| stacked(&layers).diff_ids()[number][7..19].to_owned();
    let lines = |outcome: &Outcome| -> Vec<String> {
        let lines = outcome.stderr.lines().filter_map(|line| line.split_once("app:1 (linux/amd64): "));
        lines.skip(1).map(|(_, line)| line.to_owned()).collect()
    };
    let gone = |number: usize| {
        format!("layer {number} ({}): would be removed, {} less", short(number), kib(size(&[&layers[number]])))
    };
    let added = format!("new layer ({}): {} uncompressed", written(&["--squash"], 0), kib(after));
    let outcome = preview(&["--squash"]).says([&squashed]);
    assert_eq!(lines(&outcome), [gone(0), gone(1), gone(2), added]);
    let after = size(&[&layers[0], &layers[1]]);
    let removed = format!("its layers would take {} uncompressed, {} less", kib(after), kib(before - after));
    let outcome = preview(&["--remove-layer", "2"]).says([&removed]);
    assert_eq!(lines(&outcome), [gone(2)]);
    let without = [whiteout("a")];
    let outcome = preview(&["--remove", "b"]);
    let shorter = format!(
        "layer 1 ({}): would become {}, {} uncompressed, {} less",
        short(1),
        written(&["--remove", "b"], 1),
        kib(size(&[&without])),
        kib(size(&[&layers[1]]) - size(&[&without]))
    );
    assert_eq!(lines(&outcome), [shorter]);
    let outcome = preview(&["--user", "1"]).never_says(["its layers"]);
    assert!(lines(&outcome).is_empty());
}

/// Two platforms with attestations, signatures of both and of the index.
struct Signed {
    layout: Layout,
    index: Value,
    manifests: Vec<Value>,
}

fn signed() -> Signed {
    let mut layout = Layout::new();
    let on = |platform: &str| TestImage::new().platform(platform).layer([file("arch", platform)]);
    let manifests: Vec<_> =
        ["linux/amd64", "linux/arm64"].iter().map(|platform| layout.image(&on(platform), Types::Oci)).collect();
    let attestations: Vec<_> = manifests.iter().map(|manifest| layout.attestation(manifest)).collect();
    let index = layout.nested(&[manifests.clone(), attestations].concat(), Types::Oci);
    layout.list_as(&index, &["example.com/multi:v1".into()]);
    for subject in [&manifests[0], &manifests[1], &index] {
        let signature = layout.artifact(subject);
        layout.list(&signature);
    }
    Signed { layout, index, manifests }
}

#[test]
fn e_42_what_is_about_a_changed_image_goes_and_the_rest_stays() {
    let Signed { layout, index, manifests } = signed();
    let edited = edit(&layout.tarball(), Target::Oci, &["--only-platform", "linux/arm64", "--label", "beta=1"]);
    let written = runnable(&edited.archive);
    assert_eq!(written[0].0["digest"], manifests[0]["digest"], "the other platform keeps its digest");
    assert_ne!(written[1].0["digest"], manifests[1]["digest"]);
    let top = edited.archive.json("index.json");
    let listed = top["manifests"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "the index and the signature of what did not change: {top}");
    assert_ne!(listed[0]["digest"], index["digest"]);
    let inner = edited.archive.json(&blob_path(listed[0]["digest"].as_str().unwrap()));
    assert_eq!(inner["manifests"].as_array().unwrap().len(), 3, "one attestation is left: {inner}");
    edited.outcome.says(["warning", "left out: it is about an image before its change"]);
    refuse_edit(&layout.tarball(), Target::Oci, &["--label", "beta=1", "--strict"], 4);
}

#[test]
fn e_41_e_43_a_platform_is_changed_everywhere() {
    let mut layout = Layout::new();
    let manifest = layout.image(&TestImage::new().platform("linux/arm/v7").layer([file("a", "1")]), Types::Oci);
    let index = layout.nested(&[manifest], Types::Oci);
    layout.list_as(&index, &["a:1".into()]);
    let edited = edit(&layout.tarball(), Target::Oci, &["--arch", "arm64"]);
    let (descriptor, _) = &runnable(&edited.archive)[0];
    assert_eq!(descriptor["platform"], json!({"architecture": "arm64", "os": "linux"}));
    assert_eq!(config(&edited.images[0].config)["architecture"], "arm64");
    assert_eq!(config(&edited.images[0].config).get("variant"), None);
    refuse_edit(&layout.tarball(), Target::Oci, &["--only-platform", "linux/s390x", "--user", "1"], 4);
}

#[test]
fn e_40_a_manifest_keeps_its_own_keys_but_not_its_subject() {
    let mut layout = Layout::new();
    let plain = layout.image(&image(), Types::Oci);
    let mut manifest: Value = serde_json::from_slice(&layout.bytes_of(&plain)).unwrap();
    manifest["annotations"] = json!({"a": "b"});
    manifest["x"] = json!([1.50]);
    manifest["subject"] = json!({"mediaType": plain["mediaType"], "digest": digest(b"x"), "size": 1});
    let descriptor = layout.manifest(&manifest);
    layout.list_as(&descriptor, &["a:1".into()]);
    let edited = edit(&layout.tarball(), Target::Oci, &["--user", "1"]);
    let written = config(edited.images[0].manifest.as_ref().unwrap());
    let mut expected = manifest.clone();
    expected.as_object_mut().unwrap().remove("subject");
    expected["config"]["digest"] = json!(format!("sha256:{}", sha256(&edited.images[0].config)));
    expected["config"]["size"] = json!(edited.images[0].config.len());
    assert_eq!(written, expected);
    edited.outcome.says(["subject"]);
}

#[test]
fn e_56_a_patch_that_engines_could_not_read_is_refused() {
    let scratch = Scratch::new();
    let source = Shape::Crane.save_one(&image());
    for (patch, problem) in [
        (r#"{"config":{"Env":{"A":"1"}}}"#, "config.Env"),
        (r#"{"rootfs":{}}"#, "rootfs"),
        (r#"{"os":"Linux"}"#, "lower-case: linux"),
        (r#"{"architecture":"arm/v7"}"#, "`architecture` has `arm/v7`"),
        (r#"{"Variant":"V7"}"#, "lower-case: v7"),
        (r#"{"config":{"Env":["A=1","=2"]}}"#, "`Env` has `=2`"),
        (r#"{"config":{"ExposedPorts":{"80/x":{}}}}"#, "`ExposedPorts` has `80/x`"),
        (r#"{"config":{"Volumes":{"data":{}}}}"#, "`Volumes` has `data`"),
        (r#"{"config":{"WorkingDir":"srv"}}"#, "`WorkingDir` has `srv`: this is not an absolute path"),
        (r#"{"config":{"StopSignal":"SIGNONE"}}"#, "`StopSignal` has `SIGNONE`"),
        (r#"{"history":null}"#, "history"),
        ("[]", "--config-merge"),
        ("{", "--config-merge"),
    ] {
        let path = scratch.write("patch.json", patch);
        refuse_edit(&source, Target::Oci, &["--config-merge", path.to_str().unwrap()], 2).says([problem]);
    }
    let path =
        scratch.write("patch.json", r#"{"config":{"Env":null,"Labels":{"z":null,"y":"2"}},"x-unknown":{"b":null}}"#);
    let edited = edit(&source, Target::Oci, &["--config-merge", path.to_str().unwrap()]);
    let found = config(&edited.images[0].config);
    assert_eq!((found["config"].get("Env"), &found["config"]["Labels"]), (None, &json!({"y": "2"})));
    assert_eq!(found["x-unknown"], json!({"a": "ü"}));
}

#[test]
fn e_55_paths_are_those_of_the_images_system() {
    let source = |platform| Shape::Crane.save_one(&image().platform(platform));
    for flags in [["--workdir", r"C:\srv"], ["--volume", r"C:\data"]] {
        edit(&source("windows/amd64"), Target::Oci, &flags);
        edit(&source("linux/amd64"), Target::Oci, &[&["--os", "windows"], &flags[..]].concat());
        let refused = refuse_edit(&source("linux/amd64"), Target::Oci, &flags, 2);
        refused.says([r"C:\\", "this is not an absolute path"]);
    }
}

#[test]
fn an_imported_filesystem_takes_the_config_of_another_image() {
    let scratch = Scratch::new();
    let other = scratch.write("other.tar", Shape::Crane.save_one(&image()).bytes());
    let rootfs = layer_tar([file("a", "1")]);
    let run = imgtar(["import", "--to", "docker", "--user", "2", "-o"])
        .arg(scratch.path("out"))
        .arg("--config-from")
        .arg(other);
    run.stdin(rootfs.clone()).success();
    let (_, images) = crate::support::expect::archive_and_images(Target::Docker, &scratch.read("out"));
    let found = config(&images[0].config);
    let mut expected = config(&image().config());
    expected["config"]["User"] = json!("2");
    expected["rootfs"]["diff_ids"] = json!([digest(&rootfs)]);
    for entry in expected["history"].as_array_mut().unwrap() {
        entry["empty_layer"] = json!(true);
    }
    let imported = json!({"created": "2020-01-02T03:04:05Z", "created_by": "imgtar import"});
    expected["history"].as_array_mut().unwrap().push(imported);
    assert_eq!(found, expected);
}
