//! All stored bytes that something is said about, each once, whatever names lead to them.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use super::body::{Body, Examined};
use crate::codec::Codec;
use crate::diagnostics::{Diagnostic, Severity};
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::{Error, Result};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::stream::pool;
use crate::stream::source::{Extent, Location};

/// A body among the [`Bodies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BodyId(usize);

/// What is to be read.
#[derive(Default)]
pub(super) struct Bodies {
    bodies: Vec<Body>,
    known: HashMap<Location, BodyId>,
    promises: Vec<Promised>,
    foreign: Vec<(BodyId, Descriptor)>,
}

/// Somebody's word on what stored bytes hash to.
struct Promised {
    body: BodyId,
    digest: Digest,
    severity: Severity,
    rule: Rule,
    /// Who says so.
    by: String,
}

impl Bodies {
    /// The bytes in `extent`, which the member `at` leads to.
    pub(super) fn add(&mut self, extent: Extent, at: &str) -> Result<BodyId> {
        if let Some(known) = self.known.get(&extent.location()) {
            return Ok(*known);
        }
        let head = extent.head::<{ Codec::SNIFF_LEN }>().map_err(|error| Error::io("reading", at, error))?;
        let id = BodyId(self.bodies.len());
        self.known.insert(extent.location(), id);
        let codec = Codec::sniff(&head);
        self.bodies.push(Body { extent, at: at.to_owned(), stored: BTreeSet::new(), layer: None, codec });
        Ok(id)
    }

    /// Notes what the bytes must hash to as they are stored; `by` says who promised it.
    pub(super) fn expect(&mut self, id: BodyId, digest: &Digest, broken: (Severity, Rule), by: &str) {
        self.bodies[id.0].stored.insert(digest.clone());
        let (severity, rule) = broken;
        self.promises.push(Promised { body: id, digest: digest.clone(), severity, rule, by: by.to_owned() });
    }

    /// Notes where a foreign layer could be had. Its bytes here may be in another form than is meant (L-22); only if they
    /// are the very ones that are meant is their size a promise too (M-11).
    pub(super) fn foreign(&mut self, id: BodyId, source: &Descriptor) {
        self.bodies[id.0].stored.insert(source.digest().clone());
        self.foreign.push((id, source.clone()));
    }

    /// Notes that the bytes are a layer, and which diff_id some config gives it.
    pub(super) fn layer(&mut self, id: BodyId, diff_id: Option<&DiffId>) {
        let diff_ids = self.bodies[id.0].layer.get_or_insert_default();
        diff_ids.extend(diff_id.map(|diff_id| diff_id.digest().clone()));
    }

    /// Notes that the bytes are a layer whose tar is to be compared with another one's.
    pub(super) fn plain(&mut self, id: BodyId, like: BodyId) {
        let diff_ids = self.bodies[like.0].layer.clone().unwrap_or_default();
        self.bodies[id.0].layer.get_or_insert_default().extend(diff_ids);
    }

    /// One body.
    pub(super) fn get(&self, id: BodyId) -> &Body {
        &self.bodies[id.0]
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// How many bytes they have together, stored.
    pub(super) fn size(&self) -> u64 {
        self.bodies.iter().map(|body| body.extent.size()).sum()
    }

    /// How many of them are layers.
    pub(super) fn layers(&self) -> usize {
        self.bodies.iter().filter(|body| body.layer.is_some()).count()
    }

    /// Reads them all, side by side on the threads of `run`.
    ///
    /// # Errors
    /// Limits and failing reads.
    pub(super) fn examine(self, run: &Run) -> Result<Outcome> {
        run.progress.expect(self.size());
        let Self { bodies, promises, foreign, known: _ } = self;
        let layers = bodies.iter().filter(|body| body.layer.is_some()).count();
        let ahead = NonZeroUsize::new(layers).is_some_and(|layers| layers < run.jobs);
        let examined = pool::for_all(run.jobs, &bodies, |body| body.extent.size(), |body| body.examine(ahead, run))?;
        Ok(Outcome { bodies, examined, promises, foreign })
    }
}

/// What the bodies turned out to be.
pub(super) struct Outcome {
    bodies: Vec<Body>,
    examined: Vec<Examined>,
    promises: Vec<Promised>,
    foreign: Vec<(BodyId, Descriptor)>,
}

impl Outcome {
    /// The body itself.
    pub(super) fn body(&self, id: BodyId) -> &Body {
        &self.bodies[id.0]
    }

    /// What it turned out to be.
    pub(super) fn of(&self, id: BodyId) -> &Examined {
        &self.examined[id.0]
    }

    /// Entries of all layers.
    pub(super) fn entries(&self) -> u64 {
        self.examined.iter().map(|examined| examined.entries).sum()
    }

    /// Everything that is wrong with the bodies themselves.
    pub(super) fn findings(&self) -> Vec<Diagnostic> {
        let mut findings: Vec<Diagnostic> = self.promises.iter().filter_map(|promised| self.broken(promised)).collect();
        findings.extend(self.foreign.iter().filter_map(|(id, source)| self.false_size(*id, source)));
        findings.extend(self.examined.iter().flat_map(|examined| &examined.findings).cloned());
        findings
    }

    /// What is wrong about a layer's diff_id; nothing where it could not be decoded, which has been said.
    pub(super) fn verify(&self, id: BodyId, diff_id: &DiffId) -> Option<Diagnostic> {
        let at = &self.body(id).at;
        let found = match_algorithm(&self.of(id).plain, diff_id.digest());
        match found {
            Some(found) if found != diff_id.digest() => Some(
                Diagnostic::error(
                    Rule::M11,
                    at,
                    "the layer's uncompressed tar has another digest than its config says",
                )
                .values(diff_id, found),
            ),
            Some(_) => None,
            None if Hasher::of(diff_id.digest().algorithm()).is_none() => {
                Some(Diagnostic::warning(Rule::M11, at, format!("not verified: {diff_id} cannot be computed here")))
            }
            None => None,
        }
    }

    fn false_size(&self, id: BodyId, source: &Descriptor) -> Option<Diagnostic> {
        let (body, is_meant) = (self.body(id), self.of(id).stored.contains(source.digest()));
        let size = body.extent.size();
        let finding = Diagnostic::error(Rule::O6, &body.at, "its content has another size than LayerSources says");
        (is_meant && size != source.size()).then(|| finding.values(&source.size(), &size))
    }

    fn broken(&self, promised: &Promised) -> Option<Diagnostic> {
        let Promised { body, digest, severity, rule, by } = promised;
        let at = self.body(*body).at.clone();
        match match_algorithm(&self.of(*body).stored, digest) {
            Some(found) if found == digest => None,
            Some(found) => {
                let message = format!("its content has another digest than {by} says");
                Some(Diagnostic::new(*severity, *rule, at, message).values(digest, found))
            }
            None => Some(Diagnostic::warning(Rule::M11, at, format!("not verified: {digest} cannot be computed here"))),
        }
    }
}

fn match_algorithm<'a>(digests: &'a [Digest], like: &Digest) -> Option<&'a Digest> {
    digests.iter().find(|digest| digest.algorithm() == like.algorithm())
}
