//! The table "What loads where", applied to one archive.
//!
//! ```text
//! gather: archive ─▶ facts ─┐
//! table: a row an engine ───┼─▶ checks: what is in the engine's way ─▶ Loads: the least of all facts
//! ```
//!
//! A row names the release that was measured. A fact is one check; each says why, and which conversion would help.

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

use serde::Serialize;

pub use engine::{Engine, EngineChoice};
pub use verdict::Verdict;

pub(super) use facts::LoadFacts;
pub(super) use gather::gather;

use checks::{List, LoadObstacle};
use remedy::Remedy;
use row::EngineRow;

/// What one engine makes of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Loads {
    /// The engine.
    pub engine: Engine,
    /// How much of the archive it loads.
    pub loads: Verdict,
    /// The names that the engine then knows, as it spells them.
    pub names: Vec<String>,
    /// What keeps it from more.
    pub reasons: Vec<String>,
    /// What is worth knowing although it loads.
    pub notes: Vec<String>,
    /// A command of imgtar, without its input and output, whose output the engine loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Loads {
    /// Whether another release of the same program does the same.
    pub fn is_alike(&self, other: &Self) -> bool {
        self.engine.program() == other.engine.program() && Self { engine: self.engine, ..other.clone() } == *self
    }
}

/// What every engine makes of an archive with these facts.
pub(super) fn all(facts: &LoadFacts) -> Vec<Loads> {
    Engine::ALL.into_iter().map(|engine| of_engine(engine, facts)).collect()
}

fn of_engine(engine: Engine, facts: &LoadFacts) -> Loads {
    let row = engine.row();
    let (list, obstacles) = best(row, facts);
    let loads = verdict(&obstacles);
    let is_loaded = loads != Verdict::No;
    Loads {
        engine,
        loads,
        names: list.filter(|_| is_loaded).map(|list| names::of(row, facts, list)).unwrap_or_default(),
        notes: list.filter(|_| is_loaded).map(|list| notes::of(row, facts, list)).unwrap_or_default(),
        remedy: remedy(row, facts, &obstacles),
        reasons: distinct(obstacles.into_iter().map(|obstacle| obstacle.reason)),
    }
}

/// The list that the engine loads most of, of those that it tries, and all that is in its way there.
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

/// The least of all facts.
fn verdict(obstacles: &[LoadObstacle]) -> Verdict {
    obstacles.iter().map(|obstacle| obstacle.verdict).min().unwrap_or(Verdict::Yes)
}

/// The command that clears everything out of the way, if one does.
fn remedy(row: &EngineRow, facts: &LoadFacts, obstacles: &[LoadObstacle]) -> Option<String> {
    let remedies = obstacles.iter().map(|obstacle| obstacle.remedy).collect::<Option<Vec<Remedy>>>()?;
    let sum = remedies.into_iter().reduce(Remedy::and)?;
    let platform = facts.images().next().map(|image| image.platform.to_string());
    Some(sum.command(row.target, platform.as_deref().unwrap_or_default()))
}

fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}
