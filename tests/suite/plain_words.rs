//! Plain words: what the project once called things, and no reader could know, is gone from help, messages, documents and
//! comments, and from the names in the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::source::Source;

/// Phrases, in lower case; a star stands for the rest of a word.
const PHRASES: &[&str] = &[
    "another look",
    "are told",
    "becomes gzip",
    "cannot say",
    "ears",
    "has a word",
    "has no word*",
    "have a word",
    "have no word*",
    "held against",
    "hold against",
    "holds against",
    "insist*",
    "in vain",
    "is told",
    "judge*",
    "loose",
    "lost: ",
    "nobody*",
    "not sound",
    "patience",
    "preserved: ",
    "put aside",
    "riddle*",
    "sound",
    "spelled by",
    "stand in for",
    "stand-in*",
    "standing in",
    "stands in for",
    "stranger*",
    "take back",
    "takes back",
    "taken back",
    "unheard",
    "vouch*",
    "was said",
    "was told",
    "whoever*",
    "word for it",
];

/// Names of types, functions and modules.
const NAMES: &[&str] = &[
    "Absent",
    "Carried",
    "Choice",
    "Chosen",
    "Claim",
    "Elsewhere",
    "EntryId",
    "Faults",
    "Finding",
    "Heard",
    "Item",
    "Led",
    "Notices",
    "Promise",
    "Remark",
    "Stage",
    "Survivor",
    "Survivors",
    "Teller",
    "Texts",
    "Toc",
    "Told",
    "Trust",
    "Word",
    "again",
    "another_look",
    "attempt",
    "begin_anew",
    "beside",
    "held",
    "insist",
    "judge",
    "likely",
    "loose",
    "measure",
    "patience",
    "printable",
    "put_aside",
    "refuse_strangers",
    "said",
    "spelled_by",
    "stand_in",
    "stranger",
    "take_back",
    "word",
];

fn none(found: &BTreeSet<String>) {
    assert!(found.is_empty(), "old words, for which there are plain ones:\n{found:#?}");
}

/// The phrases in `text`, each as a line for this place.
fn phrases(place: &str, text: &str) -> Vec<String> {
    // Comments go on in the next line, and so do sentences.
    let words = text.lines().map(|line| line.trim().trim_start_matches(['/', '!', '#', '*']).trim());
    let text = words.collect::<Vec<_>>().join(" ").to_lowercase();
    let found = PHRASES.iter().filter(|phrase| has(&text, phrase));
    found.map(|phrase| format!("{place}: {phrase}")).collect()
}

fn has(text: &str, phrase: &str) -> bool {
    let (stem, is_open) = phrase.strip_suffix('*').map_or((phrase, false), |stem| (stem, true));
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(stem).any(|(at, found)| {
        let (before, behind) = (text[..at].chars().next_back(), text[at + found.len()..].chars().next());
        !before.is_some_and(is_letter) && (is_open || found.ends_with(' ') || !behind.is_some_and(is_letter))
    })
}

#[test]
fn help_has_plain_words() {
    let scratch = Scratch::new();
    imgtar(["man", "--out-dir"]).arg(scratch.dir()).success();
    let mut found = BTreeSet::new();
    for name in scratch.names() {
        found.extend(phrases(&name, &String::from_utf8(scratch.read(&name)).unwrap()));
        let command = name.trim_end_matches(".1").replacen("imgtar", "", 1);
        let command: Vec<_> = command.split('-').filter(|word| !word.is_empty()).collect();
        let help = imgtar(command.iter().copied().chain(["--help"])).success().text();
        found.extend(phrases(&name, &help));
    }
    none(&found);
}

#[test]
fn messages_and_comments_have_plain_words() {
    let mut found = BTreeSet::new();
    for source in Source::all() {
        found.extend(phrases(&source.path.display().to_string(), &source.lines.join("\n")));
    }
    none(&found);
}

#[test]
fn documents_have_plain_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let in_docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents: Vec<PathBuf> = in_docs
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .chain(["README.md", "CHANGELOG.md"].map(|name| root.join(name)))
        .collect();
    let mut found = BTreeSet::new();
    for path in documents {
        let place = path.strip_prefix(root).unwrap().display().to_string();
        found.extend(phrases(&place, &fs::read_to_string(&path).unwrap()));
    }
    none(&found);
}

#[test]
fn names_are_plain_words() {
    let mut found = BTreeSet::new();
    for source in Source::all() {
        for line in source.code() {
            let mut words = line.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
            let is_declared = |word: &&str| matches!(*word, "struct" | "enum" | "trait" | "fn" | "mod");
            if let (Some(_), Some(name)) = (words.by_ref().find(is_declared), words.next())
                && NAMES.contains(&name)
            {
                found.insert(format!("{}: {name}", source.path.display()));
            }
        }
    }
    none(&found);
}
