//! Rules by their numbers: src, tests and documents cite no other than those that a document defines.
//!
//! A rule's number is in bold where it is defined; those of vectors and of the test matrix are the first cell of a row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use imgtar::Rule;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Sections whose rows are no rules that a diagnostic could be about: flattening, foreign layer tars, the test matrix.
const VECTORS: [char; 3] = ['V', 'S', 'T'];

/// The numbers such as `G-15` in `text`, each with the places before and behind it.
fn numbers(text: &str) -> impl Iterator<Item = (usize, &str, usize)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices('-').filter_map(move |(dash, _)| {
        let start = dash.checked_sub(1).filter(|&at| text.as_bytes()[at].is_ascii_uppercase())?;
        let digits = text[dash + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = dash + 1 + digits;
        let is_alone = !text[..start].ends_with(is_part) && !text[end..].starts_with(is_part);
        (digits > 0 && is_alone).then(|| (start, &text[start..end], end))
    })
}

/// The numbers that the documents define, each with the document; twice where two places do.
fn defined() -> Vec<(String, PathBuf)> {
    let mut defined = Vec::new();
    for path in files(&["docs"]).into_iter().filter(|path| path.extension().is_some_and(|end| end == "md")) {
        let text = read(&path);
        for (start, number, end) in numbers(&text) {
            let is_bold = text[..start].ends_with("**") && text[end..].starts_with("**");
            let is_row =
                number.starts_with(VECTORS) && text[..start].ends_with("\n| ") && text[end..].starts_with(" |");
            if is_bold || is_row {
                defined.push((number.to_owned(), path.clone()));
            }
        }
    }
    defined
}

/// The files below `places` in the root of the project, without those of a build.
fn files(places: &[&str]) -> Vec<PathBuf> {
    let mut left: Vec<PathBuf> = places.iter().map(|place| Path::new(ROOT).join(place)).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.ends_with("target") {
            continue;
        }
        if path.is_dir() {
            left.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

#[test]
fn a_number_that_is_cited_is_defined() {
    let defined: BTreeSet<String> = defined().into_iter().map(|(number, _)| number).collect();
    let mut wrong = BTreeMap::<_, BTreeSet<_>>::new();
    for path in files(&["src", "tests", "docs", "README.md", "CHANGELOG.md", "Cargo.toml"]) {
        // Archives hold any letters.
        if !path.extension().is_none_or(|end| ["rs", "md", "sh", "py", "toml", "txt"].iter().any(|text| end == *text)) {
            continue;
        }
        let place = path.strip_prefix(ROOT).unwrap().display().to_string();
        let text = read(&path);
        for (_, number, _) in numbers(&text).filter(|(_, number, _)| !defined.contains(*number)) {
            wrong.entry(number.to_owned()).or_default().insert(place.clone());
        }
    }
    assert!(wrong.is_empty(), "no document defines these numbers:\n{wrong:#?}");
}

#[test]
fn the_rules_are_those_of_the_documents_each_once() {
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for (number, path) in defined() {
        places.entry(number).or_default().push(path);
    }
    let twice: Vec<_> = places.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(twice.is_empty(), "defined twice: {twice:#?}");
    let documented: BTreeSet<String> = places.into_keys().filter(|number| !number.starts_with(VECTORS)).collect();
    let rules: BTreeSet<String> = Rule::ALL.iter().map(Rule::to_string).collect();
    assert_eq!(rules.len(), Rule::ALL.len());
    assert_eq!(rules, documented);
}
