//! One flattened filesystem: the survivors of all layers, each with everything its header said.
//!
//! Every layer is made a range of plain tar first: where it lies, if it is stored plain, else decoded once into an unlinked
//! temporary file. Then headers are indexed, the overlay decides, and bodies are copied from their places. A second decode
//! would cost more than the copy.
//!
//! Sources: docs/formats.md section 7, R-15 to R-27.

mod layer;
mod spools;

use std::io;
use std::thread;

use super::tar::{Out, Tar};
use super::{Contents, checked, single_images};
use crate::archive::{Entry, Kind, Timestamp};
use crate::convert::select::describe;
use crate::convert::{ConvertOptions, ImageReport, RootfsOptions};
use crate::error::{Error, Result};
use crate::flatten::{EntryId, Options, Overlay, Survivor};
use crate::image::{self, Image};
use crate::limits::Budget;
use crate::progress::Action;
use crate::run::Run;
use crate::stream::pool::Tasks;
use crate::writer::plan::Check;

use layer::PlainLayer;
use spools::Spools;

/// Layers read at a time. Paths of many layers stand side by side in the output, and each layer that is read takes a
/// buffer and, in a layout directory, an open file.
const OPEN: usize = 4;

/// Writes the filesystem of the one image that there is.
pub(super) fn write(
    contents: &Contents<'_>,
    out: Out,
    rootfs: &RootfsOptions,
    _options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<ImageReport>> {
    let image = only(contents.entries)?;
    let budget = run.budget.for_another_look();
    let stored = image.layers.iter().filter_map(|layer| layer.blob.as_ref());
    run.progress.expect(stored.map(|blob| blob.extent.size()).sum());
    let layers = plain(image, &budget, run)?;
    // At most: what upper layers hide is not written.
    let size = layers.iter().map(PlainLayer::size).sum();
    let checks = image.layers.iter().filter(|layer| layer.blob.as_ref().is_some_and(image::Blob::is_plain));
    let checks = checks.map(|layer| Check::Layer { layer, decode: true }).collect();
    let members = || {
        let mut tar = Tar::new(out, run);
        tar.tell(run.progress.begin(Action::Flatten, "root filesystem", Some(size)));
        let mut writer = Writer { tar, layers, open: Vec::new(), clamp: rootfs.clamp_mtime };
        writer.all(rootfs, run)?;
        Ok(writer.tar)
    };
    checked(contents, checks, run, members, |tar| {
        tar.finish()?;
        Ok(vec![ImageReport {
            names: contents.entries[0].names.iter().map(ToString::to_string).collect(),
            image_id: image.image_id.clone(),
            manifest_kept: None,
            layers_kept: (0, image.layers.len()),
        }])
    })
}

/// A filesystem is one image's, and not of Windows, whose layers are no plain trees.
fn only(entries: &[image::Entry]) -> Result<&Image> {
    let images = single_images(entries);
    let [(_, image)] = images[..] else {
        return Err(Error::Choice {
            problem: "a root filesystem is that of one image; choose one with --image".to_owned(),
            choices: entries.iter().map(describe).collect(),
        });
    };
    if image.platform.os == "windows" {
        return Err(Error::inexpressible(&image.at, "layers of Windows are no root filesystem"));
    }
    super::loss::refuse_encrypted(&[image])?;
    Ok(image)
}

/// All layers as ranges of plain tar, base first; compressed ones are decoded side by side.
fn plain<'a>(image: &Image, budget: &'a Budget, run: &'a Run) -> Result<Vec<PlainLayer<'a>>> {
    let spools = Spools::new(&run.tmpdir);
    let tasks = Tasks::new(image.layers.iter().collect());
    let ahead = image.layers.len() < run.jobs.get();
    let find = |layer: &&image::Layer| spools.plain(layer, ahead, run);
    let places = thread::scope(|scope| tasks.start(scope, run.jobs, find).finish())?;
    let decoded = spools.finish()?;
    let tars = places.into_iter().map(|place| decoded.extent(place));
    Ok(image.layers.iter().zip(tars).map(|(layer, tar)| PlainLayer::new(&layer.at, tar, budget, run)).collect())
}

struct Writer<'a> {
    tar: Tar<'a>,
    layers: Vec<PlainLayer<'a>>,
    /// Those being read, the one used last at the end.
    open: Vec<u32>,
    /// No time after this one.
    clamp: Option<i64>,
}

impl<'a> Writer<'a> {
    fn all(&mut self, rootfs: &RootfsOptions, run: &Run) -> Result<()> {
        let options =
            Options { keep_dirlinks: rootfs.keep_dirlinks, strip_estargz: rootfs.strip_estargz, sort: rootfs.sort };
        let mut overlay = Overlay::new(options);
        for layer in &self.layers {
            layer.index(&mut overlay, run)?;
        }
        for survivor in overlay.finish().survivors() {
            self.survivor(survivor)?;
        }
        Ok(())
    }

    fn survivor(&mut self, survivor: Survivor) -> Result<()> {
        match survivor {
            Survivor::Root { id } => self.entry(b".".to_vec(), id),
            Survivor::Entry { path, id, .. } => self.entry(path, id),
            Survivor::ImplicitDirectory { path } => self.tar.entry(&Entry::directory(slashed(path)), &mut io::empty()),
            Survivor::HardLink { path, target, id } => {
                let found = self.layer(id.layer).entry(id.position)?;
                let link = Entry { path, link: target, kind: Kind::HardLink, size: 0, ..found };
                self.tar.entry(&self.written(link), &mut io::empty())
            }
        }
    }

    fn entry(&mut self, path: Vec<u8>, id: EntryId) -> Result<()> {
        let found = self.layer(id.layer).entry(id.position)?;
        let path = if found.kind == Kind::Directory { slashed(path) } else { path };
        let written = self.written(Entry { path, ..found.clone() });
        self.layers[id.layer as usize].copy(&found, &written, &mut self.tar)
    }

    /// The layer, to be read; the one that was not for longest is closed for it.
    fn layer(&mut self, number: u32) -> &mut PlainLayer<'a> {
        self.open.retain(|&open| open != number);
        if self.open.len() == OPEN {
            self.layers[self.open.remove(0) as usize].close();
        }
        self.open.push(number);
        &mut self.layers[number as usize]
    }

    /// The entry as it goes out: holes filled, the time no later than asked for.
    fn written(&self, entry: Entry) -> Entry {
        let mtime = match self.clamp {
            Some(latest) if entry.mtime.seconds >= latest => Timestamp::from_seconds(latest),
            _ => entry.mtime,
        };
        Entry { mtime, sparse: None, ..entry }
    }
}

fn slashed(mut path: Vec<u8>) -> Vec<u8> {
    path.push(b'/');
    path
}
