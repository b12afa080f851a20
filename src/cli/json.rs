//! JSON as the answering commands print it: indented or a line at a time, and safe on a terminal.
//!
//! A character that a terminal would act on instead of showing it is written as `\uXXXX`, which any JSON reader turns
//! back into the same character: nothing is lost, and nothing from an archive moves a cursor (docs/formats.md H-25).

use std::io::{self, Write};

use imgtar::internals::path::is_deceptive;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// Writes `value` indented by two spaces, and a newline.
pub(super) fn write_pretty(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write(out, value, Safe(PrettyFormatter::new()))
}

/// Writes `value` on one line, and a newline.
pub(super) fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write(out, value, Safe(CompactFormatter))
}

fn write(out: &mut impl Write, value: &impl Serialize, formatter: impl Formatter) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, formatter)).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// A formatter that escapes the characters that a terminal would act on; all else is left to the formatter below.
struct Safe<F>(F);

/// The methods that are left to the formatter below.
macro_rules! delegate {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W, $($arg: $type),*) -> io::Result<()> {
            self.0.$name(writer, $($arg),*)
        })*
    };
}

impl<F: Formatter> Formatter for Safe<F> {
    delegate! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, special) in fragment.match_indices(is_deceptive) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in special.encode_utf16() {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + special.len();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped_and_reads_back() {
        let value = ["a\u{1b}[31m\u{7f}\u{9b}\u{202e}\u{200b}gr\u{fc}n\n\"".to_owned()];
        let mut out = Vec::new();
        write_pretty(&mut out, &value).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "[\n  \"a\\u001b[31m\\u007f\\u009b\\u202e\\u200bgr\u{fc}n\\n\\\"\"\n]\n");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), value);
    }

    #[test]
    fn documents_are_indented() {
        let mut out = Vec::new();
        write_pretty(&mut out, &serde_json::json!({"a": [1, {}], "b": []})).unwrap();
        let expected = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
