//! Facts as a person reads them: a key and its value a line, in as many columns as there are.
//!
//! Where standard output is a terminal, values are wrapped below themselves, and where that leaves them too little room,
//! below their key. Elsewhere a fact stays on its line, however long, because programs and searches read it there;
//! `COLUMNS` says otherwise. Whatever comes from an archive is escaped here, at the one door (docs/formats.md H-25).

use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Style};
use imgtar::path::escape_for_terminal;
use terminal_size::{Width, terminal_size_of};

use super::terminal::is_coloured;
use super::wrap::{self, broken, cut};

/// Columns that a value must have beside its key.
const ROOM: usize = 20;

/// Columns of a line that may be cut, where the room has no end.
const LONGEST: usize = 120;

/// What is written, and how much room there is.
pub(super) struct Page<'a, W> {
    out: &'a mut W,
    columns: usize,
    coloured: bool,
}

/// How a word is shown, where colours are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Title,
    Key,
    Good,
    Fair,
    Bad,
}

impl<'a, W: Write> Page<'a, W> {
    /// As standard output is now.
    pub(super) fn new(out: &'a mut W) -> Self {
        Self { out, columns: columns(), coloured: is_coloured(&io::stdout()) }
    }

    #[cfg(test)]
    pub(super) fn of_width(out: &'a mut W, columns: usize) -> Self {
        Self { out, columns, coloured: false }
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A line of its own, wrapped, `indent` columns in.
    pub(super) fn line(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        for part in wrapped(&escape_for_terminal(text.as_bytes()), self.columns.saturating_sub(indent)) {
            let shown = self.toned(tone, &part);
            writeln!(self.out, "{:indent$}{shown}", "")?;
        }
        Ok(())
    }

    /// A line of its own, `indent` columns in, cut where the room ends.
    pub(super) fn cut_line(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let text = escape_for_terminal(text.as_bytes());
        let room = self.columns.min(LONGEST).saturating_sub(indent).max(1);
        writeln!(self.out, "{:indent$}{}", "", cut(&text, room))
    }

    /// How many columns there are; more than any line has where nobody counts them.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// A row of a table, cut where the room ends. `text` has no control characters.
    pub(super) fn row(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        let shown = cut(text, self.columns);
        let shown = self.toned(tone, shown.trim_end());
        writeln!(self.out, "{shown}")
    }

    /// `word` and what follows it, broken between words alone: what is in it will be searched for. `text` has no control
    /// characters.
    pub(super) fn remark(&mut self, tone: Tone, word: &str, text: &str) -> io::Result<()> {
        let lines = broken(&format!("{word}{text}"), self.columns).join("\n");
        let rest = lines.strip_prefix(word).unwrap_or_default();
        let word = self.toned(tone, word);
        writeln!(self.out, "{word}{rest}")
    }

    /// `key` in a column of `width`, `indent` columns in, and `values` behind it, each on a line of its own.
    pub(super) fn fact(&mut self, indent: usize, width: usize, key: &str, values: &[String]) -> io::Result<()> {
        self.toned_fact(indent, width, (Tone::Key, key), values)
    }

    /// The same with a tone of its own for the key.
    pub(super) fn toned_fact(
        &mut self,
        indent: usize,
        width: usize,
        (tone, key): (Tone, &str),
        values: &[String],
    ) -> io::Result<()> {
        let beside = indent + width + 2;
        let is_narrow = self.columns < beside + ROOM;
        let left = if is_narrow { indent + 2 } else { beside };
        let wrapped =
            |value: &String| wrapped(&escape_for_terminal(value.as_bytes()), self.columns.saturating_sub(left));
        let mut lines = values.iter().flat_map(wrapped).collect::<Vec<_>>().into_iter();
        let shown = self.toned(tone, key);
        match lines.next() {
            Some(first) if !is_narrow => {
                let padding = width + 2 - wrap::width(key).min(width);
                writeln!(self.out, "{:indent$}{shown}{:padding$}{first}", "", "")?;
            }
            Some(first) => writeln!(self.out, "{:indent$}{shown}\n{:left$}{first}", "", "")?,
            None => writeln!(self.out, "{:indent$}{shown}", "")?,
        }
        lines.try_for_each(|line| writeln!(self.out, "{:left$}{line}", ""))
    }

    fn toned(&self, tone: Tone, text: &str) -> String {
        let style = match tone {
            _ if !self.coloured => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Title => Style::new().bold(),
            Tone::Key => AnsiColor::Cyan.on_default(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Fair => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// `COLUMNS` where somebody set it, else the terminal's; without either a line has no end.
fn columns() -> usize {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns));
    said.or_else(seen).filter(|&columns| columns > 0).unwrap_or(usize::MAX)
}

/// `text` in lines of at most `columns`, broken at spaces, and inside a word where it is longer than a line.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    // One character takes two columns at most.
    let columns = columns.max(2);
    let (mut lines, mut line, mut taken) = (Vec::new(), String::new(), 0);
    for mut word in text.split(' ') {
        if taken > 0 && taken + 1 + wrap::width(word) > columns {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            taken = 0;
        } else if !line.is_empty() {
            line.push(' ');
            taken += 1;
        }
        while wrap::width(word) > columns {
            let (head, tail) = wrap::split(word, columns);
            lines.push(head.to_owned());
            word = tail;
        }
        taken += wrap::width(word);
        line.push_str(word);
    }
    lines.push(line.trim_end().to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: usize, write: impl FnOnce(&mut Page<'_, Vec<u8>>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page::of_width(&mut out, columns)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_broken() {
        for (text, columns, expected) in [
            ("", 5, &[""][..]),
            ("ab cd ef", 5, &["ab cd", "ef"]),
            ("ab cd ef", usize::MAX, &["ab cd ef"]),
            ("abcdefgh i", 3, &["abc", "def", "gh", "i"]),
            ("a abcdefgh", 4, &["a", "abcd", "efgh"]),
            ("a  b", 9, &["a  b"]),
            ("abc", 0, &["ab", "c"]),
            ("漢字 漢字", 5, &["漢字", "漢字"]),
            ("漢字漢字", 5, &["漢字", "漢字"]),
        ] {
            assert_eq!(wrapped(text, columns), expected, "{text} in {columns}");
        }
    }

    #[test]
    fn a_value_stands_beside_its_key_where_there_is_room() {
        let fact = |page: &mut Page<'_, _>| page.fact(2, 6, "env", &["A=1 and more of it".into(), "B=2".into()]);
        assert_eq!(page(40, fact), "  env     A=1 and more of it\n          B=2\n");
        assert_eq!(page(30, fact), "  env     A=1 and more of it\n          B=2\n");
        assert_eq!(page(20, fact), "  env\n    A=1 and more of\n    it\n    B=2\n");
    }

    #[test]
    fn rows_are_cut_and_remarks_are_broken_between_words() {
        let row = |page: &mut Page<'_, _>| page.row(Tone::Plain, "ab cd ef  ");
        assert_eq!(page(usize::MAX, row), "ab cd ef\n");
        assert_eq!(page(10, row), "ab cd ef\n");
        assert_eq!(page(7, row), "ab cd …\n");
        let remark = |page: &mut Page<'_, _>| page.remark(Tone::Bad, "error", ": blobs/sha256: ab cd");
        assert_eq!(page(usize::MAX, remark), "error: blobs/sha256: ab cd\n");
        assert_eq!(page(9, remark), "error:\n  blobs/sha256:\n  ab cd\n");
    }

    #[test]
    fn what_comes_from_an_archive_is_escaped() {
        let shown = page(80, |page| page.fact(0, 3, "cmd", &["\u{1b}[31m\n".into()]));
        assert_eq!(shown, "cmd  \\u{1b}[31m\\n\n");
    }
}
