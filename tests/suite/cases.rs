//! The inputs that users of image tools reported in public, rebuilt as shapes (`cases/inputs.tar.xz`): the answers to all.
//!
//! [`ROWS`] holds those about which something was wrong once, each with the command and its right answer. `answers.txt` holds
//! the answers to every input and every fixture, so that none changes unseen; `IMGTAR_WRITE_ANSWERS=1` writes it anew.

mod rows;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::run::{Outcome, imgtar};
use crate::support::scratch::Scratch;
use crate::support::sha256;

use rows::ROWS;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The inputs, unpacked.
fn unpacked() -> Scratch {
    static PACKED: LazyLock<Vec<u8>> =
        LazyLock::new(|| fs::read(Path::new(ROOT).join("tests/suite/cases/inputs.tar.xz")).unwrap());
    let scratch = Scratch::new();
    for entry in tar::Archive::new(Codec::decode(&PACKED).as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        if is_here(&entry.path().unwrap().to_string_lossy()) {
            assert!(entry.unpack_in(scratch.dir()).unwrap());
        }
    }
    scratch
}

/// Returns false for the input that has a symbolic link, where not every user may make one.
fn is_here(input: &str) -> bool {
    cfg!(unix) || !input.contains("b95-bazel-out")
}

#[test]
fn every_row_has_its_right_answer() {
    let scratch = unpacked();
    let mut problems = Vec::new();
    for row in ROWS.iter().filter(|row| is_here(row)) {
        let (command, answer) = row.split_once(" => ").expect("COMMAND => EXIT: TEXT; TEXT");
        let (code, texts) = answer.split_once(": ").unwrap_or((answer, ""));
        let outcome = imgtar(command.split_whitespace()).dir(&scratch.path("cases")).run();
        let said = outcome.stderr.clone() + &String::from_utf8_lossy(&outcome.stdout);
        let missing = texts.split("; ").find(|text| match text.strip_prefix('!') {
            Some(text) => said.contains(text),
            None => !said.contains(text),
        });
        if outcome.code != code.parse::<i32>().unwrap() || missing.is_some() {
            problems.push(format!("{row}\n  {missing:?}\n{outcome}\n{said}"));
        }
    }
    assert!(problems.is_empty(), "{} rows of {}:\n{}", problems.len(), ROWS.len(), problems.join("\n"));
}

#[test]
fn the_answers_to_all_inputs_are_as_before() {
    let scratch = unpacked();
    let mut inputs = entries(&scratch.path("cases"));
    assert_eq!(inputs.len(), if cfg!(unix) { 171 } else { 170 });
    inputs.extend(entries(&Path::new(ROOT).join("fixtures")));
    inputs.retain(|path| !path.ends_with("README.md"));
    let answers: String = inputs.iter().map(|input| answers(input)).collect();
    let file = Path::new(ROOT).join("tests/suite/cases/answers.txt");
    if std::env::var_os("IMGTAR_WRITE_ANSWERS").is_some() {
        fs::write(&file, &answers).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    let expected: String = expected.split_inclusive("\n\n").filter(|answers| is_here(answers)).collect();
    let differing: Vec<_> = expected.split("\n\n").zip(answers.split("\n\n")).filter(|(old, new)| old != new).collect();
    let shown: String = differing.iter().map(|(old, new)| format!("--- before\n{old}\n--- now\n{new}\n")).collect();
    assert!(expected == answers, "{} inputs have other answers:\n{shown}", differing.len());
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// What the commands say of one input, with its name above and an empty line below.
fn answers(input: &Path) -> String {
    let name = input.file_name().unwrap().to_str().unwrap();
    let run = |command: &[&str]| imgtar(command).arg(name).dir(input.parent().unwrap()).run();
    let mut lines = vec![name.to_owned()];
    let mut messages: Vec<String> = Vec::new();
    let mut codes = Vec::new();
    for target in ["legacy", "docker", "oci", "rootfs"] {
        let outcome = run(&["convert", "--to", target, "-q"]);
        // What is compressed depends on the libraries.
        let is_plain = outcome.code == 0 && ["legacy", "rootfs"].contains(&target);
        let digest = if is_plain { &sha256(&outcome.stdout)[..12] } else { "" };
        codes.push(format!("{target} {} {digest}", outcome.code).trim_end().to_owned());
        messages.extend(outcome.stderr.lines().map(shortened).filter(|line| !line.is_empty()));
    }
    lines.push(codes.join(", "));
    for message in messages {
        if !lines.contains(&message) {
            lines.push(message);
        }
    }
    lines.push(listing(&run(&["ls", "-l"])));
    lines.extend(findings(&run(&["verify", "--json"])));
    lines.push(loads(&run(&["inspect", "--full", "--json"])));
    let directory = input.parent().unwrap().canonicalize().unwrap();
    lines.join("\n").replace(&format!("{}/", directory.display()), "") + "\n\n"
}

/// The files as `ls` lists them: the first ones, how many there are, and a digest of all.
fn listing(outcome: &Outcome) -> String {
    if outcome.code != 0 {
        return format!("ls {}", outcome.code);
    }
    let text = outcome.text();
    let paths: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let digest = &sha256(text.as_bytes())[..12];
    format!("ls 0: {} paths, {digest}: {}", paths.len(), paths[..paths.len().min(6)].join(" "))
}

fn findings(outcome: &Outcome) -> Vec<String> {
    let mut lines = vec![format!("verify {}", outcome.code)];
    let Ok(report) = serde_json::from_slice::<Value>(&outcome.stdout) else { return lines };
    for finding in report["findings"].as_array().unwrap() {
        let text = |key: &str| shortened(finding[key].as_str().unwrap_or_default());
        lines.push(format!("  {} {} {}: {}", text("severity"), text("rule"), text("place"), text("problem")));
    }
    lines
}

/// A letter for each engine, in the order of the table: yes, no, first or last platform only.
fn loads(outcome: &Outcome) -> String {
    let Ok(report) = serde_json::from_slice::<Value>(&outcome.stdout) else { return format!("loads {}", outcome.code) };
    let letters = report["loads"].as_array().unwrap().iter().map(|loads| &loads["loads"].as_str().unwrap()[..1]);
    format!("loads {}", letters.collect::<String>())
}

/// A message without the command's name, digests cut to twelve digits.
fn shortened(message: &str) -> String {
    let message = message.trim_start_matches("imgtar: ");
    let pieces = message.split_inclusive(|char: char| !char.is_ascii_hexdigit());
    let short = |piece: &str| match piece.len() {
        64.. => piece[..12].to_owned() + piece.trim_start_matches(|char: char| char.is_ascii_hexdigit()),
        _ => piece.to_owned(),
    };
    pieces.map(short).collect()
}
