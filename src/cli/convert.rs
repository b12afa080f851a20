//! `imgtar convert`.

use imgtar::Result;

use super::args::ConvertArgs;
use super::messages::Messages;
use super::{environment, options, output, split, write};

/// Converts, and reports what was written.
///
/// # Errors
/// Those of the command line and of the conversion.
pub(crate) fn run(args: &ConvertArgs, messages: Messages) -> Result<()> {
    let options = options::convert(args, environment::source_date_epoch()?)?;
    output::refuse_conflicts(&args.write, args.inputs.iter().chain(&args.with), [])?;
    if args.split {
        return split::run(args, &options, messages);
    }
    let convert = |archives, output, run: &_| imgtar::convert_all(archives, output, &options, run);
    write::run(&args.inputs, &args.with, &args.write, messages, convert)
}
