//! One layer from the form it is stored in to another, checked on the way.

use std::io::Write;
use std::thread;

use crate::codec::{self, Codec, Encoding};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::Layer;
use crate::progress::Action;
use crate::report::BlobReport;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::finish::Finish;
use crate::stream::tap::HashWriter;

/// A layer as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredBlob {
    /// Of the written bytes.
    pub(super) digest: Digest,
    /// Of the written bytes.
    pub(super) size: u64,
    /// The compression of the written bytes.
    pub(super) codec: Codec,
}

impl From<StoredBlob> for BlobReport {
    fn from(StoredBlob { digest, size, codec }: StoredBlob) -> Self {
        Self::new(digest, size, codec)
    }
}

/// Decodes `layer`, verifying its expected digests and size, and writes it to `out` in `encoding`.
pub(super) fn recode(layer: &Layer, encoding: Encoding, out: &mut dyn Write, run: &Run) -> Result<StoredBlob> {
    let codec = encoding.codec();
    let ahead = run.jobs.get() > 1;
    if encoding == Encoding::Plain {
        let size = layer.decode_to(out, ahead, run)?;
        return Ok(StoredBlob { digest: layer.diff_id.digest().clone(), size, codec });
    }
    let failed = |error| Error::io("converting", &layer.at, error);
    thread::scope(|scope| {
        let mut encoder = codec::encode(encoding, HashWriter::new(out), run.jobs).map_err(failed)?;
        copy(&mut layer.plain(Action::Convert, ahead, run, scope)?, &mut encoder).map_err(failed)?;
        let (digest, size, _) = encoder.finish().and_then(Finish::finish).map_err(failed)?;
        Ok(StoredBlob { digest, size, codec })
    })
}
