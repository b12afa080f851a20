//! `imgtar cat`.

use std::path::Path;

use imgtar::error::Result;
use imgtar::files::Files;
use imgtar::path::printable;
use imgtar::stream::sink::Sink;

use super::answer::{Session, choice, refuse_two_inputs};
use super::args::CatArgs;
use super::terminal;

/// Writes the file to standard output.
///
/// # Errors
/// Those of the command line, of reading the archive, and of finding image and file.
pub(super) fn run(args: &CatArgs) -> Result<()> {
    refuse_two_inputs(args.input.as_deref(), Some(Path::new(&args.path)))?;
    let session = Session::begin(&args.answer.run)?;
    let archive = session.open(args.input.as_deref())?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let files = Files::of(&images.archive, &chosen, &session.run)?;
    let file = files.open(args.path.as_encoded_bytes())?;
    let found = format!("`{}` is in layer {} ({})", printable(&file.path), file.number, file.layer.at);
    terminal::detail(session.verbosity, &found);
    file.copy_to(&mut Sink::stdout()?)
}
