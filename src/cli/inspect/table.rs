//! The report for a person.

use std::io::{self, Write};

use imgtar::inspect::{ConfigFacts, ImageFacts, InspectReport, LayerFacts, Loads, MissingFacts, Verdict};

use crate::cli::page::{Page, Tone};
use crate::cli::progress::words::size;

/// Columns of the keys of an image, and of the engines' names.
const KEYS: usize = 10;
const ENGINES: usize = 21;

/// Digits of a digest that tell it from others; `--image` takes as many.
const DIGITS: usize = 12;

/// Writes `report`; with `in_full` digests are whole and long commands are not cut.
pub(super) fn write<W: Write>(page: &mut Page<'_, W>, report: &InspectReport, in_full: bool) -> io::Result<()> {
    page.line(0, Tone::Title, &title(report))?;
    for image in &report.images {
        page.gap()?;
        write_image(page, image, in_full)?;
    }
    listing(page, "beside images", &artifacts(report))?;
    listing(page, "listed, but not there", &missing(report))?;
    listing(page, "odd", &report.oddities)?;
    page.gap()?;
    page.line(0, Tone::Title, "loads")?;
    report.loads.iter().try_for_each(|loads| write_loads(page, loads))
}

fn title(report: &InspectReport) -> String {
    let format = match (report.format, report.directory) {
        ("legacy", _) => "docker save archive",
        ("docker", _) => "docker archive",
        ("oci", true) => "OCI layout directory",
        ("oci", false) => "OCI layout",
        ("hybrid", _) => "OCI layout with docker's manifest.json",
        _ => "archive of Docker before 1.10",
    };
    let compression = match report.compression {
        "none" => String::new(),
        codec => format!(", compressed by {codec}"),
    };
    format!("{}: {format}{compression}, {}", report.archive, counted(report.images.len(), "image"))
}

fn write_image<W: Write>(page: &mut Page<'_, W>, image: &ImageFacts, in_full: bool) -> io::Result<()> {
    let names = if image.names.is_empty() { "untagged".to_owned() } else { image.names.join(", ") };
    page.line(0, Tone::Title, &names)?;
    let mut fact = |key: &str, values: &[String]| {
        if values.iter().all(String::is_empty) { Ok(()) } else { page.fact(2, KEYS, key, values) }
    };
    let one = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
    let digest = |digest: &str| shown_digest(digest, in_full);
    fact("image ID", &[digest(&image.image_id)])?;
    fact("manifest", &one(image.manifest.as_ref().map(|manifest| digest(&manifest.digest))))?;
    fact("index", &one(image.index.as_ref().map(|index| digest(&index.digest))))?;
    fact("parent", &one(image.parent.as_deref().map(digest)))?;
    let version = image.os_version.as_ref().map_or_else(String::new, |version| format!(" ({version})"));
    fact("platform", &[format!("{}{version}", image.platform)])?;
    fact("created", &one(image.created.clone()))?;
    fact("author", &one(image.author.clone()))?;
    fact("size", &[sizes(Some(image.size), image.tar_size)])?;
    for (key, values) in config(&image.config) {
        fact(key, &values)?;
    }
    page.fact(2, KEYS, "layers", &[image.layers.len().to_string()])?;
    image.layers.iter().try_for_each(|layer| write_layer(page, layer, in_full))
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

/// A line for what it is, one for what made it.
fn write_layer<W: Write>(page: &mut Page<'_, W>, layer: &LayerFacts, in_full: bool) -> io::Result<()> {
    let digest = shown_digest(layer.digest.as_ref().unwrap_or(&layer.diff_id), in_full);
    let compression = match layer.compression {
        None => "not in the archive",
        Some("none") => "",
        Some(codec) => codec,
    };
    let number = format!("{:>3}", layer.number);
    let sizes = format!("{} {compression}", sizes(layer.size, layer.tar_size));
    if in_full {
        let diff_id = (layer.digest.as_ref() != Some(&layer.diff_id)).then(|| format!("diff_id {}", layer.diff_id));
        let values: Vec<String> = [digest].into_iter().chain(diff_id).chain([sizes]).collect();
        page.toned_fact(2, 3, (Tone::Plain, &number), &values)?;
    } else {
        page.toned_fact(2, 3, (Tone::Plain, &number), &[format!("{digest} {sizes}")])?;
    }
    layer.urls.iter().try_for_each(|url| page.line(7, Tone::Plain, url))?;
    match layer.created_by.as_deref().filter(|by| !by.is_empty()) {
        Some(by) if in_full => page.line(7, Tone::Plain, by),
        Some(by) => page.cut_line(7, by),
        None => Ok(()),
    }
}

fn write_loads<W: Write>(page: &mut Page<'_, W>, loads: &Loads) -> io::Result<()> {
    let (tone, word) = match loads.loads {
        Verdict::Yes => (Tone::Good, "yes"),
        Verdict::Partly => (Tone::Fair, "partly"),
        Verdict::No => (Tone::Bad, "no"),
    };
    let names = if loads.names.is_empty() { String::new() } else { format!(", as {}", loads.names.join(", ")) };
    let why = loads.why.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    let mut values = vec![format!("{word}{names}{why}")];
    if let Some(fix) = &loads.fix {
        values.push(format!("helps: {fix}"));
    }
    page.toned_fact(2, ENGINES, (tone, loads.engine.title()), &values)
}

fn artifacts(report: &InspectReport) -> Vec<String> {
    let artifacts = report.artifacts.iter();
    let artifacts = artifacts.map(|artifact| format!("{}, {}", artifact.what, size(artifact.size)));
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

fn listing<W: Write>(page: &mut Page<'_, W>, title: &str, lines: &[String]) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.line(0, Tone::Title, title)?;
    lines.iter().try_for_each(|line| page.line(2, Tone::Plain, line))
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

/// A word as a shell would need it, so that it can be told where one ends.
fn shell_word(word: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || "/.,:=@%+-_".contains(char);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
