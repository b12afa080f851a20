//! Damaged and hostile input to the layered formats; each test names its rule (docs/formats.md, section 8).

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::expect::{Target, assert_same, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::layout::{Layout, OCI_INDEX, Types};
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball, raw_member};

fn image() -> TestImage {
    TestImage::demo("app:1")
}

fn archive() -> Tarball {
    Shape::Crane.save_one(&image())
}

/// The archive with this in front of it.
fn behind(member: &[u8]) -> Vec<u8> {
    [member, &archive().bytes()].concat()
}

/// The archive with other bytes for its first layer, under a name that promises nothing.
fn with_layer(blob: Vec<u8>) -> Tarball {
    let old = archive().name_ending(".tar.gz");
    let tar = archive().renamed(|name| name.replace(&old, "layer"));
    tar.replacing("layer", Kind::File(blob)).editing("manifest.json", |json| json[0]["Layers"][0] = json!("layer"))
}

#[test]
fn h2_digests_are_validated_before_they_are_paths() {
    let hex = "a".repeat(64);
    for digest in [
        "sha256:../../../etc/passwd".to_owned(),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        format!("sha256/{hex}"),
        "sha256:".into(),
        String::new(),
    ] {
        let tar = Shape::Oci.save_one(&image());
        let tar = tar.editing("index.json", |index| index["manifests"][0]["digest"] = json!(digest));
        for target in Target::ALL {
            refuse(&tar.bytes(), target, &[], 3).says(["index.json"]);
        }
    }
}

#[test]
fn h7_indexes_nest_at_most_eight_levels() {
    let nested = |levels: usize| {
        let mut layout = Layout::new();
        let manifest = layout.image(&image(), Types::Oci);
        let top = (0..levels).fold(manifest, |inner, _| layout.nested(&[inner], Types::Oci));
        layout.list_as(&top, &image().tags);
        layout.tarball()
    };
    assert_same(&convert(&nested(7), Target::Docker, &[]).images[0], &image(), Target::Docker);
    refuse(&nested(9).bytes(), Target::Docker, &[], 3).says(["8"]);
}

#[test]
fn h7_indexes_hold_at_most_ten_thousand_descriptors() {
    let mut layout = Layout::new();
    let manifest = layout.image(&image(), Types::Oci);
    layout.index = vec![manifest; 10_001];
    refuse(&layout.tarball().bytes(), Target::Docker, &[], 3).says(["index.json"]);
}

#[test]
fn h7_an_index_that_names_itself_is_refused() {
    let digest = format!("sha256:{}", "c".repeat(64));
    let child = json!({"mediaType": OCI_INDEX, "digest": digest, "size": 10});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
    let tar = Shape::Oci.save_one(&image()).replacing("index.json", Kind::File(index.to_string().into()));
    let tar = tar.with(&format!("blobs/sha256/{}", "c".repeat(64)), index.to_string());
    refuse(&tar.bytes(), Target::Docker, &[], 3);
}

#[test]
fn h8_a_pax_size_wins_for_the_data_and_for_the_next_header() {
    let body = archive().body("manifest.json").to_vec();
    let record = pax("size", &body.len().to_string());
    let member = raw_member(b'0', "manifest.json", &body, |header| header.set_size(0));
    let tar = archive().without("manifest.json").bytes();
    let bytes = [raw_member(b'x', "pax", record.as_bytes(), |_| {}), member, tar].concat();
    let scratch = crate::support::scratch::Scratch::new();
    let converted = crate::support::expect::convert_path(&scratch.write("in", bytes), Target::Docker, &[]);
    assert_same(&converted.images[0], &image(), Target::Docker);
}

/// A PAX record; its length counts itself.
fn pax(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..).find(|digits| (rest + digits).to_string().len() == *digits).unwrap() + rest;
    format!("{length} {key}={value}\n")
}

#[test]
fn h9_malformed_pax_records_are_refused() {
    for record in ["9 path", "99 path=x\n", "x path=y\n", "8 pathx\n", "11 path=xyz", "0 a=b\n", "-3 a=b\n"] {
        refuse(&behind(&raw_member(b'x', "pax", record.as_bytes(), |_| {})), Target::Docker, &[], 3);
    }
}

#[test]
fn h10_pax_blocks_and_long_names_have_a_limit() {
    for kind in [b'x', b'L', b'K'] {
        let block = pax("comment", &"x".repeat(1_100_000));
        refuse(&behind(&raw_member(kind, "long", block.as_bytes(), |_| {})), Target::Docker, &[], 3);
    }
}

#[test]
fn h11_sizes_beyond_the_end_or_beyond_reason_are_refused() {
    for size in [1 << 30, 1 << 32, u64::MAX >> 1, u64::MAX] {
        let lying = raw_member(b'0', "lying", b"", |header| {
            header.set_size(size.min(0o77_777_777_777));
            if size > 0o77_777_777_777 {
                header.as_old_mut().size[..4].copy_from_slice(&[0x80, 0, 0, 0]);
                header.as_old_mut().size[4..].copy_from_slice(&size.to_be_bytes());
            }
        });
        refuse(&behind(&lying), Target::Docker, &[], 3);
    }
    let negative = raw_member(b'0', "negative", b"", |header| header.as_old_mut().size.fill(0xff));
    refuse(&behind(&negative), Target::Docker, &[], 3);
}

#[test]
fn h14_documents_have_a_limit() {
    let spaces = " ".repeat(9 << 20);
    let config = format!("sha256:{}", image().id());
    let huge = [spaces.as_bytes(), &image().config()].concat();
    refuse(&archive().replacing(&config, Kind::File(huge)).bytes(), Target::Docker, &[], 3).says([&config]);
    let index = Shape::Oci.save_one(&image());
    let huge = [spaces.as_bytes(), index.body("index.json")].concat();
    refuse(&index.replacing("index.json", Kind::File(huge)).bytes(), Target::Docker, &[], 3).says(["index.json"]);
    let huge = [" ".repeat(33 << 20).as_bytes(), archive().body("manifest.json")].concat();
    let tar = archive().replacing("manifest.json", Kind::File(huge));
    refuse(&tar.bytes(), Target::Docker, &[], 3).says(["manifest.json"]);
}

#[test]
fn h14_documents_nest_at_most_a_hundred_levels() {
    for depth in [101, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let tar = archive().replacing("manifest.json", Kind::File(deep.into_bytes()));
        refuse(&tar.bytes(), Target::Docker, &[], 3).says(["manifest.json"]);
    }
}

#[test]
fn h15_a_bomb_stops_at_the_limit_the_user_sets() {
    let zeros = vec![0; 8 << 20];
    for codec in Codec::ALL {
        let image = TestImage::new().layer_bytes(zeros.clone()).stored(codec).tag("bomb:1");
        let tar = Shape::Crane.save_one(&image).bytes();
        refuse(&tar, Target::Legacy, &["--max-size", "1M"], 6).says(["--max-size"]);
        refuse(&Codec::Gzip.encode(&tar), Target::Legacy, &["--max-size", "10K"], 6).says(["--max-size"]);
    }
}

#[test]
fn h15_plain_input_counts_as_it_is_read() {
    let scratch = Scratch::new();
    let image = TestImage::new().layer([file("f", "f".repeat(2 << 20))]).stored(Codec::Plain).tag("large:1");
    let archive = Shape::Oci.save_one(&image);
    let path = scratch.write("large.tar", archive.bytes());
    let layout = scratch.path("layout");
    std::fs::create_dir(&layout).unwrap();
    archive.unpack(&layout);
    let layer = scratch.write("layer.tar", &image.layers[0].tar);
    let convert = ["convert", "--to", "oci", "-q"];
    let import = ["import", "--to", "oci", "--arch", "amd64", "-q"];
    for (size, code) in [("1M", 6), ("8M", 0)] {
        let with_size = |command: &[&str]| imgtar(command).args(["--max-size", size]);
        for run in [
            with_size(&convert).arg(&path),
            with_size(&convert).stdin(archive.bytes()),
            with_size(&convert).arg(&layout),
            with_size(&["verify"]).arg(&path),
            with_size(&import).arg(&layer),
            with_size(&import).stdin(image.layers[0].tar.clone()),
        ] {
            let outcome = run.exits(code);
            assert_eq!(outcome.stderr.contains(" read and decoded (raise --max-size"), code == 6, "{outcome}");
        }
    }
}

#[test]
fn h15_entries_and_metadata_have_limits_the_user_sets() {
    refuse(&archive().bytes(), Target::Docker, &["--max-entries", "3"], 6).says(["--max-entries"]);
    refuse(&archive().bytes(), Target::Docker, &["--max-metadata", "100"], 6).says(["--max-metadata"]);
}

#[test]
fn h15_a_zstd_window_beyond_128_mib_is_refused() {
    use std::io::Write;
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.set_parameter(zstd::zstd_safe::CParameter::WindowLog(28)).unwrap();
    encoder.write_all(&image().layers[0].tar).unwrap();
    encoder.flush().unwrap();
    let blob = encoder.finish().unwrap();
    refuse(&with_layer(blob).bytes(), Target::Legacy, &[], 3).says(["layer"]);
}

#[test]
fn h17_zeros_after_a_gzip_layer_are_warned_about() {
    let mut blob = image().layers[0].blob();
    blob.extend([0; 512]);
    let converted = convert(&with_layer(blob), Target::Legacy, &[]);
    assert_eq!(converted.images[0].diff_ids(), image().diff_ids(), "O-17");
    converted.outcome.says(["warning"]);
}

#[test]
fn h17_damaged_layers_are_refused() {
    let whole = image().layers[0].blob();
    let end = whole.len();
    let garbage = [&whole[..], b"garbage"].concat();
    let mut bad_crc = whole.clone();
    bad_crc[end - 8] ^= 1;
    let mut bad_length = whole.clone();
    bad_length[end - 1] ^= 1;
    for blob in [garbage, bad_crc, bad_length, whole[..end - 4].to_vec(), whole[..end / 2].to_vec()] {
        for target in Target::ALL {
            refuse(&with_layer(blob.clone()).bytes(), target, &[], 3).says(["layer"]);
        }
    }
}

#[test]
fn h17_damaged_zstd_xz_and_bzip2_layers_are_refused() {
    for codec in [Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4] {
        let whole = codec.encode(&image().layers[0].tar);
        for blob in [whole[..whole.len() - 3].to_vec(), [&whole[..], b"garbage"].concat()] {
            refuse(&with_layer(blob).bytes(), Target::Legacy, &[], 3).says(["layer"]);
        }
    }
}

#[test]
fn h18_a_bad_header_checksum_is_refused_with_its_offset() {
    let mut bytes = archive().bytes();
    bytes[0] ^= 1;
    refuse(&bytes, Target::Docker, &[], 3).says(["checksum", "offset 0"]);
}

#[test]
fn g13_an_archive_ends_with_zeros_and_not_with_one_zero_block() {
    let bytes = archive().bytes();
    let body = &bytes[..bytes.len() - 1024];
    refuse(body, Target::Docker, &[], 3).says(["truncated"]);
    let first = 512 + image().config().len().next_multiple_of(512);
    let hole = [&body[..first], &[0; 512], &bytes[first..]].concat();
    refuse(&hole, Target::Docker, &[], 3);
    let scratch = crate::support::scratch::Scratch::new();
    let one = scratch.write("one", [body, &[0; 512]].concat());
    crate::support::expect::convert_path(&one, Target::Docker, &[]);
}

#[test]
fn h19_empty_files_and_noise_are_no_archives() {
    for bytes in [b"".to_vec(), vec![0; 512], vec![0; 10240], vec![0xa5; 4096], b"\x1f\x8b\x08noise".to_vec()] {
        refuse(&bytes, Target::Docker, &[], 3);
    }
}

#[test]
fn h24_long_names_pass() {
    let tar = archive().with(&format!("{}/{}", "d".repeat(300), "f".repeat(5000)), "1");
    assert_same(&convert(&tar, Target::Docker, &[]).images[0], &image(), Target::Docker);
}

#[test]
fn h25_escapes_in_names_never_reach_the_terminal() {
    let tags = |json: &mut Value| json[0]["RepoTags"] = json!(["evil\u{1b}[31m\u{202e}:1"]);
    let tar = archive().editing("manifest.json", tags);
    let outcome = crate::support::run::imgtar(["convert", "--to", "docker"]).stdin(tar.bytes()).run();
    assert!(!outcome.stderr.contains(['\u{1b}', '\u{202e}']), "{outcome}");
    let layer = |json: &mut Value| json[0]["Layers"][0] = json!("\u{1b}[2Jmissing");
    refuse(&archive().editing("manifest.json", layer).bytes(), Target::Docker, &[], 3).never_says(["\u{1b}"]);
}

#[test]
fn schema1_manifests_are_refused_with_a_clear_message() {
    let mut layout = Layout::new();
    let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let old = layout.blob(media_type, json!({"schemaVersion": 1, "fsLayers": [], "history": []}).to_string());
    layout.list_as(&old, &["old:1".into()]);
    refuse(&layout.tarball().bytes(), Target::Docker, &[], 3).says([media_type]);
}
