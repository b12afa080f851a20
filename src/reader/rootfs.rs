//! A root filesystem's tar, which becomes an image of one layer: the bytes as they are, under a config that is new.
//!
//! One pass reads every byte. It hashes them, plain and as stored, and decodes the tar only to refuse what no engine can
//! unpack and what is not a filesystem. A pipe is spooled at the same time, as it comes, compressed or not.
//!
//! Sources: docs/formats.md, M-11, M-12, R-2, R-4, R-10, R-13, R-20, R-22, S-2, G-13, H-1.

mod tree;

use std::io::Read;
use std::sync::Arc;
use std::thread;

use self::tree::Tree;
use super::incoming::{FileHandle, Incoming};
use super::layer;
use crate::archive::{Ending, Reader};
use crate::codec::{self, Codec, Watch};
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::{Blob, ExpectedDigest, Image, ImageEntry, ImageSet, Layer, Node};
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::config::ImageConfig;
use crate::stream::input::Input;
use crate::stream::pipe;
use crate::stream::skip::Sequential;
use crate::stream::spool::Spool;
use crate::stream::tap::{DigestAndSize, Expected, VerifyReader};

/// The untagged image whose one layer is the tar in `input`, plain or compressed, and whose config `config` makes of its
/// diff_id.
///
/// # Errors
/// When the input cannot be read, is not a tar, holds a name that climbs out of it, or is an image archive itself.
pub(crate) fn import(input: Input, config: &dyn Fn(&DiffId) -> Result<Vec<u8>>, run: &Run) -> Result<ImageSet> {
    let label = input.label();
    let layer = one_layer(input, Whiteouts::Warned, run)?;
    let config = Arc::new(ImageConfig::read(config(&layer.diff_id)?, &label)?);
    let node = Node::Image(Arc::new(Image::new(label.clone(), config, [layer])));
    let entry = ImageEntry { archive: label.as_str().into(), names: Vec::new(), descriptor: None, node };
    Ok(ImageSet { archive: label, entries: vec![entry], ..ImageSet::default() })
}

/// Makes one layer of the tar in `input`, plain or compressed; whiteouts in it are meant.
///
/// # Errors
/// Those of [`import`].
pub(crate) fn single_layer(input: Input, run: &Run) -> Result<Layer> {
    one_layer(input, Whiteouts::Meant, run)
}

/// The meaning of whiteouts in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whiteouts {
    /// A mistake: there is nothing below that they could remove.
    Warned,
    /// Part of a layer.
    Meant,
}

fn one_layer(input: Input, whiteouts: Whiteouts, run: &Run) -> Result<Layer> {
    let label = input.label();
    if matches!(&input, Input::Path(path) if path.is_dir()) {
        return Err(Error::invalid(
            Rule::X3,
            label,
            "a directory is not a tar: pipe the output of tar -C DIR -c . instead",
        ));
    }
    let (codec, incoming) = Incoming::open(input, &label, FileHandle::KeptOpen, &run.budget)?;
    let count = |size| if codec == Codec::Plain { run.budget.decoded(size, &label) } else { Ok(()) };
    let (found, extent) = match incoming {
        Incoming::File(source) => {
            let extent = source.extent();
            count(extent.size())?;
            let reader = extent.reader().map_err(|error| Error::io("reading", &label, error))?;
            let task = run.progress.begin(Action::Check, &label, Some(extent.size()));
            let (found, _) = pass(ProgressReader::new(reader, task), codec, &label, whiteouts, run)?;
            source.unchanged()?;
            (found, extent)
        }
        Incoming::Stream(stream) => {
            let stream = ProgressReader::new(stream, run.progress.begin(Action::Spool, &label, None));
            let (found, spool) = pass(Spool::new(stream, &run.tmpdir)?, codec, &label, whiteouts, run)?;
            let extent = spool.finish(&label)?.extent();
            count(extent.size())?;
            (found, extent)
        }
    };
    let (diff_id, expected_digest) = found;
    Ok(Layer { at: label, diff_id, blob: Some(Blob { extent, codec }), expected_digest, foreign: None })
}

/// The digests that one pass computed.
type ComputedDigests = (DiffId, ExpectedDigest);

/// Reads all of `bytes` once; returns the digests, and the reader for further use.
fn pass<R: Read + Send>(
    bytes: R,
    codec: Codec,
    label: &str,
    whiteouts: Whiteouts,
    run: &Run,
) -> Result<(ComputedDigests, R)> {
    let stored = layer::as_stored(bytes, codec, label);
    let watch = Watch::new(label, &run.budget, &run.diagnostics);
    let decoder = codec::decode(codec, stored, watch).map_err(|error| Error::io("reading", label, error))?;
    let (diff_id, decoder) = thread::scope(|scope| {
        if run.jobs.get() == 1 {
            return walk(decoder, label, whiteouts, run);
        }
        let ahead = pipe::ahead(scope, decoder).map_err(|error| Error::io("starting a thread for", label, error))?;
        let (diff_id, decoder) = walk(ahead, label, whiteouts, run)?;
        Ok((diff_id, decoder.into_inner()))
    })?;
    let stored = decoder.into_inner();
    let expected_digest = layer::expected_digest(&stored, &diff_id);
    Ok(((diff_id, expected_digest), stored.into_inner()))
}

/// Reads all of `plain` as a tar: its digest, and the reader.
fn walk<R: Read>(plain: R, label: &str, whiteouts: Whiteouts, run: &Run) -> Result<(DiffId, R)> {
    let hashed = Sequential::new(VerifyReader::new(plain, label, Expected::default()));
    let mut reader = Reader::new(hashed, Ending::Optional, label, &run.budget, &run.diagnostics);
    let mut tree = Tree::new(label);
    while let Some(entry) = reader.next_entry()? {
        tree.entry(&entry, reader.flag(), &mut reader.body(), &run.budget)?;
    }
    let hashed = reader.finish()?.into_inner();
    let DigestAndSize { digest, size } =
        hashed.digest_and_size().cloned().expect("a reader that is finished has found the end");
    tree.verify(size, whiteouts == Whiteouts::Warned, run)?;
    Ok((DiffId(digest.expect("SHA-256 can be computed")), hashed.into_inner()))
}
