//! Archives that end too early, wherever that is (G-13, H-18): an error, never a panic and never a short success.

use imgtar::{ConvertOptions, DockerOptions, OciOptions, RootfsOptions, Target};

use crate::random::Random;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::shape::Shape;
use crate::{from_env, memory, mutate, seeds};

fn options(nth: usize) -> ConvertOptions {
    ConvertOptions::new(match nth % 4 {
        0 => Target::Legacy(DockerOptions::default()),
        1 => Target::Docker(DockerOptions::default()),
        2 => Target::Oci(OciOptions::default()),
        _ => Target::Rootfs(RootfsOptions::default()),
    })
}

/// Where the first zero block behind the last member ends: from there on a tar is whole.
fn whole_from(tar: &[u8]) -> usize {
    mutate::end_of_members(tar) + 512
}

/// Cuts `tar` there, to one target after the other.
fn cut(what: &str, tar: &[u8], places: impl Iterator<Item = usize>) {
    let sound: Vec<_> = (0..4).map(|nth| memory::converted(tar, &options(nth)).unwrap()).collect();
    let whole = whole_from(tar);
    for (nth, place) in places.enumerate() {
        match memory::converted(&tar[..place], &options(nth)) {
            Err(_) if place < whole => {}
            Ok(written) if place >= whole => assert!(written == sound[nth % 4], "{what} cut at {place}: other bytes"),
            Err(error) => panic!("{what} cut at {place}, behind its end at {whole}: {error}"),
            Ok(_) => panic!("{what} cut at {place} of {whole}: converted"),
        }
    }
}

#[test]
fn small_archives_are_cut_at_every_byte() {
    let step = from_env("IMGTAR_CUTS").map_or(97, |_| 1);
    let image = TestImage::demo("app:1");
    let mut archives: Vec<_> = Shape::ALL.map(|shape| (format!("{shape:?}"), shape.save_one(&image))).to_vec();
    archives.extend(seeds::miniatures().into_iter().enumerate().map(|(nth, tar)| (format!("miniature {nth}"), tar)));
    for (what, tar) in archives {
        let tar = tar.bytes();
        let places = (0..tar.len()).step_by(step).chain(whole_from(&tar) - 2..tar.len());
        cut(&what, &tar, places);
    }
}

#[test]
fn fixtures_are_cut_at_random_places() {
    let (cuts, mut random) = (from_env("IMGTAR_CUTS").unwrap_or(8), Random::new(1));
    for (name, packed) in seeds::fixtures() {
        let tar = Codec::decode(&packed);
        let whole = whole_from(&tar);
        let anywhere: Vec<_> = (0..cuts).map(|_| random.below(tar.len())).collect();
        cut(&name, &tar, anywhere.into_iter().chain([whole - 513, whole - 1, whole, tar.len()]));
        for nth in 0..cuts as usize {
            let place = random.below(packed.len());
            assert!(memory::converted(&packed[..place], &options(nth)).is_err(), "{name} cut at {place}: converted");
        }
    }
}

#[test]
fn compressed_archives_are_cut_at_every_byte() {
    let step = from_env("IMGTAR_CUTS").map_or(53, |_| 1);
    let tar = Shape::Crane.save_one(&TestImage::demo("app:1")).bytes();
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4] {
        let packed = codec.encode(&tar);
        for place in (0..packed.len()).step_by(step).chain([packed.len() - 1]) {
            let cut = memory::converted(&packed[..place], &options(place));
            assert!(cut.is_err(), "{codec:?} cut at {place} of {}: converted", packed.len());
        }
    }
}
