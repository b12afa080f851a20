//! `imgtar convert`.

use imgtar::Result;

use super::args::ConvertArgs;
use super::messages::Messages;
use super::{environment, options, write};

/// Converts, and tells what was written.
///
/// # Errors
/// Those of the command line and of the conversion.
pub(crate) fn run(args: &ConvertArgs, messages: Messages) -> Result<()> {
    let options = options::convert(args, environment::source_date_epoch()?)?;
    let convert = |input, output, run: &_| imgtar::convert(input, output, &options, run);
    write::run(args.input.as_deref(), &args.write, messages, convert)
}
