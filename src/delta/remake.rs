//! Compressed layers that this program makes again of their tar (docs/delta.md P-10).

use std::io::{self, Read, Write};

use crate::codec::{self, Codec, Encoding, ZstdLevel};
use crate::error::{Error, Result};
use crate::image::Blob;
use crate::run::Run;
use crate::stream::copy::copy;
use crate::stream::finish::Finish;
use crate::stream::source::{Extent, ExtentReader};

/// Returns whether compressing `tar`, called `at`, at the default level makes `blob`. A blob of another writer is left at
/// its first different byte.
///
/// # Errors
/// When either cannot be read.
pub(crate) fn is_remade(blob: &Blob, tar: &Extent, at: &str, run: &Run) -> Result<bool> {
    let encoding = match blob.codec {
        Codec::Gzip => Encoding::Gzip(None),
        Codec::Zstd => Encoding::Zstd(ZstdLevel::DEFAULT),
        Codec::Plain | Codec::Xz | Codec::Bzip2 | Codec::Lz4 => return Ok(false),
    };
    let failed = |error| Error::io("reading", at, error);
    let compare = Compare { stored: blob.extent.reader().map_err(failed)?, differs: false, buffer: Vec::new() };
    let mut encoder = codec::encode(encoding, compare, run.jobs).map_err(failed)?;
    // All that fails here is the comparison, and reading the tar, which is read again.
    if copy(&mut tar.reader().map_err(failed)?, &mut encoder).is_err() {
        return Ok(false);
    }
    Ok(encoder.finish().is_ok_and(|compare| !compare.differs && compare.stored.remaining() == 0))
}

/// Fails at the first byte that is not the stored one.
struct Compare {
    stored: ExtentReader,
    differs: bool,
    buffer: Vec<u8>,
}

impl Write for Compare {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.resize(bytes.len(), 0);
        self.differs |= self.stored.read_exact(&mut self.buffer).is_err() || self.buffer != bytes;
        if self.differs { Err(io::ErrorKind::Unsupported.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
