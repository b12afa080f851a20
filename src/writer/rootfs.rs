//! One flattened filesystem: the entries that remain of all layers, each with everything in its header.
//!
//! Every layer is made a plain tar first: where it lies, if it is stored plain, else decoded into an unlinked temporary
//! file. Then headers are indexed, the overlay decides, and bodies are copied from their places. A layer that the temporary
//! directory has no room for is decoded twice instead, once for its headers and once for its bodies; the bytes written are
//! the same.
//!
//! Why not always twice: 670 MB in four gzip layers took 3.7 s of processor time and 12 MB of memory with temporary files,
//! 8.9 s and 14 MB without room for any. Why twice at all: the alternative is to fail. 300,000 files with names of 61 bytes
//! took 36 MB of memory, 47 MB when a second layer wrote all of them again.
//!
//! Sources: docs/formats.md section 7, R-15 to R-27.

mod layer;
mod spools;

use std::collections::{HashMap, HashSet};
use std::io;

use super::checks::{Share, run_beside};
use super::plan::LayerCheck;
use super::tar::{Out, Tar};
use super::{Contents, single_images};
use crate::archive::{EntryKind, TarEntry, TarTime};
use crate::error::{Error, Result, Setting};
use crate::flatten::{EntryKey, Flattened, FlattenedEntry, Lookup, Options, Overlay};
use crate::image::{self, ContentKey, Image};
use crate::options::{ConvertOptions, RootfsOptions};
use crate::path::{escape_for_terminal, escape_path, separator_hint};
use crate::path_filter::PathFilter;
use crate::progress::Action;
use crate::report::{ConfigReport, ConversionReport, ImageReports, LayerAction, LayerReport};
use crate::run::Run;
use crate::stream::pool;
use crate::stream::source::Extent;

use layer::PlainLayer;
use spools::Spools;

/// Layers read at a time. Paths of many layers stand side by side in the output, and each layer that is read takes a
/// buffer and, in a layout directory, an open file.
const OPEN: usize = 4;

/// Layers decoded again at a time, each with its decoder's window. More that have no room are refused.
const MOST_PACKED: usize = 64;

/// The most restarts of such a layer's decoder, one whenever the output needs an entry that the decoder has passed.
/// Layers of Docker and BuildKit need none; a layer in no order at all would be decoded for every file.
const MOST_REWINDS: u64 = 16;

/// Writes the filesystem of the one image that there is.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    rootfs: &RootfsOptions,
    _options: &ConvertOptions,
    run: &Run,
) -> Result<ConversionReport> {
    let image = only(contents.entries)?;
    let again = run.second_reading();
    let stored = contents.stored_size();
    run.progress.expect_output(stored, stored);
    let layers = plain(image, &again, run)?;
    // At most: what upper layers hide is not written.
    let size: Option<u64> = layers.iter().map(PlainLayer::size).sum();
    let is_unread =
        |layer: &&image::Layer| layer.blob.as_ref().is_some_and(image::Blob::is_plain) && !layer.is_computed();
    let checks = image::distinct(image.layers.iter().filter(is_unread));
    let checks = checks.map(|layer| LayerCheck { layer, decode: true });
    let (tar, _) = run_beside(
        contents,
        checks,
        |check| check.layer.check(check.decode, false, run),
        run,
        |_| {
            let mut tar = Tar::new(out, run);
            tar.tell(run.progress.begin(Action::Flatten, "root filesystem", size));
            let linked = HashMap::new();
            RootfsWriter { tar, layers, open: Vec::new(), linked, clamp: rootfs.clamp_mtime, run }
                .all(rootfs, &contents.entries[0].image_at(image))
        },
    )?;
    let names: Vec<_> = contents.entries[0].names.iter().map(ToString::to_string).collect();
    let layers = image.layers.iter().enumerate();
    let layers = layers.map(|(number, layer)| LayerReport::new(number, layer, LayerAction::Flattened, None));
    let mut reports = ImageReports::default();
    reports.add(image, &names, || (None, layers.collect()));
    let mut report = reports.finish(tar.finish()?);
    report.images.iter_mut().for_each(|written| written.config = Some(ConfigReport::of(&image.config)));
    Ok(report)
}

/// A filesystem is one image's, and not of Windows, whose layers are not plain trees.
fn only(entries: &[image::ImageEntry]) -> Result<&Image> {
    let images = single_images(entries);
    let [(entry, image)] = images[..] else {
        let titles = entries.iter().map(image::ImageEntry::title);
        return Err(Error::choice("a root filesystem takes one image", titles).avoided_by(Setting::Image));
    };
    if image.platform.os == "windows" {
        return Err(Error::inexpressible(entry.image_at(image), "layers of Windows are not a root filesystem"));
    }
    super::loss::refuse_encrypted(&[image])?;
    Ok(image)
}

/// All layers as plain tars, base first; compressed ones are decoded side by side.
fn plain<'a>(image: &'a Image, again: &'a Run, run: &Run) -> Result<Vec<PlainLayer<'a>>> {
    let spools = Spools::new(&run.tmpdir);
    let share = Share::of(image.layers.iter(), run.jobs);
    let find = |layer: &image::Layer| spools.plain(layer, share.is_exceeded_by(layer), run);
    // A layer may be listed many times, and has to be decoded once (G-9).
    let distinct: Vec<_> = image::distinct(image.layers.iter()).collect();
    let places = pool::for_all(run.jobs, distinct.iter().copied(), |layer| layer.stored_size(), find)?;
    let decoded = spools.finish()?;
    let tars = places.into_iter().map(|place| decoded.extent(place));
    let tars: HashMap<ContentKey, Option<Extent>> =
        distinct.iter().map(|layer| layer.content_key()).zip(tars).collect();
    Ok(image.layers.iter().map(|layer| PlainLayer::new(layer, tars[&layer.content_key()].clone(), again)).collect())
}

/// Leaves out of the tree of the image called `at` whatever none of `patterns` names.
fn retain(flattened: &mut Flattened, patterns: &[Vec<u8>], at: &str) -> Result<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    let filter = PathFilter::new(patterns.iter().map(Vec::as_slice), None);
    // Without the links on its way a path would lead to nothing in what is written.
    let paths = filter.paths(at, "the image")?;
    let links: HashSet<Vec<u8>> = paths.iter().flat_map(|path| flattened.links_on(path.as_bytes())).collect();
    let filter = filter.resolved(|path| match flattened.find(path) {
        Lookup::Found { path, .. } => Ok(path),
        Lookup::Missing { .. } | Lookup::NoDirectory { .. } | Lookup::Endless { .. } => {
            let (shown, hint) = (escape_for_terminal(path), separator_hint(path));
            let problem = format!("{at}: there is no `{shown}` in the image{hint}");
            Err(Error::Choice { problem, choices: Vec::new() })
        }
    })?;
    flattened.retain(|path| filter.fits(path) || links.contains(path));
    filter.finish(at, "the image")
}

struct RootfsWriter<'a, 'l> {
    tar: Tar<'a>,
    layers: Vec<PlainLayer<'l>>,
    /// Those being read, the one used last at the end.
    open: Vec<u32>,
    /// Entries that have names still to come, and how many: no layer is read backwards for them.
    linked: HashMap<EntryKey, (TarEntry, u32)>,
    /// No time after this one.
    clamp: Option<i64>,
    run: &'a Run,
}

impl<'a, 'l> RootfsWriter<'a, 'l> {
    /// Writes everything but the end marker.
    fn all(mut self, rootfs: &RootfsOptions, at: &str) -> Result<Tar<'a>> {
        let options =
            Options { keep_dirlinks: rootfs.keep_dirlinks, strip_estargz: rootfs.strip_estargz, sort: rootfs.sort };
        let mut overlay = Overlay::new(options);
        for layer in &self.layers {
            layer.index(&mut overlay, self.run)?;
        }
        let mut flattened = overlay.finish();
        retain(&mut flattened, &rootfs.only, at)?;
        flattened.check_paths(at)?;
        self.refuse_endless_decoding(&flattened.rewinds())?;
        for entry in flattened.entries() {
            self.flattened(entry)?;
        }
        self.layers.into_iter().try_for_each(PlainLayer::finish)?;
        Ok(self.tar)
    }

    /// Decoding twice has its bounds where layers are many or in disorder.
    fn refuse_endless_decoding(&self, rewinds: &[u64]) -> Result<()> {
        let packed = || self.layers.iter().zip(rewinds).filter(|(layer, _)| layer.is_packed());
        let problem = if let Some((layer, times)) = packed().find(|(_, times)| **times > MOST_REWINDS) {
            format!("{} would have to be decoded {times} times, because its entries are in another order", layer.at())
        } else if packed().count() > MOST_PACKED {
            format!("{} layers would have to be decoded side by side", packed().count())
        } else {
            return Ok(());
        };
        let path = escape_path(&self.run.tmpdir);
        let problem = format!("no room for a temporary file, and without one {problem}");
        Err(Error::Output { path, problem }.avoided_by(Setting::Tmpdir))
    }

    fn flattened(&mut self, entry: FlattenedEntry) -> Result<()> {
        match entry {
            FlattenedEntry::Root { key } => self.entry(b".".to_vec(), key, 1),
            FlattenedEntry::Entry { path, key, names } => self.entry(path, key, names),
            FlattenedEntry::ImplicitDirectory { path } => self.bodiless(&TarEntry::directory(path)),
            FlattenedEntry::HardLink { path, target, key } => {
                let found = self.another_name(key)?;
                let link = TarEntry { path, link: target, kind: EntryKind::HardLink, device: (0, 0), size: 0, ..found };
                self.bodiless(&self.written(link))
            }
        }
    }

    fn entry(&mut self, path: Vec<u8>, key: EntryKey, names: u32) -> Result<()> {
        let found = self.layer(key.layer).entry(key.position)?;
        let written = self.written(TarEntry { path, ..found.clone() });
        self.charge(&written)?;
        self.layers[key.layer as usize].copy(&found, &written, &mut self.tar)?;
        if names > 1 {
            self.run.budget.charge_memory(size_of::<TarEntry>() as u64 + found.charge_memory(), "hard links")?;
            self.linked.insert(key, (found, names - 1));
        }
        Ok(())
    }

    /// The entry at `key`, which has been written under another name.
    fn another_name(&mut self, key: EntryKey) -> Result<TarEntry> {
        if let Some((entry, left @ 2..)) = self.linked.get_mut(&key) {
            *left -= 1;
            return Ok(entry.clone());
        }
        match self.linked.remove(&key) {
            Some((entry, _)) => Ok(entry),
            None => self.layer(key.layer).entry(key.position),
        }
    }

    fn bodiless(&mut self, entry: &TarEntry) -> Result<()> {
        self.charge(entry)?;
        self.tar.entry(entry, &mut io::empty())
    }

    /// Headers may be written many times longer than they were read: one entry in a deep directory implies all above it,
    /// what goes through a symbolic link gets the name of its target, and a further name all records of the first
    /// (docs/formats.md R-6, H-15).
    fn charge(&self, entry: &TarEntry) -> Result<()> {
        self.run.budget.decoded(entry.charge_memory(), "headers of the root filesystem")
    }

    /// The layer, to be read; the one that was not for longest is closed for it.
    fn layer(&mut self, number: u32) -> &mut PlainLayer<'l> {
        self.open.retain(|&open| open != number);
        if self.open.len() == OPEN {
            self.layers[self.open.remove(0) as usize].close();
        }
        self.open.push(number);
        &mut self.layers[number as usize]
    }

    /// The entry as it is written: holes filled, the time clamped if the options ask for that.
    fn written(&self, entry: TarEntry) -> TarEntry {
        let mtime = match self.clamp {
            Some(latest) if entry.mtime.seconds >= latest => TarTime::from_seconds(latest),
            _ => entry.mtime,
        };
        TarEntry { mtime, sparse: None, ..entry }
    }
}
