//! What a person sees: the main commands on a terminal of 80 and of 40 columns, as they are kept in `screens.txt`.
//!
//! `IMGTAR_WRITE_SCREENS=1` writes that file anew, to be looked at before it is kept.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{file, whiteout};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::screen;
use crate::support::shape::Shape;
use crate::support::tarball::Kind;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Commands with the exit code of each.
const COMMANDS: [(&str, i32); 14] = [
    ("convert app.tar --to oci -o everywhere.tar", 0),
    ("convert app.tar --to docker -o everywhere.tar", 5),
    ("convert app.tar --to rootfs -o rootfs.tar.gz", 0),
    ("edit app.tar --squash --label team=core --to oci -o small.tar", 0),
    ("inspect app.tar", 0),
    ("inspect --short 0.tar 1.tar 2.tar 3.tar 4.tar 5.tar 6.tar 7.tar 8.tar 9.tar", 0),
    ("inspect --for docker zstd.tar", 1),
    ("verify app.tar broken.tar none.tar", 3),
    ("diff app.tar other.tar", 1),
    ("ls --tree app.tar etc bin", 0),
    ("ls --layers app.tar etc/demo*", 0),
    ("ls -lhS app.tar", 0),
    ("history app.tar", 0),
    ("cat app.tar /etc/dem", 4),
];

/// The archives that the commands name.
fn shelf() -> Scratch {
    let scratch = Scratch::new();
    let saved = fs::read(Path::new(ROOT).join("fixtures/saved20.tar.xz")).unwrap();
    let app = scratch.write("app.tar", Codec::decode(&saved));
    let edit = ["edit", "--env", "MODE=debug", "--add", "note:etc/demo", "--to", "oci", "-o", "other.tar"];
    scratch.write("note", "other\n");
    imgtar(edit).arg(app).dir(scratch.dir()).success();
    scratch.write("zstd.tar", Shape::Crane.save_one(&TestImage::demo("app:1").all_stored(Codec::Zstd)).bytes());
    let mut broken = Shape::Docker20.save_one(&TestImage::demo("example.com/demo:v1"));
    let layer = broken.members.iter().rfind(|member| member.name.ends_with("/layer.tar")).unwrap().name.clone();
    broken = broken.replacing(&layer, Kind::File(vec![0; 2048]));
    scratch.write("broken.tar", broken.bytes());
    scratch.write("none.tar", "no archive");
    for nth in 0..10 {
        let name =
            ["registry.example.com/platform/team/frontend-with-a-long-name:2024.11", "api:1", "db:16.1"][nth % 3];
        let image = TestImage::demo(name).layer([file("etc/n", nth.to_string()), whiteout("x")]);
        let image = if nth % 2 == 0 { image } else { image.platform("linux/arm64") };
        scratch.write(&format!("{nth}.tar"), Shape::Crane.save_one(&image).bytes());
    }
    scratch
}

#[test]
fn screens_are_as_they_were_found_good() {
    let mut screens = String::new();
    for columns in [80, 40] {
        let shelf = shelf();
        for (command, code) in COMMANDS {
            let seen = screen::imgtar(columns, command.split(' ')).env("NO_COLOR", "1").dir(shelf.dir()).run();
            assert_eq!(seen.code, Some(code), "{command}: {:#?}", seen.last());
            writeln!(screens, "== {columns} columns: imgtar {command}").unwrap();
            for line in seen.last() {
                let line = line.trim_end();
                assert!(line.chars().count() <= columns.into(), "{command}: {line}");
                writeln!(screens, "{line}").unwrap();
            }
        }
    }
    let file = Path::new(ROOT).join("tests/suite/screens.txt");
    if std::env::var_os("IMGTAR_WRITE_SCREENS").is_some() {
        fs::write(&file, &screens).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap();
    let differing = kept.lines().zip(screens.lines()).find(|(kept, now)| kept != now);
    assert!(kept == screens, "another screen, from here on: {differing:#?}\n{screens}");
}
