//! Which engines load an archive: their rows of a table, applied to it.
//!
//! ```text
//! gather: archive ─▶ facts ─┐
//! table: a row an engine ───┼─▶ checks: what stops the engine ─▶ Loads: the worst of all verdicts
//! ```
//!
//! A row names the release that was measured. Each check looks at one fact, and gives a reason and the conversion that helps.

mod checks;
mod engine;
mod facts;
mod gather;
mod names;
mod notes;
mod remedy;
mod row;
mod table;
mod verdict;

use indexmap::IndexSet;
use serde::Serialize;

pub use engine::{Engine, EngineChoice};
pub use verdict::Verdict;

pub(super) use facts::LoadFacts;
pub(super) use gather::gather;

use checks::{List, LoadObstacle};
use facts::LoadedImage;
use remedy::Remedy;
use row::EngineRow;

use crate::spec::platform::Platform;

/// The outcome of loading the archive with one engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loads {
    /// The engine.
    pub engine: Engine,
    /// The part of the archive that it loads.
    pub loads: Verdict,
    /// The names that the images then have in the engine, as it spells them.
    pub names: Vec<String>,
    /// The reasons why it does not load more.
    pub reasons: Vec<String>,
    /// Notes that do not keep it from loading the archive.
    pub notes: Vec<String>,
    /// A command of imgtar, without its input and output, whose output the engine loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Loads {
    /// Returns whether `other` is the same outcome, for another release of the same program.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.engine.program() == other.engine.program() && Self { engine: self.engine, ..other.clone() } == *self
    }
}

/// Returns the outcome for each engine of an archive with these facts.
pub(super) fn all(facts: &LoadFacts) -> Vec<Loads> {
    Engine::ALL.into_iter().map(|engine| of_engine(engine, facts)).collect()
}

fn of_engine(engine: Engine, facts: &LoadFacts) -> Loads {
    let row = engine.row();
    let (list, obstacles) = best(row, facts);
    let loads = verdict(&obstacles);
    let is_loaded = loads != Verdict::No;
    let remedy = remedy(row, facts, &obstacles);
    let reasons: IndexSet<String> = obstacles.into_iter().map(|obstacle| obstacle.reason).collect();
    Loads {
        engine,
        loads,
        names: list.filter(|_| is_loaded).map(|list| names::of(row, facts, list)).unwrap_or_default(),
        notes: list.filter(|_| is_loaded).map(|list| notes::of(row, facts, list)).unwrap_or_default(),
        remedy,
        reasons: reasons.into_iter().collect(),
    }
}

/// Returns the list of which the engine loads the most, among those that it tries, and the obstacles there.
fn best<'a>(row: &EngineRow, facts: &'a LoadFacts) -> (Option<List<'a>>, Vec<LoadObstacle>) {
    let mut best: Option<(Option<List<'a>>, Vec<LoadObstacle>)> = None;
    for list in List::candidates(row, facts) {
        let obstacles = checks::obstacles(row, facts, Some(list));
        if best.as_ref().is_none_or(|(_, known)| verdict(&obstacles) > verdict(known)) {
            best = Some((Some(list), obstacles));
        }
    }
    best.unwrap_or_else(|| (None, checks::obstacles(row, facts, None)))
}

/// Returns the worst verdict of `obstacles`; [`Verdict::Yes`] if there are none.
fn verdict(obstacles: &[LoadObstacle]) -> Verdict {
    obstacles.iter().map(|obstacle| obstacle.verdict).min().unwrap_or(Verdict::Yes)
}

/// Returns the command that removes all obstacles, if there is one: of an archive with damage no conversion is made, nor of
/// a layer that is known to be no tar.
fn remedy(row: &EngineRow, facts: &LoadFacts, obstacles: &[LoadObstacle]) -> Option<String> {
    if facts.images().any(|image| image.is_damaged() || image.is_unreadable()) {
        return None;
    }
    let remedies = obstacles.iter().map(|obstacle| obstacle.remedy).collect::<Option<Vec<Remedy>>>()?;
    let mut sum = remedies.into_iter().reduce(Remedy::and)?;
    if sum.squash.is_some() && facts.images().any(LoadedImage::is_unsquashable) {
        return None;
    }
    let is_several = facts.entries().iter().any(|entry| entry.images.len() > 1);
    sum.platform |= is_several && sum.target == Some("docker");
    sum.image |= checks::is_name_shared(facts);
    let mut image = format!("@{}", facts.first_image());
    let platform = facts.common_platform();
    if sum.platform && platform.is_none() {
        // No platform chooses one image of each name.
        image = facts.images().find_map(|image| image.manifest.as_deref()).map_or(image, str::to_owned);
        sum = Remedy { image: true, platform: false, ..sum };
    }
    Some(sum.command(row.target, &image, &platform.map(Platform::name).unwrap_or_default()))
}
