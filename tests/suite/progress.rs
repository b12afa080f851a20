//! `--progress`: what is said of a run under way, and that it changes nothing.

use std::time::Duration;

use serde_json::Value;

use crate::support::codec::Codec;
use crate::support::layer::{file, layer_tar};
use crate::support::noise;
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::screen::{self, OnScreen};
use crate::support::{image::TestImage, shape::Shape};

fn source() -> Vec<u8> {
    Shape::Docker20.save_one(&TestImage::demo("app:1")).bytes()
}

fn run(form: &str, target: &str) -> Outcome {
    imgtar(["convert", "--to", target, "--progress", form]).stdin(source()).success()
}

/// The lines of standard error, each with the fields that its event has.
fn documents(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stderr.lines();
    let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let documents: Vec<Value> = lines.map(read).collect();
    for document in &documents {
        let fields: &[&str] = match document["event"].as_str().unwrap() {
            "wrote" => {
                let mut report = document.clone();
                report.as_object_mut().unwrap().remove("event");
                schema::check("report", &report);
                continue;
            }
            "begin" | "advance" => &["task", "action", "place", "bytes", "total"],
            "end" => &["task", "action", "place", "bytes", "total", "complete"],
            "whole" => &["bytes", "total"],
            "notice" => &["severity", "place", "problem"],
            _ => &["exit"],
        };
        schema::check("progress", document);
        assert!(fields.iter().all(|field| document.get(field).is_some()), "{document}");
    }
    documents
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
                begun.iter().any(|begin| begin["task"] == end["task"] && begin["place"] == end["place"]),
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
fn the_whole_is_each_byte_of_the_layers_once() {
    let totals = |documents: &[Value]| {
        let whole = documents.iter().filter(|it| it["event"] == "whole");
        whole.map(|it| it["total"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let kept = documents(&run("json", "oci"));
    let bytes = sum(&kept, "copy");
    assert!(bytes > 0);
    assert_eq!(bytes, sum(&kept, "check"), "kept layers are checked and copied");
    assert!(totals(&kept).iter().all(|&total| total == bytes), "{:?}", totals(&kept));
    let converted = documents(&run("json", "docker"));
    assert_eq!(sum(&converted, "convert"), bytes);
    assert_eq!(sum(&converted, "check"), 0);
    assert!(totals(&converted).iter().all(|&total| total == bytes), "{:?}", totals(&converted));
}

#[test]
fn the_whole_of_several_outputs_is_reached_once() {
    let images = ["a:1", "b:1", "c:1"].map(|name| TestImage::demo(name).layer([file("own", noise(100 << 10))]));
    let source = Shape::Docker20.save(&images);
    for target in ["legacy", "docker", "oci", "oci-dir", "rootfs"] {
        for jobs in ["1", "3"] {
            let scratch = Scratch::new();
            let run = imgtar(["convert", "--to", target, "--split", "-o", "{name}", "--progress", "json", "-j", jobs]);
            let documents = documents(&run.dir(scratch.dir()).stdin(source.bytes()).success());
            let whole = documents.iter().filter(|it| it["event"] == "whole");
            let whole: Vec<_> =
                whole.map(|it| (it["bytes"].as_u64().unwrap(), it["total"].as_u64().unwrap())).collect();
            let (last, total) = (whole.last().unwrap(), whole[0].1);
            assert!(whole.is_sorted() && whole.iter().all(|(_, of)| *of == total), "{target}: {whole:?}");
            assert_eq!(*last, (total, total), "{target}");
            // Nothing of layers begins when all is done.
            let begins = documents.iter().rposition(|it| it["event"] == "begin" && it["action"] != "flatten").unwrap();
            let done = documents.iter().position(|it| it["event"] == "whole" && it["bytes"] == total).unwrap();
            assert!(begins < done, "{target}: {whole:?}");
        }
    }
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
fn json_holds_every_message_and_ends_with_the_exit_code() {
    let zstd = TestImage::demo("app:1").all_stored(Codec::Zstd);
    let convert = || imgtar(["convert", "--to", "oci", "--progress", "json"]);
    let documents = documents(&convert().stdin(Shape::Oci.save_one(&zstd).bytes()).success());
    let notice = documents.iter().find(|it| it["event"] == "notice").expect("zstd is warned about");
    assert_eq!(notice["severity"], "warning");
    let [.., wrote, done] = &documents[..] else { panic!("two at the end") };
    assert_eq!((&wrote["event"], &wrote["images"][0]["names"][0]), (&"wrote".into(), &"app:1".into()));
    assert_eq!(*done, serde_json::json!({"event": "done", "exit": 0}));

    let documents = self::documents(&convert().stdin("no archive").exits(3));
    let [.., error, done] = &documents[..] else { panic!("two at the end") };
    assert_eq!((&error["event"], &error["severity"]), (&"notice".into(), &"error".into()));
    assert_eq!(done["exit"], 3);
    let answer = imgtar(["inspect", "--progress", "json"]).stdin(source()).success();
    assert!(self::documents(&answer).last().is_some_and(|it| it["event"] == "done"), "{answer}");
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

/// A conversion that takes long enough to be watched: it waits for its input, and then has layers to compress.
fn watched(columns: u16, scratch: &Scratch) -> OnScreen {
    let layer = |name: &str| layer_tar([file(name, noise(3 << 20))]);
    let image = TestImage::new().layer_bytes(layer("a")).layer_bytes(layer("b")).tag("app:1");
    screen::imgtar(columns, ["convert", "--to", "docker", "--compress", "gzip:9", "-j", "1", "-o"])
        .arg(scratch.path("out.tar"))
        .stdin(Shape::Docker20.save_one(&image).bytes(), Duration::from_millis(100))
}

#[test]
fn bars_fit_and_leave_no_trace() {
    for columns in [20, 40, 80] {
        let scratch = Scratch::new();
        let seen = watched(columns, &scratch).run();
        assert_eq!(seen.code, Some(0), "{:?}", seen.last());
        if columns >= 40 {
            assert!(seen.ever(&["standard input"]), "{:#?}", seen.frames);
        }
        assert!(seen.ever(&["%"]), "{:#?}", seen.frames);
        let first = &seen.last()[0];
        assert!(
            first.starts_with("wrote")
                && seen
                    .last()
                    .join(" ")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
                    .ends_with("2 layers, compressed with gzip"),
            "{:#?}",
            seen.last()
        );
        assert!(
            !seen.last().iter().any(|line| line.is_empty() || line.contains(['%', '━', '─'])),
            "{:#?}",
            seen.last()
        );
        // A bar that is too long would have lost its end to the next line.
        let mut bars = seen.filled.iter().filter(|line| line.contains(['━', '─']));
        let broken = bars.find(|line| !line.trim_end().ends_with('B') && !line.trim_end().ends_with("B/s"));
        assert_eq!(broken, None, "{columns}: {:#?}", seen.filled);
    }
}

#[test]
fn bars_are_for_terminals_that_can_draw_them_and_colours_for_those_who_want_them() {
    let scratch = Scratch::new();
    let coloured = watched(80, &scratch).run();
    assert!(coloured.bytes.windows(3).any(|bytes| bytes == b"\x1b[3"), "{}", coloured.bytes.escape_ascii());
    for (key, value, draws) in [("NO_COLOR", "1", true), ("CLICOLOR", "0", true), ("TERM", "dumb", false)] {
        let scratch = Scratch::new();
        let seen = watched(80, &scratch).env(key, value).run();
        assert_eq!(seen.ever(&["━"]), draws, "{key}: {:#?}", seen.frames);
        let shown = String::from_utf8_lossy(&seen.bytes);
        assert!(!shown.contains("\u{1b}[3") && !shown.contains("\u{1b}[1m"), "{key}: {}", shown.escape_debug());
    }
}

#[test]
fn an_answer_begins_where_the_bars_were() {
    let image = TestImage::demo("app:1").layer([file("large", noise(3 << 20))]);
    let archive = Shape::Docker20.save_one(&image).bytes();
    for (command, first) in [("history", "LAYER"), ("verify", "OK"), ("ls", "app"), ("inspect", "standard input")] {
        let seen = screen::imgtar(80, [command]).stdin(archive.clone(), Duration::from_millis(200)).run();
        assert!(seen.ever(&["reading", "MiB/s"]), "{command}: {:#?}", seen.frames);
        assert!(seen.last()[0].starts_with(first), "{command}: {:#?}", seen.last());
    }
}
