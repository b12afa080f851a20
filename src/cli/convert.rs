//! `imgtar convert`.

use imgtar::Result;

use super::args::ConvertArgs;
use super::input::GivenArchives;
use super::messages::Messages;
use super::split::OpenByName;
use super::{environment, options, output, split, write};

/// Converts, and reports what was written.
///
/// # Errors
/// Those of the command line and of the conversion.
pub(crate) fn run(args: &ConvertArgs, messages: Messages) -> Result<()> {
    let options = options::convert(args, environment::source_date_epoch()?)?;
    let given = GivenArchives { inputs: &args.inputs, with: &args.selection.with, bases: &args.base };
    output::refuse_conflicts(&args.write, given.paths(), [])?;
    if args.split.split {
        let convert = |archives, pattern: &_, open: OpenByName<'_>, run: &_| {
            imgtar::split(archives, pattern, open, &options, run)
        };
        return split::run(given, [], &args.write, messages, convert);
    }
    let convert = |archives, output, run: &_| imgtar::convert_all(archives, output, &options, run);
    write::run(given, &args.write, messages, convert)
}
