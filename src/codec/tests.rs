//! Tests that apply to all codecs.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::diagnostics::{Diagnostics, Severity};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind};
use crate::limits::{Budget, Limits};
use crate::stream::finish::Finish;

const CODECS: [Codec; 6] = [Codec::Plain, Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4];
const COMPRESSED: [Codec; 5] = [Codec::Gzip, Codec::Zstd, Codec::Xz, Codec::Bzip2, Codec::Lz4];

const ENCODINGS: [Encoding; 4] =
    [Encoding::Plain, Encoding::Gzip(None), Encoding::Zstd(ZstdLevel::DEFAULT), Encoding::Xz];

fn threads(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// `content` compressed in one go.
pub(super) fn pack(codec: Codec, content: &[u8]) -> Vec<u8> {
    let encoding = match codec {
        Codec::Plain => Encoding::Plain,
        Codec::Gzip => Encoding::Gzip(None),
        Codec::Zstd => Encoding::Zstd(ZstdLevel::DEFAULT),
        Codec::Xz => Encoding::Xz,
        Codec::Bzip2 => return pack_bzip2(content),
        Codec::Lz4 => return pack_lz4(content, lz4_checked()),
    };
    pack_as(encoding, content)
}

/// `content` in this encoding.
pub(super) fn pack_as(encoding: Encoding, content: &[u8]) -> Vec<u8> {
    pack_in(encoding, content.chunks(content.len().max(1)), 1)
}

fn pack_in<'a>(encoding: Encoding, pieces: impl Iterator<Item = &'a [u8]>, jobs: usize) -> Vec<u8> {
    let mut encoder = encode(encoding, Vec::new(), threads(jobs)).unwrap();
    for piece in pieces {
        encoder.write_all(piece).unwrap();
    }
    encoder.finish().unwrap()
}

fn pack_bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// `content` in one frame of lz4.
pub(super) fn pack_lz4(content: &[u8], frame: lz4_flex::frame::FrameInfo) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A frame whose every byte is covered by a checksum.
fn lz4_checked() -> lz4_flex::frame::FrameInfo {
    lz4_flex::frame::FrameInfo::new().content_checksum(true)
}

/// Decodes `bytes`; returns the content and the warnings.
pub(super) fn unpack_heard(codec: Codec, bytes: &[u8]) -> io::Result<(Vec<u8>, Vec<String>)> {
    unpack_heard_on(1, codec, bytes)
}

/// The same on this many threads.
pub(super) fn unpack_heard_on(jobs: usize, codec: Codec, bytes: &[u8]) -> io::Result<(Vec<u8>, Vec<String>)> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&heard);
    let diagnostics = Diagnostics::new(false, move |diagnostic| {
        assert_eq!(diagnostic.severity, Severity::Warning);
        ears.lock().unwrap().push(diagnostic.line());
    });
    let budget = Budget::new(Limits::default());
    let mut content = Vec::new();
    decode_on(threads(jobs), codec, bytes, Watch::new("blob", &budget, &diagnostics))?.read_to_end(&mut content)?;
    let heard = heard.lock().unwrap().clone();
    Ok((content, heard))
}

/// Decodes `bytes`, which must give no warning.
pub(super) fn unpack(codec: Codec, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (content, heard) = unpack_heard(codec, bytes)?;
    assert_eq!(heard, [""; 0]);
    Ok(content)
}

/// The message of the error that decoding `bytes` must end with.
pub(super) fn damage(codec: Codec, bytes: &[u8]) -> String {
    let error = Error::io("reading", "archive", unpack(codec, bytes).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    error.to_string()
}

/// `len` bytes that compress a little, always the same.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(len + 16);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 3 {
            0 => bytes.extend_from_slice(b"usr/share/doc/"),
            1 => bytes.extend_from_slice(&[0; 7]),
            _ => bytes.extend_from_slice(&state.to_le_bytes()[2..6]),
        }
    }
    bytes.truncate(len);
    bytes
}

/// Gives one byte at a time and is interrupted before each.
struct Trickle<'a> {
    bytes: &'a [u8],
    interrupted: bool,
}

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = self.bytes.len().min(out.len()).min(1);
        self.bytes.read(&mut out[..len])
    }
}

/// Takes a few bytes at a time, is interrupted before each, and fails at call `fails_at`.
struct Cramped {
    bytes: Vec<u8>,
    calls: usize,
    fails_at: usize,
}

impl Cramped {
    fn new(fails_at: usize) -> Self {
        Self { bytes: Vec::new(), calls: 0, fails_at }
    }
}

impl Write for Cramped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls == self.fails_at {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.calls % 2 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = bytes.len().min(15_000);
        self.bytes.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn codecs_are_known_by_their_first_bytes() {
    for codec in CODECS {
        for content in [&b""[..], b"content"] {
            assert_eq!(Codec::sniff(&pack(codec, content)), codec);
        }
    }
    assert_eq!(Codec::sniff(&[0x5a, 0x2a, 0x4d, 0x18]), Codec::Zstd);
    assert_eq!(Codec::sniff(b"BZh9/a-directory-of-a-plain-tar"), Codec::Plain);
    assert_eq!(Codec::sniff(b"\x1f\x8b"), Codec::Plain);
    assert_eq!(Codec::sniff(b""), Codec::Plain);
}

#[test]
fn levels_have_bounds() {
    assert_eq!(GzipLevel::new(0), None);
    assert_eq!(GzipLevel::new(10), None);
    assert_eq!(ZstdLevel::new(20), None);
    assert_eq!(ZstdLevel::new(19).map(Level::get), Some(19));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_packed_in_any_pieces_unpacks_to_the_same(
        pieces in prop::collection::vec(prop::collection::vec(0_u8..9, 0..40_000), 0..12),
        encoding in prop::sample::select(&ENCODINGS[..]),
        jobs in 1_usize..4,
    ) {
        let packed = pack_in(encoding, pieces.iter().map(Vec::as_slice), jobs);
        prop_assert_eq!(unpack(encoding.codec(), &packed).unwrap(), pieces.concat());
    }
}

#[test]
fn one_byte_reads_and_interruptions_change_nothing() {
    let (budget, diagnostics) = (Budget::new(Limits::default()), Diagnostics::silent());
    let content = sample(5_000);
    for codec in CODECS {
        let packed = pack(codec, &content);
        let trickle = Trickle { bytes: &packed, interrupted: false };
        let mut decoder = decode(codec, trickle, Watch::new("blob", &budget, &diagnostics)).unwrap();
        let mut unpacked = Vec::new();
        decoder.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, content, "{codec:?}");
        assert_eq!(decoder.read(&mut [0]).ok().filter(|_| codec != Codec::Plain).unwrap_or(0), 0);
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    for codec in COMPRESSED {
        let packed = pack(codec, &sample(600));
        for len in 0..packed.len() {
            damage(codec, &packed[..len]);
        }
    }
}

#[test]
fn a_flipped_bit_never_gives_other_content() {
    let content = sample(300);
    for codec in COMPRESSED {
        let packed = pack(codec, &content);
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(unpacked) = unpack(codec, &flipped) {
                assert_eq!(unpacked, content, "{codec:?} with bit {bit} flipped");
            }
        }
    }
}

#[test]
fn concatenated_streams_are_one() {
    for codec in COMPRESSED {
        let packed = [pack(codec, b"one "), pack(codec, b""), pack(codec, b"two")].concat();
        assert_eq!(unpack(codec, &packed).unwrap(), b"one two", "{codec:?}");
    }
}

#[test]
fn bytes_that_are_no_stream_may_not_follow_one() {
    for codec in COMPRESSED {
        for tail in [&b"x"[..], b"garbage that is longer than any header would be"] {
            let message = damage(codec, &[&pack(codec, b"content"), tail].concat());
            assert!(message.starts_with(&format!("blob: {}: ", codec.name())), "{message}");
        }
    }
}

#[test]
fn damage_is_told_again_to_who_reads_on() {
    let (budget, diagnostics) = (Budget::new(Limits::default()), Diagnostics::silent());
    for codec in COMPRESSED {
        let packed = pack(codec, b"content");
        let cut = &packed[..packed.len() - 1];
        let mut decoder = decode(codec, cut, Watch::new("blob", &budget, &diagnostics)).unwrap();
        let first = decoder.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        let second = decoder.read_to_end(&mut Vec::new()).unwrap_err().to_string();
        assert_eq!(first, second);
    }
}

#[test]
fn padding_is_an_error_for_the_strict_however_often_it_is_read() {
    let (budget, diagnostics) = (Budget::new(Limits::default()), Diagnostics::new(true, |_| {}));
    let packed = [pack(Codec::Gzip, b"content"), vec![0; 9]].concat();
    let mut decoder = decode(Codec::Gzip, &packed[..], Watch::new("blob", &budget, &diagnostics)).unwrap();
    for _ in 0..2 {
        let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(Error::io("", "", error).kind(), ErrorKind::Input);
    }
}

#[test]
fn errors_of_the_reader_below_pass_unharmed() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::Usage("below".into()).into())
        }
    }
    let (budget, diagnostics) = (Budget::new(Limits::default()), Diagnostics::silent());
    for codec in CODECS {
        let half = &pack(codec, &sample(500))[..40];
        let mut decoder = decode(codec, half.chain(Broken), Watch::new("blob", &budget, &diagnostics)).unwrap();
        let error = decoder.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(Error::io("reading", "archive", error).to_string(), "below");
    }
}

#[test]
fn decoded_bytes_are_counted_and_plain_ones_are_not() {
    let diagnostics = Diagnostics::silent();
    let content = sample(1_000);
    for codec in CODECS {
        let budget = Budget::new(Limits { size: 999, ..Limits::default() });
        let packed = pack(codec, &content);
        let mut decoder = decode(codec, &packed[..], Watch::new("blob", &budget, &diagnostics)).unwrap();
        let read = decoder.read_to_end(&mut Vec::new());
        match codec {
            Codec::Plain => assert_eq!(read.unwrap(), 1_000),
            _ => assert_eq!(Error::io("", "", read.unwrap_err()).kind(), ErrorKind::Limit),
        }
    }
}

#[test]
fn the_reader_below_is_at_its_end_when_the_decoder_is() {
    let (budget, diagnostics) = (Budget::new(Limits::default()), Diagnostics::silent());
    for codec in CODECS {
        let packed = [pack(codec, b"one"), pack(codec, b"")].concat();
        let mut decoder = decode(codec, &packed[..], Watch::new("blob", &budget, &diagnostics)).unwrap();
        decoder.read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(decoder.into_inner(), b"", "{codec:?}");
    }
}

#[test]
fn neither_threads_nor_the_size_of_writes_change_the_bytes() {
    for encoding in ENCODINGS {
        // More than two units of work of each codec; xz is slow, but not where nothing changes.
        let content = match encoding {
            Encoding::Xz => [sample(50_000), vec![0; 18 << 20], sample(50_000)].concat(),
            _ => sample(5 << 19),
        };
        let expected = pack_in(encoding, content.chunks(content.len()), 1);
        for (jobs, size) in [(1, 1_000), (2, 70_000), (8, content.len()), (3, 256 << 10)] {
            let found = pack_in(encoding, content.chunks(size), jobs);
            assert!(found == expected, "{encoding:?} on {jobs} threads, written by {size} bytes");
        }
        assert!(unpack(encoding.codec(), &expected).unwrap() == content);
    }
}

#[test]
fn a_flush_changes_no_bytes() {
    for encoding in ENCODINGS {
        let mut encoder = encode(encoding, Vec::new(), threads(1)).unwrap();
        encoder.write_all(b"con").unwrap();
        encoder.flush().unwrap();
        encoder.write_all(b"tent").unwrap();
        assert_eq!(encoder.finish().unwrap(), pack(encoding.codec(), b"content"));
    }
}

#[test]
fn a_failed_write_at_any_time_is_never_a_success() {
    for encoding in ENCODINGS {
        let content = match encoding {
            Encoding::Gzip(_) => sample(1 << 20),
            _ => sample(100_000),
        };
        for jobs in [1, 2] {
            let mut calls = 0;
            for fails_at in 1.. {
                let mut encoder = encode(encoding, Cramped::new(fails_at), threads(jobs)).unwrap();
                let written = encoder.write_all(&content);
                // A caller who ignores the error of a write still gets it from `finish`.
                match encoder.finish() {
                    Err(_) => assert!(calls < fails_at, "{encoding:?} at {fails_at}"),
                    Ok(below) => {
                        written.unwrap();
                        assert!(below.calls < fails_at);
                        assert!(below.bytes == pack(encoding.codec(), &content));
                        break;
                    }
                }
                calls = fails_at;
            }
            assert!(calls > 1, "{encoding:?}");
        }
    }
}

/// Outputs that a release may change only if its notes say so (docs/formats.md D-10): codec, level, size, SHA-256.
const GOLDEN: &str = "\
gzip 0 339533 8d79bef933ec22aba6cdd5486637a968f9f88b2c518a59825f1920ea95f86bb2
gzip 1 348292 9ac2212e2c0a8046fe3b1474efd364c71af4dfa19c033e327c4acb3e1d75415e
gzip 2 339533 8d79bef933ec22aba6cdd5486637a968f9f88b2c518a59825f1920ea95f86bb2
gzip 3 337198 ee9d304286b0963bf0aaa91e769664b6246b6f4b0f2e5b55185e095205ad94a7
gzip 4 325659 8ca74553f4283b7d2b7617038568e5d927d99b981a9177d4bd713f5de4ef3b4e
gzip 5 316781 d5028e584d02527ecc959c011ec1bb44bcc412ae50af291c082d79c05f0c9ebe
gzip 6 311439 52410df99c76f102af2474caab9a0aa26edf3a311a9bc1a9756c052a74f89ff7
gzip 7 306200 ccab1adc881c0f6702448b7eebba55a0195e6ea4204ac8a3707664be02a29a95
gzip 8 302313 094ca91f091d24db261e8c4072597d0d2a561e2c77f339f354861579760640c2
gzip 9 300427 f4d2e639a8d88e3e7dcdb7626515058c94f543f8f3b9d7d368d9da7e2a5cae97
zstd 1 333723 dc6967d8e1f2364c57e1233c80dffee1befd8a29e8e736209367135c273ac8e8
zstd 3 336264 4b33487f087ac5a99db9027f4115d016a8e45071448b4041485cf1d86a4c44bc
zstd 9 304136 e53d24d920bddb1e86460f25ef3f53a5c6115b8705e7578313ad8b643ff7ace8
zstd 19 286600 cdca3a3159de2f0d9bf0c2e9be50068105ec7cb2c84570526cdf6fb25436e8a0
xz 0 286856 7ea5d3315fd104da72c2a82e283ac2ac8089107a966c24de98d5c1c77ddecc94
";

#[test]
fn golden_digests() {
    let content = sample(1_300_000);
    // Level 0 stands for the one that is chosen by content.
    let gzip = (0..=9).map(|level| (level, Encoding::Gzip(GzipLevel::new(level))));
    let zstd = [1, 3, 9, 19].map(|level| (level, Encoding::Zstd(ZstdLevel::new(level).unwrap())));
    let found: String = gzip
        .chain(zstd)
        .chain([(0, Encoding::Xz)])
        .map(|(level, encoding)| {
            let packed = pack_in(encoding, content.chunks(50_000), 2);
            let digest = Digest::sha256(&packed);
            format!("{} {level} {} {}\n", encoding.codec().name(), packed.len(), digest.encoded())
        })
        .collect();
    assert_eq!(found, GOLDEN, "\n{found}");
}
