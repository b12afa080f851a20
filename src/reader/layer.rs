//! Layer files: their media type and digests, for all readers.

use std::io::{self, Read};

use crate::codec::{self, Codec, Watch};
use crate::diagnostics::Diagnostic;
use crate::digest::{DiffId, Digest};
use crate::error::{Error, Result};
use crate::image::{Blob, ExpectedDigest};
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Compression;
use crate::stream::copy::copy;
use crate::stream::tap::{Expected, VerifyReader};

/// L-5: a manifest lists as many layers as its config has diff_ids.
pub(super) fn check_count(diff_ids: usize, layers: usize, at: &str, run: &Run) -> Result<()> {
    if diff_ids == layers {
        return Ok(());
    }
    let problem = "it does not list as many layers as its config has diff_ids";
    run.diagnostics.fault(Error::mismatch(Rule::L5, at, problem, &diff_ids, &layers))
}

/// O-9: the bytes decide how they are decoded; a descriptor with another compression is a warning.
pub(super) fn check_type(descriptor: &Descriptor, blob: &Blob, at: &str, run: &Run) -> Result<()> {
    let media_type = descriptor.media_type();
    let agrees = match (media_type.compression(), blob.codec) {
        // To tools that write Docker's type for a plain layer it means any compression, to be detected (M-1).
        (Some(Compression::Plain), Codec::Plain)
        | (Some(Compression::Gzip), Codec::Gzip)
        | (Some(Compression::Zstd), Codec::Zstd)
        | (None, _) => true,
        (Some(_), _) => false,
    };
    if agrees {
        return Ok(());
    }
    let problem = "its compression does not match its media type";
    run.diagnostics.report(Diagnostic::warning(Rule::O9, at, problem).values(media_type, &blob.codec.name()))
}

/// A layer's digests, for archives that state none: of its uncompressed tar, and of the bytes as stored (L-31).
pub(super) fn computed(blob: &Blob, at: &str, run: &Run) -> Result<(DiffId, ExpectedDigest)> {
    let failed = |error| Error::io("reading", at, error);
    let watch = Watch::new(at, &run.budget, &run.diagnostics);
    let task = run.progress.begin(Action::Check, at, Some(blob.extent.size()));
    let stored = as_stored(ProgressReader::new(blob.extent.reader().map_err(failed)?, task), blob.codec, at);
    let decoder = codec::decode(blob.codec, stored, watch).map_err(failed)?;
    let mut plain = VerifyReader::new(decoder, at, Expected::default());
    copy(&mut plain, &mut io::sink()).map_err(failed)?;
    let diff_id = DiffId(digest(&plain).expect("a copy that succeeds has found the end, and SHA-256 can be computed"));
    let expected_digest = expected_digest(&plain.into_inner().into_inner(), &diff_id);
    Ok((diff_id, expected_digest))
}

/// Wraps stored bytes that are to be decoded and hashed; uncompressed ones are hashed once.
pub(super) fn as_stored<R: Read>(bytes: R, codec: Codec, at: &str) -> VerifyReader<R> {
    if codec == Codec::Plain {
        VerifyReader::unhashed(bytes, at, None)
    } else {
        VerifyReader::new(bytes, at, Expected::default())
    }
}

/// Returns the digest computed from `stored` bytes that have been decoded to the end.
pub(super) fn expected_digest<R: Read>(stored: &VerifyReader<R>, diff_id: &DiffId) -> ExpectedDigest {
    ExpectedDigest::Computed(digest(stored).unwrap_or_else(|| diff_id.digest().clone()))
}

fn digest<R: Read>(bytes: &VerifyReader<R>) -> Option<Digest> {
    bytes.digest_and_size().and_then(|found| found.digest.clone())
}
