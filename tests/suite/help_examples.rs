//! The examples of every help page and the commands in the README's tables, run as they stand there.

use std::fs;

use super::pipelines::Host;
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, whiteout};
use crate::support::layout::{Layout, Types};
use crate::support::run::imgtar;
use crate::support::shape::Shape;

/// Programs that the examples meet beside those of the README's pipelines.
const STAND_INS: [(&str, &str); 4] = [
    ("less", r#"[ "$*" = -S ] && exec cat"#),
    ("man", r#"[ "$*" = "-l -" ] && exec cat"#),
    ("file", r#"[ "$*" = - ] && exec cat"#),
    ("scp", r#"[ "$2" = prod: ] && exec cat "$1""#),
];

/// Examples that print nothing when all is well.
const SILENT: [&str; 6] = ["convert", "edit", "import", "completions", "man --out-dir", "verify app.tar --json"];

/// The commands of a help page's examples, each on one line.
fn examples(command: &str) -> Vec<String> {
    let help = imgtar([command, "--help"]).env("COLUMNS", "200").success().text();
    let (_, end) = help.split_once("Examples:\n").expect("every page has examples");
    let lines = end.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let mut examples: Vec<String> = Vec::new();
    for line in lines.filter_map(|line| line.strip_prefix("    ")) {
        match line.strip_prefix("  ") {
            Some(more) => {
                let last = examples.last_mut().expect("a command begins further left");
                *last = format!("{} {more}", last.trim_end_matches('\\'));
            }
            None => examples.push(line.to_owned()),
        }
    }
    examples
}

/// What `app` is built on.
fn debian() -> TestImage {
    TestImage::new().layer([
        dir("etc"),
        file("etc/os-release", "ID=demo\n"),
        file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        file("bin/su", vec![b'x'; 1000]).mode(0o4755),
        file("old", "old"),
    ])
}

fn app(name: &str) -> TestImage {
    let layer = [file("usr/bin/app", name), file("etc/app/key.pem", "secret"), file("app/.env", "TOKEN=1")];
    debian().layer(layer).layer([file("bin/app", name), whiteout("old"), whiteout("app/.env")]).tag(name)
}

fn host() -> Host {
    let mut layout = Layout::new();
    let platforms = ["linux/amd64", "linux/arm64"].map(|on| layout.image(&app("app:1").platform(on), Types::Oci));
    let index = layout.nested(&platforms, Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    let one = Shape::Docker20.save_one(&app("app:1")).bytes();
    let other = Shape::Oci.save_one(&app("app:2")).bytes();
    let mut host = Host::with_everything()
        .with("saved.tar", one.clone())
        .with("app.tar", one.clone())
        .with("debian.tar", Shape::Docker20.save_one(&debian().tag("debian:13")).bytes())
        .with("patched.tar", Shape::Oci.save_one(&debian().layer([file("patched", "")]).tag("debian:13")).bytes())
        .with("multi.tar", layout.tarball().bytes())
        .with("ca.crt", b"a certificate".to_vec())
        .with("half.tar", layout.tarball().bytes())
        .with("other-half.tar", layout.tarball().bytes())
        .with("app-amd64.tar", Shape::Docker20.save_one(&app("app:amd64")).bytes())
        .with("app-arm64.tar", Shape::Docker20.save_one(&app("app:arm64").platform("linux/arm64")).bytes())
        .with("on-amd64.tar", Shape::Docker20.save_one(&app("app:amd64")).bytes())
        .with("on-arm64.tar", Shape::Docker20.save_one(&app("app:arm64").platform("linux/arm64")).bytes())
        .with("all.tar", Shape::Crane.save(&[app("app:1"), app("app:2")]).bytes());
    for name in ["api", "web", "db"] {
        host = host.with(&format!("{name}.tar"), Shape::Docker20.save_one(&app(&format!("{name}:1"))).bytes());
    }
    for (name, bytes) in [("app-1", &one), ("a", &one), ("first", &one), ("second", &one)] {
        host = host.with(&format!("{name}.tar"), bytes.clone());
    }
    for (name, bytes) in [("app-2", &other), ("b", &other), ("delivered", &other)] {
        host = host.with(&format!("{name}.tar"), bytes.clone());
    }
    for (name, script) in STAND_INS {
        host.install(name, script);
    }
    host
}

#[test]
fn the_examples_of_every_command_run() {
    let help = imgtar(["--help"]).success().text();
    let commands = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| line.starts_with("  "));
    let mut ran = 0;
    for command in commands.filter_map(|line| line.trim().split(' ').next()).filter(|command| *command != "help") {
        for example in examples(command) {
            run(&example);
            ran += 1;
        }
    }
    assert!(ran >= 30, "{ran} examples");
}

#[test]
fn the_commands_of_the_readmes_tables_run() {
    let lines = include_str!("../../README.md").lines().filter(|line| line.starts_with('|'));
    let commands = lines.flat_map(|line| line.split('`').skip(1).step_by(2)).filter(|text| text.contains(".tar"));
    let commands: Vec<&str> = commands.filter(|text| text.starts_with("imgtar ")).collect();
    assert!(commands.len() >= 15, "{commands:?}");
    commands.into_iter().for_each(run);
}

fn run(example: &str) {
    let host = host();
    let here = host.path("");
    for dir in [
        ".local/share/bash-completion/completions",
        ".zfunc",
        ".config/fish/completions",
        ".local/share/man/man1",
        "rootfs/etc",
        "out",
    ] {
        fs::create_dir_all(here.join(dir)).unwrap();
    }
    // An image for two platforms is asked about one of them.
    let line = if example.contains("--platform linux/arm64") {
        example.replace("app.tar", "multi.tar")
    } else {
        example.to_owned()
    };
    if line.contains("import rootfs.tar") {
        host.shell("tar -C rootfs -cf rootfs.tar . && gzip -k rootfs.tar");
    }
    let output = host.shell(&format!("HOME=.; {line}"));
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // All archives that are compared here differ, but for two.
    let code = i32::from(example.contains("imgtar diff") && !example.contains("first.tar"));
    assert_eq!(output.status.code(), Some(code), "{example}\n{out}{said}");
    assert!(!said.contains("error"), "{example}\n{said}");
    let is_silent = SILENT.iter().any(|silent| example.contains(silent)) && !example.contains("docker load");
    assert!(is_silent || !out.trim().is_empty(), "{example}\nprints nothing");
}
