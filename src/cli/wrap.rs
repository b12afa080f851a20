//! Lines that fit a terminal: counted in columns, of which a character may take two, one or none.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// As much of `text` as fits in `columns`, `…` where it goes on.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (head, _) = split(text, columns.saturating_sub(1));
    format!("{head}…")
}

/// `text` at the last character that ends within `columns`.
pub(super) fn split(text: &str, columns: usize) -> (&str, &str) {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, char)| {
        taken += char.width().unwrap_or(0);
        taken > columns
    });
    text.split_at(end.map_or(text.len(), |(end, _)| end))
}

/// `start` and `words` in lines of at most `columns`, all but the first indented by `hang`; a word that is longer has its line
/// to itself and goes on past the end, so that it can still be searched for and copied.
pub(super) fn hung<'a>(
    start: &str,
    words: impl IntoIterator<Item = &'a str>,
    columns: usize,
    hang: usize,
) -> Vec<String> {
    let (mut lines, mut line, mut is_begun) = (Vec::new(), start.to_owned(), false);
    for word in words {
        if is_begun && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(hang)));
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

/// `text` in such lines, all but the first two columns further in than it is itself.
pub(super) fn broken(text: &str, columns: usize) -> Vec<String> {
    let words = text.trim_start_matches(' ');
    let (start, words) = text.split_at(text.len() - words.len());
    hung(start, words.split(' '), columns, start.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!((width("abc"), width("漢字"), width("e\u{301}")), (3, 4, 1));
        assert_eq!(cut("漢字漢字", 8), "漢字漢字");
        assert_eq!(cut("漢字漢字", 7), "漢字漢…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(split("漢字", 3), ("漢", "字"));
        assert_eq!(split("ab", 9), ("ab", ""));
    }

    #[test]
    fn lines_hang_below_the_first_and_words_stay_whole() {
        let broken = |text: &str, columns| broken(text, columns).join("|");
        assert_eq!(broken("ab cd ef", 80), "ab cd ef");
        assert_eq!(broken("ab cd ef", 5), "ab cd|  ef");
        assert_eq!(broken("ab cd ef gh", 7), "ab cd|  ef gh");
        assert_eq!(broken("ab abcdefgh ef", 6), "ab|  abcdefgh|  ef");
        assert_eq!(broken("    abcdefgh a", 6), "    abcdefgh|      a");
        assert_eq!(broken("", 6), "");
        assert_eq!(hung("a  ", ["b", "c", "d"], 6, 3).join("|"), "a  b c|   d");
    }
}
