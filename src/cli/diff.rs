//! `imgtar diff`.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use imgtar::internals::path::escape_for_terminal;
use imgtar::{
    ConfigChange, Diff, DiffLayer, DiffOptions, FileChange, FileField, FileKind, FileState, FilesDiff, ImageRef,
    ImageSelector, LayersDiff, Result, SelectedImage, diff,
};
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, Session, choice, from_io, refuse_two_inputs, verdict};
use super::args::DiffArgs;
use super::choices::PartArg;
use super::exit::Exit;
use super::input;
use super::messages::Messages;
use super::page::{Page, Tone, cell};
use super::words::size;

/// Compares the selected image of each archive; the exit is [`Exit::No`] if they differ.
///
/// # Errors
/// Those of the command line, of selecting the images, and of reading their layers.
pub(super) fn run(args: &DiffArgs, messages: Messages) -> Result<Exit> {
    refuse_two_inputs(Some(&args.a), Some(&args.b))?;
    input::refuse_one_stream([&*args.a, &*args.b].into_iter())?;
    let session = Session::begin(&args.answer.run, messages)?;
    let a = Side::of(&args.a, args.image_a.as_ref(), args, &session)?;
    let b = Side::of(&args.b, args.image_b.as_ref(), args, &session)?;
    let mut options = DiffOptions::default();
    options.ignore = args.ignore.iter().copied().map(Into::into).collect();
    options.only = args.only.map(Into::into);
    let diff = diff(&a.chosen.image, &b.chosen.image, &options, &session.run)?;
    if a.chosen.image.image_id == b.chosen.image.image_id {
        messages.detail(&format!("both are {}", a.chosen.image.image_id));
    }
    answer(args, &a, &b, &diff)?;
    Ok(verdict(diff.same))
}

/// One of the two images.
struct Side {
    archive: String,
    chosen: SelectedImage,
}

impl Side {
    fn of(path: &Path, image: Option<&ImageRef>, args: &DiffArgs, session: &Session) -> Result<Self> {
        let archive = session.open(Some(path))?;
        let images = session.images(&archive, &args.answer.choice)?;
        let both = choice(&args.answer.choice);
        let chosen = ImageSelector { image: image.cloned().or(both.image), ..both }.one(&images)?;
        Ok(Self { archive: images.archive, chosen })
    }
}

/// The difference, and the two images.
#[derive(Serialize)]
struct DiffDocument<'a> {
    a: SideDocument<'a>,
    b: SideDocument<'a>,
    #[serde(flatten)]
    diff: &'a Diff,
}

#[derive(Serialize)]
struct SideDocument<'a> {
    archive: &'a str,
    names: Vec<String>,
    image_id: String,
    platform: String,
}

impl<'a> SideDocument<'a> {
    fn of(side: &'a Side) -> Self {
        Self {
            archive: &side.archive,
            names: side.chosen.names.iter().map(ToString::to_string).collect(),
            image_id: side.chosen.image.image_id.to_string(),
            platform: side.chosen.image.platform.name(),
        }
    }
}

fn answer(args: &DiffArgs, a: &Side, b: &Side, diff: &Diff) -> Result<()> {
    let mut out = Answer::begin()?;
    if args.json {
        out.json(&DiffDocument { a: SideDocument::of(a), b: SideDocument::of(b), diff })?;
    } else if !diff.same {
        from_io(write(&mut Page::new(&mut out), a, b, diff, args.only))?;
    }
    out.finish()
}

fn write(page: &mut Page<'_>, a: &Side, b: &Side, diff: &Diff, only: Option<PartArg>) -> io::Result<()> {
    for (sign, tone, side) in [("---", Tone::Bad, a), ("+++", Tone::Good, b)] {
        let Side { archive, chosen } = side;
        page.line(&cell(sign).tone(tone), &format!(" {archive}: {}", chosen.title()))?;
        page.line(&cell("").tone(Tone::Plain), &format!("    {}", chosen.image.image_id))?;
    }
    let is_shown = |part| only.is_none_or(|only| only == part);
    let files = diff.files.as_ref().filter(|_| is_shown(PartArg::Files));
    if is_shown(PartArg::Config) {
        heading(page, &config_summary(diff))?;
    }
    if is_shown(PartArg::Layers) {
        let LayersDiff { common, a, b, .. } = &diff.layers;
        heading(
            page,
            &format!("layers: {common} in common, {} only in the first, {} only in the second", a.len(), b.len()),
        )?;
    }
    if let Some(FilesDiff { added, removed, changed, .. }) = files {
        let [added, removed, changed] = [added.len(), removed.len(), changed.len()];
        heading(page, &format!("files: {added} added, {removed} removed, {changed} changed"))?;
    }
    if is_shown(PartArg::Config) {
        config(page, &diff.config)?;
    }
    if is_shown(PartArg::Layers) {
        layers(page, &diff.layers)?;
    }
    files.map_or(Ok(()), |files| self::files(page, files))
}

fn config_summary(diff: &Diff) -> String {
    match diff.config.len() {
        0 if diff.layers.is_same() => {
            "config: the same values, written differently, so the image IDs differ".to_owned()
        }
        0 => "config: the same".to_owned(),
        1 => "config: 1 field differs".to_owned(),
        number => format!("config: {number} fields differ"),
    }
}

fn heading(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.line(&cell(text).tone(Tone::Title), "")
}

/// Begins a part of the answer, unless it `is_empty`.
fn section(page: &mut Page<'_>, title: &str, is_empty: bool) -> io::Result<()> {
    if is_empty {
        return Ok(());
    }
    page.gap()?;
    heading(page, title)
}

fn removed(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.line(&cell("-").tone(Tone::Bad), &format!(" {text}"))
}

fn added(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.line(&cell("+").tone(Tone::Good), &format!(" {text}"))
}

fn changed(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.line(&cell("~").tone(Tone::Fair), &format!(" {text}"))
}

fn config(page: &mut Page<'_>, changes: &[ConfigChange]) -> io::Result<()> {
    section(page, "config", changes.is_empty())?;
    for ConfigChange { field, a, b, .. } in changes {
        let field = escape_for_terminal(field.as_bytes());
        match (a, b) {
            (Some(a), Some(b)) => changed(page, &format!("{field}: {} -> {}", shown(a), shown(b)))?,
            (Some(a), None) => removed(page, &format!("{field}: {}", shown(a)))?,
            (None, Some(b)) => added(page, &format!("{field}: {}", shown(b)))?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn layers(page: &mut Page<'_>, layers: &LayersDiff) -> io::Result<()> {
    section(page, "layers", layers.is_same())?;
    let text = |DiffLayer { number, diff_id, size: stored, .. }: &DiffLayer| {
        let stored = stored.map_or_else(String::new, |bytes| format!(" ({})", size(bytes)));
        format!("{number} {diff_id}{stored}")
    };
    layers.a.iter().try_for_each(|layer| removed(page, &text(layer)))?;
    layers.b.iter().try_for_each(|layer| added(page, &text(layer)))
}

fn files(page: &mut Page<'_>, files: &FilesDiff) -> io::Result<()> {
    section(page, "files", files.is_same())?;
    files.removed.iter().try_for_each(|state| removed(page, &title(state)))?;
    files.added.iter().try_for_each(|state| added(page, &title(state)))?;
    files.changed.iter().try_for_each(|both| changed(page, &change(both)))
}

/// Escapes JSON text for a terminal: control characters are escaped in it already, but not everything that a terminal
/// acts on.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", escape_for_terminal(text.as_bytes())),
        other => escape_for_terminal(other.to_string().as_bytes()),
    }
}

/// A path and, for a file, its size.
fn title(state: &FileState) -> String {
    let path = escape_for_terminal(&state.file.written_path());
    match state.file.kind {
        FileKind::File => format!("{path} ({})", size(state.file.size)),
        FileKind::Symlink => format!("{path} -> {}", escape_for_terminal(&state.file.target)),
        _ => path,
    }
}

/// A path and the changes there, each with the old and the new value.
fn change(changed: &FileChange) -> String {
    let fields: Vec<String> = changed.fields.iter().map(|field| from_to(*field, &changed.a, &changed.b)).collect();
    format!("{}: {}", escape_for_terminal(&changed.b.file.written_path()), fields.join(", "))
}

fn from_to(field: FileField, a: &FileState, b: &FileState) -> String {
    let (a, b) = (&a.file, &b.file);
    match field {
        FileField::Type => format!("type {} -> {}", kind(a.kind), kind(b.kind)),
        FileField::Mode => format!("mode {:04o} -> {:04o}", a.mode, b.mode),
        FileField::Owner => format!("owner {}:{} -> {}:{}", a.uid, a.gid, b.uid, b.gid),
        FileField::Size => format!("size {} -> {}", a.size, b.size),
        FileField::Mtime => format!("mtime {} -> {}", a.mtime.rfc3339(), b.mtime.rfc3339()),
        FileField::Target => format!("target {} -> {}", escape_for_terminal(&a.target), escape_for_terminal(&b.target)),
        FileField::Device => format!("device {},{} -> {},{}", a.device.0, a.device.1, b.device.0, b.device.1),
        FileField::Xattrs => format!("xattrs {}", keys_that_differ(&a.xattrs, &b.xattrs)),
        FileField::Pax => format!("PAX records {}", keys_that_differ(&a.pax, &b.pax)),
        FileField::Content => "content".to_owned(),
    }
}

/// The names of values that only one has, or that are not the same in both; their values may be any bytes.
fn keys_that_differ(a: &[(Vec<u8>, Vec<u8>)], b: &[(Vec<u8>, Vec<u8>)]) -> String {
    let only = |these: &[(Vec<u8>, Vec<u8>)], others: &[(Vec<u8>, Vec<u8>)]| -> BTreeSet<String> {
        these.iter().filter(|value| !others.contains(value)).map(|(key, _)| escape_for_terminal(key)).collect()
    };
    Vec::from_iter(&only(a, b) | &only(b, a)).join(" ")
}

fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::HardLink => "hard link",
        FileKind::CharDevice => "character device",
        FileKind::BlockDevice => "block device",
        FileKind::Fifo => "named pipe",
        FileKind::Whiteout => "whiteout",
        FileKind::Opaque => "opaque marker",
    }
}
