//! Where the blobs of a layout go: into a tar or into a directory. Each blob is stored once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;

use super::recode::StoredBlob;
use super::speculative::Restart;
use super::tar::{BodyWriter, Out, Tar};
use crate::diagnostics::Diagnostics;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits::MAX_DOCUMENT;
use crate::progress::Action;
use crate::run::Run;
use crate::spec::config::{ConfigShape, ImageConfig};
use crate::spec::descriptor::Descriptor;
use crate::spec::increment::ABSENT;
use crate::spec::oci::{INDEX_MEMBER, Index, LAYOUT_MEMBER, Manifest, check_layout};
use crate::spec::platform::Platform;
use crate::stream::copy::send;
use crate::stream::dir_sink::DirSink;
use crate::stream::source::Extent;

/// A place for blobs and the documents that make them a layout.
pub(super) trait Store {
    /// True if `manifest.json` may stand beside the layout (docs/formats.md O-28).
    const HOLDS_DOCKER_MANIFEST: bool;

    /// Makes room for blobs of these algorithms, before the first of them.
    fn begin(&mut self, algorithms: &BTreeSet<String>) -> Result<()>;

    /// Stores bytes, if they are not there yet.
    fn bytes(&mut self, digest: &Digest, bytes: &[u8]) -> Result<()>;

    /// Stores a range of the input, if it is not there yet. The bytes are not looked at.
    fn extent(&mut self, digest: &Digest, extent: &Extent) -> Result<()>;

    /// Stores what `produce` writes, if it is not there yet.
    fn produced(&mut self, produce: &dyn Fn(BodyWriter<'_>) -> Result<StoredBlob>) -> Result<StoredBlob>;

    /// The `index.json` that is there already and is to be added to.
    fn existing_index(&self) -> Result<Option<Index>>;

    /// Returns the platform of the image that `descriptor` lists: by the descriptor, else by its config, if the store
    /// can read it.
    fn platform(&self, descriptor: &Descriptor) -> Result<Option<Platform>>;

    /// The index that `descriptor` lists, if it is one and was here before.
    fn index(&self, descriptor: &Descriptor) -> Result<Option<Index>>;

    /// Writes the documents that make it a layout, and ends; returns the number of bytes written.
    fn finish(self, documents: &Documents) -> Result<u64>;
}

/// The documents that make a set of blobs a layout.
pub(super) struct Documents {
    pub(super) index: Vec<u8>,
    pub(super) docker_manifest: Option<Vec<u8>>,
    /// The links that `docker_manifest` names, with their targets.
    pub(super) links: BTreeMap<String, String>,
    pub(super) layout: &'static [u8],
}

/// A layout in a tar: metadata last, so that a stream that breaks never loads (O-29).
pub(super) struct TarLayout<'a> {
    tar: Tar<'a>,
    stored: HashSet<Digest>,
}

impl<'a> TarLayout<'a> {
    pub(super) fn new(out: Out, run: &'a Run) -> Self {
        Self { tar: Tar::new(out, run), stored: HashSet::new() }
    }

    /// The name of a blob that is not there yet.
    fn admit(&mut self, digest: &Digest) -> Option<String> {
        self.stored.insert(digest.clone()).then(|| digest.blob_path())
    }
}

impl Store for TarLayout<'_> {
    const HOLDS_DOCKER_MANIFEST: bool = true;

    fn begin(&mut self, algorithms: &BTreeSet<String>) -> Result<()> {
        self.tar.directory("blobs/")?;
        algorithms.iter().try_for_each(|algorithm| self.tar.directory(&format!("blobs/{algorithm}/")))
    }

    fn bytes(&mut self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        match self.admit(digest) {
            Some(name) => self.tar.bytes(&name, bytes),
            None => Ok(()),
        }
    }

    fn extent(&mut self, digest: &Digest, extent: &Extent) -> Result<()> {
        match self.admit(digest) {
            Some(name) => self.tar.extent(&name, extent),
            None => Ok(()),
        }
    }

    fn produced(&mut self, produce: &dyn Fn(BodyWriter<'_>) -> Result<StoredBlob>) -> Result<StoredBlob> {
        let new_name = |stored: &StoredBlob| (!self.stored.contains(&stored.digest)).then(|| stored.digest.blob_path());
        let stored = self.tar.produced(produce, new_name)?;
        self.stored.insert(stored.digest.clone());
        Ok(stored)
    }

    fn existing_index(&self) -> Result<Option<Index>> {
        Ok(None)
    }

    fn platform(&self, descriptor: &Descriptor) -> Result<Option<Platform>> {
        Ok(descriptor.platform().cloned())
    }

    fn index(&self, _descriptor: &Descriptor) -> Result<Option<Index>> {
        Ok(None)
    }

    fn finish(mut self, documents: &Documents) -> Result<u64> {
        if !documents.links.is_empty() {
            self.tar.directory(ABSENT)?;
        }
        documents.links.iter().try_for_each(|(member, target)| self.tar.symlink(member, target))?;
        self.tar.bytes("index.json", &documents.index)?;
        if let Some(manifest) = &documents.docker_manifest {
            self.tar.bytes("manifest.json", manifest)?;
        }
        self.tar.bytes("oci-layout", documents.layout)?;
        self.tar.finish()
    }
}

impl Restart for TarLayout<'_> {
    fn can_restart(&self) -> bool {
        self.tar.can_restart()
    }

    fn restart(&mut self) -> Result<()> {
        self.stored.clear();
        self.tar.restart()
    }
}

/// A layout in a directory (O-30).
///
/// A blob that was there before is written again, because its bytes have not been verified: the new one takes its place
/// unless they are the same.
pub(super) struct Directory<'a> {
    sink: DirSink,
    stored: HashSet<Digest>,
    /// Bytes of the blobs that were written.
    size: u64,
    run: &'a Run,
}

impl<'a> Directory<'a> {
    pub(super) fn new(sink: DirSink, run: &'a Run) -> Self {
        Self { sink, stored: HashSet::new(), size: 0, run }
    }

    /// A document that is there, and how messages call it.
    fn document(&self, descriptor: &Descriptor) -> Result<Option<(Vec<u8>, String)>> {
        let path = descriptor.digest().blob_path();
        let bytes = self.sink.read(&path, MAX_DOCUMENT)?;
        Ok(bytes.map(|bytes| (bytes, self.sink.at(&path))))
    }
}

impl Store for Directory<'_> {
    const HOLDS_DOCKER_MANIFEST: bool = false;

    fn begin(&mut self, _algorithms: &BTreeSet<String>) -> Result<()> {
        Ok(())
    }

    fn bytes(&mut self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        if !self.stored.insert(digest.clone()) {
            return Ok(());
        }
        self.size += bytes.len() as u64;
        let mut blob = self.sink.blob()?;
        blob.write_all(bytes).map_err(|error| Error::io("writing", digest.blob_path(), error))?;
        blob.persist(digest)
    }

    fn extent(&mut self, digest: &Digest, extent: &Extent) -> Result<()> {
        if !self.stored.insert(digest.clone()) {
            return Ok(());
        }
        self.size += extent.size();
        let mut blob = self.sink.blob()?;
        let failed = |error| Error::io("copying", digest.blob_path(), error);
        let mut reader = extent.reader().map_err(failed)?;
        let mut task = self.run.progress.begin(Action::Copy, &digest.blob_path(), Some(extent.size()));
        send(&mut reader, &mut blob, &mut task).map_err(failed)?;
        task.complete();
        blob.persist(digest)
    }

    fn produced(&mut self, produce: &dyn Fn(BodyWriter<'_>) -> Result<StoredBlob>) -> Result<StoredBlob> {
        let mut blob = self.sink.blob()?;
        let stored = produce(&mut blob)?;
        if self.stored.insert(stored.digest.clone()) {
            self.size += stored.size;
            blob.persist(&stored.digest)?;
        } else {
            blob.discard()?;
        }
        Ok(stored)
    }

    fn existing_index(&self) -> Result<Option<Index>> {
        if let Some(layout) = self.sink.read(LAYOUT_MEMBER, MAX_DOCUMENT)? {
            check_layout(&layout, &self.sink.at(LAYOUT_MEMBER), &Diagnostics::silent())?;
        }
        let index = self.sink.read(INDEX_MEMBER, MAX_DOCUMENT)?;
        index.map(|bytes| Index::read(&bytes, &self.sink.at(INDEX_MEMBER), None, &Diagnostics::silent())).transpose()
    }

    fn platform(&self, descriptor: &Descriptor) -> Result<Option<Platform>> {
        if descriptor.platform().is_some() || !descriptor.media_type().is_manifest() {
            return Ok(descriptor.platform().cloned());
        }
        let Some((manifest, at)) = self.document(descriptor)? else { return Ok(None) };
        let manifest = Manifest::read(&manifest, &at, Some(descriptor.media_type()))?;
        let is_statement = manifest.layers().iter().any(|layer| layer.media_type().is_in_toto());
        if is_statement || manifest.config().size() > MAX_DOCUMENT {
            return Ok(None);
        }
        let Some((config, at)) = self.document(manifest.config())? else { return Ok(None) };
        match ConfigShape::of(&config) {
            ConfigShape::Layers(_) | ConfigShape::Bare => Ok(Some(ImageConfig::read(config, &at)?.platform().clone())),
            ConfigShape::Empty | ConfigShape::Other => Ok(None),
        }
    }

    fn index(&self, descriptor: &Descriptor) -> Result<Option<Index>> {
        if !descriptor.media_type().is_index() {
            return Ok(None);
        }
        let found = self.document(descriptor)?;
        found
            .map(|(bytes, at)| Index::read(&bytes, &at, Some(descriptor.media_type()), &Diagnostics::silent()))
            .transpose()
    }

    fn finish(self, documents: &Documents) -> Result<u64> {
        self.sink.document("oci-layout", documents.layout)?;
        self.sink.document("index.json", &documents.index)?;
        self.sink.finish()?;
        Ok(self.size + (documents.layout.len() + documents.index.len()) as u64)
    }
}

impl Restart for Directory<'_> {
    /// A blob has its name as soon as it is written.
    fn can_restart(&self) -> bool {
        false
    }

    fn restart(&mut self) -> Result<()> {
        self.stored.clear();
        self.size = 0;
        Ok(())
    }
}
