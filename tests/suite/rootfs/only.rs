//! `--only`: a part of the filesystem; `--config-out`: what no filesystem holds.

use serde_json::json;

use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, symlink, whiteout};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

fn image() -> TestImage {
    TestImage::new()
        .layer([
            dir(".").mode(0o711),
            dir("srv").mode(0o750).owner(7, 8),
            file("srv/app/run", "run"),
            hardlink("srv/again", "srv/app/run"),
            hardlink("usr/third", "srv/app/run"),
            file("srv/gone", "1"),
            symlink("bin", "usr/bin"),
            file("usr/bin/sh", "#!"),
            file("etc/a.conf", "a"),
            file("etc/d/b.conf", "b"),
            file("etc/key", "k"),
        ])
        .layer([whiteout("srv/gone"), file("srv/app/new", "new")])
        .tag("app:1")
}

fn only(paths: &[&str]) -> Rootfs {
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--only", path]).collect();
    Rootfs::with(&image(), &flags)
}

#[test]
fn what_is_named_is_written_with_the_directories_above_it() {
    assert_eq!(only(&["srv/app"]).paths(), ["srv/", "srv/app/", "srv/app/new", "srv/app/run"]);
    let srv = only(&["/srv/app/new"]);
    assert_eq!(srv.paths(), ["srv/", "srv/app/", "srv/app/new"]);
    assert_eq!((srv.node("srv/").mode, srv.node("srv/").owner), (0o750, (7, 8)));
    assert_eq!(only(&["**/*.conf"]).paths(), ["etc/", "etc/a.conf", "etc/d/", "etc/d/b.conf"]);
    assert_eq!(only(&["etc/key", "bin"]).paths(), ["bin", "etc/", "etc/key", "usr/", "usr/bin/", "usr/bin/sh"]);
    assert_eq!(only(&["/"]), Rootfs::of(&image()), "the root is everything");
}

#[test]
fn the_first_name_that_is_left_has_the_data() {
    let all = Rootfs::of(&image());
    assert_eq!(
        (all.node("srv/again").kind, all.node("srv/app/run").kind, all.node("usr/third").kind),
        (b'0', b'1', b'1')
    );
    let two = only(&["srv/app", "usr"]);
    assert_eq!(
        (&two.node("srv/app/run").body[..], &two.node("usr/third").link[..]),
        (&b"run"[..], &b"srv/app/run"[..])
    );
    let last = only(&["usr/third"]);
    assert_eq!((last.node("usr/third").kind, &last.node("usr/third").body[..]), (b'0', &b"run"[..]));
}

#[test]
fn what_is_not_there_is_refused_and_leaves_nothing() {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(&image()).bytes());
    let output = scratch.path("out.tar");
    for (path, problem) in [("srv/gone", "no `srv/gone` in the image"), ("*.zz", "nothing in the image matches `*.zz`")]
    {
        let run = imgtar(["convert", "--to", "rootfs", "--only", "etc", "--only", path, "-o"]).arg(&output).arg(&input);
        run.exits(4).says([problem]);
        assert_eq!(scratch.names(), ["in.tar"]);
    }
    imgtar(["convert", "--to", "oci", "--only", "etc"]).arg(&input).exits(2).says(["--only is for rootfs"]);
}

#[test]
fn the_config_goes_where_it_is_sent() {
    let image = image().key("config", json!({"Cmd": ["sh"], "Env": ["A=1"], "Labels": {}, "User": ""}));
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", Shape::Oci.save_one(&image).bytes());
    let convert = |more: &[&str]| {
        let run = imgtar(["convert", "--to", "rootfs", "-o", "out.tar"]).dir(scratch.dir()).arg(&input);
        run.args(more)
    };
    convert(&[]).success().says(["not in a root filesystem: CMD, ENV; --config-out FILE keeps the config"]);
    convert(&["-f", "--config-out", "config.json"]).success().never_says(["not in a root filesystem"]);
    assert_eq!(scratch.read("config.json"), image.config());
    std::fs::remove_file(scratch.path("out.tar")).unwrap();
    convert(&["--config-out", "config.json"]).exits(5).says(["config.json", "exists"]);
    assert_eq!(scratch.names(), ["config.json", "in.tar"]);
}
