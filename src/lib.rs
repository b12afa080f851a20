//! Convert container image tarballs, and look into them: offline, in a stream, without a daemon or root.
//!
//! [`convert::convert`] and [`convert::import`] do all that the command does. Their way through the modules:
//!
//! ```text
//! convert            what was asked for; which images, platforms and names
//!   reader           archive → images: detects the format, reads its documents
//!   writer           images → archive: one writer a format, on one plan
//!     flatten        layers → one tree; pure
//!   image            the model between them: metadata bound to extents, never a body
//!     spec           the specifications' words: names and JSON
//!     archive        tar: the index of members, the one decoder, the encoder
//!       codec        compression
//!       stream       bytes at rest and in motion; has never heard of tar
//! ```
//!
//! Who only asks goes other ways from the reader on: [`select`] picks an image, [`files`] lists and reads what is in it,
//! [`inspect`] gathers facts about all of the archive.
//!
//! Readers and writers never know each other. Rules such as `M-11` are those of `docs/formats.md`.
//!
//! # What is in an archive
//!
//! Whatever it is, and however it is compressed as a whole: a file, a layout directory, or bytes from elsewhere
//! ([`Input::reader`](stream::source::Input::reader)). Layers stay where they are.
//!
//! ```
//! use imgtar::select::ImageSelector;
//! use imgtar::reader;
//! use imgtar::run::Run;
//!
//! # fn main() -> imgtar::error::Result<()> {
//! let run = Run::quiet();
//! let set = reader::open("fixtures/saved20.tar.xz".into(), None, &run)?;
//! for chosen in ImageSelector::default().images(&set)? {
//!     println!("{} for {}: {}", chosen.title(), chosen.image.platform, chosen.image.image_id);
//!     for layer in chosen.image.layers.iter() {
//!         println!("  {} in {} bytes", layer.diff_id, layer.stored_size());
//!     }
//! #   assert_eq!(chosen.title(), "example.com/demo:v1");
//! #   assert_eq!(chosen.image.layers.len(), 3);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is in a layer
//!
//! Its entries as they are, whiteouts too; decoded once, and held against every digest that the archive promises.
//!
//! ```
//! use imgtar::select::ImageSelector;
//! use imgtar::files::list_layer;
//! # use imgtar::{reader, run::Run};
//!
//! # fn main() -> imgtar::error::Result<()> {
//! # let run = Run::quiet();
//! # let set = reader::open("fixtures/saved20.tar.xz".into(), None, &run)?;
//! # let mut found = Vec::new();
//! let chosen = ImageSelector::default().one(&set)?;
//! list_layer(&chosen.image.layers[0], 0, None, &run, |item| {
//!     println!("{:04o} {:>9} {}", item.mode, item.size, item.path.escape_ascii());
//! #   found.push(item.path);
//!     Ok(())
//! })?;
//! # assert!(found.iter().any(|path| path == b"bin/hello"), "{found:?}");
//! # Ok(())
//! # }
//! ```
//!
//! # A file of an image
//!
//! As a container would see it: [`ImageFiles`](files::ImageFiles) lists the tree that the layers make together, and finds what is in it.
//!
//! ```
//! use imgtar::files::ImageFiles;
//! # use imgtar::{select::ImageSelector, reader, run::Run};
//!
//! # fn main() -> imgtar::error::Result<()> {
//! # let run = Run::quiet();
//! # let set = reader::open("fixtures/saved20.tar.xz".into(), None, &run)?;
//! # let chosen = ImageSelector::default().one(&set)?;
//! let files = ImageFiles::of(&set.archive, &chosen, &run)?;
//! let mut text = Vec::new();
//! files.open(b"/etc/demo")?.copy_to(&mut text)?;
//! assert_eq!(text, b"demo\n");
//! # Ok(())
//! # }
//! ```
//!
//! # From file to file
//!
//! The new file has its name when it is whole and true, or never.
//!
//! ```
//! use imgtar::convert::{Compress, ConvertOptions, OciOptions, Target, convert};
//! use imgtar::run::Run;
//! use imgtar::stream::sink::Sink;
//!
//! # fn main() -> imgtar::error::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let (input, output) = ("fixtures/saved20.tar.xz", &dir.path().join("oci.tar"));
//! let oci = OciOptions { compress: Some(Compress::Gzip(None)), ..OciOptions::default() };
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
//! # A filesystem to whoever reads it
//!
//! ```
//! use imgtar::convert::{ConvertOptions, RootfsOptions, Target, convert};
//! use imgtar::stream::sink::Sink;
//! # use imgtar::run::Run;
//!
//! # fn main() -> imgtar::error::Result<()> {
//! let (sink, memory) = Sink::memory();
//! let options = ConvertOptions::new(Target::Rootfs(RootfsOptions::default()));
//! convert("fixtures/saved20.tar.xz".into(), sink.into(), &options, &Run::quiet())?;
//! let tar = memory.bytes();
//! # assert!(tar.windows(9).any(|bytes| bytes == b"bin/hello"));
//! # Ok(())
//! # }
//! ```
//!
//! # What a run shares
//!
//! Options grow: those that are structures are built with `..Default::default()`, or changed after they were made.
//!
//! A [`Run`](run::Run) has the threads, the limits that hostile input cannot pass, and the listeners:
//! [`diagnostics::Diagnostics`] for
//! warnings, [`progress::Progress`] for bars. Whoever acts on failures asks an [`Error`](error::Error) for its
//! [`kind`](error::Error::kind).

pub mod archive;
pub mod codec;
pub mod convert;
pub mod diagnostics;
pub mod diff;
pub mod digest;
pub mod edit;
pub mod error;
pub mod files;
pub mod flatten;
mod glob;
pub mod history;
pub mod image;
pub mod inspect;
mod layer_index;
pub mod layer_io;
pub mod limits;
mod nearest;

pub mod options;
pub mod path;
pub mod progress;
pub mod reader;
pub mod report;
mod rule;
pub mod run;
pub mod select;
pub mod spec;
pub mod stream;
pub mod verify;
pub mod writer;

/// The examples of README.md compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
