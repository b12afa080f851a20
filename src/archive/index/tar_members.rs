//! The members of a tar by clean name, links among them followed: the bodies that a name stands for.
//!
//! Sources: docs/formats.md G-6 to G-8, H-6, H-12.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::{Mutex, PoisonError};

use super::oddities::TarOddities;
use crate::error::Problem;
use crate::limits::MAX_LINKS;
use crate::path::{EntryPath, PathError, quote};
use crate::rule::Rule;
use crate::stream::source::Extent;

/// The members of a tar.
pub(super) struct TarMembers {
    /// True if a name begins with a slash as it is stored.
    pub(super) has_rooted_name: bool,
    pub(super) oddities: TarOddities,
    /// All occurrences of a name, in archive order.
    pub(super) members: HashMap<EntryPath, Vec<Member<Extent>>>,
    /// The names whose last occurrence is a symbolic link, by their hash.
    pub(super) links: HashMap<u64, Vec<EntryPath>>,
    hasher: RandomState,
    /// Cached lookups of links and of names with several members: documents may ask for one a hundred thousand times.
    found: Mutex<HashMap<EntryPath, BodyLookup>>,
}

/// A body, if there is one, or the problem for which the name is refused.
pub(super) type BodyLookup = std::result::Result<Option<Extent>, Problem>;

/// A member of a tar: its kind and, for a file, its body.
pub(super) enum Member<Body> {
    File(Body),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Directory,
    Other,
}

impl TarMembers {
    pub(super) fn new(
        members: HashMap<EntryPath, Vec<Member<Extent>>>,
        has_rooted_name: bool,
        oddities: TarOddities,
    ) -> Self {
        let hasher = RandomState::new();
        let mut links: HashMap<u64, Vec<EntryPath>> = HashMap::new();
        for (path, all) in &members {
            if let Some(Member::Symlink(_)) = all.last() {
                let mut prefix = Prefix::of(&hasher);
                path.components().for_each(|component| prefix.push(component));
                links.entry(prefix.hash()).or_default().push(path.clone());
            }
        }
        Self { has_rooted_name, oddities, members, links, hasher, found: Mutex::default() }
    }

    /// The body of `path`, through links; several members of one name must have the same bytes (H-12).
    pub(super) fn find(&self, path: &EntryPath) -> io::Result<BodyLookup> {
        if let Some([Member::File(body)]) = self.members.get(path).map(Vec::as_slice) {
            return Ok(Ok(Some(body.clone())));
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = found.get(path) {
            return Ok(outcome.clone());
        }
        let outcome = match self.resolve(path) {
            Ok(bodies) => one_of(bodies)?,
            Err(problem) => Err(problem),
        };
        if !matches!(outcome, Ok(None)) {
            found.insert(path.clone(), outcome.clone());
        }
        Ok(outcome)
    }

    /// The bodies of all occurrences of `path`, links followed; none when there is no such member.
    ///
    /// Goes link by link rather than name by name: names that occur often and link to names that occur often would
    /// otherwise multiply.
    fn resolve(&self, path: &EntryPath) -> std::result::Result<Vec<Extent>, Problem> {
        let mut bodies = Vec::new();
        let mut level = BTreeSet::from([path.clone()]);
        for _ in 0..=MAX_LINKS {
            let mut next = BTreeSet::new();
            for path in &level {
                self.step(path, &mut bodies, &mut next)?;
            }
            if next.is_empty() {
                return Ok(bodies);
            }
            level = next;
        }
        Err(Problem::new(Rule::H6, format!("more than {MAX_LINKS} links lead to it, or they form a cycle")))
    }

    /// Adds the bodies that `path` has to `bodies`, and the paths that its links lead to to `next`.
    fn step(
        &self,
        path: &EntryPath,
        bodies: &mut Vec<Extent>,
        next: &mut BTreeSet<EntryPath>,
    ) -> std::result::Result<(), Problem> {
        let Some(occurrences) = self.members.get(path) else {
            next.extend(self.through_directory_link(path)?);
            return Ok(());
        };
        for member in occurrences {
            let target = match member {
                Member::File(extent) => {
                    bodies.push(extent.clone());
                    continue;
                }
                Member::Symlink(target) => {
                    let directory = path.split().map(|(directory, _)| directory).unwrap_or_default();
                    directory.join(target)
                }
                Member::HardLink(target) => EntryPath::clean(target),
                Member::Directory | Member::Other => return Err(Problem::new(Rule::G6, "it is not a regular file")),
            };
            let target = target.map_err(|error| {
                Problem::new(error.rule(), format!("it is a link, and its target is bad: {error}{}", advice(error)))
            })?;
            if !self.members.contains_key(&target) && self.through_directory_link(&target)?.is_none() {
                let message = format!("it is a link to `{}`, which is not in the archive", quote(target.as_bytes()));
                return Err(Problem::new(Rule::G7, message));
            }
            next.insert(target);
        }
        Ok(())
    }

    /// `path` with its first component that is a symbolic link replaced by the link's target.
    pub(super) fn through_directory_link(&self, path: &EntryPath) -> std::result::Result<Option<EntryPath>, Problem> {
        let bytes = path.as_bytes();
        let (mut prefix, mut start) = (Prefix::of(&self.hasher), 0);
        while let Some(slash) = bytes[start..].iter().position(|&byte| byte == b'/') {
            let end = start + slash;
            prefix.push(&bytes[start..end]);
            if let Some((directory, target)) = self.link(prefix.hash(), &bytes[..end]) {
                let target = directory.join(target).and_then(|target| target.join(&bytes[end + 1..]));
                return target.map(Some).map_err(|error| {
                    Problem::new(error.rule(), format!("it is behind a link whose target is bad: {error}"))
                });
            }
            start = end + 1;
        }
        Ok(None)
    }

    /// The symbolic link at the clean `path` with this hash: the directory it is in, and its target.
    fn link(&self, hash: u64, path: &[u8]) -> Option<(EntryPath, &[u8])> {
        let link = self.links.get(&hash)?.iter().find(|link| link.as_bytes() == path)?;
        match self.members.get(link)?.last()? {
            Member::Symlink(target) => Some((link.split()?.0, target)),
            _ => None,
        }
    }
}

/// Returns advice against a link that leads out of the archive: to pack the file that it leads to.
fn advice(error: PathError) -> &'static str {
    if error == PathError::Escapes { "; `tar -h` packs the files that links lead to" } else { "" }
}

/// The hash of a path that grows by components: a name of a million directories is looked through once, not a million times.
struct Prefix(<RandomState as BuildHasher>::Hasher);

impl Prefix {
    fn of(hasher: &RandomState) -> Self {
        Self(hasher.build_hasher())
    }

    fn push(&mut self, component: &[u8]) {
        self.0.write(component);
        self.0.write_u8(b'/');
    }

    fn hash(&self) -> u64 {
        self.0.finish()
    }
}

/// The first of `bodies`, if all have the same bytes.
fn one_of(bodies: Vec<Extent>) -> io::Result<BodyLookup> {
    let mut bodies = bodies.into_iter();
    let Some(first) = bodies.next() else { return Ok(Ok(None)) };
    for other in bodies {
        if !first.has_bytes_of(&other)? {
            return Ok(Err(Problem::new(
                Rule::H12,
                "the archive holds it twice, with different bytes; if another archive was appended to it, unpack both \
                 into a directory, where the last one counts, and give that",
            )));
        }
    }
    Ok(Ok(Some(first)))
}
