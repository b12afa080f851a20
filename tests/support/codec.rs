//! Compressions, by the plain crates.

use std::io::{Read, Write};

/// How bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Zstd,
    Xz,
    Bzip2,
    Lz4,
    /// Gzip in two members, of which the last, whose trailer seems to speak for all, holds most.
    GzipMembers,
    /// Zstd in two frames, of which the first, whose header seems to speak for all, holds most.
    ZstdFrames,
}

impl Codec {
    /// All that imgtar reads (G-1, L-3).
    pub(crate) const ALL: [Self; 6] = [Self::Plain, Self::Gzip, Self::Zstd, Self::Xz, Self::Bzip2, Self::Lz4];

    /// Compresses `bytes`.
    pub(crate) fn encode(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => bytes.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(5));
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => zstd::stream::encode_all(bytes, 2).unwrap(),
            Self::GzipMembers => {
                let (first, last) = bytes.split_at(bytes.len() / 8 / 512 * 512);
                [Self::Gzip.encode(first), Self::Gzip.encode(last)].concat()
            }
            Self::ZstdFrames => {
                let (first, last) = bytes.split_at(bytes.len() / 8 * 7 / 512 * 512);
                [first, last].map(|part| zstd::bulk::compress(part, 2).unwrap()).concat()
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Self::Lz4 => {
                let frame = lz4_flex::frame::FrameInfo::new().content_checksum(true);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    /// What the magic of `bytes` says (G-1).
    pub(crate) fn sniff(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::Plain,
        }
    }

    /// Decompresses `bytes` by their magic; all gzip members and all zstd frames are one stream (O-16).
    pub(crate) fn decode(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match Self::sniff(bytes) {
            Self::Plain => plain.extend_from_slice(bytes),
            Self::Gzip | Self::GzipMembers => {
                let mut rest = bytes;
                // Zeros behind the last member mean nothing (O-17).
                while rest.iter().any(|&byte| byte != 0) {
                    flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut plain).expect("whole gzip");
                }
            }
            Self::Zstd | Self::ZstdFrames => plain = zstd::stream::decode_all(bytes).expect("whole zstd"),
            Self::Xz => drop(liblzma::read::XzDecoder::new(bytes).read_to_end(&mut plain).expect("whole xz")),
            Self::Bzip2 => drop(bzip2::read::BzDecoder::new(bytes).read_to_end(&mut plain).expect("whole bzip2")),
            Self::Lz4 => drop(lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut plain).expect("whole lz4")),
        }
        plain
    }

    /// What follows `.tar` in a file name.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip | Self::GzipMembers => ".gz",
            Self::Zstd | Self::ZstdFrames => ".zst",
            Self::Xz => ".xz",
            Self::Bzip2 => ".bz2",
            Self::Lz4 => ".lz4",
        }
    }

    /// What follows the OCI layer type; xz, bzip2 and lz4 have no media type and borrow gzip's, as writers in the wild do.
    pub(crate) fn oci_suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Zstd | Self::ZstdFrames => "+zstd",
            Self::Gzip | Self::GzipMembers | Self::Xz | Self::Bzip2 | Self::Lz4 => "+gzip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_told_by_its_magic_and_decodes() {
        for codec in Codec::ALL {
            let stored = codec.encode(b"the same bytes");
            assert_eq!(Codec::sniff(&stored), codec);
            assert_eq!(Codec::decode(&stored), b"the same bytes");
        }
    }
}
