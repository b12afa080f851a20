//! The header of a gzip member.
//!
//! Source: RFC 1952, 2.3.

use libdeflater::Crc;

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;
const FLAGS_RESERVED: u8 = 0b1110_0000;

/// A member's header, taken byte by byte: names and comments have any length, none is kept.
pub(super) struct Header {
    field: Field,
    /// Flags of the fields that are still to come.
    flags: u8,
    crc: Crc,
}

#[derive(Clone, Copy)]
enum Field {
    /// The ten bytes that are always there; this many are known.
    Fixed(usize),
    ExtraLen,
    ExtraLenHigh(u8),
    Extra(u16),
    /// A name or comment, up to its NUL.
    Text,
    Crc,
    CrcHigh(u8),
    End,
}

impl Header {
    pub(super) fn new() -> Self {
        Self { field: Field::Fixed(0), flags: 0, crc: Crc::new() }
    }

    /// Takes the next byte; returns true if it was the last of the header.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, String> {
        let crc_so_far = self.crc.sum();
        self.crc.update(&[byte]);
        self.field = match self.field {
            Field::Fixed(at) => {
                self.check_fixed(at, byte)?;
                if at < 9 { Field::Fixed(at + 1) } else { self.next_field() }
            }
            Field::ExtraLen => Field::ExtraLenHigh(byte),
            Field::ExtraLenHigh(low) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_field(),
                len => Field::Extra(len),
            },
            Field::Extra(1) => self.next_field(),
            Field::Extra(left) => Field::Extra(left - 1),
            Field::Text if byte == 0 => self.next_field(),
            Field::Text => Field::Text,
            Field::Crc if byte != crc_so_far.to_le_bytes()[0] => return Err("bad header CRC".into()),
            Field::Crc => Field::CrcHigh(crc_so_far.to_le_bytes()[1]),
            Field::CrcHigh(expected) if byte != expected => return Err("bad header CRC".into()),
            Field::CrcHigh(_) | Field::End => Field::End,
        };
        Ok(matches!(self.field, Field::End))
    }

    fn check_fixed(&mut self, at: usize, byte: u8) -> Result<(), String> {
        match (at, byte) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => Ok(()),
            (3, flags) if flags & FLAGS_RESERVED == 0 => {
                self.flags = flags;
                Ok(())
            }
            (0 | 1, _) => Err("bad header magic".into()),
            (2, method) => Err(format!("unknown compression method {method}, expected 8")),
            (_, flags) => Err(format!("reserved flags are set in {flags:#04x}")),
        }
    }

    /// The next field that the flags announce, in the order of RFC 1952.
    fn next_field(&mut self) -> Field {
        for (flag, field) in [
            (FLAG_EXTRA, Field::ExtraLen),
            (FLAG_NAME, Field::Text),
            (FLAG_COMMENT, Field::Text),
            (FLAG_HEADER_CRC, Field::Crc),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return field;
            }
        }
        Field::End
    }
}

#[cfg(test)]
mod tests {
    use libdeflater::crc32;

    use crate::codec::Codec;
    use crate::codec::tests::{damage, unpack};

    /// A member that holds nothing, with these flags and what they announce.
    fn member(flags: u8, fields: &[u8]) -> Vec<u8> {
        [&[0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3], fields, &[3, 0], &[0; 8]].concat()
    }

    fn header_crc(flags: u8, fields: &[u8]) -> [u8; 2] {
        let header = &member(flags, fields)[..10 + fields.len()];
        let [low, high, ..] = crc32(header).to_le_bytes();
        [low, high]
    }

    #[test]
    fn every_field_of_a_header_is_passed_over() {
        for (flags, fields) in [
            (0, &b""[..]),
            (1, b""),
            (4, b"\0\0"),
            (4, b"\x03\0abc"),
            (8, b"\0"),
            (16, b"a comment\0"),
            (4 + 8 + 16, b"\x01\0xname\0comment\0"),
        ] {
            assert_eq!(unpack(Codec::Gzip, &member(flags, fields)).unwrap(), b"", "{flags}");
            let with_crc = [fields, &header_crc(flags | 2, fields)].concat();
            assert_eq!(unpack(Codec::Gzip, &member(flags | 2, &with_crc)).unwrap(), b"", "{flags}");
            let bad_crc = [fields, &[0, 0]].concat();
            assert!(damage(Codec::Gzip, &member(flags | 2, &bad_crc)).contains("bad header CRC"));
        }
    }

    #[test]
    fn what_a_header_may_not_say() {
        assert!(damage(Codec::Gzip, &member(0x20, b"")).contains("reserved flags are set in 0x20"));
        let mut other_method = member(0, b"");
        other_method[2] = 7;
        assert!(damage(Codec::Gzip, &other_method).contains("unknown compression method 7, expected 8"));
    }
}
