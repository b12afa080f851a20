//! All stored bodies that have an expected digest, size or diff_id, each once, even if several names lead to it.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;

use super::body::{Body, Examined};
use crate::codec::Codec;
use crate::diagnostics::{Diagnostic, DiagnosticLog, Severity};
use crate::digest::{DiffId, Digest, Hasher};
use crate::error::Result;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::descriptor::Descriptor;
use crate::stream::pool;
use crate::stream::source::{Extent, Location};

/// A body among the [`Bodies`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct BodyId(usize);

/// The bodies to be read.
#[derive(Default)]
pub(super) struct Bodies {
    bodies: Vec<Body>,
    known: HashMap<Location, BodyId>,
    /// In a directory, where each look-up finds another place, they are known by their names.
    by_name: Option<HashMap<String, BodyId>>,
    digests: Vec<ExpectedBody>,
    sizes: Vec<(BodyId, u64)>,
    foreign: Vec<(BodyId, Descriptor)>,
}

/// The digest that stored bytes should have.
struct ExpectedBody {
    body: BodyId,
    digest: Digest,
    severity: Severity,
    rule: Rule,
    /// Where the digest is from.
    by: &'static str,
}

impl Bodies {
    /// None yet, of an archive or of a directory.
    pub(super) fn new(is_directory: bool) -> Self {
        Self { by_name: is_directory.then(HashMap::new), ..Self::default() }
    }

    /// Adds the bytes in `extent`, which messages call `at`.
    pub(super) fn add(&mut self, extent: Extent, at: &str) -> Result<BodyId> {
        let by_name = self.by_name.as_ref().and_then(|known| known.get(at));
        if let Some(known) = by_name.or_else(|| self.known.get(&extent.location())) {
            return Ok(*known);
        }
        let codec = Codec::detect(&extent, at)?;
        let id = BodyId(self.bodies.len());
        self.known.insert(extent.location(), id);
        if let Some(known) = &mut self.by_name {
            known.insert(at.to_owned(), id);
        }
        self.bodies.push(Body { extent, at: at.to_owned(), stored: BTreeSet::new(), layer: None, codec });
        Ok(id)
    }

    /// Expects the stored bytes to have the `digest` given in `by`; `broken` is severity and rule if they have not.
    pub(super) fn expect(&mut self, id: BodyId, digest: &Digest, broken: (Severity, Rule), by: &'static str) {
        self.bodies[id.0].stored.insert(digest.clone());
        let (severity, rule) = broken;
        self.digests.push(ExpectedBody { body: id, digest: digest.clone(), severity, rule, by });
    }

    /// Expects the stored bytes to be `size` bytes.
    pub(super) fn expect_size(&mut self, id: BodyId, size: u64) {
        if self.bodies[id.0].extent.size() != size {
            self.sizes.push((id, size));
        }
    }

    /// Adds the source of a foreign layer. Its bytes here may be in another form than the descriptor's (L-22); only if
    /// they have its digest must they have its size too (M-11).
    pub(super) fn foreign(&mut self, id: BodyId, source: &Descriptor) {
        self.bodies[id.0].stored.insert(source.digest().clone());
        self.foreign.push((id, source.clone()));
    }

    /// Makes the bytes a layer, with the diff_id that some config gives it.
    pub(super) fn layer(&mut self, id: BodyId, diff_id: Option<&DiffId>) {
        let diff_ids = self.bodies[id.0].layer.get_or_insert_default();
        diff_ids.extend(diff_id.map(|diff_id| diff_id.digest().clone()));
    }

    /// Makes the bytes a layer whose tar is to be compared with that of `other`.
    pub(super) fn comparable(&mut self, id: BodyId, other: BodyId) {
        let diff_ids = self.bodies[other.0].layer.clone().unwrap_or_default();
        self.bodies[id.0].layer.get_or_insert_default().extend(diff_ids);
    }

    /// Returns the number of bodies.
    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Returns the number of stored bytes of all bodies.
    pub(super) fn size(&self) -> u64 {
        self.bodies.iter().map(|body| body.extent.size()).sum()
    }

    /// Returns the number of bodies that are layers.
    pub(super) fn layers(&self) -> usize {
        self.bodies.iter().filter(|body| body.layer.is_some()).count()
    }

    /// Reads them all, side by side on the threads of `run`.
    ///
    /// # Errors
    /// Limits and failing reads.
    pub(super) fn examine(self, run: &Run) -> Result<ExaminedBodies> {
        run.progress.expect(self.size());
        let layers = NonZeroUsize::new(self.layers());
        let ahead = layers.is_some_and(|layers| layers < run.jobs);
        let examined =
            pool::for_all(run.jobs, &self.bodies, |body| body.extent.size(), |body| body.examine(ahead, run))?;
        Ok(ExaminedBodies { bodies: self, examined })
    }
}

/// The bodies, and the results of reading each.
pub(super) struct ExaminedBodies {
    bodies: Bodies,
    examined: Vec<Examined>,
}

impl ExaminedBodies {
    /// The body itself.
    pub(super) fn body(&self, id: BodyId) -> &Body {
        &self.bodies.bodies[id.0]
    }

    /// The results of reading it.
    pub(super) fn of(&self, id: BodyId) -> &Examined {
        &self.examined[id.0]
    }

    /// Entries of all layers.
    pub(super) fn entries(&self) -> u64 {
        self.examined.iter().map(|examined| examined.entries).sum()
    }

    /// Adds everything that is wrong with the bodies themselves to `log`.
    pub(super) fn report(&mut self, log: &mut DiagnosticLog) {
        for (id, size) in &self.bodies.sizes {
            let body = self.body(*id);
            let diagnostic = Diagnostic::error(Rule::O6, &body.at, "its content has another size");
            log.add(diagnostic.values(size, &body.extent.size()));
        }
        for diagnostic in self.bodies.digests.iter().filter_map(|expected| self.broken(expected)) {
            log.add(diagnostic);
        }
        for diagnostic in self.bodies.foreign.iter().filter_map(|(id, source)| self.false_size(*id, source)) {
            log.add(diagnostic);
        }
        for examined in &mut self.examined {
            log.append(std::mem::take(&mut examined.log));
        }
    }

    /// Returns an error if the layer does not have this `diff_id`; `None` also where it could not be decoded, which is
    /// reported already.
    pub(super) fn verify(&self, id: BodyId, diff_id: &DiffId) -> Option<Diagnostic> {
        let at = &self.body(id).at;
        let found = match_algorithm(&self.of(id).plain, diff_id.digest());
        match found {
            Some(found) if found != diff_id.digest() => Some(
                Diagnostic::error(
                    Rule::M11,
                    at,
                    "the digest of the layer's uncompressed tar is not the diff_id in the config",
                )
                .values(diff_id, found),
            ),
            Some(_) => None,
            None if Hasher::of(diff_id.digest().algorithm()).is_none() => {
                let message = format!("not verified: {diff_id} cannot be computed here");
                Some(Diagnostic::warning(Rule::M11, at, message))
            }
            None => None,
        }
    }

    fn false_size(&self, id: BodyId, source: &Descriptor) -> Option<Diagnostic> {
        let (body, is_meant) = (self.body(id), self.of(id).stored.contains(source.digest()));
        let size = body.extent.size();
        let diagnostic = Diagnostic::error(Rule::O6, &body.at, "its content has another size than LayerSources says");
        (is_meant && size != source.size()).then(|| diagnostic.values(&source.size(), &size))
    }

    fn broken(&self, expected: &ExpectedBody) -> Option<Diagnostic> {
        let ExpectedBody { body, digest, severity, rule, by } = expected;
        let at = &self.body(*body).at;
        match match_algorithm(&self.of(*body).stored, digest) {
            Some(found) if found == digest => None,
            Some(found) => {
                let message = format!("its content has another digest than {by} says");
                Some(Diagnostic::new(*severity, *rule, at, message).values(digest, found))
            }
            None => {
                let message = format!("not verified: {digest} cannot be computed here");
                Some(Diagnostic::warning(Rule::M11, at, message))
            }
        }
    }
}

fn match_algorithm<'a>(digests: &'a [Digest], like: &Digest) -> Option<&'a Digest> {
    digests.iter().find(|digest| digest.algorithm() == like.algorithm())
}
