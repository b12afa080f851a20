//! A conversion from end to end: read, select, name, write.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

mod selection;
mod split;

pub(crate) use crate::options::*;
pub use split::{ParseSplitPatternError, SplitArchive, SplitPattern};

use crate::digest::DiffId;
use crate::edit::{self, EditOptions, EditOutcomes, EditedImage, NewConfig, Readers};
use crate::error::{Error, Result, Setting};
use crate::image::{ImageEntry, ImageSet, distinct_images};
use crate::increment::{self, BaseImages};
use crate::reader::{self, ArchiveImages, Archives};
use crate::report::{ConversionReport, LayerReport};
use crate::run::Run;
use crate::select;
use crate::stream::input::Input;
use crate::stream::sink::Sink;
use crate::writer::Output;

use selection::Selection;

/// Converts the archive in `input`, whole or not at all. `output` is finished here; a [`DirSink`](crate::DirSink) takes a
/// layout alone ([`Target::Oci`]). A stream may have received the beginning of an archive that failed.
///
/// ```
/// use imgtar::{ConvertOptions, DockerOptions, Platforms, Run, Sink, Target, convert};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let mut options = ConvertOptions::new(Target::Docker(DockerOptions::default()));
/// options.platforms = Platforms::Only(vec!["linux/amd64".parse()?]);
/// let (sink, memory) = Sink::memory();
/// let report = convert("fixtures/exp24.tar.xz".into(), sink.into(), &options, &Run::quiet())?;
/// assert_eq!(memory.bytes().len() as u64, report.size);
/// # Ok(())
/// # }
/// ```
///
/// [`Sink::file`] writes a file, [`Sink::writer`] to a pipe or any other writer, a `DirSink` a directory. The result
/// may also be compressed as a whole: that is an [`Output::Archive`].
///
/// # Errors
/// [`Error::Choice`] when a selected image or platform is not there, [`Error::Inexpressible`] when the target cannot
/// hold a selected image, [`Error::Limit`] beyond a limit of `run`, [`Error::Output`] and [`Error::Io`] of the output; the
/// others say what is wrong with the input. `output` is then abandoned.
pub fn convert(input: Input, output: Output, options: &ConvertOptions, run: &Run) -> Result<ConversionReport> {
    convert_all(Archives::from(vec![input]), output, options, run)
}

/// Converts `archives` into one, whole or not at all: images in the order of the archives, what they share
/// once (docs/bundles.md B-39, B-40).
///
/// With [`bases`](Archives::bases) the output is for a receiver that has these: with [`Target::Oci`] it leaves out
/// their layers, with [`Target::Delta`] it has only what changed in their files. The receiver makes it whole
/// [`with`](Archives::with) the bases:
///
/// ```
/// use imgtar::{Archives, ConvertOptions, DeltaOptions, Input, OciOptions, Run, Sink, Target, convert_all};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// # let (old, new) = ("fixtures/saved20.tar.xz", "fixtures/dangling-index.tar.xz");
/// let mut archives = Archives::default();
/// archives.inputs.push(new.into());
/// archives.bases.push(old.into());
/// let options = ConvertOptions::new(Target::Delta(DeltaOptions::default()));
/// let (sink, delta) = Sink::memory();
/// convert_all(archives, sink.into(), &options, &Run::quiet())?;
///
/// let mut archives = Archives::default();
/// archives.inputs.push(Input::reader("the delta", std::io::Cursor::new(delta.bytes())));
/// archives.with.push(old.into());
/// let options = ConvertOptions::new(Target::Oci(OciOptions::default()));
/// let (sink, whole) = Sink::memory();
/// convert_all(archives, sink.into(), &options, &Run::quiet())?;
/// # assert!(!whole.bytes().is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`convert()`]; [`Error::Usage`] for a delta without a base, [`Error::Inexpressible`] for bases if the
/// target has to hold every layer. `output` is then abandoned.
pub fn convert_all(
    archives: Archives,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let (mut selection, bases) = with_bases(archives, options, run)?;
    leave_out(&mut selection.entries, &bases, options)?;
    selection.write(output)
}

/// Converts `archives` into one for each image, or, where `pattern` has a field that differs by platform, for each
/// platform of each image: all or none (docs/bundles.md B-41). `open` returns the output for a file name, in the order
/// of the images; the caller gives the files those names when all are written, for which there is
/// [`OutputBatch`](crate::OutputBatch). Several are written at a time where there are threads for it.
///
/// ```
/// use imgtar::{ConvertOptions, OciOptions, Output, OutputBatch, Run, SplitPattern, Target, split};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// # let dir = tempfile::tempdir()?;
/// # let (input, directory) = ("fixtures/saved20.tar.xz", dir.path());
/// let pattern: SplitPattern = "{name}-{tag}.tar".parse()?;
/// let options = ConvertOptions::new(Target::Oci(OciOptions::default()));
/// let batch = OutputBatch::default();
/// let mut open = |name: &str| batch.file(&directory.join(name), false).map(Output::from);
/// let written = split(vec![input.into()].into(), &pattern, &mut open, &options, &Run::quiet())?;
/// batch.finish()?;
/// assert_eq!(written[0].name, "demo-v1.tar");
/// # assert!(directory.join("demo-v1.tar").is_file());
/// # Ok(())
/// # }
/// ```
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
    let (mut selection, bases) = with_bases(archives, options, run)?;
    let mut groups = selection.take_groups()?;
    groups.iter_mut().try_for_each(|entries| leave_out(entries, &bases, options))?;
    split::write(&selection, &groups, pattern, open)
}

/// Writes an image of one layer, the root filesystem tar in `input`, which `config` describes (docs/formats.md X-3).
///
/// ```
/// use imgtar::{ConvertOptions, DockerOptions, Input, NewConfig, Run, Sink, Target, import};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let filesystem = std::io::Cursor::new(vec![0; 1024]);
/// let mut config = NewConfig::default();
/// config.changes.os = Some("linux".to_owned());
/// config.changes.architecture = Some("amd64".to_owned());
/// config.changes.runtime.cmd = Some(vec!["/bin/sh".to_owned()]);
/// let mut options = ConvertOptions::new(Target::Docker(DockerOptions::default()));
/// options.names.add.push("acme/app:1".parse()?);
/// let (sink, memory) = Sink::memory();
/// import(Input::reader("rootfs.tar", filesystem), &config, sink.into(), &options, &Run::quiet())?;
/// # assert!(!memory.bytes().is_empty());
/// # Ok(())
/// # }
/// ```
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
    config.check()?;
    let config = |diff_id: &_| config.of_layer(diff_id, &run.diagnostics);
    let read = ArchiveImages { images: reader::import(input, &config, run)?, bases: Vec::new() };
    let mut report = Selection::of(read, options, run)?.write(output)?;
    report.images.iter_mut().for_each(|image| image.source_image_id = None);
    Ok(report)
}

/// Changes the images of `archives`, of which none is a base, and writes them into one, as [`convert_all`] would.
///
/// ```
/// use imgtar::{ConvertOptions, EditOptions, OciOptions, Run, Sink, Target, edit};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// # let dir = tempfile::tempdir()?;
/// # let (input, output) = ("fixtures/saved20.tar.xz", &dir.path().join("edited.tar"));
/// let mut changes = EditOptions::default();
/// changes.remove.push("etc/demo".parse()?);
/// changes.config.runtime.labels.push(("release".to_owned(), "2".to_owned()));
/// let options = ConvertOptions::new(Target::Oci(OciOptions::default()));
/// let report = edit(vec![input.into()].into(), &changes, Sink::file(output, false)?.into(), &options, &Run::quiet())?;
/// for change in report.images.iter().flat_map(|image| &image.changes) {
///     println!("{change}");
/// }
/// # assert!(output.is_file());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of [`convert_all`]; [`Error::Choice`] when a path to remove, a layer or a base is in no image that is changed;
/// [`Error::Usage`] for a base among the archives. `output` is then abandoned.
pub fn edit(
    archives: Archives,
    changes: &EditOptions,
    output: Output,
    options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let (selection, outcomes) = edited(archives, changes, options, run)?;
    let mut report = selection.write(output)?;
    report_changes(&mut report, outcomes.of(&selection.entries, run)?, &diff_ids(&selection.read.images));
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
    let (mut selection, outcomes) = edited(archives, changes, options, run)?;
    let groups = selection.take_groups()?;
    let mut archives = split::write(&selection, &groups, pattern, open)?;
    let read = diff_ids(&selection.read.images);
    for (archive, entries) in archives.iter_mut().zip(&groups) {
        archive.edited = outcomes.of(entries, run)?;
        report_changes(&mut archive.report, archive.edited.clone(), &read);
    }
    Ok(archives)
}

/// Returns the changes that [`edit()`] would make, and refuses what it refuses. Takes the same arguments, without an
/// output: what is made is thrown away.
///
/// # Errors
/// Those of [`edit()`], but for those of the output.
pub fn preview_edit(
    archives: Archives,
    changes: &EditOptions,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<EditedImage>> {
    let (selection, outcomes) = edited(archives, changes, options, run)?;
    selection.write(Sink::writer("nowhere", io::sink()).into())?;
    outcomes.of(&selection.entries, run)
}

/// Returns the changed images of `archives`, and what became of each.
fn edited<'o>(
    archives: Archives,
    changes: &EditOptions,
    options: &'o ConvertOptions,
    run: &'o Run,
) -> Result<(Selection<'o>, EditOutcomes)> {
    if !archives.bases.is_empty() {
        return Err(Error::Usage("layers are left out by a conversion, not by an edit".to_owned()));
    }
    let selection = Selection::of(reader::open_all(archives, options.prefer, run)?, options, run)?;
    if selection.entries.iter().all(|entry| entry.node.images().is_empty()) {
        return Err(select::no_image(&selection.read.images));
    }
    increment::refuse_incomplete(&selection.entries)?;
    let archive = |path: &Path| {
        let images = reader::open(path.into(), None, run)?;
        increment::refuse_incomplete(&images.entries).map(|()| images)
    };
    let layer = |path: &Path| reader::single_layer(path.into(), run);
    let readers = Readers { archive: &archive, layer: &layer };
    let (entries, outcomes) = edit::apply(selection.entries, changes, &readers, run)?;
    Ok((Selection { entries, ..selection }, outcomes))
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
        let is_new = |layer: &LayerReport| !read.contains(&layer.diff_id);
        // Layers that images share are copied only if one is to be marked.
        if image.layers.iter().any(is_new) {
            let layers = Arc::make_mut(&mut image.layers).iter_mut();
            layers.filter(|layer| is_new(layer)).for_each(LayerReport::mark_new);
        }
        if let Some(manifest) = &mut image.manifest {
            manifest.kept &= edited.image_id == edited.old_image_id;
        }
        image.source_image_id = Some(edited.old_image_id);
        image.changes = edited.changes;
    }
}

/// Returns the images of `archives` to write, and the images whose layers they are to leave out: none for a delta, which
/// makes its own use of the bases.
fn with_bases<'o>(
    archives: Archives,
    options: &'o ConvertOptions,
    run: &'o Run,
) -> Result<(Selection<'o>, BaseImages)> {
    refuse_bases(&archives, options)?;
    let selection = Selection::of(reader::open_all(archives, options.prefer, run)?, options, run)?;
    let is_delta = matches!(options.target, Target::Delta(_));
    let bases = BaseImages::of(if is_delta { &[] } else { &selection.read.bases }, run)?;
    bases.warn_of_unused(&selection.entries, run)?;
    increment::note_docker_archives(&selection.entries, &bases, run);
    Ok((selection, bases))
}

/// Leaves out what the bases have; without bases an image that lacks layers is refused, unless it is to be kept so.
fn leave_out(entries: &mut [ImageEntry], bases: &BaseImages, options: &ConvertOptions) -> Result<()> {
    match (&options.target, options.index) {
        _ if !bases.is_empty() => increment::leave_out(entries, bases),
        (Target::Oci(_), IndexPolicy::Keep) => Ok(()),
        _ => increment::refuse_incomplete(entries),
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
