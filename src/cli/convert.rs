//! `imgtar convert`.

use imgtar::convert::Target;
use imgtar::error::Result;

use super::args::ConvertArgs;
use super::terminal::{self, Verbosity};
use super::{environment, options, write};

/// Converts, and says what was kept.
///
/// # Errors
/// Those of the command line and of the conversion.
pub(crate) fn run(args: &ConvertArgs) -> Result<()> {
    let options = options::convert(args, environment::source_date_epoch()?)?;
    let convert = |input, output, run: &_| imgtar::convert::convert(input, output, &options, run);
    let reports = write::run(args.input.as_deref(), &args.write, convert)?;
    let flattened = matches!(options.target, Target::Rootfs(_));
    for report in &reports {
        terminal::report(Verbosity::of(&args.write.run), report, flattened);
    }
    Ok(())
}
