//! Reads all JSON that comes from archives and writes all JSON that goes into them.
//!
//! A document that is read has to mean the same to every reader: no byte order mark, no repeated key, nothing after the
//! value, no depth that exhausts a stack. Text that is written is escaped as Go's `encoding/json` does it, because the
//! digests of what we write should be those that docker's and containerd's own writers would have given.
//!
//! Sources: RFC 8259; docs/formats.md G-14, H-14, H-20, L-15.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::{fmt, io};

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny};
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::{Error, Problem, Result};
use crate::limits::MAX_JSON_DEPTH;
use crate::path::quote;
use crate::rule::Rule;

/// Keys by which `serde_json` passes itself numbers and raw text; in a document they would be taken for such.
const RESERVED_KEY: &str = "$serde_json::private::";

/// Reads the one JSON value in `bytes`; `at` names the document in errors, `cap` is its largest size in bytes, and
/// `form` is the rule about its content.
///
/// # Errors
/// [`Error::Invalid`] if it is not JSON or not a `T`, and for what readers disagree about: a byte order mark, text after
/// the value, a key repeated in one object (G-14, H-20), nesting deeper than `MAX_JSON_DEPTH` or a size above `cap` (H-14).
pub fn read<T: DeserializeOwned>(bytes: &[u8], at: &str, cap: u64, form: Rule) -> Result<T> {
    let invalid = |rule, message| Error::invalid(rule, at, message);
    if bytes.len() as u64 > cap {
        return Err(Error::invalid(Rule::H14, at, format!("the document has {} bytes, more than {cap}", bytes.len())));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::invalid(Rule::G14, at, "the JSON starts with a byte order mark"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| invalid(Rule::G14, format!("the JSON is not UTF-8 at byte {}", error.valid_up_to())))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| invalid(Rule::G14, format!("it is not JSON: {error}")))?;
    check_structure(text).map_err(|problem| problem.at(at))?;
    serde_json::from_str(text).map_err(|error| invalid(form, in_plain_words(&error)))
}

/// Returns the message of `error` in terms of JSON rather than of the types that the value is read into.
pub fn in_plain_words(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let (problem, place) = match text.rfind(" at line ") {
        // `serde_json` places an error about a value as a whole at column 0 of its line.
        Some(at) if text.ends_with(" column 0") => (&text[..at], ""),
        Some(at) => text.split_at(at),
        None => (&*text, ""),
    };
    let mismatch = problem.strip_prefix("invalid type: ").or_else(|| problem.strip_prefix("invalid value: "));
    match mismatch.and_then(|mismatch| mismatch.rsplit_once(", expected ")) {
        Some((found, expected)) => {
            format!("it is {}, expected {}{place}", value_in_words(found), type_in_words(expected))
        }
        None => match problem.strip_prefix("missing field ") {
            Some(field) => format!("{field} is missing{place}"),
            None => text,
        },
    }
}

fn value_in_words(found: &str) -> String {
    match found {
        "map" => "an object".into(),
        "sequence" => "a list".into(),
        "number" => "a number".into(),
        "unit value" => "null".into(),
        _ => match found.split_once(' ') {
            Some(("string", text)) => format!("the text {text}"),
            Some(("integer", number)) => format!("the number {number}"),
            Some(("boolean", value)) => value.into(),
            _ => found.replacen("floating point", "the number", 1),
        },
    }
}

fn type_in_words(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "a string" => "a text",
        "a boolean" => "true or false",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "a JSON number" => "a number",
        _ if expected.starts_with("struct ") => "an object",
        other => other,
    }
}

/// The text of a JSON document as Go reads it: what is not a character, as bytes or as half of a surrogate pair, stands for U+FFFD.
pub(crate) fn as_go_reads(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let text = String::from_utf8_lossy(bytes).into_owned();
        return Cow::Owned(without_half_pairs(&text).unwrap_or(text).into_bytes());
    };
    without_half_pairs(text).map_or(Cow::Borrowed(bytes), |text| Cow::Owned(text.into_bytes()))
}

/// `text` with `\ufffd` in place of the escapes that are half of a surrogate pair; `None` where there are none.
fn without_half_pairs(text: &str) -> Option<String> {
    let unit = |at: usize| -> Option<u16> {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text[at..].find('\\') {
        at += found;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => at += 12,
            (Some(0xd800..0xe000), _) => {
                out.push_str(&text[copied..at]);
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            // The escaped character goes with its backslash. It may have several bytes, although no valid escape has one such.
            _ => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    (copied > 0).then(|| out + &text[copied..])
}

/// About what the document takes in memory once it is read, bytes: itself and, for each of its keys and values, far more
/// than the one character that it may be.
pub(crate) fn memory_size(bytes: &[u8]) -> u64 {
    const VALUE: u64 = 160;
    let values = bytes.iter().filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{')).count();
    bytes.len() as u64 + VALUE * values as u64
}

/// Writes `value` as Go's `json.Marshal` does: compact, and `<`, `>`, `&`, U+2028 and U+2029 escaped.
///
/// Control characters are `\u00XX` but for `\n`, `\r`, `\t`; `\b` and `\f` are spelled `\u0008` and `\u000c` as Go did
/// before 1.22, in all releases of docker whose image IDs can depend on it (L-32). Struct fields and maps are written in
/// the order they have; a `BTreeMap` gives L-9's order.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut out, GoFormatter))
        .expect("the specifications' types have string keys, and memory takes every byte");
    out
}

/// Returns the JSON that [`write`] writes as a raw value, to be put among others.
pub(crate) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    raw_value(write(value))
}

/// The value without the white space around its tokens, escaped like [`write`]; all else stays as it was spelled.
///
/// This is what Go's `json.RawMessage` becomes when it is written.
pub(crate) fn compact(value: &RawValue) -> Box<RawValue> {
    let mut rest = value.get();
    let mut out = Vec::with_capacity(rest.len());
    while let Some(next) = rest.chars().next() {
        let token = if next == '"' { string_len(rest) } else { next.len_utf8() };
        if !is_space(next) {
            write_escaped(&mut out, &rest[..token]).expect("memory takes every byte");
        }
        rest = &rest[token..];
    }
    raw_value(out)
}

fn raw_value(json: Vec<u8>) -> Box<RawValue> {
    let text = String::from_utf8(json).expect("what is written is text with escapes in ASCII");
    RawValue::from_string(text).expect("what is written is JSON")
}

/// For fields that Go writers leave `null` when they are empty: `null` reads as the default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The object with these keys and texts, in ascending order as Go writes it (L-9).
pub(crate) fn text_map(texts: &BTreeMap<String, String>) -> Map<String, Value> {
    texts.iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect()
}

/// Refuses repeated keys and deep nesting in `text`, which is known to be JSON.
fn check_structure(text: &str) -> std::result::Result<(), Problem> {
    // One set of keys for each open object; those of arrays stay empty.
    let mut open: Vec<HashSet<Cow<'_, str>>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let mut len = 1;
        match byte {
            b'{' | b'[' => {
                if open.len() == MAX_JSON_DEPTH {
                    let message = format!("the JSON is nested deeper than {MAX_JSON_DEPTH} {}", line(text, at));
                    return Err(Problem::new(Rule::H14, message));
                }
                open.push(HashSet::new());
            }
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                len = string_len(&text[at..]);
                let (string, rest) = text[at..].split_at(len);
                if let (true, Some(keys)) = (rest.trim_start_matches(is_space).starts_with(':'), open.last_mut()) {
                    check_key(string, keys).map_err(|Problem { rule, message }| {
                        Problem::new(rule, format!("{message} {}", line(text, at)))
                    })?;
                }
            }
            _ => {}
        }
        at += len;
    }
    Ok(())
}

/// Adds the key that the JSON string `spelled` means to those of its object.
fn check_key<'a>(spelled: &'a str, keys: &mut HashSet<Cow<'a, str>>) -> std::result::Result<(), Problem> {
    let key = if spelled.contains('\\') {
        Cow::Owned(
            serde_json::from_str(spelled)
                .map_err(|_| Problem::new(Rule::G14, format!("the key {} is not a text", quote(spelled))))?,
        )
    } else {
        Cow::Borrowed(spelled.trim_matches('"'))
    };
    if key.starts_with(RESERVED_KEY) {
        return Err(Problem::new(Rule::G14, format!("the key `{}` is reserved", quote(&*key))));
    }
    if keys.contains(&key) {
        return Err(Problem::new(Rule::H20, format!("the key `{}` occurs twice in one object", quote(&*key))));
    }
    keys.insert(key);
    Ok(())
}

/// Bytes of the JSON string that `text` starts with, both quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The white space of RFC 8259, section 2.
fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\n' | '\r')
}

fn line(text: &str, at: usize) -> String {
    let before = &text.as_bytes()[..at];
    let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    format!("at line {} column {}", before.iter().filter(|&&byte| byte == b'\n').count() + 1, at - start + 1)
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        write_escaped(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Backspace => writer.write_all(b"\\u0008"),
            CharEscape::FormFeed => writer.write_all(b"\\u000c"),
            other => CompactFormatter.write_char_escape(writer, other),
        }
    }
}

/// Writes `text` with the characters that Go escapes although JSON does not ask for it.
fn write_escaped<W: ?Sized + io::Write>(writer: &mut W, text: &str) -> io::Result<()> {
    let mut plain = 0;
    for (at, special) in text.match_indices(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        writer.write_all(&text.as_bytes()[plain..at])?;
        writer.write_all(match special {
            "<" => b"\\u003c",
            ">" => b"\\u003e",
            "&" => b"\\u0026",
            "\u{2028}" => b"\\u2028",
            _ => b"\\u2029",
        })?;
        plain = at + special.len();
    }
    writer.write_all(&text.as_bytes()[plain..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn problem(text: impl AsRef<[u8]>) -> String {
        read::<Value>(text.as_ref(), "a.tar: x.json", 1 << 20, Rule::O2).unwrap_err().to_string()
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for (text, expected) in [
            (&b"\xef\xbb\xbf{}"[..], "a.tar: x.json: the JSON starts with a byte order mark"),
            (b"{\"a\":\"\xff\"}", "a.tar: x.json: the JSON is not UTF-8 at byte 6"),
            (b"[] []", "a.tar: x.json: it is not JSON: trailing characters at line 1 column 4"),
            (b"", "a.tar: x.json: it is not JSON: EOF while parsing a value at line 1 column 0"),
            (b"{\"a\":1", "a.tar: x.json: it is not JSON: EOF while parsing an object at line 1 column 6"),
            (b"{\"a\":1,}", "a.tar: x.json: it is not JSON: key must be a string at line 1 column 8"),
            (b"{\"a\":1,\n \"a\":2}", "a.tar: x.json: the key `a` occurs twice in one object at line 2 column 2"),
            (
                b"[{\"a\":{\"b\":[\"b\"],\"\\u0062\" :2}}]",
                "a.tar: x.json: the key `b` occurs twice in one object at line 1 column 18",
            ),
            (b"{\"\\ud800\":1}", "a.tar: x.json: the key \"\\\\ud800\" is not a text at line 1 column 2"),
            (
                b"{\"a\":{\"\\u0024serde_json::private::Number\":\"12\"}}",
                "a.tar: x.json: the key `$serde_json::private::Number` is reserved at line 1 column 7",
            ),
        ] {
            assert_eq!(problem(text), expected);
        }
    }

    #[test]
    fn one_key_in_two_objects_is_no_repetition() {
        let text = r#"[{"a":"a","b":{"a":"\"a\":"}},{"a":["a","a"]}]"#;
        assert_eq!(
            String::from_utf8(write(&read::<Value>(text.as_bytes(), "x", 99, Rule::O2).unwrap())).unwrap(),
            text
        );
    }

    #[test]
    fn depth_and_size_are_limited() {
        let nested = |depth| [&b"[".repeat(depth)[..], &b"]".repeat(depth)].concat();
        assert!(read::<Value>(&nested(MAX_JSON_DEPTH), "x", 1 << 20, Rule::O2).is_ok());
        assert!(problem(nested(MAX_JSON_DEPTH + 1)).contains("nested deeper than 100 at line 1 column 101"));
        assert!(problem(nested(500_000)).contains("nested deeper than 100"));
        assert_eq!(
            read::<Value>(b"[1,2]", "x", 4, Rule::O2).unwrap_err().to_string(),
            "x: the document has 5 bytes, more than 4"
        );
        assert!(read::<Value>(b"[12]", "x", 4, Rule::O2).is_ok());
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        let error = read::<Vec<String>>(b"[\"a\",\n1]", "x", 99, Rule::O2).unwrap_err();
        assert_eq!(error.to_string(), "x: it is the number `1`, expected a text at line 2 column 1");
    }

    #[test]
    fn what_is_wrong_with_a_value_is_said_in_words_of_json() {
        use std::collections::BTreeMap;
        let messages = |text: &str| {
            let errors = [
                serde_json::from_str::<BTreeMap<String, u64>>(text).err(),
                serde_json::from_value::<BTreeMap<String, u64>>(serde_json::from_str(text).unwrap()).err(),
            ];
            errors.map(|error| in_plain_words(&error.unwrap()))
        };
        for (text, expected) in [
            ("[]", "it is a list, expected an object"),
            ("null", "it is null, expected an object"),
            (r#""a""#, "it is the text \"a\", expected an object"),
            (r#"{"a":true}"#, "it is `true`, expected a whole number"),
        ] {
            let [read, converted] = messages(text);
            assert!(read.starts_with(expected), "{read}");
            assert_eq!(converted, expected);
        }
        assert_eq!(in_plain_words(&"missing field `a` at line 1 column 2"), "`a` is missing at line 1 column 2");
    }

    #[test]
    fn go_reads_what_is_no_character() {
        for (text, read) in [
            (&b"\"caf\xe9\""[..], "\"caf\u{fffd}\""),
            (br#""\ud83d""#, r#""\ufffd""#),
            (br#""\udc00x\ud83d\u0041""#, r#""\ufffdx\ufffd\u0041""#),
            (br#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (br#""\\ud83d""#, r#""\\ud83d""#),
            ("\"\\ü\\".as_bytes(), "\"\\ü\\"),
        ] {
            assert_eq!(String::from_utf8(as_go_reads(text).into_owned()).unwrap(), read);
        }
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let value = json!({"z": "<a & b>", "a": "\u{2028}\u{2029}grün\u{7f}\"\\/\n\r\t\u{8}\u{c}\u{1f}"});
        assert_eq!(
            String::from_utf8(write(&value)).unwrap(),
            "{\"z\":\"\\u003ca \\u0026 b\\u003e\",\"a\":\"\\u2028\\u2029grün\u{7f}\\\"\\\\/\\n\\r\\t\\u0008\\u000c\\u001f\"}"
        );
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let text = br#"[1.50,-0,123456789012345678901234567890]"#;
        assert_eq!(write(&read::<Value>(text, "x", 99, Rule::O2).unwrap()), text);
    }

    #[test]
    fn compacting_keeps_the_spelling_of_values() {
        let text = "{ \"b\" : [ 1.0 , 1e2,\n true ],\r\n\t\"a\\/ \\u0041<\": \"x  \\\" &\u{2028}\" }";
        let value = RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(compact(&value).get(), r#"{"b":[1.0,1e2,true],"a\/ \u0041\u003c":"x  \" \u0026\u2028"}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(map in prop::collection::btree_map("(?s).{0,6}", "(?s).{0,6}", 0..4)) {
            let written = write(&map);
            let value = raw(&map);
            prop_assert_eq!(compact(&value).to_string(), value.to_string());
            prop_assert_eq!(read::<BTreeMap<String, String>>(&written, "x", 1 << 20, Rule::O2).unwrap(), map);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(prop::sample::select(&b"{}[]:,\"\\u0 a1-.e\n\xff"[..]), 0..40)) {
            let _ = read::<Value>(&bytes, "x", 1 << 20, Rule::O2);
        }
    }
}
