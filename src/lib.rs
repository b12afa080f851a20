//! Convert container image tarballs, and look into them: offline, in a stream, without a daemon or root.
//!
//! | to | call | with |
//! | --- | --- | --- |
//! | write an archive in another format, or as a root filesystem | [`convert()`] | [`ConvertOptions`], [`Target`] |
//! | write several archives as one, or one as several | [`convert_all()`], [`split()`] | [`Archives`], [`SplitPattern`] |
//! | make an increment of an older archive, or a delta; apply it | [`convert_all()`] | [`Archives`], [`DeltaOptions`] |
//! | make an image of a root filesystem | [`import()`] | [`NewConfig`] |
//! | change images: config, layers, files | [`edit()`], [`preview_edit()`] | [`EditOptions`] |
//! | see which images there are | [`open()`], then [`ImageSelector`] | [`ImageRef`], [`Platforms`] |
//! | list and read the files of an image | [`ImageFiles`]; of one layer [`list_layer()`] | [`PathFilter`] |
//! | gather facts, and which engines load it | [`inspect()`] | [`InspectDepth`] |
//! | check every digest and rule | [`verify()`] | |
//! | compare two images; tell how one came about | [`diff()`], [`history()`] | [`DiffOptions`] |
//! | show an error; act on it | [`Error::line`]; [`Error::innermost`] | |
//!
//! The pages of these functions have examples. [`Input`] is a file, a layout directory or any [`Read`](std::io::Read);
//! it may be compressed as a whole. An [`Output`] is a [`Sink`] or a directory, [`DirSink`]. A sink is a file, which
//! gets its name only when it is complete and verified, or memory, or any [`Write`](std::io::Write). Bodies stream:
//! memory does not grow with the size of layers.
//!
//! ```
//! use imgtar::{Compress, ConvertOptions, OciOptions, Run, Sink, Target, convert};
//!
//! # fn main() -> imgtar::Result<()> {
//! # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
//! # let dir = tempfile::tempdir().unwrap();
//! # let output = &dir.path().join("oci.tar");
//! let input = "fixtures/saved20.tar.xz";
//! let mut oci = OciOptions::default();
//! oci.compress = Some(Compress::Gzip(None));
//! let options = ConvertOptions::new(Target::Oci(oci));
//! let report = convert(input.into(), Sink::file(output, false)?.into(), &options, &Run::quiet())?;
//! for image in report.images {
//!     println!("{} for {}: {} layers", image.image_id, image.platform, image.layers.len());
//! }
//! # assert!(output.is_file());
//! # Ok(())
//! # }
//! ```
//!
//! The programs in [`examples/`] list images, read one file, convert one platform, and flatten an image into a reader.
//!
//! A [`Run`] is what the parts of one job share: threads, the [`Limits`] that hostile input cannot pass, and the
//! listeners, [`Diagnostics`] for warnings and [`Progress`] for bars. [`Run::quiet`] is silent and has one thread. Make
//! one for each job: what was read counts against its limits until the end. Every failure is an [`Error`]: its variants
//! tell apart what a program may act on, its [`kind`](Error::kind) whether the input, its use or the system is at
//! fault. Options have the command line's defaults, and are changed field by field: more of them will come. Texts are
//! [parsed](std::str::FromStr), such as `"linux/arm64".parse()` to a [`Platform`]; each type has its own error for
//! that.
//!
//! Words of these pages:
//!
//! | word | is |
//! | --- | --- |
//! | image ID | the SHA-256 of an image's config, its identity in Docker |
//! | diff_id, [`DiffId`] | the digest of a layer's uncompressed tar; other digests are of bytes as they are stored |
//! | blob, layout | a file by the name of its digest; the directory of blobs with `index.json` that OCI specifies |
//! | hybrid | an archive that lists its images twice, for Docker and as an OCI layout: its two halves |
//! | foreign layer | one that may not be distributed, and is not in the archive: those of Windows, mostly |
//! | base | an older archive or image that the receiver has, or that an image is built on |
//! | increment, delta | an archive without the layers of a base; one with only what changed in its files |
//! | attestation | a manifest about an image, such as its provenance, which BuildKit lists as if it were an image |
//! | M-11 | a [`Rule`] of [`docs/formats.md`], or of a document beside it |
//!
//! The feature `cli`, on by default, is the command and its dependencies: a program that uses the library depends
//! on `imgtar` with `default-features = false`.
//!
//! [`examples/`]: https://github.com/imgtar/imgtar/tree/main/examples
//! [`docs/formats.md`]: https://github.com/imgtar/imgtar/blob/main/docs/formats.md

// The way through the modules:
//
//     convert            what was asked for; which images, platforms and names
//       increment        images without the layers that a base has
//       reader           archive → images: detects the format, reads its documents
//       writer           images → archive: one writer a format, on one plan
//         delta          layers as what changed in the files of an older image, and back
//         flatten        layers → one tree; pure
//       image            the model between them: metadata bound to extents, never a body
//         spec           the specifications' words: names and JSON
//         archive        tar: the index of members, the one decoder, the encoder
//           codec        compression
//           stream       files, streams and threads; knows nothing of tar
//
// Commands that write nothing take other ways from the reader on: `select` picks an image, `files` lists and reads its files,
// `inspect` gathers facts about the whole archive. Readers and writers do not know each other.

mod archive;
mod codec;
mod convert;
mod delta;
mod diagnostics;
mod diff;
mod digest;
mod edit;
mod error;
mod files;
mod flatten;
mod glob;
mod history;
mod image;
mod increment;
mod inspect;
#[doc(hidden)]
#[cfg(not(face))]
pub mod internals;
mod layer_index;
mod layer_io;
mod limits;
mod nearest;
mod options;
mod path;
mod path_filter;
mod progress;
mod reader;
mod report;
mod rule;
mod run;
mod select;
mod spec;
mod stream;
mod verify;
mod words;
mod writer;

// Functions.
pub use convert::{convert, convert_all, edit, edit_split, import, preview_edit, split};
pub use diff::diff;
pub use history::history;
pub use inspect::inspect;
pub use reader::open;
pub use verify::verify;

// Options.
pub use codec::{GzipLevel, Level, ZstdLevel};
pub use convert::{ParseSplitPatternError, SplitArchive, SplitPattern};
pub use diff::{DiffIgnore, DiffOptions, DiffPart};
pub use edit::{
    Addition, ConfigChanges, EditOptions, NewConfig, Normalize, ParsePatternError, PathPattern, Rebase, RuntimeChanges,
    Squash,
};
pub use inspect::{EngineChoice, InspectDepth};
pub use options::{
    Attestations, Compress, ConvertOptions, DeltaOptions, DockerOptions, Half, ImageRef, IndexPolicy, NameChanges,
    OciOptions, ParseImageRefError, Platforms, RootfsOptions, Target, Verify,
};
pub use path_filter::PathFilter;
pub use reader::Archives;
pub use select::ImageSelector;

// Inputs and outputs; what a run may use, and what it reports meanwhile.
pub use codec::Encoding;
pub use diagnostics::{Diagnostic, Diagnostics, Severity, Subject};
pub use error::{Error, ErrorKind, LimitKind, Mismatch, Result, Setting};
pub use limits::{Budget, Limits};
pub use progress::{Action, Event, Progress, TaskId};
pub use rule::Rule;
pub use run::Run;
pub use stream::batch::OutputBatch;
pub use stream::copy::Destination;
pub use stream::dir_sink::DirSink;
pub use stream::dir_target::Mode;
pub use stream::finish::Finish;
pub use stream::input::Input;
pub use stream::sink::{Memory, Sink};
pub use stream::source::{Extent, ExtentReader};
pub use writer::Output;

// The images of an archive.
pub use archive::TarTime;
pub use codec::Codec;
pub use digest::{Algorithm, DiffId, Digest, ParseDigestError};
pub use files::{
    FileEntry, FileKind, ImageFiles, LayerChange, LayerChangeKind, OpenFile, layer_of, list_changes, list_layer,
};
pub use image::{
    Artifact, Blob, Broken, Child, Document, Image, ImageEntry, ImageIndex, ImageSet, Layer, Missing, Name, NeededBase,
    Node, RawBlob,
};
pub use reader::{Archive, Format};
pub use select::SelectedImage;
pub use spec::config::{History, ImageConfig};
pub use spec::delta::{DeltaContent, FileCounts};
pub use spec::descriptor::Descriptor;
pub use spec::media_type::{Compression, Family, MediaType};
pub use spec::oci::{Index, Manifest};
pub use spec::platform::{ParsePlatformError, Platform};
pub use spec::reference::{ParseReferenceError, Reference};
pub use spec::timestamp::{ParseTimestampError, Timestamp};

// Reports.
pub use diff::{ConfigChange, Diff, DiffLayer, FileChange, FileField, FileState, FilesDiff, LayersDiff};
pub use edit::{EditedImage, EditedLayer, EditedTar};
pub use history::{Fate, FileCount, HiddenCounts, HiddenFile, HistoryStep, HistoryTotal, ImageHistory, LayerUse};
pub use inspect::{
    ArtifactFacts, ConfigFacts, DocumentFacts, Engine, ImageContent, ImageFacts, InspectReport, LayerFacts, Loads,
    MissingFacts, UnreferencedFacts, Verdict,
};
pub use report::{
    BlobReport, ConfigReport, ConversionReport, ImageReport, LayerAction, LayerReport, ManifestReport, UnreadReport,
};
pub use verify::{CheckedTotals, SeverityCounts, VerifyReport};

/// The examples of README.md compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
