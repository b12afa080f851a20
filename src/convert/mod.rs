//! A conversion from end to end: read, select, name, write.

use std::collections::HashSet;
use std::io;
use std::path::Path;

mod split;

pub(crate) use crate::options::*;
pub use split::{ParseSplitPatternError, SplitArchive, SplitPattern};

use crate::digest::DiffId;
use crate::edit::{self, EditOptions, EditOutcomes, EditedImage, NewConfig, Readers};
use crate::error::{Error, Result, Setting};
use crate::image::{ImageEntry, ImageSet, distinct_images};
use crate::increment::{self, BaseImages};
use crate::reader::{self, ArchiveImages, Archives};
use crate::report::{ConversionReport, LayerReport, UnreadReport};
use crate::run::Run;
use crate::select;
use crate::stream::input::Input;
use crate::stream::sink::Sink;
use crate::writer::{self, Contents, Output};

/// Converts the archive in `input`, whole or not at all. `output` is finished here; a [`DirSink`](crate::DirSink) takes a
/// layout alone ([`Target::Oci`]). A stream may have received the beginning of an archive that failed.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn convert(input: Input, output: Output, options: &ConvertOptions, run: &Run) -> Result<ConversionReport> {
    convert_all(Archives::from(vec![input]), output, options, run)
}

/// Converts `archives` into one, whole or not at all: images in the order of the archives, what they share
/// once (docs/bundles.md B-39, B-40).
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn convert_all(
    archives: Archives,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let (ArchiveImages { images, bases }, mut entries, base_images) = with_bases(archives, options, run)?;
    leave_out(&mut entries, &base_images, options)?;
    let contents = Contents { bases: &bases, ..contents(&images, &entries, options) };
    let report = writer::write(&contents, output, options, run)?;
    Ok(ConversionReport { unread: UnreadReport::of(&images, &entries), ..report })
}

/// Converts `archives` into one for each image, or, where `pattern` has a field that differs by platform, for
/// each platform of each image: all or none (docs/bundles.md B-41). `open` returns the output for a file name, in the order
/// of the images; the caller gives the files those names when all are written. Several are written at a time where there are
/// threads for it.
///
/// # Errors
/// Any [`Error`](crate::error::Error): before anything is opened, if two archives would have one name or an image has not got
/// what the pattern names. Of archives that fail, that of the first.
pub fn split(
    archives: Archives,
    pattern: &SplitPattern,
    open: &mut dyn FnMut(&str) -> Result<Output>,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<SplitArchive>> {
    let options = &pattern.options(options);
    let (ArchiveImages { images, bases }, entries, base_images) = with_bases(archives, options, run)?;
    let mut groups = split::groups(entries, &images, options, run)?;
    groups.iter_mut().try_for_each(|entries| leave_out(entries, &base_images, options))?;
    split::write(&images, &groups, &bases, pattern, open, options, run)
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
) -> Result<ConversionReport> {
    let config = |diff_id: &_| config.of_layer(diff_id, &run.diagnostics);
    let images = reader::import(input, &config, run)?;
    let entries = selected(&images, options, run)?;
    let mut report = writer::write(&contents(&images, &entries, options), output, options, run)?;
    report.images.iter_mut().for_each(|image| image.source_image_id = None);
    Ok(report)
}

/// Changes the images of `archives`, of which none is a base, and writes them into one, as [`convert_all`] would.
///
/// # Errors
/// Any [`Error`](crate::error::Error); `output` is then abandoned.
pub fn edit(
    archives: Archives,
    changes: &EditOptions,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let (images, entries, outcomes) = edited(archives, changes, options, run)?;
    let mut report = writer::write(&contents(&images, &entries, options), output, options, run)?;
    report_changes(&mut report, outcomes.of(&entries, run)?, &diff_ids(&images));
    report.unread = UnreadReport::of(&images, &entries);
    Ok(report)
}

/// Changes the images of `archives` and writes each into an archive of its own, as [`split`] would.
///
/// # Errors
/// Those of [`edit()`] and of [`split`].
pub fn edit_split(
    archives: Archives,
    changes: &EditOptions,
    pattern: &SplitPattern,
    open: &mut dyn FnMut(&str) -> Result<Output>,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<SplitArchive>> {
    let options = &pattern.options(options);
    let (images, entries, outcomes) = edited(archives, changes, options, run)?;
    let groups = split::groups(entries, &images, options, run)?;
    let mut archives = split::write(&images, &groups, &[], pattern, open, options, run)?;
    let read = diff_ids(&images);
    for (archive, entries) in archives.iter_mut().zip(&groups) {
        archive.edited = outcomes.of(entries, run)?;
        report_changes(&mut archive.report, archive.edited.clone(), &read);
    }
    Ok(archives)
}

/// Returns the changes that [`edit()`] would make. What it would write is thrown away, so that all is refused that [`edit()`]
/// refuses.
///
/// # Errors
/// Those of [`edit()`], but for those of the output.
pub fn preview_edit(
    archives: Archives,
    changes: &EditOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<EditedImage>> {
    let (images, entries, outcomes) = edited(archives, changes, options, run)?;
    let nowhere = Sink::writer("nowhere", io::sink());
    writer::write(&contents(&images, &entries, options), nowhere.into(), options, run)?;
    outcomes.of(&entries, run)
}

/// Returns the images of `archives`, the entries to write, and what became of their images.
fn edited(
    archives: Archives,
    changes: &EditOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<(ImageSet, Vec<ImageEntry>, EditOutcomes)> {
    if !archives.bases.is_empty() {
        return Err(Error::Usage("layers are left out by a conversion, not by an edit".to_owned()));
    }
    let ArchiveImages { images, .. } = reader::open_all(archives, options.prefer, run)?;
    let entries = selected(&images, options, run)?;
    if entries.iter().all(|entry| entry.node.images().is_empty()) {
        return Err(select::no_image(&images));
    }
    increment::refuse(&entries)?;
    let archive = |path: &Path| {
        let images = reader::open(path.into(), None, run)?;
        increment::refuse(&images.entries).map(|()| images)
    };
    let layer = |path: &Path| reader::single_layer(path.into(), run);
    let readers = Readers { archive: &archive, layer: &layer };
    let (entries, outcomes) = edit::apply(entries, changes, &readers, run)?;
    Ok((images, entries, outcomes))
}

/// The diff_ids of all layers of `images`: an edit made the layers that have others.
fn diff_ids(images: &ImageSet) -> HashSet<&DiffId> {
    let layers = distinct_images(&images.entries).into_iter().flat_map(|image| image.layers.iter());
    layers.map(|layer| &layer.diff_id).collect()
}

/// Puts the changes into the report of the archive that holds the images `edited`, in their order. The writers compare with
/// the changed images, but a reader of the report compares with the input, whose layers are `read`.
fn report_changes(report: &mut ConversionReport, edited: Vec<EditedImage>, read: &HashSet<&DiffId>) {
    for (image, edited) in report.images.iter_mut().zip(edited) {
        image.layers.iter_mut().filter(|layer| !read.contains(&layer.diff_id)).for_each(LayerReport::mark_new);
        if let Some(manifest) = &mut image.manifest {
            manifest.kept &= edited.image_id == edited.old_image_id;
        }
        image.source_image_id = Some(edited.old_image_id);
        image.changes = edited.changes;
    }
}

/// The part of `images` that is written: `entries`, which were chosen or made of them.
fn contents<'a>(images: &'a ImageSet, entries: &'a [ImageEntry], options: &ConvertOptions) -> Contents<'a> {
    let is_kept = matches!(&options.target, Target::Oci(oci) if oci.all_blobs);
    let unreferenced = if is_kept { &images.unreferenced[..] } else { &[] };
    Contents { entries, unreferenced, annotations: &images.annotations, bases: &[] }
}

/// Returns the entries to write under their new names.
fn selected(images: &ImageSet, options: &ConvertOptions, run: &Run) -> Result<Vec<ImageEntry>> {
    let mut entries = select::select(images, options, run)?;
    select::names::apply(&mut entries, options, run)?;
    Ok(entries)
}

/// Returns the images of `archives`, the entries to write, and the images whose layers they are to leave out: none for a
/// delta, which makes its own use of the bases.
fn with_bases(
    archives: Archives,
    options: &ConvertOptions,
    run: &Run,
) -> Result<(ArchiveImages, Vec<ImageEntry>, BaseImages)> {
    refuse_bases(&archives, options)?;
    let read = reader::open_all(archives, options.prefer, run)?;
    let entries = selected(&read.images, options, run)?;
    let is_delta = matches!(options.target, Target::Delta(_));
    let base_images = BaseImages::of(if is_delta { &[] } else { &read.bases }, run)?;
    base_images.warn_of_unused(&entries, run)?;
    increment::note_docker_archives(&entries, &base_images, run);
    Ok((read, entries, base_images))
}

/// Leaves out what the bases have; without bases an image that lacks layers is refused, unless it is to be kept so.
fn leave_out(entries: &mut [ImageEntry], bases: &BaseImages, options: &ConvertOptions) -> Result<()> {
    match (&options.target, options.index) {
        _ if !bases.is_empty() => increment::leave_out(entries, bases),
        (Target::Oci(_), IndexPolicy::Keep) => Ok(()),
        _ => increment::refuse(entries),
    }
}

/// Refuses bases where the target has to hold every layer.
fn refuse_bases(archives: &Archives, options: &ConvertOptions) -> Result<()> {
    match options.target {
        Target::Legacy(_) | Target::Docker(_) | Target::Rootfs(_) if !archives.bases.is_empty() => {
            Err(Error::inexpressible("the output", "only an OCI layout or a delta can leave out what a base has"))
        }
        Target::Delta(_) if archives.bases.is_empty() => {
            Err(Error::Usage("a delta is made against a base, and there is none".to_owned()).avoided_by(Setting::Base))
        }
        Target::Oci(_) | Target::Legacy(_) | Target::Docker(_) | Target::Rootfs(_) | Target::Delta(_) => Ok(()),
    }
}
