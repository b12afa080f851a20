//! zstd: all frames read as one stream, one frame written by the library's own workers.
//!
//! Sources: RFC 8878; docs/formats.md O-16, O-17, H-15, D-10.

use std::io;
use std::num::NonZeroUsize;

use zstd::zstd_safe::{self, CCtx, CParameter, DCtx, DParameter, InBuffer, OutBuffer};

use super::ZstdLevel;
use super::decoder::{self, Step};
use super::encoder;
use crate::limits::MAX_ZSTD_WINDOW_LOG;
use crate::stream::source::Extent;

/// The state of reading.
pub(super) struct ZstdDecoder {
    context: DCtx<'static>,
    /// The last byte taken ended a frame, skippable ones included.
    between_frames: bool,
}

impl ZstdDecoder {
    pub(super) fn new() -> io::Result<Self> {
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG)).map_err(library_error)?;
        Ok(Self { context, between_frames: false })
    }
}

impl decoder::Decode for ZstdDecoder {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step, String> {
        if input.is_empty() && self.between_frames {
            return Ok(Step { taken: 0, given: 0 });
        }
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(out);
        let hint = self.context.decompress_stream(&mut target, &mut source).map_err(damage)?;
        let step = Step { taken: source.pos(), given: target.pos() };
        self.between_frames = hint == 0;
        if input.is_empty() && step.given == 0 {
            return Err("the frame is cut short".into());
        }
        Ok(step)
    }
}

/// Bytes in which every frame has its header (RFC 8878, 3.1.1.1).
const HEADER: usize = 18;

/// Plain bytes that the first frame of `stored` declares, if it may be all there is: a frame makes nothing much longer, and a
/// block of 128 KiB takes four bytes if all its bytes are one (RFC 8878, 3.1.1.2).
pub(super) fn declared_size(stored: &Extent) -> io::Result<Option<u64>> {
    let least = stored.size() - stored.size() / 64;
    let most = stored.size().saturating_mul((128 << 10) / 4);
    let declared = zstd_safe::get_frame_content_size(&stored.head::<HEADER>()?).ok().flatten();
    Ok(declared.filter(|size| (least..=most).contains(size)))
}

/// Plain bytes that one worker takes at once. Fixed, because workers cut the frame's blocks at its multiples (D-10).
const JOB: u32 = 1 << 20;
/// The largest distance of a match, as a power of two: 8 MiB, which every decoder must support (RFC 8878, 3.1.1.1.2).
/// Layers hold the same file, or another build of it, megabytes apart.
const WINDOW_LOG: u32 = 23;
/// The level of recipes: of security updates 19 makes 6 % less in twice the time.
const RECIPE_LEVEL: i32 = 9;
/// The most workers that the library takes on every target.
const MAX_WORKERS: usize = 64;

/// The state of writing: one frame.
pub(super) struct ZstdEncoder(CCtx<'static>);

impl ZstdEncoder {
    /// At least one worker always: without, the library takes another path, which gives other bytes (D-10).
    pub(super) fn new(level: ZstdLevel, threads: NonZeroUsize) -> io::Result<Self> {
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        for parameter in [
            CParameter::CompressionLevel(level.get().into()),
            CParameter::ChecksumFlag(true),
            CParameter::NbWorkers(threads.get().min(MAX_WORKERS) as u32),
            CParameter::JobSize(JOB),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::EnableLongDistanceMatching(true),
        ] {
            context.set_parameter(parameter).map_err(library_error)?;
        }
        Ok(Self(context))
    }

    /// For the operations of a tar-diff: few bytes, in which those of one file are like those of another far away. One
    /// thread, which is another path of the library than workers are, and so has its own bytes.
    pub(super) fn recipe(window_log: u32) -> io::Result<Self> {
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        for parameter in [
            CParameter::CompressionLevel(RECIPE_LEVEL),
            CParameter::ChecksumFlag(true),
            CParameter::WindowLog(window_log),
            // A place takes five bytes. The level's own table has four times as many places: it makes nothing smaller, and
            // is too large for caches. A search for long matches only takes the place of better ones.
            CParameter::HashLog(window_log - 3),
        ] {
            context.set_parameter(parameter).map_err(library_error)?;
        }
        Ok(Self(context))
    }
}

impl encoder::Encode for ZstdEncoder {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Step> {
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(out);
        self.0.compress_stream(&mut target, &mut source).map_err(library_error)?;
        Ok(Step { taken: source.pos(), given: target.pos() })
    }

    fn end(&mut self, out: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut target = OutBuffer::around(out);
        let left = self.0.end_stream(&mut target).map_err(library_error)?;
        Ok((target.pos(), left == 0))
    }
}

/// The problem of a frame that cannot be read, with the command that helps where one does.
fn damage(code: zstd_safe::ErrorCode) -> String {
    /// `ZSTD_error_frameParameter_windowTooLarge`; the library returns codes as negative numbers.
    const WINDOW_TOO_LARGE: usize = 16;
    if code.wrapping_neg() == WINDOW_TOO_LARGE {
        let limit = (1u64 << MAX_ZSTD_WINDOW_LOG) >> 20;
        return format!("the frame needs a window of more than {limit} MiB; `zstd -d --long=31` decompresses it");
    }
    name(code)
}

pub(super) fn name(code: zstd_safe::ErrorCode) -> String {
    zstd_safe::get_error_name(code).to_lowercase()
}

pub(super) fn library_error(code: zstd_safe::ErrorCode) -> io::Error {
    io::Error::other(format!("zstd: {}", name(code)))
}

pub(super) fn version() -> String {
    let (library, level) = (zstd_safe::version_string(), ZstdLevel::DEFAULT.get());
    let (job, window) = (JOB >> 20, (1 << WINDOW_LOG) >> 20);
    format!(
        "zstd: libzstd {library}, level {level} if none is asked for, jobs of {job} MiB, window of {window} MiB, with checksum"
    )
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::tests::{damage, pack, unpack};

    fn skippable(content: &[u8]) -> Vec<u8> {
        let len = u32::try_from(content.len()).unwrap().to_le_bytes();
        [&[0x5e, 0x2a, 0x4d, 0x18], &len[..], content].concat()
    }

    #[test]
    fn skippable_frames_may_stand_anywhere() {
        let [toc, empty] = [skippable(b"table of contents"), skippable(b"")];
        let [one, two] = [pack(Codec::Zstd, b"one "), pack(Codec::Zstd, b"two")];
        let packed = [&toc[..], &empty, &one, &toc, &two, &empty, &toc].concat();
        assert_eq!(Codec::sniff(&packed), Codec::Zstd);
        assert_eq!(unpack(Codec::Zstd, &packed).unwrap(), b"one two");
        assert_eq!(unpack(Codec::Zstd, &toc).unwrap(), b"");
    }

    #[test]
    fn a_skippable_frame_may_not_be_cut() {
        let packed = [pack(Codec::Zstd, b"one"), skippable(b"table of contents")].concat();
        for len in packed.len() - 24..packed.len() {
            assert_eq!(
                damage(Codec::Zstd, &packed[..len]),
                format!("blob: zstd: the frame is cut short (near byte {len})")
            );
        }
    }

    /// A frame of nothing, with a window of 2 to the power of `log`.
    fn frame_with_window(log: u8) -> Vec<u8> {
        let descriptor = (log - 10) << 3;
        vec![0x28, 0xb5, 0x2f, 0xfd, 0, descriptor, 1, 0, 0]
    }

    #[test]
    fn windows_have_a_limit() {
        assert_eq!(unpack(Codec::Zstd, &frame_with_window(27)).unwrap(), b"");
        let message = damage(Codec::Zstd, &frame_with_window(28));
        assert!(message.contains("a window of more than 128 MiB; `zstd -d --long=31`"), "{message}");
    }
}
