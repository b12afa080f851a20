//! Compression: the only table of codecs, their magic, decoders and encoders.
//!
//! [`Codec`] is the compression of bytes that are read, [`Encoding`] that of bytes to write; [`decode`] and [`encode`]
//! go from either to a stream; `dictionary` is for zstd frames that need other bytes. One file a codec below; `decoder` and
//! `encoder` pump bytes through them, `blocks` and `crew` spread gzip over threads.
//!
//! Sources: docs/formats.md G-1 (magic), O-16, O-17, H-15 to H-17 (reading), D-10 (writing).

mod blocks;
mod bzip2;
mod crew;
mod decoder;
mod dictionary;
mod encoder;
mod gzip;
mod lz4;
#[cfg(test)]
mod tests;
mod xz;
mod zstd;

pub(crate) use self::decoder::{Decoder, decode_on};
pub use self::decoder::{Watch, decode};
pub(crate) use self::dictionary::{DictionaryReader, compressed_size, encode_with_dictionary};
pub(crate) use self::encoder::{Encoder, encode, encode_recipe};

use std::io;

use crate::error::{Error, Result};
use crate::stream::source::Extent;

/// The compression of bytes, by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Codec {
    /// Not compressed, or by nothing that is known here.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
    /// The .xz format, any number of streams.
    Xz,
    /// bzip2, any number of streams.
    Bzip2,
    /// The lz4 frame format, any number of frames.
    Lz4,
}

impl Codec {
    /// The number of first bytes that [`Codec::sniff`] needs.
    pub const SNIFF_LEN: usize = 10;

    /// The codec of a stream that begins with `head`: its first [`Codec::SNIFF_LEN`] bytes, fewer if it has no more (G-1).
    ///
    /// A plain tar begins with a file's name, so a codec's whole magic must match: `BZh` alone is a valid file name.
    pub fn sniff(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if bzip2::begins_stream(rest) => Self::Bzip2,
            head if lz4::begins_frame(head) => Self::Lz4,
            _ => Self::Plain,
        }
    }

    /// The codec of the bytes in `extent`, which messages call `at`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) fn detect(extent: &Extent, at: &str) -> Result<Self> {
        let head = extent.head::<{ Self::SNIFF_LEN }>().map_err(|error| Error::io("reading", at, error))?;
        Ok(Self::sniff(&head))
    }

    /// Returns how many plain bytes `stored` declares: `None` where it declares nothing, or what so many bytes are unlikely to
    /// hold. It may be false, because no byte is decoded.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(crate) fn declared_size(self, stored: &Extent) -> io::Result<Option<u64>> {
        match self {
            Self::Plain => Ok(Some(stored.size())),
            Self::Gzip => gzip::declared_size(stored),
            Self::Zstd => zstd::declared_size(stored),
            Self::Xz | Self::Bzip2 | Self::Lz4 => Ok(None),
        }
    }

    /// The name that messages and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }

    /// The name that answers use, in which plain bytes have the compression `none`.
    pub fn compression(self) -> &'static str {
        match self {
            Self::Plain => "none",
            Self::Gzip | Self::Zstd | Self::Xz | Self::Bzip2 | Self::Lz4 => self.name(),
        }
    }

    /// The extension after `.tar.`; `None` for plain bytes.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gz"),
            Self::Zstd => Some("zst"),
            Self::Xz => Some("xz"),
            Self::Bzip2 => Some("bz2"),
            Self::Lz4 => Some("lz4"),
        }
    }
}

/// The codec and level with which bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Encoding {
    /// The bytes as they are.
    Plain,
    /// Members of a fixed size of input, each made by libdeflate; without a level at the default one, or
    /// stored where that would not shorten it.
    Gzip(Option<GzipLevel>),
    /// One frame with a checksum.
    Zstd(ZstdLevel),
    /// Blocks of a fixed size of input.
    Xz,
}

impl Encoding {
    /// Returns the codec of the written bytes.
    pub fn codec(self) -> Codec {
        match self {
            Self::Plain => Codec::Plain,
            Self::Gzip(_) => Codec::Gzip,
            Self::Zstd(_) => Codec::Zstd,
            Self::Xz => Codec::Xz,
        }
    }
}

/// A compression level from 1 to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level<const MAX: u8>(u8);

/// A level of libdeflate, up to the one that still needs little memory.
pub type GzipLevel = Level<9>;
/// A level of zstd, up to the one that every decoder has the memory for.
pub type ZstdLevel = Level<19>;

impl<const MAX: u8> Level<MAX> {
    /// `level`, if it is in range.
    pub const fn new(level: u8) -> Option<Self> {
        if level >= 1 && level <= MAX { Some(Self(level)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl ZstdLevel {
    /// The default level, which is zstd's own.
    pub const DEFAULT: Self = Self(3);
}

/// Which library writes each codec and with which fixed sizes, one line each.
///
/// Written digests depend on nothing else (D-10), so `--version` shows it.
pub fn versions() -> [String; 3] {
    [gzip::version(), zstd::version(), xz::version()]
}
