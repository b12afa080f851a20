//! `imgtar history`.

use std::io;

use imgtar::{Fate, HiddenFile, HistoryStep, HistoryTotal, ImageHistory, LayerUse, Result, SelectedImage, history};
use serde::Serialize;

use super::answer::{Answer, Session, choice, from_io, verdict};
use super::args::HistoryArgs;
use super::exit::Exit;
use super::messages::Messages;
use super::page::{Cell, Page, Table, Tone, cell};
use super::values::HiddenLimit;
use super::words::{counted, size};

/// Columns from which on there is room for dates.
const WITH_DATES: usize = 100;

/// Prints the history of the selected image; the exit is [`Exit::No`] if more of it is hidden than the limit allows.
///
/// # Errors
/// Those of the command line, of selecting an image, and of reading its layers.
pub(super) fn run(args: &HistoryArgs, messages: Messages) -> Result<Exit> {
    let session = Session::begin(&args.answer.run, messages)?;
    let archive = session.open(args.input.as_deref())?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let history = history(&chosen.image, &session.run)?;
    let mut out = Answer::begin()?;
    if args.json {
        out.json(&HistoryDocument::of(&chosen, &history))?;
    } else {
        from_io(write(&mut Page::new(&mut out), &history))?;
    }
    out.finish()?;
    let is_within = args.max_hidden.is_none_or(|limit| is_within(&history.total, limit));
    if !is_within {
        messages.note(&format!("{} are hidden, more than --max-hidden allows", size(history.total.hidden.size)));
    }
    Ok(verdict(is_within))
}

/// Returns whether no more is hidden than `limit` allows.
fn is_within(total: &HistoryTotal, limit: HiddenLimit) -> bool {
    match limit {
        HiddenLimit::Size(bytes) => total.hidden.size <= bytes,
        HiddenLimit::Percent(percent) => hidden_percent(total) <= percent,
    }
}

/// The share of hidden bytes among all bytes of files.
fn hidden_percent(total: &HistoryTotal) -> f64 {
    if total.holds.size == 0 { 0.0 } else { total.hidden.size as f64 * 100.0 / total.holds.size as f64 }
}

/// The history, and the image that has it.
#[derive(Serialize)]
struct HistoryDocument<'a> {
    names: Vec<String>,
    image_id: String,
    platform: String,
    #[serde(flatten)]
    history: &'a ImageHistory,
}

impl<'a> HistoryDocument<'a> {
    fn of(chosen: &SelectedImage, history: &'a ImageHistory) -> Self {
        Self {
            names: chosen.names.iter().map(ToString::to_string).collect(),
            image_id: chosen.image.image_id.to_string(),
            platform: chosen.image.platform.name(),
            history,
        }
    }
}

fn write(page: &mut Page<'_>, history: &ImageHistory) -> io::Result<()> {
    page.table(&steps(&history.steps, page.columns() >= WITH_DATES))?;
    page.gap()?;
    page.table(&total(&history.total))?;
    if history.largest_hidden.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.table(&hidden(&history.largest_hidden))
}

fn steps(steps: &[HistoryStep], with_dates: bool) -> Table {
    let mut table = Table::new(0);
    let heading = [right("LAYER"), right("STORED"), right("SIZE"), right("HIDES")].into_iter();
    let date = with_dates.then(|| cell("CREATED"));
    table.row(heading.chain(date).chain([cell("CREATED BY")]).map(|cell| cell.tone(Tone::Title)));
    for step in steps {
        let date =
            with_dates.then(|| cell(step.created.as_deref().and_then(|date| date.get(..10)).unwrap_or_default()));
        table.row(sizes(step.layer.as_ref()).into_iter().chain(date).chain([cell(instruction(step)).cut()]));
    }
    table
}

fn sizes(layer: Option<&LayerUse>) -> [Cell; 4] {
    let Some(layer) = layer else { return ["-", "", "", ""].map(right) };
    let hides = layer.hides.all().size;
    let hides = if hides == 0 { "-".to_owned() } else { size(hides) };
    [layer.number.to_string(), size(layer.size), size(layer.holds.size), hides].map(right)
}

fn right(text: impl Into<String>) -> Cell {
    cell(text).right()
}

/// The command that made a step, as a Dockerfile instruction, on one line.
fn instruction(step: &HistoryStep) -> String {
    let text = step.created_by.as_deref().or(step.comment.as_deref()).unwrap_or_default();
    let text = text.trim().trim_end_matches("# buildkit");
    let text = match (text.strip_prefix("/bin/sh -c #(nop)"), text.strip_prefix("/bin/sh -c ")) {
        (Some(instruction), _) => instruction.to_owned(),
        (None, Some(command)) => format!("RUN {command}"),
        (None, None) => text.to_owned(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn total(total: &HistoryTotal) -> Table {
    let share = hidden_percent(total);
    let mut table = Table::new(0);
    for (what, bytes, of) in [
        ("stored", total.size, format!("in {}", counted(total.layers, "layer"))),
        ("files", total.holds.size, format!("in {}", counted(total.holds.files, "file"))),
        ("hidden", total.hidden.size, format!("in {}: {share:.1} %", counted(total.hidden.files, "file"))),
    ] {
        table.row([cell(what), right(size(bytes)), cell(of)]);
    }
    table
}

fn hidden(files: &[HiddenFile]) -> Table {
    let mut table = Table::new(0);
    table.row([right("HIDDEN"), right("IN"), right("BY"), cell("")].map(|cell| cell.tone(Tone::Title)));
    for HiddenFile { path, size: bytes, layer, hidden_by, how, .. } in files {
        let how = match how {
            Fate::Deleted => "deleted",
            Fate::Replaced => "replaced",
            Fate::Duplicated => "duplicated",
        };
        let path = cell(format!("{path} ({how})")).cut();
        table.row([right(size(*bytes)), right(layer.to_string()), right(hidden_by.to_string()), path]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(created_by: &str) -> String {
        let created_by = Some(created_by.to_owned());
        instruction(&HistoryStep { created: None, created_by, author: None, comment: None, layer: None })
    }

    #[test]
    fn steps_read_as_in_a_dockerfile() {
        for (created_by, instruction) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("/bin/sh -c apk add \t curl", "RUN apk add curl"),
            ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make"),
            ("COPY a b # buildkit", "COPY a b"),
            ("imgtar import", "imgtar import"),
            ("a\nb", "a b"),
            ("", ""),
        ] {
            assert_eq!(shown(created_by), instruction);
        }
    }
}
