//! Layer files as all readers meet them.

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::image::Blob;
use crate::notice::Fault;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::spec::media_type::Compression;
use crate::stream::source::Extent;

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
