//! The shell pipelines that imgtar is made for, run as they stand there, with the programs of other hosts stood in.
//!
//! A stand-in reads its input to the end, as the real one does, and keeps what came; the judge of the suite then says what
//! the real one would have found in it. What a stand-in says is what the real one says. `docker save` gives out what a real Docker 29 saved.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use super::readme::{self, Example};
use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::expect::{Target, archive_and_images, assert_names, assert_same};
use crate::support::image::TestImage;
use crate::support::judge::{Judged, docker_images};
use crate::support::layout::blob_path;
use crate::support::order;
use crate::support::rootfs::Rootfs;
use crate::support::run::program;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::skip::skip;
use crate::support::tarball::{Kind, Tarball};

const SAVE_TO_SCANNER: &str = "docker save app:1 | imgtar convert --to legacy | old-scanner -";
const SAVE_TO_HOST: &str = "docker save app:1 | imgtar convert --to legacy | ssh host docker load";
const SAVE_TO_KIND: &str =
    "docker save app:1 | imgtar convert --to oci --platform linux/amd64 -o a.tar && kind load image-archive a.tar";
const BUILD_TO_HOST: &str = "buildctl build -o type=oci | imgtar convert --to oci -t acme/app:1 | ssh prod docker load";
const SAVE_TO_SQUASHFS: &str = "docker save app | imgtar convert --to rootfs | sqfstar app.sqfs";
const FILE_TO_WSL: &str =
    r"imgtar convert app.tar --to rootfs -o rootfs.tar.gz && wsl --import App 'C:\wsl' rootfs.tar.gz";
const FILE_TO_INCUS: &str =
    "imgtar convert app.tar --to rootfs -o rootfs.tar.gz && incus image import metadata.tar rootfs.tar.gz --alias app";
const FILE_TO_EXT4: &str = "imgtar convert app.tar --to rootfs | mke2fs -t ext4 -d - rootfs.ext4 1G";
const BUNDLE_TO_K3S: &str =
    "imgtar convert api.tar web.tar --to oci -o bundle.tar && scp bundle.tar node:/var/lib/rancher/k3s/agent/images/";
const ZSTD_TO_LOAD: &str = "imgtar convert zstd-image.tar --to docker --compress gzip:6 | docker load";
const FILE_TO_REGISTRY: &str = "imgtar convert app.tar --to oci-dir -o layout && crane push layout registry.lan/app:1";
const RENAMED_TO_LOAD: &str = "imgtar convert vendor.tar --rename docker.io/=registry.lan/ --to oci | docker load";
const FILE_OUT: &str = "imgtar cat app.tar /etc/os-release";
const VERDICT: &str = "imgtar verify image.tar --json > report.json";

/// The page that shows them.
const PAGE: &str = include_str!("../../docs/pipelines.md");

/// All that are run below, each by a test of its own.
const PIPELINES: [&str; 14] = [
    SAVE_TO_SCANNER,
    SAVE_TO_HOST,
    SAVE_TO_KIND,
    BUILD_TO_HOST,
    SAVE_TO_SQUASHFS,
    FILE_TO_WSL,
    FILE_TO_INCUS,
    FILE_TO_EXT4,
    BUNDLE_TO_K3S,
    ZSTD_TO_LOAD,
    FILE_TO_REGISTRY,
    RENAMED_TO_LOAD,
    FILE_OUT,
    VERDICT,
];

/// The programs that a pipeline meets. What reaches its end lies at `received`; a command line that the real program would
/// not understand is refused.
const STAND_INS: [(&str, &str); 11] = [
    (
        "docker",
        r#"case "$*" in
        "save app:1" | "save app") exec cat "$HERE/saved.tar" ;;
        load)
            cat >"$HERE/received"
            tar -xOf "$HERE/received" manifest.json | sed 's/.*"RepoTags":\["\([^"]*\)".*/Loaded image: \1\n/'
            exit ;;
        esac; exit 64"#,
    ),
    // The other host has the same programs.
    ("ssh", r#"shift && exec "$@""#),
    ("old-scanner", r#"[ "$*" = - ] && exec cat >"$HERE/received""#),
    ("buildctl", r#"[ "$*" = "build -o type=oci" ] && exec cat "$HERE/built.tar""#),
    ("kind", r#"[ "$1 $2 $#" = "load image-archive 3" ] && exec cp "$3" "$HERE/received""#),
    ("sqfstar", r#"[ "$*" = app.sqfs ] && exec cat >"$HERE/received""#),
    ("scp", r#"[ "$2 $#" = "node:/var/lib/rancher/k3s/agent/images/ 2" ] && exec cp "$1" "$HERE/received""#),
    (
        "incus",
        r#"[ "$1 $2 $5 $6 $#" = "image import --alias app 6" ] && tar -xf "$3" &&
        exec cp "$4" "$HERE/received""#,
    ),
    ("mke2fs", r#"[ "$*" = "-t ext4 -d - rootfs.ext4 1G" ] && exec cat >"$HERE/received""#),
    ("wsl", r#"[ "$1 $2 $3 $#" = '--import App C:\wsl 4' ] && exec cp "$4" "$HERE/received""#),
    (
        "crane",
        r#"[ "$1 $3 $#" = "push registry.lan/app:1 3" ] && cp -R "$2" "$HERE/received" &&
        sed 's/.*"digest":"\([^"]*\)".*/registry.lan\/app@\1\n/' "$2/index.json""#,
    ),
];

/// A directory with the files that the pipelines read, and the programs that they run.
pub(crate) struct Host {
    scratch: Scratch,
}

impl Host {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("bin")).unwrap();
        let host = Self { scratch };
        for (name, script) in STAND_INS {
            host.install(name, script);
        }
        host
    }

    /// With this file beside them.
    pub(crate) fn with(self, name: &str, bytes: Vec<u8>) -> Self {
        self.scratch.write(name, bytes);
        self
    }

    /// With a file under each of the names that pipelines read.
    pub(crate) fn with_everything() -> Self {
        Self::new()
            .with("saved.tar", Shape::Docker25.save_one(&app()).bytes())
            .with("built.tar", Shape::Oci.save_one(&app().untagged()).bytes())
            .with("app.tar", Shape::Docker20.save_one(&app()).bytes())
            .with("zstd-image.tar", Shape::Oci.save_one(&app().all_stored(Codec::Zstd)).bytes())
            .with("vendor.tar", Shape::Crane.save_one(&app()).bytes())
            .with("image.tar", Shape::Oci.save_one(&app()).bytes())
            .with("api.tar", Shape::Docker20.save_one(&named("api")).bytes())
            .with("web.tar", Shape::Oci.save_one(&named("web")).bytes())
            .with("metadata.tar", Tarball::default().with("metadata.yaml", METADATA).bytes())
    }

    /// With what Docker saved.
    fn saved() -> Self {
        Self::new().with("saved.tar", docker_saved())
    }

    pub(crate) fn install(&self, name: &str, script: &str) {
        let text = self.scratch.write("script", format!("#!/bin/sh\n{script}\n"));
        // By a program of its own: a child that another test starts while this process has the script open for writing
        // keeps it open until it runs its own program, and the system starts nothing that is open for writing.
        let path = self.scratch.path(&format!("bin/{name}"));
        let copied = Command::new("install").args(["-m", "755"]).args([text, path]).status().unwrap();
        assert!(copied.success());
    }

    /// Takes a stand-in away, so that the real program is found.
    fn with_real(self, name: &str) -> Self {
        fs::remove_file(self.scratch.path(&format!("bin/{name}"))).unwrap();
        self
    }

    /// Runs the pipeline; each of its commands must end well, and imgtar warn of nothing.
    #[track_caller]
    fn run(&self, pipeline: &str) -> Output {
        let output = self.shell(pipeline);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {pipeline}\n{said}", output.status);
        assert!(!said.contains("warning"), "{pipeline}\n{said}");
        output
    }

    /// Runs the pipeline, however it ends.
    pub(crate) fn shell(&self, pipeline: &str) -> Output {
        let program = program();
        let imgtar = program.parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("bash")
            .args(["-o", "pipefail", "-c", pipeline])
            .current_dir(self.scratch.dir())
            .env("HERE", self.scratch.dir())
            .env("PATH", format!("{}:{}:{path}", self.scratch.path("bin").display(), imgtar.display()))
            .output()
            .expect("a shell")
    }

    /// The path of a file here.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&self.scratch.read("report.json")).expect("a report")
    }

    /// The image that reached the end of the pipeline.
    #[track_caller]
    fn received(&self, target: Target) -> Judged {
        let mut images = archive_and_images(target, &self.scratch.read("received")).1;
        assert_eq!(images.len(), 1);
        images.remove(0)
    }
}

/// What a real Docker 29 saved, as it came out of `docker save`.
fn docker_saved() -> Vec<u8> {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/saved29-classic.tar.xz");
    Codec::decode(&fs::read(fixture).unwrap())
}

/// Wants the image that Docker saved.
#[track_caller]
fn assert_is_saved(found: &Judged) {
    let saved = docker_images(&Archive::open(&docker_saved())).remove(0);
    assert_eq!(found.id, saved.id);
    assert_eq!(found.config, saved.config);
    assert_eq!(found.diff_ids(), saved.diff_ids());
    assert_eq!(found.names, saved.names);
}

fn app() -> TestImage {
    TestImage::demo("docker.io/library/app:1")
}

/// An image of another name with the layers of `app`.
fn named(name: &str) -> TestImage {
    app().key("author", Value::from(name)).untagged().tag(&format!("ex.org/{name}:1"))
}

/// What Incus wants beside a filesystem, as the page says it.
const METADATA: &str = "architecture: x86_64\ncreation_date: 0\n";

/// The files of `app` as a container would see them.
#[track_caller]
fn assert_is_apps_tree(tar: &[u8]) {
    let rootfs = Rootfs::written(tar);
    assert_eq!(rootfs.paths(), ["app", "etc/", "etc/os-release"]);
    assert_eq!(rootfs.text("etc/os-release"), "ID=demo\n");
}

#[test]
fn the_pipelines_print_what_their_page_says() {
    let shown = readme::examples(PAGE);
    assert_eq!(shown.len(), 13);
    let mut stale = Vec::new();
    for Example { command, printed } in shown {
        assert!(PIPELINES.contains(&command.as_str()), "nobody looks at what comes out of: {command}");
        let output = Host::with_everything().shell(&format!("{{ {command}\n}} 2>&1"));
        let found = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{command}\n{found}");
        if found.lines().collect::<Vec<_>>() != printed {
            stale.push(format!("$ {command}\n{found}"));
        }
    }
    assert!(stale.is_empty(), "it should say\n{}", stale.concat());
}

#[test]
fn the_readmes_pipelines_are_those_of_the_page() {
    let (_, section) = readme::section(include_str!("../../README.md"), readme::PIPELINES);
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of commands");
    assert!(block.lines().count() >= 5, "{block}");
    let unknown = block.lines().find(|command| !PIPELINES.contains(command));
    assert_eq!(unknown, None);
}

/// Jobs of the page, each a document: what they are and how they run.
#[test]
fn the_jobs_of_the_page_are_yaml_and_run() {
    let jobs: Vec<&str> = PAGE.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [github, gitlab] = jobs[..] else { panic!("{} jobs", jobs.len()) };

    let step = &yaml(github)[0];
    assert_eq!(step["shell"].as_str(), Some("bash"));
    let pipeline = step["run"].as_str().unwrap().replace("${{ github.sha }}", "1");
    let host = Host::with_everything();
    host.run(&pipeline);
    assert_same(&host.received(Target::Legacy), &app(), Target::Legacy);

    let script = yaml(gitlab)["publish"]["script"].clone();
    let lines: Vec<&str> = script.as_vec().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let host = Host::with_everything();
    host.run(&format!("set -e; CI_REGISTRY_IMAGE=registry.lan/app CI_COMMIT_SHORT_SHA=1\n{}", lines.join("\n")));
    let layout = Archive::of_dir(&host.scratch.path("received"));
    assert_eq!(order::oci_dir(&layout)[0].id, app().id());
}

/// The one document that `text` is.
fn yaml(text: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

#[test]
fn docker_save_reaches_a_scanner_that_knows_only_the_old_form() {
    let host = Host::saved();
    host.run(SAVE_TO_SCANNER);
    assert_is_saved(&host.received(Target::Legacy));
}

#[test]
fn docker_save_is_loaded_by_an_older_docker_on_another_host() {
    let host = Host::saved();
    host.run(SAVE_TO_HOST);
    assert_is_saved(&host.received(Target::Legacy));
}

#[test]
fn docker_save_is_loaded_into_kind_for_one_platform() {
    let host = Host::saved();
    host.run(SAVE_TO_KIND);
    assert_is_saved(&host.received(Target::Oci));
}

#[test]
fn a_build_is_named_and_loaded_on_another_host() {
    let host = Host::new().with("built.tar", Shape::Oci.save_one(&app().untagged()).bytes());
    host.run(BUILD_TO_HOST);
    let found = host.received(Target::Oci);
    assert_same(&found, &app(), Target::Oci);
    assert_names(&found, &app().untagged().tag("acme/app:1"));
}

#[test]
fn docker_save_becomes_a_squashfs() {
    let host = Host::new().with("saved.tar", Shape::Docker25.save_one(&app()).bytes());
    host.run(SAVE_TO_SQUASHFS);
    assert_is_apps_tree(&host.scratch.read("received"));
}

#[test]
fn the_real_sqfstar_takes_it() {
    if ["sqfstar", "unsquashfs"].iter().any(|tool| Command::new(tool).arg("-version").output().is_err()) {
        return skip("there is no sqfstar here");
    }
    let host = Host::new().with("saved.tar", Shape::Docker25.save_one(&app()).bytes()).with_real("sqfstar");
    host.run(SAVE_TO_SQUASHFS);
    assert_eq!(host.run("unsquashfs -cat app.sqfs etc/os-release").stdout, b"ID=demo\n");
}

#[test]
fn a_file_becomes_a_distribution_of_wsl() {
    let host = Host::new().with("app.tar", Shape::Docker20.save_one(&app()).bytes());
    host.run(FILE_TO_WSL);
    let received = host.scratch.read("received");
    assert_eq!(Codec::sniff(&received), Codec::Gzip);
    assert_is_apps_tree(&Codec::decode(&received));
}

#[test]
fn a_file_becomes_an_image_of_incus_and_a_disk() {
    let host = Host::with_everything();
    host.run(FILE_TO_INCUS);
    assert_eq!(host.scratch.read("metadata.yaml"), METADATA.as_bytes());
    assert_is_apps_tree(&Codec::decode(&host.scratch.read("received")));
    host.run(FILE_TO_EXT4);
    assert_is_apps_tree(&host.scratch.read("received"));
}

#[test]
fn several_files_become_one_that_k3s_loads() {
    let host = Host::with_everything();
    host.run(BUNDLE_TO_K3S);
    let names: Vec<_> = archive_and_images(Target::Oci, &host.scratch.read("received"))
        .1
        .into_iter()
        .map(|image| image.names)
        .collect();
    assert_eq!(names, [["ex.org/api:1"], ["ex.org/web:1"]]);
}

#[test]
fn layers_of_zstd_become_ones_that_every_docker_loads() {
    let image = app().all_stored(Codec::Zstd);
    let host = Host::new().with("zstd-image.tar", Shape::Oci.save_one(&image).bytes());
    host.run(ZSTD_TO_LOAD);
    let found = host.received(Target::Docker);
    assert_same(&found, &image, Target::Docker);
    assert_names(&found, &image);
}

#[test]
fn a_file_becomes_a_layout_that_crane_pushes() {
    let host = Host::new().with("app.tar", Shape::Docker20.save_one(&app()).bytes());
    host.run(FILE_TO_REGISTRY);
    let layout = Archive::of_dir(&host.scratch.path("received"));
    // Without `--index` crane refuses a layout of several.
    assert_eq!(layout.json("index.json")["manifests"].as_array().map(Vec::len), Some(1));
    assert_same(&order::oci_dir(&layout)[0], &Shape::Docker20.stored(&app()), Target::OciDir);
}

#[test]
fn names_of_another_registry_are_rewritten_before_they_are_loaded() {
    let host = Host::new().with("vendor.tar", Shape::Crane.save_one(&app()).bytes());
    host.run(RENAMED_TO_LOAD);
    let found = host.received(Target::Oci);
    assert_same(&found, &app(), Target::Oci);
    assert_names(&found, &app().untagged().tag("registry.lan/library/app:1"));
    let manifest = Archive::open(&host.scratch.read("received")).json("manifest.json");
    assert_eq!(manifest[0]["RepoTags"], Value::from(vec!["registry.lan/library/app:1"]));
}

#[test]
fn a_file_of_the_image_is_printed() {
    let host = Host::new().with("app.tar", Shape::Docker20.save_one(&app()).bytes());
    assert_eq!(host.run(FILE_OUT).stdout, b"ID=demo\n");
}

#[test]
fn an_archive_is_judged_in_a_report() {
    let host = Host::new().with("image.tar", Shape::Oci.save_one(&app()).bytes());
    host.run(VERDICT);
    assert_eq!(host.report()["ok"], Value::Bool(true));

    // A config that is not what the manifest promises.
    let other = app().key("author", Value::from("somebody else"));
    let config = blob_path(&digest(&app().config()));
    let broken = Shape::Oci.save_one(&app()).replacing(&config, Kind::File(other.config()));
    let host = Host::new().with("image.tar", broken.bytes());
    assert_eq!(host.shell(VERDICT).status.code(), Some(1));
    assert_eq!(host.report()["ok"], Value::Bool(false));
}

#[test]
fn a_conversion_that_fails_fails_its_pipeline() {
    let cut = &docker_saved()[..300_000];
    for pipeline in [SAVE_TO_SCANNER, SAVE_TO_KIND] {
        let host = Host::new().with("saved.tar", cut.to_vec());
        assert_eq!(host.shell(pipeline).status.code(), Some(3), "{pipeline}");
        assert!(!host.scratch.path("a.tar").exists(), "{pipeline}");
    }
}
