//! `imgtar inspect`.

mod table;

use std::sync::{Arc, Mutex, PoisonError};

use imgtar::{Diagnostic, Diagnostics, Error, ImageSelector, ImageSet, InspectDepth, InspectReport, Result, inspect};

use super::answer::{Answer, Session, choice, said, verdict};
use super::args::InspectArgs;
use super::exit::Exit;
use super::messages::{Messages, Verbosity};
use super::page::Page;

/// Prints what the archive holds, or whether one engine loads it.
///
/// # Errors
/// Those of the command line, of reading the archive, and of choosing an image.
pub(super) fn run(args: &InspectArgs, messages: Messages) -> Result<Exit> {
    if args.raw || args.config || args.manifest {
        return document(args, messages).map(|()| Exit::Done);
    }
    let mut report = report(args, messages)?;
    let is_loaded = args.engine.is_none_or(|engine| report.limit_to(engine));
    let mut out = Answer::begin()?;
    if args.json {
        out.json(&report)?;
    } else if args.engine.is_some() {
        said(table::write_loads(&mut Page::new(&mut out), &report))?;
    } else {
        said(table::write(&mut Page::new(&mut out), &report, messages.verbosity() == Verbosity::Verbose))?;
    }
    out.finish()?;
    Ok(verdict(is_loaded))
}

/// The facts; what reading the archive warns of and notes is among them.
fn report(args: &InspectArgs, messages: Messages) -> Result<InspectReport> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let listen = move |diagnostic: &Diagnostic| {
        listener.lock().unwrap_or_else(PoisonError::into_inner).push(diagnostic.clone());
    };
    let session = Session::begin_with(&args.answer.run, messages, Diagnostics::new(args.answer.run.strict, listen))?;
    let archive = session.open(args.input.as_deref())?;
    let images = session.images(&archive, &args.answer.choice)?;
    let depth = if args.full { InspectDepth::Full } else { InspectDepth::Documents };
    let (choice, prefer) = (choice(&args.answer.choice), args.answer.choice.prefer.map(Into::into));
    let mut report = inspect(&archive, &images, &choice, prefer, depth, &session.run)?;
    session.run.diagnostics.finish();
    let mut findings = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    findings.append(&mut report.findings);
    findings.sort_by_key(|finding| finding.severity);
    report.findings = findings;
    Ok(report)
}

/// One document, byte for byte.
fn document(args: &InspectArgs, messages: Messages) -> Result<()> {
    let session = Session::begin(&args.answer.run, messages)?;
    let archive = session.open(args.input.as_deref())?;
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
