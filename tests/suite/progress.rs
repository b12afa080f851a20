//! `--progress`: what is said of a run under way, and that it changes nothing.

use serde_json::Value;

use crate::support::run::{Outcome, imgtar};
use crate::support::{image::TestImage, shape::Shape};

fn source() -> Vec<u8> {
    Shape::Docker20.save_one(&TestImage::demo("app:1")).bytes()
}

fn run(form: &str, target: &str) -> Outcome {
    imgtar(["convert", "--to", target, "--progress", form]).stdin(source()).success()
}

fn documents(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stderr.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn sum(documents: &[Value], action: &str) -> u64 {
    let ended = documents.iter().filter(|it| it["event"] == "end" && it["action"] == action);
    ended.map(|it| it["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn json_tells_every_task_from_its_beginning_to_its_end() {
    for target in ["legacy", "docker", "oci", "rootfs"] {
        let outcome = run("json", target);
        let documents = documents(&outcome);
        let of = |event: &str| documents.iter().filter(|it| it["event"] == event).collect::<Vec<_>>();
        let (begun, ended) = (of("begin"), of("end"));
        assert_eq!(begun.len(), ended.len(), "{outcome}");
        for end in ended {
            assert_eq!(end["complete"], true, "{outcome}");
            assert!(
                begun.iter().any(|begin| begin["task"] == end["task"] && begin["layer"] == end["layer"]),
                "{outcome}"
            );
        }
        assert_eq!(sum(&documents, "spool"), source().len() as u64, "{outcome}");
        let whole = of("whole");
        let whole = whole.last().expect("the whole is told");
        assert_eq!(whole["bytes"], whole["total"], "{outcome}");
    }
}

#[test]
fn json_counts_what_is_kept_twice_and_what_is_converted_once() {
    let kept = documents(&run("json", "oci"));
    assert!(sum(&kept, "copy") > 0);
    assert_eq!(sum(&kept, "copy"), sum(&kept, "check"));
    let converted = documents(&run("json", "docker"));
    assert_eq!(sum(&converted, "convert"), sum(&kept, "copy"));
    assert_eq!(sum(&converted, "check"), 0);
}

#[test]
fn json_tells_no_whole_of_an_input_that_is_cut() {
    let bytes = source();
    let outcome = imgtar(["convert", "--to", "oci", "--progress", "json"]).stdin(&bytes[..bytes.len() / 2]).exits(3);
    let documents = documents(&outcome);
    assert!(documents.iter().all(|it| it["event"] != "whole"), "{outcome}");
}

#[test]
fn plain_has_a_line_a_layer() {
    let layers = documents(&run("json", "docker"));
    let layers = layers.iter().filter(|it| it["event"] == "end" && it["action"] == "convert").count();
    let outcome = run("plain", "docker");
    let lines = outcome.stderr.lines().filter(|line| line.starts_with("imgtar: converted ")).count();
    assert_eq!(lines, layers, "{outcome}");
    assert!(layers > 0 && !outcome.stderr.contains(['\r', '\u{1b}']), "{outcome}");
}

#[test]
fn nothing_is_said_without_a_terminal_or_when_asked_for_nothing() {
    let silent = imgtar(["convert", "--to", "docker"]).stdin(source()).success();
    for form in ["auto", "none"] {
        assert_eq!(run(form, "docker").stderr, silent.stderr, "{form}");
    }
    imgtar(["convert", "--to", "docker", "--progress", "loud"]).stdin(source()).exits(2);
}

#[test]
fn progress_changes_no_byte() {
    for target in ["legacy", "docker", "oci", "rootfs"] {
        let expected = run("none", target).stdout;
        for form in ["plain", "json"] {
            assert!(run(form, target).stdout == expected, "{target} {form}");
        }
    }
}
