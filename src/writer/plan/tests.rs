use std::fs;
use std::num::NonZeroUsize;
use std::sync::Arc;

use super::*;
use crate::codec;
use crate::image::{Document, ExpectedDigest};
use crate::spec::config::ImageConfig;
use crate::spec::media_type::{Compression, Family, MediaType};
use crate::spec::oci;
use crate::stream::finish::Finish;
use crate::stream::source::Source;
use std::io::Write;

const OCI: Policy = Policy {
    compress: Compress::Keep,
    verify: Verify::Auto,
    addressing: Addressing::Any,
    foreign: ForeignPolicy::Kept,
};

fn policy(compress: Compress) -> Policy {
    Policy { compress, ..OCI }
}

/// `tar` as `codec` stores it.
fn stored(tar: &str, codec: Codec) -> Vec<u8> {
    let encoding = match codec {
        Codec::Plain => Encoding::Plain,
        Codec::Gzip => Encoding::Gzip(None),
        Codec::Zstd => Encoding::Zstd(ZstdLevel::DEFAULT),
        Codec::Xz => Encoding::Xz,
        // Nothing looks into these.
        Codec::Bzip2 | Codec::Lz4 => return [codec.name().as_bytes(), tar.as_bytes()].concat(),
    };
    let mut encoder = codec::encode(encoding, Vec::new(), NonZeroUsize::MIN).unwrap();
    encoder.write_all(tar.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A layer without an expected digest or size, except its diff_id.
fn layer(tar: &str, codec: Codec) -> Layer {
    Layer {
        at: format!("{tar}.{}", codec.name()),
        diff_id: DiffId(Digest::sha256(tar.as_bytes())),
        blob: Some(Blob { extent: Source::memory("m", stored(tar, codec)).extent(), codec }),
        expected_digest: ExpectedDigest::Nothing,
        foreign: None,
    }
}

/// A layer that a manifest lists.
fn described(tar: &str, codec: Codec) -> Layer {
    let media_type = MediaType::Layer(Family::Oci, Compression::Gzip);
    let expected_digest = ExpectedDigest::Descriptor(Box::new(Descriptor::of(media_type, &stored(tar, codec))));
    Layer { expected_digest, ..layer(tar, codec) }
}

/// A foreign layer of a docker archive; its descriptor is that of the bytes `described`.
fn foreign(tar: &str, codec: Codec, described: &[u8]) -> Layer {
    let media_type = MediaType::ForeignLayer(Family::Docker, Compression::Gzip);
    Layer { foreign: Some(Descriptor::of(media_type, described)), ..layer(tar, codec) }
}

/// An image of these layers, with a manifest or without.
fn image(layers: Vec<Layer>, has_manifest: bool) -> Image {
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let config = ImageConfig::read(config.to_vec(), "config").unwrap();
    let view = oci::Manifest::new(
        Descriptor::of(MediaType::Config(Family::Oci), config.raw()),
        Vec::new(),
        std::collections::BTreeMap::new(),
    );
    let raw = view.to_bytes();
    let media_type = MediaType::Manifest(Family::Oci);
    let manifest = has_manifest.then(|| Arc::new(Document { digest: Digest::sha256(&raw), raw, media_type, view }));
    Image { manifest, ..Image::new("image".to_owned(), Arc::new(config), layers) }
}

/// The stored digest of each layer, as reading it would find.
fn digests(layers: &[LayerCheck<'_>]) -> Vec<Digest> {
    let read = |layer: &Layer| layer.blob.as_ref().unwrap().extent.read("layer", 1 << 20).unwrap();
    layers.iter().map(|check| Digest::sha256(&read(check.layer))).collect()
}

fn plan<'l>(images: &[&'l Image], policy: Policy) -> Plan<'l> {
    let draft = PlanDraft::new(images, policy);
    let digests = digests(&draft.undigested());
    draft.complete(digests).unwrap()
}

fn decision(plan: &Plan<'_>, layer: &Layer) -> String {
    match plan.decision(layer) {
        Decision::Keep(stored) => format!("keep {} {}", stored.codec.name(), &stored.digest.encoded()[..8]),
        Decision::Recode(encoding) => format!("recode {}", encoding.codec().name()),
        Decision::CopyOf(other) => format!("copy of {}", other.at),
        Decision::Leave => "leave".to_owned(),
    }
}

/// The decisions for the layers of one image, in order.
fn decisions(image: &Image, policy: Policy) -> Vec<String> {
    let plan = plan(&[image], policy);
    image.layers.iter().map(|layer| decision(&plan, layer)).collect()
}

/// The layers that are verified beside the writing, with `+` their diff_ids too.
fn checks(plan: &Plan<'_>) -> Vec<String> {
    let show = |check: &LayerCheck<'_>| format!("{}{}", check.layer.at, if check.decode { " +" } else { "" });
    plan.checks().iter().map(show).collect()
}

fn undigested(images: &[&Image], policy: Policy) -> Vec<String> {
    PlanDraft::new(images, policy).undigested().iter().map(|check| check.layer.at.clone()).collect()
}

const CODECS: [Codec; 6] = [Codec::Plain, Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4];

#[test]
fn each_compression_keeps_what_has_its_form_and_recodes_the_rest() {
    for (compress, expected) in [
        (Compress::Keep, ["keep plain", "keep gzip", "keep zstd", "recode gzip", "recode gzip", "recode gzip"]),
        (
            Compress::None,
            ["keep plain", "recode plain", "recode plain", "recode plain", "recode plain", "recode plain"],
        ),
        (
            Compress::Gzip(None),
            ["recode gzip", "keep gzip", "recode gzip", "recode gzip", "recode gzip", "recode gzip"],
        ),
        (
            Compress::Zstd(None),
            ["recode zstd", "recode zstd", "keep zstd", "recode zstd", "recode zstd", "recode zstd"],
        ),
    ] {
        for (codec, expected) in CODECS.into_iter().zip(expected) {
            let found = decisions(&image(vec![layer("a", codec)], false), policy(compress));
            assert!(found[0].starts_with(expected), "{compress:?} {codec:?}: {found:?}");
        }
    }
}

#[test]
fn a_kept_layer_is_stored_under_its_own_digest() {
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        let digest = Digest::sha256(&stored("a", codec));
        for layer in [layer("a", codec), described("a", codec)] {
            let expected = format!("keep {} {}", codec.name(), &digest.encoded()[..8]);
            assert_eq!(decisions(&image(vec![layer], true), OCI), [expected]);
        }
    }
}

#[test]
fn one_of_equal_tars_is_written_for_all() {
    // A layer in the target's form already is written for all, wherever it stands; else the first is recoded.
    let layers = [Codec::Zstd, Codec::Xz, Codec::Gzip].map(|codec| layer("a", codec)).to_vec();
    let image = image([layers, vec![layer("b", Codec::Plain), layer("b", Codec::Xz)]].concat(), false);
    let found = decisions(&image, policy(Compress::Gzip(None)));
    assert_eq!(found[..2], ["copy of a.gzip", "copy of a.gzip"]);
    assert!(found[2].starts_with("keep gzip"), "{found:?}");
    assert_eq!(found[3..], ["recode gzip", "copy of b.plain"]);
}

#[test]
fn what_is_written_in_place_of_others_and_what_is_not_written_is_verified_to_its_diff_id() {
    let layers = vec![described("a", Codec::Zstd), described("a", Codec::Gzip), described("b", Codec::Zstd)];
    let image = image(layers, true);
    let with = |verify| Policy { verify, ..policy(Compress::Gzip(None)) };
    for verify in [Verify::Auto, Verify::Digests, Verify::Full] {
        assert_eq!(checks(&plan(&[&image], with(verify))), ["a.zstd +", "a.gzip +"], "{verify:?}");
    }
}

#[test]
fn diff_ids_are_verified_where_no_manifest_ties_a_layer_to_its_place() {
    let shared = described("a", Codec::Gzip);
    let (tied, loose) = (image(vec![shared.clone()], true), image(vec![shared], false));
    for (images, verify, expected) in [
        (&[&tied][..], Verify::Auto, "a.gzip"),
        (&[&tied], Verify::Full, "a.gzip +"),
        (&[&loose], Verify::Auto, "a.gzip +"),
        (&[&loose], Verify::Digests, "a.gzip"),
        (&[&tied, &loose], Verify::Auto, "a.gzip +"),
        (&[&loose, &tied], Verify::Auto, "a.gzip +"),
    ] {
        assert_eq!(checks(&plan(images, Policy { verify, ..OCI })), [expected], "{verify:?}");
    }
    let plain = image(vec![described("a", Codec::Plain)], true);
    assert_eq!(checks(&plan(&[&plain], Policy { verify: Verify::Digests, ..OCI })), ["a.plain +"]);
}

#[test]
fn a_layer_that_this_run_has_written_gets_the_form_of_what_it_replaces() {
    let written = |codec| {
        let expected_digest = ExpectedDigest::Written { digest: Digest::sha256(b"a"), codec, descriptor: None };
        image(vec![Layer { expected_digest, ..layer("a", Codec::Plain) }], false)
    };
    for (codec, expected) in [(Codec::Plain, "keep plain"), (Codec::Zstd, "recode zstd"), (Codec::Xz, "recode gzip")] {
        assert!(decisions(&written(codec), OCI)[0].starts_with(expected), "{codec:?}");
        assert_eq!(decisions(&written(codec), policy(Compress::Zstd(None))), ["recode zstd"]);
    }
}

#[test]
fn what_the_reader_has_read_is_not_verified_again() {
    let computed = ExpectedDigest::Computed(Digest::sha256(&stored("a", Codec::Gzip)));
    let image = image(vec![Layer { expected_digest: computed, ..layer("a", Codec::Gzip) }], false);
    assert!(checks(&plan(&[&image], OCI)).is_empty());
    assert!(undigested(&[&image], OCI).is_empty());
}

#[test]
fn digests_have_to_be_found_where_nothing_promises_one_that_the_target_knows() {
    let sha512 = format!("sha512:{}", "0".repeat(128)).parse::<Digest>().unwrap();
    let media_type = MediaType::Layer(Family::Oci, Compression::Gzip);
    let sha512 = ExpectedDigest::Descriptor(Box::new(Descriptor::new(media_type, sha512, 1)));
    let layers = vec![
        layer("nothing", Codec::Gzip),
        Layer { expected_digest: ExpectedDigest::Name(Digest::sha256(b"name")), ..layer("name", Codec::Gzip) },
        layer("plain", Codec::Plain),
        described("described", Codec::Gzip),
        Layer { expected_digest: sha512, ..layer("sha512", Codec::Gzip) },
        layer("recoded", Codec::Xz),
    ];
    let image = image(layers, true);
    assert_eq!(undigested(&[&image], OCI), ["nothing.gzip", "name.gzip"]);
    let docker = Policy { addressing: Addressing::Sha256, ..policy(Compress::Gzip(None)) };
    assert_eq!(undigested(&[&image], docker), ["nothing.gzip", "name.gzip", "sha512.gzip"]);
    assert_eq!(undigested(&[&image], policy(Compress::None)), [""; 0]);
}

#[test]
fn a_layer_that_a_directory_holds_is_decided_once_however_often_it_is_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layer");
    fs::write(&path, stored("a", Codec::Gzip)).unwrap();
    let look_up = || {
        let extent = Source::path("layer", path.clone()).unwrap().extent();
        Layer { blob: Some(Blob { extent, codec: Codec::Gzip }), ..layer("a", Codec::Gzip) }
    };
    let image = image(vec![look_up(), look_up()], false);
    for addressing in [Addressing::Any, Addressing::Sha256] {
        let policy = Policy { addressing, ..OCI };
        assert_eq!(undigested(&[&image], policy), ["a.gzip"]);
        let found = decisions(&image, policy);
        assert!(found.iter().all(|found| found.starts_with("keep gzip")), "{found:?}");
        assert_eq!(checks(&plan(&[&image], policy)), ["a.gzip +"]);
    }
}

#[test]
fn a_foreign_layer_is_kept_only_as_the_bytes_that_its_descriptor_means() {
    let own = foreign("a", Codec::Gzip, &stored("a", Codec::Gzip));
    let other = foreign("b", Codec::Gzip, &stored("b", Codec::Zstd));
    let absent = Layer { blob: None, ..foreign("c", Codec::Gzip, b"c") };
    let image = image(vec![own, other, absent], false);
    let found = decisions(&image, policy(Compress::Zstd(None)));
    assert!(found[0].starts_with("keep gzip"), "{found:?}");
    assert_eq!(found[1..], ["leave", "leave"]);
    let embedded = Policy { foreign: ForeignPolicy::LikeOthers, ..policy(Compress::Zstd(None)) };
    assert_eq!(decisions(&image, embedded), ["recode zstd", "recode zstd", "leave"]);
    // Both are read to be compared with what their descriptors mean, however they are written.
    assert_eq!(undigested(&[&image], embedded), ["a.gzip", "b.gzip"]);
}

#[test]
fn a_foreign_layer_of_another_size_than_its_descriptor_says_is_refused() {
    let bytes = stored("a", Codec::Gzip);
    let media_type = MediaType::ForeignLayer(Family::Docker, Compression::Gzip);
    let source = Descriptor::new(media_type, Digest::sha256(&bytes), bytes.len() as u64 + 1);
    let image = image(vec![Layer { foreign: Some(source), ..layer("a", Codec::Gzip) }], false);
    let draft = PlanDraft::new(&[&image], OCI);
    let digests = digests(&draft.undigested());
    assert!(draft.complete(digests).is_err_and(|error| error.to_string().contains("size is")));
}

#[test]
fn two_references_that_promise_different_things_are_decided_and_verified_apart() {
    let promised = described("a", Codec::Gzip);
    let ExpectedDigest::Descriptor(descriptor) = &promised.expected_digest else { unreachable!() };
    let sized = Descriptor::new(descriptor.media_type().clone(), descriptor.digest().clone(), 1);
    let sized = Layer { expected_digest: ExpectedDigest::Descriptor(Box::new(sized)), ..promised.clone() };
    let placed = Layer { diff_id: DiffId(Digest::sha256(b"b")), ..promised.clone() };
    let image = image(vec![promised.clone(), sized, placed, promised], true);
    assert_eq!(checks(&plan(&[&image], OCI)).len(), 3);
}

#[test]
fn a_layer_that_was_not_planned_for_is_left_out() {
    let image = image(vec![layer("a", Codec::Gzip)], false);
    assert_eq!(decision(&plan(&[&image], OCI), &layer("b", Codec::Gzip)), "leave");
}
