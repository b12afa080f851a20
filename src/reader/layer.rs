//! Layer files as all readers meet them.

use std::io;

use crate::codec::{self, Codec, Watch};
use crate::digest::DiffId;
use crate::error::{Error, Result};
use crate::image::Blob;
use crate::notice::Fault;
use crate::progress::{Action, Told};
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Compression;
use crate::stream::copy::copy;
use crate::stream::source::Extent;
use crate::stream::tap::{Promise, VerifyReader};

/// A stored file with its compression, by its own first bytes: every layer is looked at for itself (L-3, D-5).
pub(super) fn blob(extent: Extent, at: &str) -> Result<Blob> {
    let head = extent.head::<{ Codec::SNIFF_LEN }>().map_err(|error| Error::io("reading", at, error))?;
    Ok(Blob { extent, codec: Codec::sniff(&head) })
}

/// O-9: what the bytes are decides how they are decoded; a descriptor that says otherwise is worth a word.
pub(super) fn check_type(descriptor: &Descriptor, blob: &Blob, at: &str, run: &Run) -> Result<()> {
    let media_type = descriptor.media_type();
    let agrees = match (media_type.compression(), blob.codec) {
        // Docker's word for a plain layer means "look for yourself" to those who write it (M-1).
        (Some(Compression::Plain), Codec::Plain)
        | (Some(Compression::Gzip), Codec::Gzip)
        | (Some(Compression::Zstd), Codec::Zstd)
        | (None, _) => true,
        (Some(_), _) => false,
    };
    if agrees {
        return Ok(());
    }
    let problem = format!("its descriptor says {media_type}, but its content is {}", blob.codec.name());
    run.notices.warn(Fault::Input, at, &problem)
}

/// The digest of a layer's uncompressed tar, for archives that promise none (L-31).
pub(super) fn diff_id(blob: &Blob, at: &str, run: &Run) -> Result<DiffId> {
    let failed = |error| Error::io("reading", at, error);
    let watch = Watch::new(at, &run.budget, &run.notices);
    let task = run.progress.begin(Action::Check, at, Some(blob.extent.size()));
    let stored = Told::new(blob.extent.reader().map_err(failed)?, task);
    let decoder = codec::decode(blob.codec, stored, watch).map_err(failed)?;
    let mut hashed = VerifyReader::new(decoder, at, Promise::default());
    copy(&mut hashed, &mut io::sink()).map_err(failed)?;
    let digest = hashed.measure().and_then(|measure| measure.digest.clone());
    Ok(DiffId(digest.expect("a copy that succeeds has found the end, and SHA-256 can be computed")))
}
