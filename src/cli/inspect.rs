//! `imgtar inspect`.

use imgtar::error::Result;

use super::answer::{Answer, Session, choice};
use super::args::InspectArgs;

/// Says what the archive holds.
///
/// # Errors
/// Those of the command line, of reading the archive, and of choosing an image.
pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let session = Session::begin(&args.answer.run)?;
    let archive = session.open(args.input.as_deref())?;
    let images = session.images(&archive, &args.answer.choice)?;
    let choice = choice(&args.answer.choice);
    let mut out = Answer::begin()?;
    if args.config {
        out.bytes(choice.one(&images)?.image.config.raw())?;
    } else {
        let titles: Vec<_> = choice.images(&images)?.iter().map(imgtar::choice::Chosen::title).collect();
        out.json(&titles)?;
    }
    out.finish()
}
