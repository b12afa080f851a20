//! `imgtar inspect`.

mod table;

use std::sync::{Arc, Mutex, PoisonError};

use imgtar::{
    Archive, Diagnostic, Diagnostics, Error, ImageSelector, ImageSet, Input, InspectDepth, InspectReport, Result,
    inspect,
};

use super::answer::{Answer, Outcomes, Session, choice, from_io, verdict};
use super::args::InspectArgs;
use super::exit::Exit;
use super::hints;
use super::messages::{Messages, Verbosity};
use super::page::{Page, Table};

/// Prints the content of the archives, or whether one engine loads them.
///
/// # Errors
/// Those of the command line, and those of reading the only archive and of choosing an image in it.
pub(super) fn run(args: &InspectArgs, messages: Messages) -> Result<Exit> {
    if args.raw || args.config || args.manifest {
        return document(args, messages).map(|()| Exit::Done);
    }
    let inputs = Session::begin(&args.answer.run, messages)?.inputs(&args.inputs)?;
    let is_one = inputs.len() == 1;
    let (mut out, mut outcomes, mut short) = (Answer::begin()?, Outcomes::new(messages), Table::new(0));
    for (nth, input) in inputs.into_iter().enumerate() {
        let label = input.label();
        let mut report = match report(input, args, messages) {
            Err(error) if !is_one => {
                let unread = outcomes.fail(&label, error)?;
                if args.json {
                    out.json_line(&unread)?;
                }
                continue;
            }
            report => report?,
        };
        if let Some(engine) = args.engine {
            report.limit_to(engine);
            outcomes.add(verdict(report.is_loaded_by(engine)));
        }
        let in_full = messages.verbosity() == Verbosity::Verbose;
        match (args.json, args.short) {
            (true, _) if is_one => out.json(&report)?,
            (true, _) => out.json_line(&report)?,
            (false, true) => table::short_rows(&report, in_full).into_iter().for_each(|row| short.row(row)),
            (false, false) if args.engine.is_some() => from_io(table::write_loads(&mut Page::new(&mut out), &report))?,
            (false, false) => {
                let mut page = Page::new(&mut out);
                from_io(if nth > 0 { page.gap() } else { Ok(()) })?;
                from_io(table::write(&mut page, &report, in_full))?;
            }
        }
    }
    from_io(Page::new(&mut out).table(&short))?;
    out.finish()?;
    Ok(outcomes.exit())
}

/// The facts, with the warnings and notes of reading the archive.
fn report(input: Input, args: &InspectArgs, messages: Messages) -> Result<InspectReport> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let listen = move |diagnostic: &Diagnostic| {
        listener.lock().unwrap_or_else(PoisonError::into_inner).push(diagnostic.clone());
    };
    let session = Session::renewed(&args.answer.run, messages, Diagnostics::new(args.answer.run.strict, listen))?;
    let archive = Archive::open(input, &session.run)?;
    let images = session.images(&archive, &args.answer.choice)?;
    let (choice, prefer) = (choice(&args.answer.choice), args.answer.choice.prefer.map(Into::into));
    let gather = |depth| inspect(&archive, &images, &choice, prefer, depth, &session.run);
    let mut report = gather(if args.full { InspectDepth::Full } else { InspectDepth::Documents })?;
    // An engine that takes the documents may still refuse what is in a layer.
    if !args.full && args.engine.is_some_and(|engine| report.is_loaded_by(engine)) {
        report = gather(InspectDepth::Full)?;
    }
    session.run.diagnostics.finish();
    let mut findings = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    findings.append(&mut report.findings);
    findings.sort_by_key(|finding| finding.severity);
    report.findings = findings.iter().map(hints::hinted).collect();
    Ok(report)
}

/// One document, byte for byte.
fn document(args: &InspectArgs, messages: Messages) -> Result<()> {
    let session = Session::begin(&args.answer.run, messages)?;
    let [input] = <[Input; 1]>::try_from(session.inputs(&args.inputs)?)
        .map_err(|_| Error::Usage("--raw, --config and --manifest print one document: give one archive".to_owned()))?;
    let archive = Archive::open(input, &session.run)?;
    let bytes = if args.raw {
        archive.list_document(args.answer.choice.prefer.map(Into::into), &session.run)?
    } else {
        let images = session.images(&archive, &args.answer.choice)?;
        of_image(args.manifest, &images, &choice(&args.answer.choice))?
    };
    let mut out = Answer::begin()?;
    out.bytes(&bytes)?;
    out.finish()
}

fn of_image(manifest: bool, images: &ImageSet, choice: &ImageSelector) -> Result<Vec<u8>> {
    let chosen = choice.one(images)?;
    match &chosen.image.manifest {
        _ if !manifest => Ok(chosen.image.config.raw().to_vec()),
        Some(document) => Ok(document.raw.clone()),
        None => {
            let problem = format!("{}: {}: it has no manifest; images of layouts have", images.archive, chosen.title());
            Err(Error::choice(problem, []))
        }
    }
}
