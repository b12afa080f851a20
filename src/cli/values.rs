//! Values that a flag spells in its own little grammar. Text in, value or reason out; nothing is looked up.

use std::num::ParseIntError;
use std::str::FromStr;

use imgtar::codec::{GzipLevel, ZstdLevel};
use imgtar::convert::{Compress, ImageSelector};
use imgtar::spec::platform::Platform;
use imgtar::spec::reference::Reference;

/// `--platform`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlatformArg {
    All,
    One(Platform),
}

/// `--rename`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) old: String,
    pub(crate) new: String,
}

/// `all`, `host` or `OS/ARCH[/VARIANT]`.
pub(crate) fn platform(text: &str) -> Result<PlatformArg, String> {
    match text {
        "all" => Ok(PlatformArg::All),
        "host" => Ok(PlatformArg::One(Platform::host())),
        _ => text.parse().map(PlatformArg::One).map_err(|error| format!("{error}; `all` and `host` stand alone")),
    }
}

/// `@N`, or a name or digest that only the archive can tell apart.
pub(crate) fn image(text: &str) -> Result<ImageSelector, String> {
    if text.is_empty() {
        return Err("an image is a name, a digest or `@N`".to_owned());
    }
    let Some(position) = text.strip_prefix('@') else { return Ok(ImageSelector::Text(text.to_owned())) };
    position
        .parse()
        .map(ImageSelector::Position)
        .map_err(|_| "a position is `@` and a number, `@0` for the first image".to_owned())
}

/// A name as `docker tag` takes it; none of the formats has room for a digest in it (docs/formats.md L-7).
pub(crate) fn reference(text: &str) -> Result<Reference, String> {
    let reference = Reference::from_str(text).map_err(|error| error.to_string())?;
    if reference.digest().is_some() { Err("a digest is no part of a new name".to_owned()) } else { Ok(reference) }
}

/// `OLD=NEW`; no part of a name holds an equals sign.
pub(crate) fn rename(text: &str) -> Result<Rename, String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.contains('=') => {
            Ok(Rename { old: old.to_owned(), new: new.to_owned() })
        }
        _ => Err("it has the form OLD=NEW".to_owned()),
    }
}

/// `keep`, `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`.
pub(crate) fn compress(text: &str) -> Result<Compress, String> {
    let (form, level) = match text.split_once(':') {
        Some((form, level)) => (form, Some(level)),
        None => (text, None),
    };
    match (form, level) {
        ("keep", None) => Ok(Compress::Keep),
        ("none", None) => Ok(Compress::None),
        ("gzip", _) => in_range(level, GzipLevel::new, "gzip's levels are 1 to 9").map(Compress::Gzip),
        ("zstd", _) => in_range(level, ZstdLevel::new, "zstd's levels are 1 to 19").map(Compress::Zstd),
        _ => Err("it is one of keep, none, gzip[:1-9], zstd[:1-19]".to_owned()),
    }
}

fn in_range<L>(level: Option<&str>, new: impl Fn(u8) -> Option<L>, range: &str) -> Result<Option<L>, String> {
    let Some(level) = level else { return Ok(None) };
    level.parse().ok().and_then(new).map(Some).ok_or_else(|| range.to_owned())
}

/// Bytes, with K, M, G or T for powers of 1024.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    scaled(text, 1024)
}

/// A number of things, with K, M, G or T for powers of 1000.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    scaled(text, 1000)
}

fn scaled(text: &str, base: u64) -> Result<u64, String> {
    let power = text.chars().last().and_then(|last| "KMGT".find(last.to_ascii_uppercase()));
    let (digits, factor) = match power {
        Some(power) => (&text[..text.len() - 1], base.pow(power as u32 + 1)),
        None => (text, 1),
    };
    // `parse` would take a sign.
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("it is a number, or one with K, M, G or T behind it".to_owned());
    }
    let number: u64 = digits.parse().map_err(|error: ParseIntError| error.to_string())?;
    number.checked_mul(factor).ok_or_else(|| "it is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_counts_decimal() {
        for (text, bytes) in [("0", 0), ("12", 12), ("1k", 1 << 10), ("256G", 256 << 30), ("3T", 3 << 40)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(count("10M"), Ok(10_000_000));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "K", "-1", "+1", "1.5G", "1KB", "1 K", "0x10", "99999999999T", "18446744073709551616", "1€"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn compression_has_levels_where_the_codec_has() {
        assert_eq!(compress("keep"), Ok(Compress::Keep));
        assert_eq!(compress("none"), Ok(Compress::None));
        assert_eq!(compress("gzip"), Ok(Compress::Gzip(None)));
        assert_eq!(compress("gzip:9"), Ok(Compress::Gzip(GzipLevel::new(9))));
        assert_eq!(compress("zstd:19"), Ok(Compress::Zstd(ZstdLevel::new(19))));
        for text in ["", "xz", "gzip:", "gzip:0", "gzip:10", "zstd:20", "zstd:-1", "keep:1", "none:1", "gzip:6:6"] {
            assert!(compress(text).is_err(), "{text}");
        }
    }

    #[test]
    fn images_are_positions_or_texts() {
        assert_eq!(image("@3"), Ok(ImageSelector::Position(3)));
        assert_eq!(image("app:1"), Ok(ImageSelector::Text("app:1".to_owned())));
        for text in ["", "@", "@x", "@-1"] {
            assert!(image(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rename_has_two_sides() {
        assert_eq!(rename("a/=b/"), Ok(Rename { old: "a/".to_owned(), new: "b/".to_owned() }));
        assert!(rename("docker.io/=").is_ok());
        for text in ["", "a", "=b", "a=b=c"] {
            assert!(rename(text).is_err(), "{text}");
        }
    }

    #[test]
    fn platforms_are_words_or_pairs() {
        assert_eq!(platform("all"), Ok(PlatformArg::All));
        assert_eq!(platform("host"), Ok(PlatformArg::One(Platform::host())));
        assert_eq!(platform("linux/amd64"), Ok(PlatformArg::One(Platform::new("linux", "amd64"))));
        assert!(platform("amd64").is_err());
    }
}
