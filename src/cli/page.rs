//! Text for people: wrapped lines and aligned tables, in as many columns as the terminal has.
//!
//! If standard output is not a terminal, lines have no limit, because programs and searches read them; `COLUMNS` sets
//! another width. Control characters are escaped here, whatever archive they come from (docs/formats.md H-25).

use std::borrow::Cow;
use std::io::{self, Write};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use imgtar::internals::path::presentable;
use terminal_size::{Width, terminal_size_of};
use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSplitter};

/// Columns between two cells.
const GAP: usize = 2;

/// Columns that the last cell of a row needs beside the others; with less it goes below them.
const ROOM: usize = 20;

/// A writer of lines and tables.
pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    columns: usize,
    is_coloured: bool,
}

/// The meaning of a piece of text, which has a colour where there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Title,
    Key,
    Good,
    Fair,
    Bad,
}

/// A piece of text in a table.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
    is_right: bool,
    fit: Fit,
}

/// The treatment of the last cell of a row that is too long for the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It goes on below, words that are longer than a line too.
    Wrapped,
    /// It goes on below, but words stay whole, so that they can be searched for and copied.
    Words,
    /// It is cut.
    Cut,
}

/// Rows whose cells stand below one another; the last cell of a row is wrapped or cut where the columns end.
#[derive(Debug, Default)]
pub(super) struct Table {
    indent: usize,
    rows: Vec<Vec<Cell>>,
}

/// Returns a cell of plain text.
pub(super) fn cell(text: impl Into<String>) -> Cell {
    let text = presentable(&text.into()).replace('\n', "\\n");
    Cell { text, tone: Tone::Plain, is_right: false, fit: Fit::Wrapped }
}

impl Cell {
    pub(super) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Aligns the text to the right.
    pub(super) fn right(self) -> Self {
        Self { is_right: true, ..self }
    }

    /// Cuts the text, instead of wrapping it, where the columns end.
    pub(super) fn cut(self) -> Self {
        Self { fit: Fit::Cut, ..self }
    }

    /// Keeps words whole, however long they are.
    pub(super) fn words(self) -> Self {
        Self { fit: Fit::Words, ..self }
    }

    /// Cuts the text after this many columns, or where they end.
    pub(super) fn cut_at(self, columns: usize) -> Self {
        Self { text: cut(&self.text, columns), fit: Fit::Cut, ..self }
    }
}

impl Table {
    /// Returns an empty table, `indent` columns in.
    pub(super) fn new(indent: usize) -> Self {
        Self { indent, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds a row for each of `values`, the first of which stands beside `key`.
    pub(super) fn list(&mut self, key: Cell, values: impl IntoIterator<Item = Cell>) {
        let keys = std::iter::once(key).chain(std::iter::repeat_with(|| cell("")));
        self.rows.extend(keys.zip(values).map(|(key, value)| vec![key, value]));
    }

    /// Returns the columns that each cell but the last of a row takes.
    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            let before_last = &row[..row.len().saturating_sub(1)];
            widths.resize(widths.len().max(before_last.len()), 0);
            for (width, cell) in widths.iter_mut().zip(before_last) {
                *width = display_width(&cell.text).max(*width);
            }
        }
        widths
    }
}

/// Returns whether `stream` shows colours, as clap decides it for the help. On a console of Windows this turns on the escape
/// sequences for them.
pub(super) fn shows_colours(stream: impl RawStream) -> bool {
    // `Always` is a console that has colours, but no escape sequences.
    AutoStream::auto(stream).current_choice() == ColorChoice::AlwaysAnsi
}

impl<'a> Page<'a> {
    /// Returns a page as wide as standard output.
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let seen = || terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns));
        let columns = asked.or_else(seen).filter(|&columns| columns > 0).unwrap_or(usize::MAX);
        Self { out, columns, is_coloured: shows_colours(io::stdout()) }
    }

    /// Returns the columns of a line, more than any line has where nothing limits them.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Writes an empty line.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Writes `head` and `text` behind it as one line, broken between words only, so that each can be searched for.
    pub(super) fn line(&mut self, head: &Cell, text: &str) -> io::Result<()> {
        let line = self.shown(head, &head.text) + &cell(text).text;
        wrap(&line, self.columns, "  ", false).iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    /// Writes `table`.
    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        let widths = table.widths();
        let left = |indent: usize, widths: &[usize]| indent + widths.iter().map(|width| width + GAP).sum::<usize>();
        // Where not even the cells before the last have room, the first stands on a line of its own.
        let folded = usize::from(left(table.indent, &widths) > self.columns && widths.len() > 1);
        let (indent, rest) = (table.indent + folded * GAP, &widths[folded..]);
        let room = self.columns.saturating_sub(left(indent, rest));
        let mut last_cells = table.rows.iter().filter_map(|row| row.last());
        let is_narrow = room < ROOM && last_cells.any(|cell| display_width(&cell.text) > room);
        for (last, before) in table.rows.iter().filter_map(|row| row.split_last()) {
            let (first, before) = before.split_at(folded.min(before.len()));
            for cell in first {
                writeln!(self.out, "{}{}", " ".repeat(table.indent), self.shown(cell, &cell.text))?;
            }
            let mut line = " ".repeat(indent) + &self.aligned(before, rest);
            if is_narrow {
                if !line.trim().is_empty() {
                    writeln!(self.out, "{}", line.trim_end())?;
                }
                line = " ".repeat(indent + GAP);
            }
            self.last_cell(&line, last)?;
        }
        Ok(())
    }

    fn aligned(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let (text, pad) = (self.shown(cell, &cell.text), width - display_width(&cell.text));
            line += &if cell.is_right { format!("{:pad$}{text}", "") } else { format!("{text}{:pad$}", "") };
            line += &" ".repeat(GAP);
        }
        line
    }

    /// Writes the last cell of a row behind `line`.
    fn last_cell(&mut self, line: &str, last: &Cell) -> io::Result<()> {
        let left = display_width(line);
        // A character takes two columns at most.
        let room = self.columns.saturating_sub(left).max(2);
        let lines = match last.fit {
            Fit::Wrapped => wrap(&last.text, room, "", true),
            Fit::Words => wrap(&last.text, room, "", false),
            Fit::Cut => vec![cut(&last.text, room)],
        };
        for (number, text) in lines.iter().enumerate() {
            let before = if number == 0 { line.to_owned() } else { " ".repeat(left) };
            writeln!(self.out, "{}", format!("{before}{}", self.shown(last, text)).trim_end())?;
        }
        Ok(())
    }

    fn shown(&self, cell: &Cell, text: &str) -> String {
        let style = match cell.tone {
            _ if !self.is_coloured || text.is_empty() => return text.to_owned(),
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

/// Returns `text` in lines of at most `columns`, those after the first behind `hang`. Words are broken, if at all, where
/// they are longer than a line.
pub(super) fn wrap(text: &str, columns: usize, hang: &str, break_words: bool) -> Vec<String> {
    let options = Options::new(columns).subsequent_indent(hang).break_words(break_words);
    let lines = textwrap::wrap(text, options.word_splitter(WordSplitter::NoHyphenation));
    lines.into_iter().map(Cow::into_owned).collect()
}

/// Returns as much of `text` as fits in `columns`, with `…` where it goes on.
fn cut(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let head = Word::from(text).break_apart(columns.saturating_sub(1)).next().map_or("", |head| head.word);
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(columns: usize, write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut Page { out: &mut out, columns, is_coloured: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("漢字漢字", 8), "漢字漢字");
        assert_eq!(cut("漢字漢字", 7), "漢字漢…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(cut("ab cd", 4), "ab …");
        assert_eq!(wrap("漢字 漢字", 5, "", true), ["漢字", "漢字"]);
    }

    #[test]
    fn a_line_is_broken_between_words_alone() {
        let line = |page: &mut Page<'_>| page.line(&cell("error").tone(Tone::Bad), ": blobs/sha256: ab-cd ef");
        assert_eq!(page(usize::MAX, line), "error: blobs/sha256: ab-cd ef\n");
        assert_eq!(page(9, line), "error:\n  blobs/sha256:\n  ab-cd\n  ef\n");
    }

    #[test]
    fn the_last_cell_is_beside_the_others_where_there_is_room() {
        let mut table = Table::new(2);
        table.list(cell("env"), [cell("A=1 and more of it"), cell("B=2")]);
        table.row([cell("workdir"), cell("/abcdefghijklmnopqrstuvwxyz")]);
        let table = |page: &mut Page<'_>| page.table(&table);
        let wide = "  env      A=1 and more of it\n           B=2\n  workdir  /abcdefghijklmnopqrstuvwxyz\n";
        assert_eq!(page(usize::MAX, table), wide);
        let broken =
            "  env      A=1 and more of it\n           B=2\n  workdir  /abcdefghijklmnopqrs\n           tuvwxyz\n";
        assert_eq!(page(31, table), broken);
        let below = "  env\n    A=1 and more of\n    it\n    B=2\n  workdir\n    /abcdefghijklmno\n    pqrstuvwxyz\n";
        assert_eq!(page(20, table), below);
    }

    #[test]
    fn cells_are_aligned_and_cut() {
        let mut table = Table::new(0);
        table.row([cell("SIZE").right(), cell("BY")]);
        table.row([cell("1.0 KiB").right(), cell("RUN abcdefghijklmnopqrstuvwxyz").cut()]);
        let table = |page: &mut Page<'_>| page.table(&table);
        assert_eq!(page(80, table), "   SIZE  BY\n1.0 KiB  RUN abcdefghijklmnopqrstuvwxyz\n");
        assert_eq!(page(30, table), "   SIZE  BY\n1.0 KiB  RUN abcdefghijklmnop…\n");
        assert_eq!(page(20, table), "   SIZE\n  BY\n1.0 KiB\n  RUN abcdefghijklm…\n");
    }

    #[test]
    fn what_has_no_room_beside_the_first_cell_stands_below_it() {
        let mut table = Table::new(0);
        table.row([cell("registry.example.com/app:1"), cell("linux/amd64"), cell("1.0 KiB").right(), cell("a.tar")]);
        table.row([cell("b:2"), cell("linux/arm"), cell("12.0 MiB").right(), cell("b.tar")]);
        let table = |page: &mut Page<'_>| page.table(&table);
        let beside = "registry.example.com/app:1  linux/amd64   1.0 KiB  a.tar\nb:2                         linux/arm    \
                      12.0 MiB  b.tar\n";
        assert_eq!(page(80, table), beside);
        let below = "registry.example.com/app:1\n  linux/amd64   1.0 KiB  a.tar\nb:2\n  linux/arm    12.0 MiB  b.tar\n";
        assert_eq!(page(45, table), below);
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut table = Table::new(0);
        table.row([cell("cmd"), cell("\u{1b}[31m\nC:\\x")]);
        assert_eq!(page(80, |page| page.table(&table)), "cmd  \\u{1b}[31m\\nC:\\x\n");
    }
}
