//! Whole members decoded by a crew, where each says in its header how long it is.
//!
//! The length is never trusted: a member counts only if inflating it ends exactly where it should, with the CRC and size of
//! its trailer. From the first member on that does not, or says nothing, the rest is read as one stream, so that what a
//! stream holds never depends on what its members say of themselves.
//!
//! Sources: RFC 1952, 2.3.1.1; the fields of BGZF (`BC`, SAM specification 4.1) and of pgzip and mgzip of Python (`IG`, `MZ`).

use std::io::{self, Read};
use std::mem;
use std::num::NonZeroUsize;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::crc32;

use super::super::crew::{BlockWork, Crew, Job};
use super::header::Header;
use crate::stream::source::Extent;

/// The most bytes of a member that is decoded by itself, compressed and plain.
const MOST: usize = 1 << 20;
/// The fixed fields and the length of the extra field.
const START: usize = 12;
/// The longest extra field that is looked at.
const MOST_EXTRA: usize = 64;
/// Bytes of a member in which its length is, if it is looked at.
pub(super) const MOST_HEAD: usize = START + MOST_EXTRA;
/// The most members whose sizes are added up. Each takes a read of its own, so more of them would take seconds.
const MOST_COUNTED: usize = 1 << 20;
const EXTRA_FLAG: u8 = 4;
const TRAILER_SIZE: usize = 8;

/// Decodes members that say how long they are, in order.
pub(in crate::codec) struct MemberReader {
    crew: Crew<InflateMember>,
    /// The member that is being read, as far as it has been.
    next: Vec<u8>,
    /// The members that say how long they are have all been read.
    at_end: bool,
    /// The member whose plain bytes are being given, and how many have been.
    current: Job<Option<usize>>,
    given: usize,
    /// Buffers of a member that has been given, for the next that is read.
    spare: Job<Option<usize>>,
    /// Compressed bytes of the members given so far.
    offset: u64,
}

/// The compressed bytes that were read and belong to no decoded member.
#[derive(Default)]
pub(in crate::codec) struct Rest {
    pub(in crate::codec) unread: Vec<u8>,
    /// Compressed bytes before them.
    pub(in crate::codec) offset: u64,
}

impl MemberReader {
    pub(in crate::codec) fn new(threads: NonZeroUsize) -> Self {
        Self {
            crew: Crew::new(InflateMember, threads),
            next: Vec::new(),
            at_end: false,
            current: Job::default(),
            given: 0,
            spare: Job::default(),
            offset: 0,
        }
    }

    /// Gives plain bytes to `out`, which is not empty: how many, or `None` when [`Self::rest`] has to be read as a stream.
    ///
    /// # Errors
    /// Those of `inner`, and when a thread cannot be started.
    pub(in crate::codec) fn read(&mut self, inner: &mut impl Read, out: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            let plain = &self.current.out[self.given..self.current.outcome.unwrap_or(0)];
            if !plain.is_empty() {
                let len = plain.len().min(out.len());
                out[..len].copy_from_slice(&plain[..len]);
                self.given += len;
                return Ok(Some(len));
            }
            self.read_members(inner)?;
            if self.crew.is_idle() {
                return Ok(None);
            }
            self.spare = mem::replace(&mut self.current, self.crew.receive()?);
            self.given = 0;
            if self.current.outcome.is_none() {
                self.give_up()?;
                return Ok(None);
            }
            self.offset += self.current.block.len() as u64;
        }
    }

    /// Gives what no member was made of.
    pub(in crate::codec) fn rest(self) -> Rest {
        Rest { unread: self.next, offset: self.offset }
    }

    /// Puts `current`, which is not what it says, and all that was read after it before what is read next.
    fn give_up(&mut self) -> io::Result<()> {
        let mut unread = mem::take(&mut self.current.block);
        while !self.crew.is_idle() {
            unread.append(&mut self.crew.receive()?.block);
        }
        unread.append(&mut self.next);
        self.next = unread;
        Ok(())
    }

    /// Sends members to the crew until it has enough or there are no more.
    fn read_members(&mut self, inner: &mut impl Read) -> io::Result<()> {
        while !self.at_end && !self.crew.is_full() {
            if self.read_member(inner)? {
                let mut job = mem::take(&mut self.spare);
                job.block.clear();
                mem::swap(&mut job.block, &mut self.next);
                self.crew.send(job)?;
            } else {
                self.at_end = true;
            }
        }
        Ok(())
    }

    /// Completes `next`; returns false if it is not a whole member that says how long it is.
    fn read_member(&mut self, inner: &mut impl Read) -> io::Result<bool> {
        if !self.read_to(inner, START)? {
            return Ok(false);
        }
        let Some(extra) = extra_len(&self.next).filter(|len| *len <= MOST_EXTRA) else { return Ok(false) };
        if !self.read_to(inner, START + extra)? {
            return Ok(false);
        }
        match size_in_extra(&self.next[START..]) {
            Some(size) if size <= MOST => Ok(size >= self.next.len() && self.read_to(inner, size)?),
            _ => Ok(false),
        }
    }

    /// Reads until `next` has `len` bytes; returns false if the input ends before.
    fn read_to(&mut self, inner: &mut impl Read, len: usize) -> io::Result<bool> {
        let missing = len.saturating_sub(self.next.len());
        inner.take(missing as u64).read_to_end(&mut self.next)?;
        Ok(self.next.len() >= len)
    }
}

/// Plain bytes that all members of `stored` declare, of which the first begins with `head`: `None` where one does not say how
/// long it is, or does not end where it says.
///
/// # Errors
/// When the stored bytes cannot be read.
pub(super) fn declared_size(stored: &Extent, mut head: Vec<u8>) -> io::Result<Option<u64>> {
    let (mut plain, mut at) = (0, 0);
    for _ in 0..MOST_COUNTED {
        let Some(size) = size_of_member(&head) else { return Ok(None) };
        at += size as u64;
        // The size in its trailer, and the beginning of the next member.
        let around = stored.slice(at - 4, 4 + MOST_HEAD as u64).head::<{ 4 + MOST_HEAD }>()?;
        let Some((size, next)) = around.split_first_chunk() else { return Ok(None) };
        plain += u64::from(u32::from_le_bytes(*size));
        if next.is_empty() {
            return Ok(Some(plain));
        }
        head = next.to_vec();
    }
    Ok(None)
}

/// The length of the member that begins with `head`, by its extra field, if it has one.
pub(super) fn size_of_member(head: &[u8]) -> Option<usize> {
    let len = extra_len(head).filter(|_| head.starts_with(&[0x1f, 0x8b]))?;
    size_in_extra(head.get(START..START + len)?).filter(|size| *size >= START + len + TRAILER_SIZE)
}

/// The length of the extra field of the member that begins with `head`, if it has one.
fn extra_len(head: &[u8]) -> Option<usize> {
    let start: &[u8; START] = head.first_chunk()?;
    (start[3] & EXTRA_FLAG != 0).then(|| usize::from(u16::from_le_bytes([start[10], start[11]])))
}

/// The length of a member by its extra field, header and trailer included.
fn size_in_extra(mut extra: &[u8]) -> Option<usize> {
    while let [first, second, low, high, rest @ ..] = extra {
        let (body, after) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        match ([*first, *second], body) {
            ([b'I', b'G'] | [b'M', b'Z'], &[a, b, c, d]) => {
                return usize::try_from(u32::from_le_bytes([a, b, c, d])).ok();
            }
            ([b'B', b'C'], &[a, b]) => return Some(usize::from(u16::from_le_bytes([a, b])) + 1),
            _ => extra = after,
        }
    }
    None
}

/// Decodes a member; the outcome is how many plain bytes it has, if it is what it says.
#[derive(Clone, Copy)]
struct InflateMember;

impl BlockWork for InflateMember {
    const NAME: &'static str = "gunzip";
    type State = Decompress;
    type Outcome = Option<usize>;

    fn state(self) -> Decompress {
        Decompress::new(false)
    }

    fn work(inflate: &mut Decompress, member: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let (head, trailer) = member.split_last_chunk::<TRAILER_SIZE>()?;
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let size = usize::try_from(u32::from_le_bytes([s0, s1, s2, s3])).ok().filter(|&size| size <= MOST)?;
        let mut header = Header::new();
        let header_size = 1 + head.iter().position(|&byte| header.push(byte) != Ok(false))?;
        let body = head.get(header_size..)?;
        // One byte more than there may be: a member with more content than it says is seen to have it.
        if out.len() <= size {
            out.resize(size + 1, 0);
        }
        inflate.reset(false);
        let status = inflate.decompress(body, &mut out[..=size], FlushDecompress::Finish).ok()?;
        let is_whole = status == Status::StreamEnd
            && inflate.total_in() == body.len() as u64
            && inflate.total_out() == size as u64
            && crc32(&out[..size]) == u32::from_le_bytes([c0, c1, c2, c3]);
        is_whole.then_some(size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::tests::{pack, unpack_heard, unpack_heard_on};
    use super::super::super::{Codec, Encoding, GzipLevel};
    use super::super::members::{BLOCK, HEADER};
    use super::*;
    use crate::stream::source::Source;

    /// Content of three members and a little, with what deflate shortens and what it does not.
    fn content() -> Vec<u8> {
        (0..3 * BLOCK as u32 + 700).map(|at| (at.wrapping_mul(at | 1) >> (at / 90_000)) as u8).collect()
    }

    /// `member` with another length in its extra field.
    fn with_length(member: &[u8], length: usize) -> Vec<u8> {
        let mut member = member.to_vec();
        member[HEADER.len()..HEADER.len() + 4].copy_from_slice(&(length as u32).to_le_bytes());
        member
    }

    /// A member whose extra field is `extra`, with the length of the member in its last `width` bytes.
    fn with_extra(content: &[u8], extra: &[u8], width: usize, less: usize) -> Vec<u8> {
        let packed = pack(Codec::Gzip, content);
        let body = &packed[HEADER.len() + 4..];
        let len = 12 + extra.len() + width + body.len() - less;
        let mut member =
            [&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3], &((extra.len() + width) as u16).to_le_bytes()[..]].concat();
        member.extend(extra);
        member.extend(&(len as u32).to_le_bytes()[..width]);
        member.extend(body);
        member
    }

    /// Content and warnings, or the message up to where the damage is.
    fn outcome(read: io::Result<(Vec<u8>, Vec<String>)>) -> Result<(Vec<u8>, Vec<String>), String> {
        read.map_err(|error| error.to_string().split(" (near byte").next().unwrap_or_default().to_owned())
    }

    fn agree(packed: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
        let alone = outcome(unpack_heard(Codec::Gzip, packed));
        for threads in [2, 3] {
            assert_eq!(outcome(unpack_heard_on(threads, Codec::Gzip, packed)), alone, "{threads} threads");
        }
        alone
    }

    #[test]
    fn lengths_of_the_forms_in_use_are_known() {
        for (extra, size) in [
            (&b"IG\x04\0\x01\x02\0\0"[..], Some(513)),
            (b"MZ\x04\0\x01\0\x01\0", Some(65_537)),
            (b"BC\x02\0\xff\xff", Some(65_536)),
            (b"xx\x01\0yBC\x02\0\x1b\0", Some(28)),
            (b"IG\x02\0\x01\x02", None),
            (b"IG\x04\0\x01", None),
            (b"SL\x04\0\x01\0\0\0", None),
            (b"", None),
        ] {
            assert_eq!(size_in_extra(extra), size, "{extra:?}");
        }
    }

    #[test]
    fn the_sizes_of_members_are_added_up() {
        let declared =
            |packed: &[u8]| Codec::Gzip.declared_size(&Source::memory("blob", packed.to_vec()).extent()).unwrap();
        let (one, two) = (pack(Codec::Gzip, b"one"), pack(Codec::Gzip, &content()));
        assert_eq!(declared(&one), Some(3));
        assert_eq!(declared(&[&two[..], &one, &two].concat()), Some(2 * content().len() as u64 + 3));
        // A length that is not true, bytes that are missing, and others behind.
        for packed in [&with_length(&one, one.len() - 1)[..], &one[..one.len() - 1], &[&two[..], b"\0"].concat()] {
            assert_eq!(declared(packed), None);
        }
    }

    #[test]
    fn members_of_every_form_are_decoded_apart() {
        let text = b"a member".repeat(500);
        let own = pack(Codec::Gzip, &content());
        let bgzf = with_extra(&text, b"BC\x02\0", 2, 1);
        let other = with_extra(&text, b"xx\x01\0yMZ\x04\0", 4, 0);
        for packed in [own, bgzf, other] {
            let mut members = MemberReader::new(NonZeroUsize::new(2).unwrap());
            let (mut input, mut plain) = (&packed[..], Vec::new());
            let mut buffer = [0; 5000];
            while let Some(len) = members.read(&mut input, &mut buffer).unwrap() {
                plain.extend(&buffer[..len]);
            }
            let rest = members.rest();
            assert_eq!((rest.unread.len(), rest.offset), (0, packed.len() as u64));
            assert_eq!(agree(&packed), Ok((plain, Vec::new())));
        }
    }

    #[test]
    fn a_length_that_is_not_true_changes_nothing() {
        let (one, two) = (pack(Codec::Gzip, b"one"), pack(Codec::Gzip, b"two"));
        let plain = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
        for length in [0, 1, 12, 19, one.len() - 1, one.len() + 1, one.len() + two.len(), 2 * one.len(), MOST + 1] {
            let lie = with_length(&one, length);
            for after in [&b""[..], &one, &two, plain, b"\0\0"] {
                let packed = [&one[..], &lie, after, &two].concat();
                if after != b"\0\0" {
                    assert!(agree(&packed).is_ok(), "length {length}");
                }
                let _ = agree(&packed);
            }
            let expected = outcome(unpack_heard(Codec::Gzip, &[&one[..], &one, &one, &two].concat()));
            assert_eq!(agree(&[&one[..], &lie, &one, &two].concat()), expected, "length {length}");
        }
    }

    #[test]
    fn no_end_is_found_but_the_one_there_is() {
        let packed = pack(Codec::Gzip, b"one");
        for len in 0..packed.len() {
            assert!(agree(&packed[..len]).is_err());
            assert!(agree(&[&packed, &packed[..len]].concat()).is_err() || len == 0);
        }
        let (content, heard) = agree(&[&packed[..], &[0; 9]].concat()).unwrap();
        assert_eq!((&content[..], heard.len()), (&b"one"[..], 1));
    }

    #[test]
    fn damage_is_described_alike_wherever_it_is_met() {
        let text = b"usr/share/doc/".repeat(300);
        let mut described = std::collections::BTreeSet::new();
        for len in [30, 856, 1442] {
            let packed = pack(Codec::Gzip, &text[..len]);
            for at in HEADER.len() + 4..packed.len() {
                for byte in [0, 34, 55, 0xff] {
                    let mut damaged = [&packed[..], &packed].concat();
                    damaged[at] = byte;
                    described.extend(agree(&damaged).err());
                }
            }
        }
        let of_deflate = |text: &&String| !text.contains("bad CRC") && !text.contains("bad length");
        let found: Vec<&String> = described.iter().filter(of_deflate).collect();
        assert!(found.iter().any(|text| text.ends_with("bad deflate data")), "{found:?}");
        assert!(found.iter().all(|text| !text.contains("bad state") && !text.contains("distance")), "{found:?}");
    }

    proptest! {
        #[test]
        fn threads_do_not_change_what_is_read(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            pieces in prop::collection::vec(0_usize..3000, 1..6),
        ) {
            let content = b"usr/share/doc/".repeat(300);
            let level = Encoding::Gzip(GzipLevel::new(1));
            let mut packed: Vec<u8> =
                pieces.iter().flat_map(|len| super::super::super::tests::pack_as(level, &content[..*len])).collect();
            for (at, byte) in damage {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            let _ = agree(&packed);
        }
    }
}
