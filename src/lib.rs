//! Convert container image tarballs, offline and in a stream.
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
//! Who only asks goes other ways from the reader on: [`choice`] picks an image, [`files`] lists and reads what is in it,
//! [`inspect`] gathers facts about all of the archive.
//!
//! Readers and writers never know each other. Rules such as `M-11` are those of `docs/formats.md`.
//!
//! ```no_run
//! use imgtar::codec::Encoding;
//! use imgtar::convert::{ConvertOptions, OciOptions, Target, convert};
//! use imgtar::run::Run;
//! use imgtar::stream::sink::Sink;
//! use imgtar::stream::source::Input;
//! use imgtar::writer::Output;
//!
//! # fn main() -> imgtar::error::Result<()> {
//! let output = Output::Archive { sink: Sink::file("oci.tar".as_ref(), false)?, outer: Encoding::Plain };
//! let options = ConvertOptions::new(Target::Oci(OciOptions::default()));
//! for image in convert(Input::Path("app.tar".into()), output, &options, &Run::quiet())? {
//!     println!("{} {}", image.image_id, image.names.join(" "));
//! }
//! # Ok(())
//! # }
//! ```

pub mod archive;
pub mod choice;
pub mod codec;
pub mod convert;
pub mod diff;
pub mod digest;
pub mod error;
pub mod files;
pub mod flatten;
pub mod history;
pub mod image;
pub mod inspect;
pub mod limits;
mod nearest;
pub mod notice;
pub mod path;
pub mod progress;
pub mod reader;
pub mod run;
pub mod spec;
pub mod stream;
mod toc;
pub mod verify;
pub mod writer;

/// The examples of README.md compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
