//! One zstd frame to which other bytes are the dictionary, as tar-diff's second version has it (docs/delta.md P-9).

use std::io::{self, BufRead, Read};

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer};

use super::zstd::{library_error, name};
use crate::limits::MAX_ZSTD_DICTIONARY_LOG;

/// The level at which frames are written.
const LEVEL: i32 = 9;
/// The largest hash table that the library takes at this level, as a power of two.
const LEVEL_TABLE_LOG: u32 = 23;

/// The plain bytes of a frame; bytes behind it stay unread.
pub(crate) struct DictionaryReader<'d, R> {
    inner: R,
    context: DCtx<'d>,
    ended: bool,
}

impl<'d, R: BufRead> DictionaryReader<'d, R> {
    /// Decodes the frame that `inner` begins with. Its window may be as large as a dictionary.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn new(inner: R, dictionary: &'d [u8]) -> io::Result<Self> {
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_DICTIONARY_LOG)).map_err(library_error)?;
        context.ref_prefix(dictionary).map_err(library_error)?;
        Ok(Self { inner, context, ended: false })
    }
}

impl<R> DictionaryReader<'_, R> {
    /// Returns how much memory the decoder takes besides the dictionary: once bytes were read, with the frame's window.
    pub(crate) fn memory(&self) -> u64 {
        self.context.sizeof() as u64
    }
}

impl<R: BufRead> Read for DictionaryReader<'_, R> {
    /// Damage is an error of the kind [`io::ErrorKind::InvalidInput`].
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let input = self.inner.fill_buf()?;
            let (mut source, mut target) = (InBuffer::around(input), OutBuffer::around(&mut *out));
            let hint = self
                .context
                .decompress_stream(&mut target, &mut source)
                .map_err(|code| io::Error::new(io::ErrorKind::InvalidInput, format!("zstd: {}", name(code))))?;
            let (is_cut, given) = (input.is_empty(), target.pos());
            let taken = source.pos();
            self.inner.consume(taken);
            self.ended = hint == 0;
            if given > 0 {
                return Ok(given);
            }
            if is_cut && !self.ended {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "zstd: the frame is cut short"));
            }
        }
        Ok(0)
    }
}

/// Returns `bytes` as a frame with `dictionary`, made with a hash table of at most so many places of five bytes, as a power of
/// two.
///
/// # Errors
/// When there is no memory.
pub(crate) fn encode_with_dictionary(bytes: &[u8], dictionary: &[u8], table_log: u32) -> io::Result<Vec<u8>> {
    let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
    // The window has to reach from the end of the bytes to the start of the dictionary.
    let reach = (bytes.len() + dictionary.len()).max(1 << 10).next_power_of_two();
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(reach.ilog2().min(MAX_ZSTD_DICTIONARY_LOG)),
        CParameter::EnableLongDistanceMatching(true),
    ] {
        context.set_parameter(parameter).map_err(library_error)?;
    }
    if table_log < LEVEL_TABLE_LOG {
        context.set_parameter(CParameter::HashLog(table_log)).map_err(library_error)?;
    }
    context.ref_prefix(dictionary).map_err(library_error)?;
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    context.compress2(&mut frame, bytes).map_err(library_error)?;
    Ok(frame)
}

/// Returns the size of `bytes` as a frame of its own, at zstd's own level.
///
/// # Errors
/// When there is no memory.
pub(crate) fn compressed_size(bytes: &[u8]) -> io::Result<usize> {
    let mut frame = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
    zstd_safe::compress(&mut frame, bytes, zstd_safe::CLEVEL_DEFAULT).map_err(library_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_needs_its_dictionary() {
        let dictionary: Vec<u8> = (0..100_000_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut bytes = dictionary.clone();
        bytes[50_000] ^= 1;
        let frame = encode_with_dictionary(&bytes, &dictionary, LEVEL_TABLE_LOG).unwrap();
        assert!(frame.len() < 1000, "{}", frame.len());
        let decode = |frame: &[u8], dictionary: &[u8]| {
            let mut read = Vec::new();
            DictionaryReader::new(frame, dictionary)?.read_to_end(&mut read).map(|_| read)
        };
        assert_eq!(decode(&[&frame[..], b"more"].concat(), &dictionary).unwrap(), bytes);
        assert_eq!(decode(&frame[..frame.len() - 1], &dictionary).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_ne!(decode(&frame, b"").ok(), Some(bytes));
        assert_eq!(decode(&encode_with_dictionary(b"", b"", LEVEL_TABLE_LOG).unwrap(), b"").unwrap(), b"");
    }
}
