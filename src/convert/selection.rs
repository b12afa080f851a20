//! The images that a command writes once its input was read, and how it writes them.

use std::mem;

use super::split;
use crate::error::Result;
use crate::image::ImageEntry;
use crate::options::{ConvertOptions, Target};
use crate::reader::ArchiveImages;
use crate::report::{ConversionReport, UnreadReport};
use crate::run::Run;
use crate::select;
use crate::writer::{self, Contents, Output};

/// The images to write.
pub(super) struct Selection<'o> {
    /// All that was read.
    pub(super) read: ArchiveImages,
    /// The entries to write, which were chosen or made of it, under their new names.
    pub(super) entries: Vec<ImageEntry>,
    pub(super) options: &'o ConvertOptions,
    pub(super) run: &'o Run,
}

impl<'o> Selection<'o> {
    /// The entries of `read` that `options` choose, under the names that these give them.
    pub(super) fn of(read: ArchiveImages, options: &'o ConvertOptions, run: &'o Run) -> Result<Self> {
        let mut entries = select::select(&read.images, options, run)?;
        select::names::apply(&mut entries, options, run)?;
        Ok(Self { read, entries, options, run })
    }

    /// Writes all entries into one archive.
    pub(super) fn write(&self, output: Output) -> Result<ConversionReport> {
        let is_kept = matches!(&self.options.target, Target::Oci(oci) if oci.all_blobs);
        let unreferenced = if is_kept { &self.read.images.unreferenced[..] } else { &[] };
        let contents = Contents { unreferenced, ..self.contents(&self.entries) };
        let report = writer::write(&contents, output, self.options, self.run)?;
        Ok(ConversionReport { unread: self.unread(&self.entries), ..report })
    }

    /// Takes the entries, by the archives into which they go (docs/bundles.md B-41).
    ///
    /// # Errors
    /// If there is no image among them.
    pub(super) fn take_groups(&mut self) -> Result<Vec<Vec<ImageEntry>>> {
        split::groups(mem::take(&mut self.entries), &self.read.images, self.options, self.run)
    }

    /// An archive of `entries`, without blobs that nothing refers to.
    pub(super) fn contents<'a>(&'a self, entries: &'a [ImageEntry]) -> Contents<'a> {
        Contents { entries, unreferenced: &[], annotations: &self.read.images.annotations, bases: &self.read.bases }
    }

    /// The archives of which layers are not read where `entries` are written.
    pub(super) fn unread(&self, entries: &[ImageEntry]) -> Vec<UnreadReport> {
        UnreadReport::of(&self.read.images, entries)
    }
}
