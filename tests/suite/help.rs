//! Help, completions and manual pages: every command teaches, on standard output and with exit 0.

use std::process::Command;

use crate::support::run::imgtar;
use crate::support::scratch::Scratch;

/// The commands that `imgtar --help` lists.
fn commands() -> Vec<String> {
    let help = imgtar(["--help"]).success().text();
    let lines = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| line.starts_with("  "));
    // What is indented further goes on about the command above.
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).filter(|name| !name.is_empty());
    let names = names.map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

#[test]
fn pages_fit_the_terminal() {
    for columns in [40, 80] {
        for command in commands() {
            // `ls -h` is what it is in ls(1).
            let short = if command == "ls" { "--help" } else { "-h" };
            for page in [&[&*command, short][..], &[&command, "--help"], &["--help"]] {
                let page = imgtar(page).env("COLUMNS", columns.to_string()).success().text();
                // A usage is one line, and what a shell has to take as one word stays one.
                let mut breakable = page.lines().filter(|line| {
                    line.trim().contains(' ') && !line.contains('\'') && (columns >= 80 || !line.starts_with("Usage: "))
                });
                let longer = breakable.find(|line| line.chars().count() > columns);
                assert_eq!(longer, None, "{command} in {columns} columns");
            }
        }
    }
    // An example that is broken where the page ends is not a command any more.
    for command in commands() {
        let page = |columns: &str| imgtar([&*command, "--help"]).env("COLUMNS", columns).success().text();
        let examples =
            |page: &str| page.split_once("Examples:\n").unwrap().1.split("\n\nExit codes").next().unwrap().to_owned();
        assert_eq!(examples(&page("80")), examples(&page("100")), "{command}");
    }
    let help = imgtar(["-h"]).env("COLUMNS", "80").success().text();
    let lines = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    assert_eq!(lines.count(), commands().len() + 1, "a command a line:\n{help}");
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    let scratch = Scratch::new();
    let archive = scratch.write("app.tar", "");
    let archive = archive.to_str().unwrap();
    let refusal = |args: &[&str]| imgtar(args).exits(2).stderr;
    assert!(refusal(&[archive, "--to", "oci"]).contains(&format!("imgtar convert {archive}")));
    assert!(refusal(&["convert", archive, "out.tar", "--to", "oci"]).contains("-o out.tar"));
    assert!(refusal(&["edit", archive, "out.tar", "--to", "oci"]).contains("-o out.tar"));
    assert!(refusal(&["convert", archive, "-o", "out.tar"]).contains("--to oci"));
    assert!(refusal(&["convert", archive, "--to", "oci", "--platform", "arm64"]).contains("linux/arm64"));
    assert!(refusal(&["convert", archive, "--to", "oci", "--max-size", "10GB"]).contains("K, M, G or T"));
    assert!(refusal(&["convert", archive, "--to", "docker-tar"]).contains("'docker'"));
}

#[test]
fn a_delta_is_offered_only_where_it_can_be_written() {
    // One that is read is another matter.
    let is_told = |page: &str| page.replace("If IN is a delta", "").contains("delta");
    for (command, is_offered) in [("convert", true), ("edit", false), ("import", false)] {
        for flag in ["-h", "--help"] {
            assert_eq!(is_told(&imgtar([command, flag]).success().text()), is_offered, "{command} {flag}");
        }
        let scratch = Scratch::new();
        imgtar(["man", "--out-dir"]).arg(scratch.dir()).success();
        let page = scratch.read(&format!("imgtar-{command}.1"));
        assert_eq!(is_told(&String::from_utf8_lossy(&page)), is_offered, "{command}");
    }
    let completions = imgtar(["completions", "fish"]).success().text();
    let offered = ["rootfs\\t", "delta\\t"].map(|word| completions.matches(word).count());
    assert_eq!(offered, [3, 1]);
    imgtar(["edit", "--to", "delta", "in.tar"]).exits(2).says(["convert", "--base"]);
    imgtar(["edit", "--to", "deltas", "in.tar"]).exits(2).says(["docker"]).never_says(["delta,", "delta]"]);
}

#[test]
fn every_command_has_examples_and_two_lengths_of_help() {
    assert!(
        ["convert", "edit", "import", "inspect", "ls", "cat", "completions", "man"]
            .iter()
            .all(|name| commands().iter().any(|found| found == name))
    );
    for command in commands() {
        let long = imgtar([&command, "--help"]).success().text();
        assert!(long.contains("Examples:\n") && long.contains(&format!("imgtar {command}")), "{command}: {long}");
        if command == "ls" {
            imgtar(["ls", "-h"]).exits(3).says(["help is --help"]);
            continue;
        }
        let short = imgtar([&command, "-h"]).success().text();
        assert!(short.len() < long.len() && !short.contains("Examples:"), "{command}");
    }
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = imgtar(["completions", shell]).success().text();
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
    }
    imgtar(["completions", "cmd.exe"]).exits(2);
    imgtar(["completions"]).exits(2);
}

#[cfg(unix)]
#[test]
fn shells_load_their_completions() {
    let scratch = Scratch::new();
    let script = scratch.write("imgtar.bash", imgtar(["completions", "bash"]).success().stdout);
    let loaded =
        Command::new("bash").args(["-euc", ". \"$0\" && complete -p imgtar"]).arg(script).output().expect("bash");
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    for (shell, name) in [("zsh", "_imgtar"), ("fish", "imgtar.fish")] {
        let script = scratch.write(name, imgtar(["completions", shell]).success().stdout);
        let Ok(checked) = Command::new(shell).arg("-n").arg(script).output() else { continue };
        assert!(checked.status.success(), "{shell}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let scratch = Scratch::new();
    imgtar(["man", "--out-dir"]).arg(scratch.dir()).success();
    let mut expected: Vec<String> = commands().iter().map(|name| format!("imgtar-{name}.1")).collect();
    expected.push("imgtar.1".to_owned());
    expected.sort();
    assert_eq!(scratch.names(), expected);
    for name in expected {
        let page = String::from_utf8(scratch.read(&name)).unwrap();
        for part in
            [".TH", "\"imgtar ", ".SH SYNOPSIS", if name == "imgtar.1" { ".SH ENVIRONMENT" } else { ".SH EXAMPLES" }]
        {
            assert!(page.contains(part), "{name} lacks {part}: {page}");
        }
        assert!(!page.contains(".SH EXTRA"), "{name}: {page}");
        // An option, and the text that it lacks.
        let mut lines = page.lines().skip_while(|line| *line != ".TP").skip(1);
        while let (Some(option), Some(text)) = (lines.next(), lines.next()) {
            assert!(!text.is_empty(), "{name}: nothing is said of {option}");
            lines.by_ref().find(|line| *line == ".TP");
        }
        let Ok(groff) = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(scratch.path(&name)).output() else {
            continue;
        };
        assert_eq!(String::from_utf8_lossy(&groff.stderr), "", "{name}");
    }
    let page = imgtar(["man"]).success().stdout;
    assert!(page == scratch.read("imgtar.1"));
    imgtar(["man", "--out-dir", "/nowhere/at/all"]).exits(5).says(["/nowhere/at/all"]);
}
