//! Conversions judged: a source, a target, and what must have come through.

use std::path::Path;

use super::archive::Archive;
use super::codec::Codec;
use super::image::TestImage;
use super::judge::Judged;
use super::name::full;
use super::order;
use super::run::{Outcome, imgtar};
use super::scratch::Scratch;
use super::tarball::Tarball;

/// A layered target format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Legacy,
    Docker,
    Oci,
    OciDir,
}

impl Target {
    pub(crate) const ALL: [Self; 4] = [Self::Legacy, Self::Docker, Self::Oci, Self::OciDir];

    /// The value of `--to`.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Docker => "docker",
            Self::Oci => "oci",
            Self::OciDir => "oci-dir",
        }
    }

    pub(crate) fn is_oci(self) -> bool {
        matches!(self, Self::Oci | Self::OciDir)
    }

    /// How this target stores a layer that the source stores with `codec`, when nothing is asked for.
    fn stores(self, codec: Codec) -> Codec {
        match (self, codec) {
            (Self::Legacy, _) | (Self::Oci | Self::OciDir, Codec::Plain) => Codec::Plain,
            (Self::Oci | Self::OciDir, Codec::Zstd) => Codec::Zstd,
            _ => Codec::Gzip,
        }
    }
}

/// What a conversion wrote, read back and judged.
#[derive(Debug)]
pub(crate) struct Converted {
    pub(crate) archive: Archive,
    pub(crate) images: Vec<Judged>,
    pub(crate) outcome: Outcome,
    /// The archive's bytes; nothing for a directory.
    pub(crate) bytes: Vec<u8>,
}

/// Converts a tarball and judges the result, whole.
#[track_caller]
pub(crate) fn convert(source: &Tarball, target: Target, flags: &[&str]) -> Converted {
    let scratch = Scratch::new();
    convert_path(&scratch.write("in.tar", source.bytes()), target, flags)
}

/// Converts what lies at `path`, a file or a layout directory.
#[track_caller]
pub(crate) fn convert_path(path: &Path, target: Target, flags: &[&str]) -> Converted {
    written_by("convert", &[path], target, flags)
}

/// Converts several tarballs into one archive and judges the result, whole.
#[track_caller]
pub(crate) fn convert_all(sources: &[&Tarball], target: Target, flags: &[&str]) -> Converted {
    let scratch = Scratch::new();
    let paths: Vec<_> = (sources.iter().enumerate())
        .map(|(nth, source)| scratch.write(&format!("in{nth}.tar"), source.bytes()))
        .collect();
    written_by("convert", &paths, target, flags)
}

/// Changes a tarball's images and judges the result, whole.
#[track_caller]
pub(crate) fn edit(source: &Tarball, target: Target, flags: &[&str]) -> Converted {
    let scratch = Scratch::new();
    edit_paths(&[scratch.write("in.tar", source.bytes())], target, flags)
}

/// Changes the images of the archives at `paths`, which become one, and judges the result, whole.
#[track_caller]
pub(crate) fn edit_paths(paths: &[impl AsRef<Path>], target: Target, flags: &[&str]) -> Converted {
    written_by("edit", paths, target, flags)
}

#[track_caller]
fn written_by(command: &str, paths: &[impl AsRef<Path>], target: Target, flags: &[&str]) -> Converted {
    let scratch = Scratch::new();
    let run = imgtar([command, "--to", target.flag(), "-o"]).arg(scratch.path("out"));
    let run = run.args(paths.iter().map(AsRef::as_ref)).args(flags);
    let outcome = run.success();
    assert!(outcome.stdout.is_empty(), "standard output with -o\n{outcome}");
    assert_eq!(scratch.names(), ["out"], "the output and nothing else\n{outcome}");
    if target == Target::OciDir {
        let archive = Archive::of_dir(&scratch.path("out"));
        let images = order::oci_dir(&archive);
        return Converted { archive, images, outcome, bytes: Vec::new() };
    }
    let bytes = scratch.read("out");
    let (archive, images) = archive_and_images(target, &bytes);
    Converted { archive, images, outcome, bytes }
}

/// The archive that a conversion to an archive format wrote as `bytes`, and its images, all checked.
#[track_caller]
pub(crate) fn archive_and_images(target: Target, bytes: &[u8]) -> (Archive, Vec<Judged>) {
    let archive = Archive::written(bytes);
    let images = match target {
        Target::Legacy => order::legacy(&archive),
        Target::Docker => order::docker(&archive),
        Target::Oci => order::oci(&archive),
        Target::OciDir => panic!("a directory has no bytes"),
    };
    (archive, images)
}

/// Converts and wants a failure that leaves nothing behind. What is refused as damaged is not called sound either.
#[track_caller]
pub(crate) fn refuse(source: &[u8], target: Target, flags: &[&str], code: i32) -> Outcome {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source);
    let run = imgtar(["convert", "--to", target.flag(), "-o"]).arg(scratch.path("out")).arg(&input).args(flags);
    let outcome = run.exits(code);
    assert_eq!(scratch.names(), ["in.tar"], "a failed run leaves no file\n{outcome}");
    // An index with absent platforms is sound; --index strict asks for more.
    if code == 3 && !flags.contains(&"--index") {
        assert_unsound(&input, flags.contains(&"--strict"));
    }
    outcome
}

/// Wants a change of images to fail and to leave nothing behind.
#[track_caller]
pub(crate) fn refuse_edit(source: &Tarball, target: Target, flags: &[&str], code: i32) -> Outcome {
    let scratch = Scratch::new();
    let input = scratch.write("in.tar", source.bytes());
    let run = imgtar(["edit", "--to", target.flag(), "-o"]).arg(scratch.path("out")).arg(&input).args(flags);
    let outcome = run.exits(code);
    assert_eq!(scratch.names(), ["in.tar"], "a failed run leaves no file\n{outcome}");
    outcome
}

/// Wants `verify` to find an error in what a conversion refused.
#[track_caller]
pub(crate) fn assert_unsound(archive: &Path, strict: bool) {
    let strict = if strict { &["--strict"][..] } else { &[] };
    let verified = imgtar(["verify"]).arg(archive).args(strict).run();
    let said = verified.text();
    assert!(matches!(verified.code, 1 | 3), "verify calls it sound\n{verified}\n{said}");
    assert_eq!(said.is_empty(), verified.code == 3, "{verified}\n{said}");
}

/// Wants `found` to be `image` as `target` must hold it: image ID, config bytes, diff_ids in order, layers stored as
/// the target stores them, untouched where it need not change them. `stored` is the image as the source stores it.
#[track_caller]
pub(crate) fn assert_same(found: &Judged, stored: &TestImage, target: Target) {
    assert_eq!(String::from_utf8_lossy(&found.config), String::from_utf8_lossy(&stored.config()), "config bytes");
    assert_eq!(found.id, stored.id(), "image ID");
    assert_eq!(found.diff_ids(), stored.diff_ids(), "diff_ids in order");
    for (nth, (layer, was)) in found.layers.iter().zip(&stored.layers).enumerate() {
        let codec = target.stores(was.codec);
        assert_eq!(layer.codec, codec, "compression of layer {nth} in {}", target.flag());
        if codec == was.codec {
            assert_eq!(layer.digest, super::digest(&was.blob()), "layer {nth} is kept byte for byte");
        }
    }
}

/// Wants the names of `image`, in whatever spelling.
#[track_caller]
pub(crate) fn assert_names(found: &Judged, image: &TestImage) {
    let mut names: Vec<_> = image.tags.iter().map(|name| full(name)).collect();
    names.sort();
    assert_eq!(found.names, names, "names of {}", found.id);
}
