//! The report for a person.

use std::io;

use imgtar::{
    ConfigFacts, Diagnostic, ImageFacts, InspectDepth, InspectReport, LayerFacts, Loads, MissingFacts, Verdict,
};

use crate::cli::page::{Cell, Page, Table, Tone, cell};
use crate::cli::words::{counted, made, needed, size};

/// Digits of a digest that tell it from others; `--image` takes as many.
const DIGITS: usize = 12;

/// Columns of a command, however wide the page is.
const COMMAND: usize = 113;

/// Writes `report`; with `in_full` digests are whole and long commands are not cut.
pub(super) fn write(page: &mut Page<'_>, report: &InspectReport, in_full: bool) -> io::Result<()> {
    title(page, &archive(report))?;
    for image in &report.images {
        page.gap()?;
        let names = if image.names.is_empty() { "untagged".to_owned() } else { image.names.join(", ") };
        title(page, &names)?;
        page.table(&facts(image, in_full))?;
        page.table(&layers(&image.content.layers, in_full))?;
    }
    listing(page, "beside images", artifacts(report))?;
    listing(page, "listed, but not there", missing(report))?;
    listing(page, "findings", report.findings.iter().map(Diagnostic::line).collect())?;
    page.gap()?;
    // The content of a layer can stop an engine, but not where the documents do.
    let may_be_less =
        report.depth == InspectDepth::Documents && report.loads.iter().any(|loads| loads.loads != Verdict::No);
    title(page, if may_be_less { "loads (layers not examined; --full does that)" } else { "loads" })?;
    page.table(&loads(&report.loads))
}

/// Writes the outcome for each engine, and nothing else.
pub(super) fn write_loads(page: &mut Page<'_>, report: &InspectReport) -> io::Result<()> {
    title(page, &archive(report))?;
    page.table(&loads(&report.loads))
}

/// Returns a row for each image: name, platform, size, image ID, archive; with `in_full` digests are whole.
pub(super) fn short_rows(report: &InspectReport, in_full: bool) -> Vec<[Cell; 5]> {
    let row = |image: &ImageFacts| {
        let names = if image.names.is_empty() { "untagged".to_owned() } else { image.names.join(", ") };
        let version = image.os_version.as_ref().map_or_else(String::new, |version| format!(" ({version})"));
        [
            cell(names),
            cell(format!("{}{version}", image.platform)),
            cell(size(image.content.size)).right(),
            cell(shown_digest(&image.content.image_id, in_full)),
            cell(report.archive.clone()),
        ]
    };
    report.images.iter().map(row).collect()
}

fn title(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    let mut table = Table::new(0);
    table.row([cell(text).tone(Tone::Title)]);
    page.table(&table)
}

/// Returns a line about the archive as a whole.
fn archive(report: &InspectReport) -> String {
    let format = match (report.format, report.directory) {
        ("legacy", _) => "docker save archive",
        ("docker", _) => "docker archive",
        ("oci", true) => "OCI layout directory",
        ("oci", false) => "OCI layout",
        ("delta", _) => "delta",
        ("dir", _) => "image in skopeo's dir: form",
        ("hybrid", _) => "OCI layout with docker's manifest.json",
        _ => "archive of Docker before 1.10",
    };
    let compression = match report.compression {
        "none" => String::new(),
        codec => format!(", compressed by {codec}"),
    };
    format!("{}: {format}{compression}, {}", report.archive, counted(report.images.len(), "image"))
}

fn facts(image: &ImageFacts, in_full: bool) -> Table {
    let digest = |digest: &str| shown_digest(digest, in_full);
    let version = image.os_version.as_ref().map_or_else(String::new, |version| format!(" ({version})"));
    let one = |value: Option<String>| vec![value.unwrap_or_default()];
    let layers = image.content.layers.len();
    let needs = image.content.needs.as_ref();
    let delta = needs.and_then(|needs| needs.delta.as_ref());
    let mut facts = vec![
        ("image ID", vec![digest(&image.content.image_id)]),
        ("manifest", one(image.content.manifest.as_ref().map(|manifest| digest(&manifest.digest)))),
        ("index", one(image.index.as_ref().map(|index| digest(&index.digest)))),
        ("parent", one(image.content.parent.as_deref().map(digest))),
        ("platform", vec![format!("{}{version}", image.platform)]),
        ("created", one(image.content.created.clone())),
        ("author", one(image.content.author.clone())),
        ("size", vec![sizes(Some(image.content.size), image.content.tar_size)]),
        ("makes", one(delta.map(|delta| made(delta, layers)))),
    ];
    facts.extend(config(&image.content.config));
    facts.push(("needs", one(needs.map(|needs| needed(needs, layers)))));
    facts.push(("layers", vec![layers.to_string()]));
    let mut table = Table::new(2);
    for (key, values) in facts.into_iter().filter(|(_, values)| !values.iter().all(String::is_empty)) {
        table.list(cell(key).tone(Tone::Key), values.into_iter().map(cell));
    }
    table
}

fn config(config: &ConfigFacts) -> Vec<(&'static str, Vec<String>)> {
    let words = |words: &[String]| vec![words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")];
    vec![
        ("entrypoint", words(&config.entrypoint)),
        ("cmd", words(&config.cmd)),
        ("env", config.env.clone()),
        ("user", vec![config.user.clone()]),
        ("workdir", vec![config.workdir.clone()]),
        ("ports", config.ports.clone()),
        ("volumes", config.volumes.clone()),
        ("stop", vec![config.stop_signal.clone()]),
        ("health", words(&config.healthcheck)),
        ("labels", config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect()),
    ]
}

/// Returns a line for each layer, and one for the command that made it.
fn layers(layers: &[LayerFacts], in_full: bool) -> Table {
    let mut table = Table::new(2);
    for layer in layers {
        table.list(cell(format!("{:>3}", layer.number)), layer_lines(layer, in_full));
    }
    table
}

fn layer_lines(layer: &LayerFacts, in_full: bool) -> Vec<Cell> {
    let digest = shown_digest(layer.digest.as_ref().unwrap_or(&layer.diff_id), in_full);
    let compression = match layer.compression {
        None => "not in the archive",
        Some("none") => "",
        Some(codec) => codec,
    };
    let sizes = format!("{} {compression}", sizes(layer.size, layer.tar_size));
    let mut lines = if in_full { vec![cell(digest)] } else { vec![cell(format!("{digest} {sizes}"))] };
    if in_full {
        let diff_id = (layer.digest.as_ref() != Some(&layer.diff_id)).then(|| format!("diff_id {}", layer.diff_id));
        lines.extend(diff_id.into_iter().chain([sizes]).map(cell));
    }
    lines.extend(layer.urls.iter().map(cell));
    match layer.created_by.as_deref().filter(|by| !by.is_empty()) {
        Some(by) if in_full => lines.push(cell(by)),
        Some(by) => lines.push(cell(by).cut_at(COMMAND)),
        None => {}
    }
    lines
}

/// Returns a row for each program; releases that do the same share one.
fn loads(loads: &[Loads]) -> Table {
    let mut table = Table::new(2);
    for alike in loads.chunk_by(Loads::is_alike) {
        let releases = alike.iter().map(|loads| loads.engine.release()).collect::<Vec<_>>().join(", ");
        let first = &alike[0];
        let tone = match first.loads {
            Verdict::Yes => Tone::Good,
            Verdict::FirstPlatformOnly | Verdict::LastPlatformOnly | Verdict::WhereBaseIs => Tone::Fair,
            Verdict::No => Tone::Bad,
        };
        let names = if first.names.is_empty() { String::new() } else { format!(", as {}", first.names.join(", ")) };
        let verdict = [format!("{}{names}", first.loads)];
        let words = verdict.iter().chain(&first.reasons).chain(&first.notes).map(String::as_str);
        let verdict = cell(words.collect::<Vec<_>>().join("; "));
        let remedy = first.remedy.as_ref().map(|command| cell(format!("helps: imgtar {command}")));
        let engine = format!("{} {releases}", first.engine.program());
        table.list(cell(engine.trim_end()).tone(tone), [verdict].into_iter().chain(remedy));
    }
    table
}

fn artifacts(report: &InspectReport) -> Vec<String> {
    let artifacts = report.artifacts.iter().map(|artifact| format!("{}, {}", artifact.what, size(artifact.size)));
    let blobs = report.unreferenced.iter();
    let blobs =
        blobs.map(|blobs| format!("{} that nothing refers to, {}", counted(blobs.blobs, "blob"), size(blobs.size)));
    artifacts.chain(blobs).collect()
}

fn missing(report: &InspectReport) -> Vec<String> {
    let line = |missing: &MissingFacts| match &missing.platform {
        Some(platform) => format!("{platform}: {}", missing.member),
        None => missing.member.clone(),
    };
    report.missing.iter().map(line).collect()
}

fn listing(page: &mut Page<'_>, heading: &str, lines: Vec<String>) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    page.gap()?;
    title(page, heading)?;
    let mut table = Table::new(2);
    lines.into_iter().for_each(|line| table.row([cell(line)]));
    page.table(&table)
}

fn sizes(stored: Option<u64>, unpacked: Option<u64>) -> String {
    match (stored, unpacked) {
        (None, _) => "size unknown".to_owned(),
        (Some(stored), Some(unpacked)) if unpacked != stored => {
            format!("{}, {} unpacked", size(stored), size(unpacked))
        }
        (Some(stored), _) => size(stored),
    }
}

fn shown_digest(digest: &str, in_full: bool) -> String {
    match digest.split_once(':') {
        Some((_, hex)) if !in_full => hex.chars().take(DIGITS).collect(),
        _ => digest.to_owned(),
    }
}

/// Returns a word quoted as for a shell, so that its end can be seen.
fn shell_word(word: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "/.,:=@%+-_".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
