//! A conversion from end to end: read, select, name, write.

mod names;
mod options;
pub(crate) mod select;

pub use options::*;

use crate::error::Result;
use crate::image::ImageSet;
use crate::reader;
use crate::run::Run;
use crate::stream::source::Input;
use crate::writer::{self, Contents, Output};

/// Converts the archive in `input`, whole or not at all: what was kept of each image that was written.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn convert(input: Input, output: Output, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageReport>> {
    let images = reader::open(input, options.prefer, run)?;
    let ImageSet { loose, .. } = &images;
    let mut entries = select::select(&images, options, run)?;
    names::apply(&mut entries, &options.names, &options.target, run)?;
    let wants_loose = matches!(&options.target, Target::Oci(oci) if oci.all_blobs);
    let contents = Contents { entries: &entries, loose: if wants_loose { loose } else { &[] } };
    writer::write(&contents, output, options, run)
}
