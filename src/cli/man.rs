//! `imgtar man`.

use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap::builder::Resettable;
use clap_mangen::Man;
use imgtar::{Error, Finish, OutputBatch, Result};

use super::answer::Answer;
use super::args::{Cli, ManArgs};

/// Writes the page to standard output, or all pages to a directory.
///
/// # Errors
/// When they cannot be written.
pub(super) fn run(args: &ManArgs) -> Result<()> {
    // Names of commands are whole in pages of their own: `imgtar-convert`.
    let mut command = Cli::command().disable_help_subcommand(true);
    // Flags that the short help omits would otherwise have no text in the page.
    command = command.mut_subcommands(|command| command.mut_args(|arg| arg.hide_short_help(false)));
    command.build();
    let Some(dir) = &args.out_dir else {
        let mut out = Answer::begin()?;
        out.bytes(&page(command)?)?;
        return out.finish();
    };
    let batch = OutputBatch::default();
    for command in command.get_subcommands().cloned().chain([command.clone()]) {
        write(dir, command, &batch)?;
    }
    batch.finish()
}

fn write(dir: &Path, command: clap::Command, batch: &OutputBatch) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut sink = batch.file(&dir.join(format!("{name}.1")), true)?;
    let written = sink.write_all(&page(command)?).and_then(|()| sink.finish());
    written.map_err(|error| Error::io("writing", "a manual page", error))
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let end = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.after_long_help(Resettable::Reset));
    let man = man.source(concat!("imgtar ", env!("CARGO_PKG_VERSION"))).manual("imgtar");
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Error::io("writing", "a manual page", error))?;
    page.extend(sections(&end).into_bytes());
    Ok(page)
}

/// The end of a help page as sections that keep their lines: its examples are `EXAMPLES` here.
fn sections(end: &str) -> String {
    let mut roff = String::new();
    for line in end.lines() {
        match line.strip_suffix(':') {
            Some("Exit codes") => roff += ".SH \"EXIT STATUS\"\n.nf\n",
            Some(heading) if !heading.starts_with(' ') => roff += &format!(".SH {}\n.nf\n", heading.to_uppercase()),
            _ if line.is_empty() => roff += ".sp\n",
            // A line that begins with a space is text, whatever comes then.
            _ => roff += &format!("{}\n", line.replace('\\', "\\e").replace('-', "\\-")),
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_page_becomes_sections() {
        let end = "Examples:\n  To see:\n    a -b '\\n'\n\nExit codes:\n  0  done";
        let roff = ".SH EXAMPLES\n.nf\n  To see:\n    a \\-b '\\en'\n.sp\n.SH \"EXIT STATUS\"\n.nf\n  0  done\n";
        assert_eq!(sections(end), roff);
    }
}
