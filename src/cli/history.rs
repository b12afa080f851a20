//! `imgtar history`.

use std::io::{self, Write};

use imgtar::error::Result;
use imgtar::history::{self, HiddenFile, History, How, LayerUse, Step, Total};
use imgtar::path::escape_for_terminal;
use imgtar::select::SelectedImage;
use serde::Serialize;

use super::answer::{Answer, Session, choice, said};
use super::args::HistoryArgs;
use super::page::{Page, Tone};
use super::progress::words::size;

/// From this width on a step is one line; on narrower pages what made it goes below.
const ONE_LINE: usize = 72;

/// From this width on there is room for dates.
const WITH_DATES: usize = 100;

/// Says the history of the one image that is meant.
///
/// # Errors
/// Those of the command line, of choosing an image, and of reading its layers.
pub(super) fn run(args: &HistoryArgs) -> Result<()> {
    let session = Session::begin(&args.answer.run)?;
    let archive = session.open(args.input.as_deref())?;
    let images = session.images(&archive, &args.answer.choice)?;
    let chosen = choice(&args.answer.choice).one(&images)?;
    let history = history::of(&chosen.image, &session.run)?;
    let mut out = Answer::begin()?;
    if args.json {
        out.json(&Document::of(&chosen, &history))?;
    } else {
        said(write(&mut Page::new(&mut out), &history))?;
    }
    out.finish()
}

/// The history and whose it is.
#[derive(Serialize)]
struct Document<'a> {
    names: Vec<String>,
    image_id: String,
    platform: String,
    #[serde(flatten)]
    history: &'a History,
}

impl<'a> Document<'a> {
    fn of(chosen: &SelectedImage, history: &'a History) -> Self {
        Self {
            names: chosen.names.iter().map(ToString::to_string).collect(),
            image_id: chosen.image.image_id.to_string(),
            platform: chosen.image.platform.to_string(),
            history,
        }
    }
}

fn write<W: Write>(page: &mut Page<'_, W>, history: &History) -> io::Result<()> {
    let table = Table::of(page.columns());
    page.row(Tone::Title, &table.heading())?;
    for step in &history.steps {
        table.rows(step).iter().try_for_each(|row| page.row(Tone::Plain, row))?;
    }
    page.gap()?;
    total(&history.total).iter().try_for_each(|row| page.row(Tone::Plain, row))?;
    hidden(page, &history.largest_hidden)
}

/// The columns that there is room for.
struct Table {
    is_narrow: bool,
    has_dates: bool,
}

impl Table {
    fn of(columns: usize) -> Self {
        Self { is_narrow: columns < ONE_LINE, has_dates: columns >= WITH_DATES }
    }

    fn heading(&self) -> String {
        let date = if self.has_dates { "  CREATED   " } else { "" };
        let by = if self.is_narrow { "" } else { "  CREATED BY" };
        format!("LAYER {:>10} {:>10} {:>10}{date}{by}", "STORED", "SIZE", "HIDES")
    }

    /// One row, or two where what made it goes below.
    fn rows(&self, step: &Step) -> Vec<String> {
        let mut row = step.layer.as_ref().map_or_else(|| format!("{:>5} {:32}", "-", ""), sizes);
        if self.has_dates {
            let date = step.created.as_deref().and_then(|created| created.get(..10)).unwrap_or_default();
            row = format!("{row}  {:10}", escape_for_terminal(date.as_bytes()));
        }
        let command = instruction(step);
        if self.is_narrow { vec![row, format!("      {command}")] } else { vec![format!("{row}  {command}")] }
    }
}

fn sizes(layer: &LayerUse) -> String {
    let hides = layer.hides.all().size;
    let hides = if hides == 0 { "-".to_owned() } else { size(hides) };
    format!("{:>5} {:>10} {:>10} {hides:>10}", layer.number, size(layer.size), size(layer.holds.size))
}

/// What made a step, as a Dockerfile says it, on one line.
fn instruction(step: &Step) -> String {
    let said = step.created_by.as_deref().or(step.comment.as_deref()).unwrap_or_default();
    let said = said.trim().trim_end_matches("# buildkit");
    let said = match (said.strip_prefix("/bin/sh -c #(nop)"), said.strip_prefix("/bin/sh -c ")) {
        (Some(instruction), _) => instruction.to_owned(),
        (None, Some(command)) => format!("RUN {command}"),
        (None, None) => said.to_owned(),
    };
    let words: Vec<&str> = said.split_whitespace().collect();
    escape_for_terminal(words.join(" ").as_bytes())
}

fn total(total: &Total) -> [String; 3] {
    let share = if total.holds.size == 0 { 0.0 } else { total.hidden.size as f64 * 100.0 / total.holds.size as f64 };
    let files = |number: u64| format!("{number} file{}", if number == 1 { "" } else { "s" });
    let layers = format!("{} layer{}", total.layers, if total.layers == 1 { "" } else { "s" });
    [
        format!("stored {:>10} in {layers}", size(total.size)),
        format!("files  {:>10} in {}", size(total.holds.size), files(total.holds.files)),
        format!("hidden {:>10} in {}: {share:.1} %", size(total.hidden.size), files(total.hidden.files)),
    ]
}

fn hidden<W: Write>(page: &mut Page<'_, W>, files: &[HiddenFile]) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    page.gap()?;
    page.row(Tone::Title, "    HIDDEN  IN  BY")?;
    for HiddenFile { path, size: bytes, layer, hidden_by, how, .. } in files {
        let how = match how {
            How::Deleted => "deleted",
            How::Replaced => "replaced",
            How::Duplicated => "duplicated",
        };
        page.row(Tone::Plain, &format!("{:>10} {layer:>3} {hidden_by:>3}  {path} ({how})", size(*bytes)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(created_by: &str) -> String {
        let created_by = Some(created_by.to_owned());
        instruction(&Step { created: None, created_by, author: None, comment: None, layer: None })
    }

    #[test]
    fn steps_read_as_in_a_dockerfile() {
        for (created_by, instruction) in [
            ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"),
            ("/bin/sh -c apk add \t curl", "RUN apk add curl"),
            ("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make"),
            ("COPY a b # buildkit", "COPY a b"),
            ("imgtar import", "imgtar import"),
            ("a\u{1b}[31mb\nc", "a\\u{1b}[31mb c"),
            ("", ""),
        ] {
            assert_eq!(said(created_by), instruction);
        }
    }
}
