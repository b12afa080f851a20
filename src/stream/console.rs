//! Text for a console of Windows, which takes characters: bytes would be read in its code page, which is seldom UTF-8.

use std::io::{self, Write};

/// A writer of UTF-8 to standard output, which converts it for the console. Bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Default)]
pub(super) struct ConsoleText {
    /// The beginning of a character whose end comes with the next bytes.
    partial: Vec<u8>,
}

impl ConsoleText {
    fn decode(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let mut text = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            if chunks.peek().is_none() && is_incomplete(chunk.invalid()) {
                self.partial = chunk.invalid().to_owned();
            } else if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        text
    }
}

impl Write for ConsoleText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.decode(bytes);
        io::stdout().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    /// Writes what is left; a character without its end becomes U+FFFD.
    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = io::stdout();
        if !std::mem::take(&mut self.partial).is_empty() {
            write!(stdout, "{}", char::REPLACEMENT_CHARACTER)?;
        }
        stdout.flush()
    }
}

/// Returns true if more bytes could make a character of these.
fn is_incomplete(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_same_however_it_is_cut() {
        for (bytes, wanted, rest) in [
            (&b"plain\n"[..], "plain\n", &b""[..]),
            ("└── dé/ 🦀".as_bytes(), "└── dé/ 🦀", b""),
            (b"caf\xe9 \xff\xfe!\n", "caf\u{fffd} \u{fffd}\u{fffd}!\n", b""),
            (b"\xf0\x9f\x41", "\u{fffd}A", b""),
            (b"caf\xe9", "caf", b"\xe9"),
        ] {
            for piece in 1..=bytes.len() {
                let mut console = ConsoleText::default();
                let text: String = bytes.chunks(piece).map(|piece| console.decode(piece)).collect();
                assert_eq!((text.as_str(), console.partial.as_slice()), (wanted, rest), "{piece} bytes at a time");
            }
        }
    }
}
