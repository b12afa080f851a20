//! Extents laid end to end: a new layer most of whose bytes stay where they are.

use super::Extent;
use crate::error::Result;

/// Extents, none of them empty, each with the offset at which it ends.
pub(super) struct JoinedExtents(Vec<(u64, Extent)>);

impl JoinedExtents {
    /// Joins `extents` in their order.
    pub(super) fn new(extents: impl IntoIterator<Item = Extent>) -> Self {
        let mut end = 0;
        let extents = extents.into_iter().filter(|extent| extent.size() > 0);
        Self(
            extents
                .map(|extent| {
                    end += extent.size();
                    (end, extent)
                })
                .collect(),
        )
    }

    /// Bytes of all.
    pub(super) fn len(&self) -> u64 {
        self.0.last().map_or(0, |(end, _)| *end)
    }

    /// The extent that has byte `offset`, from there on; `None` behind the last.
    pub(super) fn from(&self, offset: u64) -> Option<Extent> {
        let (end, extent) = self.0.get(self.0.partition_point(|(end, _)| *end <= offset))?;
        Some(extent.slice(extent.size() - (end - offset), u64::MAX))
    }

    /// Fails if a file was written to since it was opened.
    ///
    /// # Errors
    /// Those of [`Source::unchanged`](super::Source::unchanged).
    pub(super) fn unchanged(&self) -> Result<()> {
        self.0.iter().try_for_each(|(_, extent)| extent.source().unchanged())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use crate::stream::skip::Skip;
    use crate::stream::source::{Extent, Source};

    /// Files, memory and joined extents, end to end; the last file is returned too.
    fn letters() -> (Extent, std::fs::File) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"-abc-").unwrap();
        let handle = file.try_clone().unwrap();
        let (file, memory) =
            (Source::file("f", file, 0).unwrap().extent(), Source::memory("m", b"defg".to_vec()).extent());
        let inner = Source::joined("i", [memory.slice(2, 2), memory.slice(0, 0), file.slice(2, 1)]).extent();
        let extents = [memory.slice(0, 0), file.slice(1, 3), memory.slice(0, 2), inner];
        (Source::joined("j", extents).extent(), handle)
    }

    #[test]
    fn extents_are_read_as_one_from_any_byte_to_any_other() {
        let (joined, _) = letters();
        assert_eq!(joined.size(), 8);
        for start in 0..=8 {
            for len in 0..=9 - start {
                let expected = &b"abcdefgb"[start..8.min(start + len)];
                assert_eq!(joined.slice(start as u64, len as u64).read("j", 9).unwrap(), expected);
            }
            let (mut reader, mut rest) = (joined.reader().unwrap(), Vec::new());
            reader.read_exact(&mut vec![0; start / 2]).unwrap();
            reader.skip((start - start / 2) as u64).unwrap();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"abcdefgb"[start..]);
        }
    }

    #[test]
    fn a_change_of_any_of_them_is_noticed() {
        let (joined, file) = letters();
        joined.source().unchanged().unwrap();
        file.set_len(2).unwrap();
        assert!(joined.source().unchanged().unwrap_err().to_string().starts_with("f: "));
        let error = joined.read("j", 9).unwrap_err().to_string();
        assert_eq!(error, "f: the file shrank while it was read: nothing at byte 2");
    }
}
