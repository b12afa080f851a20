//! `imgtar ls`.

mod long;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use imgtar::error::{Error, Result};
use imgtar::files::{FileEntry, ImageFiles, list_layer};
use imgtar::image::Layer;
use imgtar::path::escape_for_terminal;
use imgtar::select::SelectedImage;

use super::answer::{Answer, Session, choice, refuse_two_inputs, said};
use super::args::LsArgs;
use super::input::hinted;
use super::messages::Messages;
use long::Long;

/// Lists the image's files, or a layer's entries.
///
/// # Errors
/// Those of the command line, of reading the archive, and of finding image, layer and path.
pub(super) fn run(args: &LsArgs, messages: Messages) -> Result<()> {
    refuse_two_inputs(args.input.as_deref(), args.path.as_deref().map(Path::new))?;
    let session = Session::begin(&args.answer.run, messages)?;
    let archive = session.open(args.input.as_deref()).map_err(|error| explained(args, error))?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let path = args.path.as_ref().map(|path| path.as_encoded_bytes());
    let mut lines = Lines { out: Answer::begin()?, form: ListingForm::of(args) };
    if let Some(number) = args.layer {
        let layer = layer(&images.archive, &chosen, number)?;
        messages.detail(&format!("layer {number} is {}", layer.at));
        list_layer(layer, number, path, &session.run, |entry| lines.say(&entry))?;
    } else {
        let files = ImageFiles::of(&images.archive, &chosen, &session.run)?;
        let layers = chosen.image.layers.len();
        messages.detail(&format!("{}: {layers} layers are one tree", chosen.title()));
        files.list(path)?.try_for_each(|entry| lines.say(&entry))?;
    }
    lines.out.finish()
}

/// Who gives one word means the archive, unless it looks like a path in an image and something is piped in.
fn explained(args: &LsArgs, error: Error) -> Error {
    match &args.input {
        Some(input) if input.is_absolute() && args.path.is_none() && !io::stdin().is_terminal() => {
            hinted(error, "for a PATH in what is piped in, write `-` before it")
        }
        _ => error,
    }
}

/// The layer that `--layer` means.
fn layer<'a>(archive: &str, chosen: &'a SelectedImage, number: u32) -> Result<&'a Layer> {
    let layers = &chosen.image.layers;
    layers.get(number as usize).ok_or_else(|| Error::Choice {
        problem: format!("{archive}: {}: there is no layer {number}", chosen.title()),
        choices: layers.iter().enumerate().map(|(number, layer)| format!("{number} ({})", layer.diff_id)).collect(),
    })
}

/// How entries are said.
enum ListingForm {
    Paths,
    Long(Long),
    Json,
}

impl ListingForm {
    fn of(args: &LsArgs) -> Self {
        match (args.json, args.long) {
            (true, _) => Self::Json,
            (false, true) => Self::Long(Long::default()),
            (false, false) => Self::Paths,
        }
    }
}

struct Lines {
    out: Answer,
    form: ListingForm,
}

impl Lines {
    fn say(&mut self, entry: &FileEntry) -> Result<()> {
        match &mut self.form {
            ListingForm::Json => self.out.json_line(entry),
            ListingForm::Paths => said(writeln!(self.out, "{}", escape_for_terminal(&entry.written_path()))),
            ListingForm::Long(long) => {
                let line = long.line(entry);
                said(writeln!(self.out, "{line}"))
            }
        }
    }
}
