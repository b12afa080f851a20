//! `imgtar ls`.

mod long;
mod tree;

use std::cmp::Reverse;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use imgtar::internals::path::escape_for_terminal;
use imgtar::{
    Error, FileEntry, ImageFiles, LayerChange, LayerChangeKind, PathFilter, Result, Run, SelectedImage, layer_of,
    list_changes, list_layer,
};

use super::answer::{Answer, Session, choice, from_io, refuse_two_inputs};
use super::args::LsArgs;
use super::input::hinted;
use super::messages::Messages;
use super::words::counted;
use long::Long;

/// Lists the image's files, a layer's entries, or the changes that each layer makes to the files.
///
/// # Errors
/// Those of the command line, of reading the archive, and of finding image, layer and path.
pub(super) fn run(args: &LsArgs, messages: Messages) -> Result<()> {
    for pattern in &args.patterns {
        refuse_two_inputs(args.input.as_deref(), Some(Path::new(pattern)))?;
    }
    if args.depth == Some(0) && args.patterns.is_empty() {
        let problem = "--depth 0 lists what each PATTERN names, and nothing below it: give one, or --depth 1";
        return Err(Error::Usage(problem.to_owned()));
    }
    let session = Session::begin(&args.answer.run, messages)?;
    let archive = session.open(args.input.as_deref()).map_err(|error| explained(args, error))?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let filter = PathFilter::new(args.patterns.iter().map(|pattern| pattern.as_encoded_bytes()), args.depth);
    let listing =
        ListedEntries { args, filter, archive: &images.archive, chosen: &chosen, run: &session.run, messages };
    let mut lines = Lines { out: Answer::begin()?, long: args.long.then(|| Long::new(args.human_readable)) };
    if args.layers && (args.sort_by_size || args.reverse) {
        let changes = listing.collect_changes()?;
        changes.iter().try_for_each(|change| lines.change(change, &chosen, args.json))?;
    } else if args.layers {
        list_changes(&images.archive, &chosen, &listing.filter, &session.run, |change| {
            lines.change(change, &chosen, args.json)
        })?;
    } else if args.tree || args.sort_by_size || args.reverse {
        let mut entries = listing.collect()?;
        if args.tree {
            let charge = |size| session.run.budget.charge_memory(size, &images.archive);
            tree::sort(&mut entries, args.sort_by_size, args.reverse, charge)?;
        } else {
            if args.sort_by_size {
                entries.sort_by_key(|entry| Reverse(entry.size));
            }
            if args.reverse {
                entries.reverse();
            }
        }
        let mut labels = args.tree.then(|| tree::labels(&entries));
        for entry in &entries {
            let label = labels.as_mut().and_then(Iterator::next);
            lines.entry(entry, label.as_deref(), args.json)?;
        }
    } else {
        listing.each(|entry| lines.entry(&entry, None, args.json))?;
    }
    lines.out.finish()
}

/// Adds a hint if the only argument looks like a path in an image and something is piped in: it was taken for the
/// archive.
fn explained(args: &LsArgs, error: Error) -> Error {
    match &args.input {
        None if args.human_readable => hinted(error, "help is --help"),
        Some(input) if input.is_absolute() && args.patterns.is_empty() && !io::stdin().is_terminal() => {
            hinted(error, "to list a PATTERN of an archive on standard input, write `-` before it")
        }
        _ => error,
    }
}

/// The entries to list.
struct ListedEntries<'a> {
    args: &'a LsArgs,
    filter: PathFilter,
    archive: &'a str,
    chosen: &'a SelectedImage,
    run: &'a Run,
    messages: Messages,
}

impl ListedEntries<'_> {
    /// Passes them to `each` as they are read.
    fn each(&self, each: impl FnMut(FileEntry) -> Result<()>) -> Result<()> {
        let Self { archive, chosen, run, .. } = *self;
        if let Some(number) = self.args.layer {
            let layer = layer_of(archive, chosen, number)?;
            self.messages.detail(&format!("layer {number} is {}", layer.at));
            return list_layer(layer, number, &self.filter, run, each);
        }
        let files = ImageFiles::of(archive, chosen, run)?;
        let layers = counted(chosen.image.layers.len(), "layer");
        self.messages.detail(&format!("{}: {layers} make one tree", chosen.title()));
        files.list(&self.filter, each)
    }

    /// Collects all of them, counted against the run's budget.
    fn collect(&self) -> Result<Vec<FileEntry>> {
        let mut entries = Vec::new();
        self.each(|entry| {
            self.charge(&entry)?;
            entries.push(entry);
            Ok(())
        })?;
        Ok(entries)
    }

    /// Collects the changes that layers make, layer by layer in the order that is asked for.
    fn collect_changes(&self) -> Result<Vec<LayerChange>> {
        let mut changes = Vec::new();
        list_changes(self.archive, self.chosen, &self.filter, self.run, |change| {
            self.charge(&change.entry)?;
            changes.push(change.clone());
            Ok(())
        })?;
        if self.args.sort_by_size {
            changes.sort_by_key(|change| (change.layer, Reverse(change.entry.size)));
        }
        if self.args.reverse {
            changes.reverse();
        }
        Ok(changes)
    }

    /// Counts an entry that is kept.
    fn charge(&self, entry: &FileEntry) -> Result<()> {
        self.run.budget.charge_memory(entry.memory_size(), self.archive)
    }
}

/// Standard output, and the columns in front of names.
struct Lines {
    out: Answer,
    long: Option<Long>,
}

impl Lines {
    /// Writes one entry, with `label` in place of its name.
    fn entry(&mut self, entry: &FileEntry, label: Option<&str>, is_json: bool) -> Result<()> {
        if is_json {
            return self.out.json_line(entry);
        }
        let line = self.line(entry, label);
        from_io(writeln!(self.out, "{line}"))
    }

    /// Writes the change that a layer of `chosen` makes at one path.
    fn change(&mut self, change: &LayerChange, chosen: &SelectedImage, is_json: bool) -> Result<()> {
        if is_json {
            return self.out.json_line(change);
        }
        let number = change.layer;
        let diff_id = chosen.image.layers.get(number as usize).map_or("", |layer| layer.diff_id.0.short());
        let verb = match change.kind {
            LayerChangeKind::Added => "adds",
            LayerChangeKind::Changed => "changes",
            LayerChangeKind::Deleted => "deletes",
        };
        let line = self.line(&change.entry, None);
        from_io(writeln!(self.out, "layer {number} ({diff_id})  {verb:<7}  {line}"))
    }

    fn line(&mut self, entry: &FileEntry, label: Option<&str>) -> String {
        let name = label.map_or_else(|| escape_for_terminal(&entry.written_path()), str::to_owned);
        match &mut self.long {
            None => name,
            Some(long) => long.line(entry, &name),
        }
    }
}
