//! What `--compress` does to layers and `-z` to the archive (D-5 … D-7, D-10, G-2).

use crate::support::codec::Codec;
use crate::support::expect::{Converted, Target, archive_and_images, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::{file, layer_tar};
use crate::support::layout::{Layout, Types, blob_path};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// One layer a codec.
fn mixed() -> TestImage {
    let codecs = [Codec::Plain, Codec::Gzip, Codec::Zstd];
    codecs.into_iter().fold(TestImage::new().tag("mixed:1"), |image, codec| {
        image.layer([file("name", format!("{codec:?} ").repeat(200))]).stored(codec)
    })
}

fn codecs(converted: &Converted) -> Vec<Codec> {
    converted.images[0].layers.iter().map(|layer| layer.codec).collect()
}

#[test]
fn layers_are_stored_as_asked_for() {
    use Codec::{Gzip, Plain, Zstd};
    for (flag, stored) in [
        ("keep", [Plain, Gzip, Zstd]),
        ("none", [Plain; 3]),
        ("gzip", [Gzip; 3]),
        ("gzip:1", [Gzip; 3]),
        ("zstd", [Zstd; 3]),
        ("zstd:19", [Zstd; 3]),
    ] {
        for shape in [Shape::Oci, Shape::Crane] {
            for target in [Target::Docker, Target::Oci, Target::OciDir] {
                let converted = convert(&shape.save_one(&mixed()), target, &["--compress", flag]);
                assert_eq!(codecs(&converted), stored, "--compress {flag} --to {}", target.flag());
                assert_eq!(converted.images[0].diff_ids(), mixed().diff_ids());
            }
        }
    }
}

#[test]
fn legacy_layers_are_plain_and_only_plain() {
    for flags in [&[][..], &["--compress", "none"]] {
        let converted = convert(&Shape::Oci.save_one(&mixed()), Target::Legacy, flags);
        assert_eq!(codecs(&converted), [Codec::Plain; 3]);
    }
    for flag in ["gzip", "zstd", "gzip:3"] {
        refuse(&Shape::Oci.save_one(&mixed()).bytes(), Target::Legacy, &["--compress", flag], 2).says(["legacy"]);
    }
}

#[test]
fn a_docker_tarball_has_gzip_layers_and_says_which_changed() {
    let mixed = Shape::Crane.save_one(&mixed().layer([file("x", "1")]).stored(Codec::Xz));
    let converted = convert(&mixed, Target::Docker, &["-v"]);
    assert_eq!(codecs(&converted), [Codec::Gzip; 4], "D-7");
    converted.outcome.says(["3 compressed with gzip", ": zstd, ", ": xz, ", " -> gzip, "]);
}

#[test]
fn xz_and_bzip2_layers_become_gzip_in_a_layout_which_says_so() {
    let image = TestImage::demo("app:1").stored(Codec::Xz).layer([file("b", "1")]).stored(Codec::Bzip2);
    let converted = convert(&Shape::Crane.save_one(&image), Target::Oci, &["-v"]);
    assert_eq!(codecs(&converted), [Codec::Gzip; 3]);
    converted.outcome.says(["2 compressed with gzip", ": xz, ", ": bzip2, "]);
}

#[test]
fn the_media_type_is_that_of_the_bytes() {
    for (flag, suffix) in [("none", "tar"), ("gzip", "tar+gzip"), ("zstd", "tar+zstd")] {
        let converted = convert(&Shape::Oci.save_one(&mixed()), Target::OciDir, &["--compress", flag]);
        for layer in &converted.images[0].layers {
            let media_type = layer.descriptor.as_ref().unwrap()["mediaType"].as_str().unwrap();
            assert_eq!(media_type, format!("application/vnd.oci.image.layer.v1.{suffix}"));
        }
    }
}

#[test]
fn recompression_is_the_same_every_time() {
    for flag in ["gzip", "gzip:9", "zstd:3"] {
        let once = convert(&Shape::Docker20.save_one(&mixed()), Target::Oci, &["--compress", flag]);
        let twice = convert(&Shape::Docker20.save_one(&mixed()), Target::Oci, &["--compress", flag]);
        assert_eq!(once.bytes, twice.bytes, "D-10");
    }
}

#[test]
fn a_level_is_for_all_layers_and_a_form_alone_for_those_of_another() {
    let image = TestImage::new().layer([file("a", vec![b'a'; 1 << 16])]).layer([file("b", "b".repeat(1 << 16))]);
    let plain = Shape::Docker20.save_one(&image.tag("app:1"));
    for (low, high, form) in [("gzip:1", "gzip:9", "gzip"), ("zstd:1", "zstd:19", "zstd")] {
        let [quick, small] = [low, high].map(|flag| convert(&plain, Target::Oci, &["--compress", flag]).bytes);
        assert_ne!(quick, small);
        let from_quick = |flag: &str| imgtar(["convert", "-v", "--to", "oci", "--compress", flag]).stdin(quick.clone());
        let kept = from_quick(form).success().says(["2 layers, unchanged"]);
        assert!(kept.stdout == quick, "{form}");
        let anew = from_quick(high).success().says([&format!("2 layers, compressed with {form}")]);
        assert!(anew.stdout == small, "{high}: as if it had come plain");
    }
}

#[test]
fn a_gzip_header_written_anew_says_nothing_of_time_or_machine() {
    let converted = convert(&Shape::Docker20.save_one(&mixed()), Target::Docker, &[]);
    for layer in &converted.images[0].layers {
        let header = &converted.archive.body(&layer.member)[..10];
        assert_eq!((&header[4..8], header[9]), (&[0; 4][..], 255), "mtime 0, OS 255 (D-10)");
        assert_eq!(header[3] & !0b100, 0, "no name, no comment (D-10)");
    }
}

#[test]
fn levels_out_of_range_are_usage_errors() {
    for flag in ["gzip:0", "gzip:10", "zstd:0", "zstd:20", "gzip:", "gzip:x", "xz", "bzip2", "lz4", ""] {
        refuse(&Shape::Oci.save_one(&mixed()).bytes(), Target::Oci, &["--compress", flag], 2);
    }
}

#[test]
fn the_whole_archive_is_compressed_when_asked_for() {
    for target in [Target::Legacy, Target::Docker, Target::Oci] {
        let plain = convert(&Shape::Oci.save_one(&mixed()), target, &[]).bytes;
        for (flag, codec) in [("none", Codec::Plain), ("gzip", Codec::Gzip), ("zstd", Codec::Zstd), ("xz", Codec::Xz)] {
            let run =
                imgtar(["convert", "--to", target.flag(), "-z", flag]).stdin(Shape::Oci.save_one(&mixed()).bytes());
            let written = run.success().stdout;
            assert_eq!(Codec::sniff(&written), codec);
            assert_eq!(Codec::decode(&written), plain, "-z {flag} --to {}", target.flag());
        }
    }
}

#[test]
fn the_extension_of_the_output_chooses_unless_a_flag_does() {
    for (name, flags, codec) in [
        ("a.tar", &[][..], Codec::Plain),
        ("a.tar.gz", &[], Codec::Gzip),
        ("a.tgz", &[], Codec::Gzip),
        ("a.tar.zst", &[], Codec::Zstd),
        ("a.tar.xz", &[], Codec::Xz),
        ("a.tar.gz", &["-z", "none"], Codec::Plain),
        ("a.tar", &["-z", "xz"], Codec::Xz),
    ] {
        let scratch = Scratch::new();
        let run = imgtar(["convert", "--to", "docker", "-o"]).arg(scratch.path(name)).args(flags);
        let outcome = run.stdin(Shape::Oci.save_one(&mixed()).bytes()).success();
        assert_eq!(Codec::sniff(&scratch.read(name)), codec, "{name} {flags:?}");
        // Engines that do not load it are told of to those who may not know.
        let is_by_name = codec != Codec::Plain && flags.is_empty();
        assert_eq!(
            outcome.stderr.contains("because of its name, and not every engine loads that"),
            is_by_name,
            "{outcome}"
        );
        archive_and_images(Target::Docker, &Codec::decode(&scratch.read(name)));
    }
}

#[test]
fn a_compression_by_name_alone_is_a_warning_before_anything_is_written() {
    let scratch = Scratch::new();
    let convert = |to: &str, flags: &[&str]| {
        let run = imgtar(["convert", "--strict", "--to", to, "-o"]).arg(scratch.path("a.tar.gz")).args(flags);
        run.stdin(Shape::Oci.save_one(&TestImage::demo("app:1")).bytes())
    };
    convert("oci", &[]).exits(4).says(["--outer gzip"]);
    assert!(scratch.names().is_empty());
    convert("oci", &["--outer", "gzip"]).success();
    convert("rootfs", &["-f"]).success();
}

#[test]
fn a_strict_run_ends_before_it_writes() {
    let demo = TestImage::demo("app:1");
    let mut layout = Layout::new();
    let manifest = layout.image(&demo, Types::Oci);
    let attestation = layout.attestation(&manifest);
    let index = layout.nested(&[manifest, attestation], Types::Oci);
    layout.list_as(&index, &["app:1".to_owned()]);
    let strict = |bytes: Vec<u8>, codec: &str| {
        imgtar(["convert", "--strict", "--to", "oci", "--compress", codec]).stdin(bytes).exits(4)
    };
    for (outcome, text) in [
        (strict(Shape::Crane.save_one(&demo).bytes(), "zstd"), "zstd layers"),
        (strict(layout.tarball().bytes(), "none"), "attests to"),
    ] {
        assert!(outcome.says([text]).stdout.is_empty());
    }
}

#[test]
fn an_extension_that_promises_what_is_not_written_is_a_usage_error() {
    for name in ["a.tar.bz2", "a.tar.lz4"] {
        let scratch = Scratch::new();
        let run = imgtar(["convert", "--to", "docker", "-o"]).arg(scratch.path(name));
        run.stdin(Shape::Oci.save_one(&mixed()).bytes()).exits(2).says([&name[5..]]);
        assert!(scratch.names().is_empty());
    }
}

#[test]
fn a_directory_is_not_compressed() {
    for flag in ["gzip", "zstd", "xz"] {
        refuse(&Shape::Oci.save_one(&mixed()).bytes(), Target::OciDir, &["-z", flag], 2).says(["oci-dir"]);
    }
}

#[test]
fn zstd_layers_are_warned_about_where_old_engines_read() {
    let image = TestImage::demo("app:1").all_stored(Codec::Zstd);
    convert(&Shape::Oci.save_one(&image), Target::Oci, &[]).outcome.says(["warning", "--compress gzip"]);
}

/// An image with these layers and the config of its own that every image has.
fn stored_as(codec: Codec, name: &str) -> TestImage {
    mixed().all_stored(codec).untagged().tag(name).key("author", name.into())
}

#[test]
fn a_layer_that_another_image_has_in_the_wanted_form_is_stored_once() {
    let (plain, zstd) = (stored_as(Codec::Plain, "plain:1"), stored_as(Codec::Zstd, "zstd:1"));
    for images in [[plain.clone(), zstd.clone()], [zstd.clone(), plain.clone()]] {
        for (flag, kept) in [("none", &plain), ("zstd", &zstd)] {
            for target in [Target::Docker, Target::Oci, Target::OciDir] {
                let converted = convert(&Shape::Oci.save(&images), target, &["--compress", flag]);
                for image in &converted.images {
                    assert_eq!(image.layer_digests(), kept.layer_digests(), "--compress {flag} --to {}", target.flag());
                }
            }
        }
        let legacy = convert(&Shape::Oci.save(&images), Target::Legacy, &[]);
        let layers = legacy.archive.members.iter().filter(|member| member.name.ends_with("/layer.tar"));
        assert_eq!(layers.filter(|layer| matches!(layer.kind, Kind::File(_))).count(), 3);
    }
}

#[test]
fn what_stands_in_for_another_layer_is_held_to_its_diff_id_and_what_it_replaces_too() {
    let (liar, honest) = (stored_as(Codec::Zstd, "liar:1"), stored_as(Codec::Plain, "honest:1"));
    let other = TestImage::new().layer([file("evil", "1")]).layer([file("b", "")]).layer([file("c", "")]);
    let config = String::from_utf8(liar.config()).unwrap();
    let lies = other.all_stored(Codec::Zstd).tag("liar:1").raw_config(&config);
    for target in [Target::Docker, Target::Oci] {
        // Alone, nobody asked for it to be found out (M-11).
        convert_unjudged(&Shape::Oci.save_one(&lies), target, &["--compress", "zstd", "--verify", "digests"]);
        let both = Shape::Oci.save(&[honest.clone(), lies.clone()]);
        refuse(&both.bytes(), target, &["--compress", "zstd", "--verify", "digests"], 3).says(["diff_id"]);

        let (sound, broken) = (stored_as(Codec::Zstd, "sound:1"), &honest.layer_digests()[1]);
        let other = Kind::File(layer_tar([file("other", "")]));
        let both = Shape::Oci.save(&[sound, honest.clone()]).replacing(&blob_path(broken), other);
        refuse(&both.bytes(), target, &["--compress", "zstd"], 3).says([&blob_path(broken), "expected"]);
    }
}

fn convert_unjudged(source: &Tarball, target: Target, flags: &[&str]) {
    imgtar(["convert", "--to", target.flag()]).args(flags).stdin(source.bytes()).success();
}
