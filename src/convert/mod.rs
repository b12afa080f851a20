//! A conversion from end to end: read, select, name, write.

use std::path::Path;

pub use crate::options::*;

use crate::edit::{self, EditOptions, EditReport, NewConfig};
use crate::error::Result;
use crate::image::{ImageSet, RawBlob};
use crate::reader;
use crate::run::Run;
use crate::select;
use crate::stream::source::Input;
use crate::writer::{self, Contents, Output};

/// Converts the archive in `input`, whole or not at all: what was kept of each image that was written.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn convert(input: Input, output: Output, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageReport>> {
    let images = reader::open(input, options.prefer, run)?;
    write(&images, output, options, run)
}

/// Writes an image of one layer, the root filesystem tar in `input`, which `config` describes (docs/formats.md X-3).
///
/// The image has the names of `options` and no others. Its diff_id is computed from the bytes that are then copied, so
/// [`Verify::Digests`] checks all there is.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn import(
    input: Input,
    config: &NewConfig,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<ImageReport>> {
    let config = |diff_id: &_| config.of_layer(diff_id, &run.diagnostics);
    let images = reader::import(input, &config, run)?;
    write(&images, output, options, run)
}

/// Changes the images of the archive in `input` and writes them; without an `output` only says what would be written.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn edit(
    input: Input,
    changes: &EditOptions,
    output: Option<Output>,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<EditReport>> {
    let images = reader::open(input, options.prefer, run)?;
    let mut entries = select::select(&images, options, run)?;
    select::names::apply(&mut entries, &options.names, &options.target, run)?;
    let open = |path: &Path| reader::open(path.into(), None, run);
    let edited = edit::apply(&entries, changes, &open, run)?;
    if let Some(output) = output {
        let contents = Contents { entries: &edited.entries, unreferenced: unreferenced(&images, options) };
        writer::write(&contents, output, options, run)?;
    }
    Ok(edited.reports)
}

fn unreferenced<'a>(images: &'a ImageSet, options: &ConvertOptions) -> &'a [RawBlob] {
    let is_wanted = matches!(&options.target, Target::Oci(oci) if oci.all_blobs);
    if is_wanted { &images.unreferenced } else { &[] }
}

fn write(images: &ImageSet, output: Output, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageReport>> {
    let mut entries = select::select(images, options, run)?;
    select::names::apply(&mut entries, &options.names, &options.target, run)?;
    let contents = Contents { entries: &entries, unreferenced: unreferenced(images, options) };
    writer::write(&contents, output, options, run)
}
