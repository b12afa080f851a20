//! gzip: all members read as one stream, fixed blocks written as members.
//!
//! `stream` reads whatever is gzip, `parallel` reads members that say how long they are on several threads; `members` writes
//! them, and `content` finds the level for each.
//!
//! Sources: RFC 1952; docs/formats.md O-16, O-17, H-16, H-17, D-10.

mod content;
mod header;
mod members;
mod parallel;
mod stream;

use std::io;

pub(super) use self::members::Members;
use self::members::{BLOCK, DEFAULT_LEVEL};
pub(super) use self::parallel::{MemberReader, Rest};
pub(super) use self::stream::GzipDecoder;
use crate::stream::source::Extent;

/// Plain bytes that `stored` declares: the sum of its members where they say how long they are, else the size at its end, which
/// is that of the last member. `None` where that is unlikely to be all there is.
///
/// # Errors
/// When the stored bytes cannot be read.
pub(super) fn declared_size(stored: &Extent) -> io::Result<Option<u64>> {
    let head = stored.head::<{ parallel::MOST_HEAD }>()?;
    if parallel::size_of_member(&head).is_some() {
        return parallel::declared_size(stored, head);
    }
    let end = stored.slice(stored.size().saturating_sub(4), 4).head::<4>()?;
    Ok(end.try_into().ok().and_then(|end| size_of_one_member(u32::from_le_bytes(end), stored.size())))
}

/// Plain bytes of one member of `stored` bytes whose trailer says `size`, which counts modulo 2³² (RFC 1952), if that makes
/// sense: deflate makes nothing much longer, and what is that many times shorter more likely has other members before the last.
fn size_of_one_member(size: u32, stored: u64) -> Option<u64> {
    const MODULUS: u64 = 1 << 32;
    let least = stored - stored / 64;
    let wraps = least.saturating_sub(size.into()).div_ceil(MODULUS);
    let times = if wraps == 0 { 100 } else { 10 };
    let size = u64::from(size) + wraps * MODULUS;
    Some(size).filter(|size| *size <= stored.saturating_mul(times))
}

pub(super) fn version() -> String {
    let library = env!("LIBDEFLATE_VERSION");
    format!(
        "gzip: libdeflate {library}, level {DEFAULT_LEVEL}, or 1 or 0 by content, if none is asked for, members of {} KiB",
        BLOCK >> 10
    )
}

#[cfg(test)]
mod tests {
    use super::super::Codec;
    use super::super::tests::{damage, pack, unpack_heard};
    use super::{BLOCK, size_of_one_member as size};

    #[test]
    fn crc_and_length_are_checked_in_every_member() {
        let good = pack(Codec::Gzip, b"content");
        for (from_end, problem) in [(8, "bad CRC"), (1, "bad length")] {
            let mut bad = good.clone();
            let at = bad.len() - from_end;
            bad[at] ^= 1;
            assert!(damage(Codec::Gzip, &[&bad[..], &good].concat()).contains(problem));
            assert!(damage(Codec::Gzip, &[&good[..], &bad].concat()).contains(problem));
        }
    }

    #[test]
    fn the_size_in_a_trailer_is_believed_where_it_can_be_true() {
        assert_eq!(size(1 << 20, 400_000), Some(1 << 20));
        assert_eq!(size(400_000, 400_100), Some(400_000));
        // Of members before the last nothing is known.
        assert_eq!(size(1 << 18, 4 << 20), None);
        assert_eq!(size(0, 120 << 20), None);
        assert_eq!(size(u32::MAX, 1 << 20), None);
        assert_eq!(size(5, 3 << 30), Some((1 << 32) + 5));
        assert_eq!(size(7, 5 << 30), Some((2 << 32) + 7));
        assert_eq!(size(0, 0), Some(0));
    }

    #[test]
    fn zeros_may_follow_with_a_warning_and_nothing_after_them() {
        let packed = pack(Codec::Gzip, b"content");
        let padded = [&packed[..], &[0; 512]].concat();
        let (content, heard) = unpack_heard(Codec::Gzip, &padded).unwrap();
        assert_eq!(content, b"content");
        assert_eq!(heard, ["blob: gzip: 512 zero bytes after the last member"]);
        assert!(damage(Codec::Gzip, &[&padded[..], b"x"].concat()).contains("other bytes follow the zeros"));
        assert!(damage(Codec::Gzip, &[padded, packed].concat()).contains("other bytes follow the zeros"));
    }

    #[test]
    fn members_are_of_fixed_size_and_without_name_or_time() {
        let member = pack(Codec::Gzip, b"");
        assert_eq!(member[..16], [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 8, 0, b'I', b'G', 4, 0]);
        assert_eq!(member[16..20], (member.len() as u32).to_le_bytes());
        let blocks = vec![b'x'; BLOCK * 2];
        assert_eq!(pack(Codec::Gzip, &blocks), pack(Codec::Gzip, &blocks[..BLOCK]).repeat(2));
        assert_eq!(
            pack(Codec::Gzip, &[&blocks[..], b"y"].concat()),
            [pack(Codec::Gzip, &blocks), pack(Codec::Gzip, b"y")].concat()
        );
    }
}
