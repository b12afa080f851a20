//! Layers left out, with their entries of the history (E-30, E-31).
//!
//! Sources: docs/edit.md E-30, E-31, E-35.

use super::draft::Draft;
use super::paths::list;
use super::restack::{BaseChange, restack};
use super::stack::DraftStack;
use super::workspace::Workspace;
use crate::diagnostics::Rule;
use crate::error::{Error, Result};

/// Removes the layers that have these numbers in the input, all at once.
///
/// # Errors
/// [`Error::Inexpressible`] for a number that no layer has, and for layers that cannot stay without the others.
pub(super) fn remove_layers(draft: &mut Draft, numbers: &[usize], workspace: &Workspace<'_>) -> Result<()> {
    draft.change_layers()?;
    for number in numbers {
        if draft.layers().iter().all(|layer| layer.input != Some(*number)) {
            let problem = match draft.image.layers.len() {
                count if *number < count => format!("a new base has replaced layer {number}"),
                0 => format!("there is no layer {number}: it has no layers"),
                1 => format!("there is no layer {number}: it has layer 0 only"),
                count => format!("there is no layer {number}: it has layers 0 to {}", count - 1),
            };
            return Err(Error::inexpressible(draft.at(), problem));
        }
    }
    let is_kept = |place: &usize| draft.layers()[*place].input.is_none_or(|number| !numbers.contains(&number));
    let kept: Vec<usize> = (0..draft.layers().len()).filter(is_kept).collect();
    let gone: Vec<String> =
        (0..draft.layers().len()).filter(|place| !is_kept(place)).map(|place| draft.layer_name(place)).collect();
    let first = (0..).find(|place| !kept.contains(place)).unwrap_or_default();
    let DraftStack { layers, headers, .. } = DraftStack::read_headers(draft, workspace)?;
    let stacks = BaseChange { layers: &layers, headers: &headers, old: layers.len(), kept: &kept };
    draft.changes.push(format!("{} left out", gone.join(", ")));
    let restacked = restack(draft, &stacks, |_, _| Ok(()), workspace)?;
    let clashes = [
        ("a directory", &restacked.clashes, "a link or file"),
        ("a file or link", &restacked.lost_directories, "a directory"),
    ];
    for (what, paths, kind) in clashes.into_iter().filter(|(_, paths, _)| !paths.is_empty()) {
        let problem = format!("{what} takes the place of {}, {kind} that a removed layer hid", list(paths.iter()));
        workspace.run.diagnostics.warn_of_target(Rule::E35, draft.at(), problem)?;
    }
    let (layers, history) = draft.change_layers()?;
    *layers = restacked.layers;
    history.remove_layers(|place| kept.binary_search(&place).is_err());
    draft.drop_base(first);
    Ok(())
}
