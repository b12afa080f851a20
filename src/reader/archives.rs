//! Several archives of one run: those whose images are written, those that only supply blobs, and bases.
//!
//! Sources: docs/bundles.md B-39, B-40, B-42, B-43.

use std::iter;
use std::ops::Range;

use super::opener::Opener;
use super::shared::SharedBlobs;
use super::{Archive, Format, delta, increment};
use crate::error::Result;
use crate::image::ImageSet;
use crate::options::Half;
use crate::run::Run;
use crate::stream::input::Input;

/// The archives that a conversion reads. A list of inputs alone becomes them by `into()`:
/// `vec!["app.tar".into()].into()`.
#[derive(Debug, Default)]
pub struct Archives {
    /// Those whose images are written, in this order.
    pub inputs: Vec<Input>,
    /// Those that supply what the others list but do not hold (docs/bundles.md B-42).
    pub with: Vec<Input>,
    /// Those that the receiver has already: the layers of their images are left out (B-43), and a
    /// [delta](crate::Target::Delta) is made of their files.
    pub bases: Vec<Input>,
}

impl From<Vec<Input>> for Archives {
    fn from(inputs: Vec<Input>) -> Self {
        Self { inputs, ..Self::default() }
    }
}

impl Archives {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().chain(&self.with).chain(&self.bases)
    }
}

/// The images of [`Archives`].
pub(crate) struct ArchiveImages {
    /// Those to be written, as one set.
    pub(crate) images: ImageSet,
    /// Those of each base.
    pub(crate) bases: Vec<ImageSet>,
}

/// Reads the metadata of `archives`: the images of the inputs as one set, in this order, shared content once
/// (docs/bundles.md B-39, B-40). Blobs that one archive lists but does not hold are looked for in the others; for a base not
/// in the inputs, which the receiver does not have.
///
/// Of many archives, regular uncompressed files are opened whenever they are read: there may be more than a process may have
/// open files.
///
/// # Errors
/// Those of [`open`](super::open).
pub(crate) fn open_all(archives: Archives, prefer: Option<Half>, run: &Run) -> Result<ArchiveImages> {
    let Archives { inputs, with, bases } = archives;
    let (first_with, first_base) = (inputs.len(), inputs.len() + with.len());
    let opener = Opener::new(first_base + bases.len(), run);
    let mut reading = OpenArchives {
        keeps_lists: inputs.len() == 1,
        ..OpenArchives::open(inputs.into_iter().chain(with).chain(bases), &opener, prefer, run)?
    };
    let all = reading.opened.len();
    if first_base < all {
        let shared = reading.shared(first_with)?;
        (first_base..all).try_for_each(|nth| reading.read(nth, &shared))?;
        reading.complete_tarballs(first_base..all, first_with..all, &shared)?;
    }
    let shared = if all > 1 { reading.shared(0)? } else { SharedBlobs::default() };
    (0..first_with).try_for_each(|nth| reading.read(nth, &shared))?;
    reading.complete_tarballs(0..first_with, 0..all, &shared)?;
    if reading.opened.iter().any(|archive| archive.format == Format::Delta) {
        // Any of them may have the image that a delta needs.
        reading.read_all(&shared)?;
        let archives: Vec<&Archive> = reading.opened.iter().collect();
        delta::make_all(&archives, &mut reading.sets, |nth| nth < first_with || nth >= first_base, run)?;
    }
    let bases = reading.sets.split_off(first_base).into_iter().flatten().collect();
    reading.sets.truncate(first_with);
    Ok(ArchiveImages { images: ImageSet::merged(reading.sets.into_iter().flatten().collect()), bases })
}

impl Archive {
    /// Reads all its images; what it lists but does not hold is taken from the archives `with` (docs/bundles.md B-42).
    ///
    /// # Errors
    /// Those of [`Archive::images`], and those of opening the archives.
    pub fn images_with(&self, with: Vec<Input>, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
        if with.is_empty() {
            return self.images(prefer, run);
        }
        let opener = Opener::new(1 + with.len(), run);
        let mut reading = OpenArchives::open(with, &opener, prefer, run)?;
        let shared = reading.shared(0)?;
        let set = if self.format == Format::Delta {
            reading.apply_delta(self, &shared)?
        } else {
            let mut set = self.images_sharing(&shared, prefer, run)?;
            if self.lacks_layers(&set) {
                reading.read_all(&shared)?;
                increment::complete(&mut set, &self.members, reading.sets.iter().flatten(), run);
            }
            set
        };
        Ok(ImageSet { is_completed: true, ..set })
    }

    /// Returns whether it is a tarball whose images, which are in `set`, lack layers. It need not name them by more than their
    /// diff_ids, so they are found in the images of other archives, not only among their blobs.
    fn lacks_layers(&self, set: &ImageSet) -> bool {
        self.format == Format::Docker && increment::has_increments(set)
    }
}

/// Open archives, of which some have been read.
struct OpenArchives<'r> {
    opened: Vec<Archive>,
    /// True if the sets keep the lists of their documents, which are as large as all images. A list belongs to one archive:
    /// those of several are not used.
    keeps_lists: bool,
    /// The images of each that has been read.
    sets: Vec<Option<ImageSet>>,
    prefer: Option<Half>,
    run: &'r Run,
}

impl<'r> OpenArchives<'r> {
    fn open(
        inputs: impl IntoIterator<Item = Input>,
        opener: &Opener<'_>,
        prefer: Option<Half>,
        run: &'r Run,
    ) -> Result<Self> {
        let opened = inputs.into_iter().map(|input| Archive::open_with(input, opener)).collect::<Result<Vec<_>>>()?;
        let sets = iter::repeat_with(|| None).take(opened.len()).collect();
        Ok(Self { opened, keeps_lists: false, sets, prefer, run })
    }

    /// Returns the blobs of the archives from `first` on. Archives whose members are named by digests come first, so that one
    /// that has to be read for its digests finds what it lacks in them.
    fn shared(&mut self, first: usize) -> Result<SharedBlobs> {
        let mut shared = SharedBlobs::of_several();
        let mut unnamed = Vec::new();
        for (nth, archive) in self.opened.iter().enumerate().skip(first) {
            match archive.format.digest_of_member() {
                Some(digest_of) => shared.add_members(&archive.members, digest_of, self.run)?,
                None => unnamed.push(nth),
            }
        }
        for nth in unnamed {
            self.read(nth, &shared)?;
            self.sets[nth].iter().try_for_each(|set| shared.add_layers(set, self.run))?;
        }
        Ok(shared)
    }

    /// Completes the images of tarballs among the archives `candidates` that lack layers, if one of `others` has these.
    fn complete_tarballs(
        &mut self,
        candidates: Range<usize>,
        others: Range<usize>,
        shared: &SharedBlobs,
    ) -> Result<()> {
        let lacks_layers = |&nth: &usize| self.sets[nth].as_ref().is_some_and(|set| self.opened[nth].lacks_layers(set));
        let lacking: Vec<usize> = candidates.filter(lacks_layers).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        others.clone().try_for_each(|nth| self.read(nth, shared))?;
        for nth in lacking {
            if let Some(mut set) = self.sets[nth].take() {
                let others = self.sets[others.clone()].iter().flatten();
                increment::complete(&mut set, &self.opened[nth].members, others, self.run);
                self.sets[nth] = Some(set);
            }
        }
        Ok(())
    }

    /// Makes the images of the delta `archive` from those of the others.
    fn apply_delta(mut self, archive: &Archive, shared: &SharedBlobs) -> Result<ImageSet> {
        self.read_all(shared)?;
        let archives: Vec<&Archive> = iter::once(archive).chain(&self.opened).collect();
        let mut sets: Vec<Option<ImageSet>> = iter::once(None).chain(self.sets).collect();
        delta::make_all(&archives, &mut sets, |nth| nth == 0, self.run)?;
        Ok(sets.swap_remove(0).unwrap_or_default())
    }

    /// Reads the images of all archives but deltas.
    fn read_all(&mut self, shared: &SharedBlobs) -> Result<()> {
        (0..self.opened.len()).try_for_each(|nth| self.read(nth, shared))
    }

    /// Reads the images of an archive, once. Those of a delta are made later, from all others.
    fn read(&mut self, nth: usize, shared: &SharedBlobs) -> Result<()> {
        if self.sets[nth].is_none() && self.opened[nth].format != Format::Delta {
            let mut set = self.opened[nth].images_sharing(shared, self.prefer, self.run)?;
            if !self.keeps_lists {
                (set.manifest_json, set.index_json) = (None, None);
            }
            self.sets[nth] = Some(set);
        }
        Ok(())
    }
}
