//! `imgtar cat`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use imgtar::Destination;
use imgtar::internals::path::{escape_for_terminal, escape_path};
use imgtar::{Error, ImageFiles, Result, Sink};

use super::answer::{Session, choice, refuse_two_inputs};
use super::args::CatArgs;
use super::input::hinted;
use super::messages::Messages;

/// Writes the file to standard output.
///
/// # Errors
/// Those of the command line, of reading the archive, and of finding image and file.
pub(super) fn run(args: &CatArgs, messages: Messages) -> Result<()> {
    refuse_two_inputs(args.input.as_deref(), Some(Path::new(&args.path)))?;
    let session = Session::begin(&args.answer.run, messages)?;
    let archive = session.open(args.input.as_deref()).map_err(|error| explained(args, error))?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let files = match args.layer {
        None => ImageFiles::of(&images.archive, &chosen, &session.run)?,
        Some(number) => ImageFiles::up_to(number, &images.archive, &chosen, &session.run)?,
    };
    let file = files.open(args.path.as_encoded_bytes())?;
    let (path, number) = (escape_for_terminal(&file.path), file.number);
    if let Some(wanted) = args.layer.filter(|&wanted| wanted != number) {
        let problem = format!("{}: layer {wanted} does not have `{path}`; layer {number} does", images.archive);
        return Err(Error::Choice { problem, choices: Vec::new() });
    }
    let found = format!("`{path}` is in layer {number} ({})", file.layer.diff_id.0.short());
    messages.detail(&found);
    let mut out = Sink::stdout()?;
    if out.is_terminal() { file.copy_to(&mut TextOnly { out, path: &file.path }) } else { file.copy_to(&mut out) }
}

/// A writer to a terminal that refuses bytes that are not text.
struct TextOnly<'a> {
    out: Sink,
    path: &'a [u8],
}

impl Write for TextOnly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Tabulators, line feeds and their like are text.
        let is_binary = |byte: &u8| matches!(byte, 0..=7 | 14..=31 | 127);
        if bytes.iter().any(is_binary) {
            let path = escape_for_terminal(self.path);
            let problem = format!("`{path}` is not text: redirect it to a file, or pipe it on, as in `| less`");
            return Err(Error::Usage(problem).into());
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Destination for TextOnly<'_> {
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// Adds a hint if the only argument is the name of a file: it was taken for the path in the image.
fn explained(args: &CatArgs, error: Error) -> Error {
    let path = Path::new(&args.path);
    if args.input.is_some() || path.is_absolute() || !path.is_file() {
        return error;
    }
    hinted(error, &format!("`{}` was taken for PATH", escape_path(path)))
}
