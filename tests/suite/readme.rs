//! What README.md says, seen done: its console examples run and print what stands there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::run::program;
use crate::support::scratch::Scratch;

/// The section of pipelines, which needs more than this machine has: [`super::pipelines`] runs it.
pub(crate) const PIPELINES: &str = "\n## In a pipeline\n";

/// A command of a console block and the lines that it prints.
pub(crate) struct Example {
    pub(crate) command: String,
    pub(crate) printed: Vec<String>,
}

/// The text without, and the text within the section under this heading.
pub(crate) fn section(text: &str, heading: &str) -> (String, String) {
    let (before, rest) = text.split_once(heading).expect("there is such a section");
    let (within, after) = rest.split_once("\n## ").unwrap_or((rest, ""));
    (format!("{before}\n## {after}"), within.to_owned())
}

pub(crate) fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.strip_prefix("```"), line.strip_prefix("$ ")) {
            (Some(kind), _) => inside = kind == "console",
            (None, Some(command)) if inside => {
                examples.push(Example { command: command.to_owned(), printed: Vec::new() });
            }
            (None, None) if inside => examples.last_mut().expect("a command first").printed.push(line.to_owned()),
            _ => {}
        }
    }
    examples
}

#[test]
fn the_readmes_examples_print_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (readme, _) = section(&fs::read_to_string(root.join("README.md")).unwrap(), PIPELINES);
    let examples = examples(&readme);
    assert!(examples.len() >= 6, "only {} examples found", examples.len());

    let scratch = Scratch::new();
    let saved = fs::File::open(root.join("fixtures/saved20.tar.xz")).unwrap();
    let mut app = Vec::new();
    std::io::Read::read_to_end(&mut liblzma::read::XzDecoder::new(saved), &mut app).unwrap();
    scratch.write("app.tar", &app);

    let program = program();
    let bin = program.parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    for Example { command, printed } in examples {
        let output = Command::new("sh")
            .args(["-c", &format!("{{ {command}\n}} 2>&1")])
            .current_dir(scratch.path(""))
            .env("PATH", &path)
            .env("LC_ALL", "C")
            .env_remove("IMGTAR_JOBS")
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&output.stdout);
        assert_eq!(found.lines().collect::<Vec<_>>(), printed, "$ {command}");
    }
}

#[test]
fn it_has_no_more_lines_than_somebody_in_a_hurry_reads() {
    assert!(fs::read_to_string("README.md").unwrap().lines().count() <= 200);
}
