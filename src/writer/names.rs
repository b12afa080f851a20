//! Names as docker's formats hold them: a repository and a tag, always both.
//!
//! Sources: docs/formats.md L-7, L-18, N-5 to N-7, O-24.

use super::{Contents, loss, single_images};
use crate::diagnostics::Diagnostic;
use crate::error::{Result, Setting};
use crate::image::{Image, ImageEntry, Name};
use crate::options::DockerOptions;
use crate::rule::Rule;
use crate::run::Run;

/// The spelling of a written name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As `docker images` shows it.
    Familiar,
    /// With registry and all.
    Full,
}

impl Spelling {
    /// The spelling for `--full-names`: [`Self::Full`] if it is set.
    pub(super) fn of(full_names: bool) -> Self {
        if full_names { Self::Full } else { Self::Familiar }
    }
}

/// The images of an archive that `manifest.json` alone describes, each with its names; what docker's formats have no place for
/// is reported.
///
/// # Errors
/// [`Error::Inexpressible`](crate::error::Error::Inexpressible) for an encrypted layer; under `--strict` the warnings.
pub(super) fn named_images<'a>(
    contents: &Contents<'a>,
    docker: &DockerOptions,
    run: &Run,
) -> Result<Vec<(&'a Image, Vec<String>)>> {
    loss::refuse_encrypted(&contents.images())?;
    loss::remark_index(contents, run);
    let spelling = Spelling::of(docker.full_names);
    let images = single_images(contents.entries).into_iter();
    images.map(|(entry, image)| Ok((image, repo_tags(entry, spelling, run)?))).collect()
}

/// The names of `entry` that docker can hold; the others are warned about and dropped.
fn repo_tags(entry: &ImageEntry, spelling: Spelling, run: &Run) -> Result<Vec<String>> {
    for (name, problem) in entry.names.iter().filter_map(obstacle) {
        let warning = Diagnostic::warning(Rule::O24, name.to_string(), format!("{problem}; dropped"));
        run.diagnostics.report(warning.of_target().avoided_by(Setting::Name))?;
    }
    Ok(spelled(entry, spelling))
}

/// The same for a `manifest.json` beside a layout, whose `index.json` has them all.
pub(super) fn repo_tags_beside_layout(entry: &ImageEntry, spelling: Spelling, run: &Run) -> Result<Vec<String>> {
    for (name, problem) in entry.names.iter().filter_map(obstacle) {
        let note = Diagnostic::note(Rule::O24, name.to_string(), format!("not in manifest.json: {problem}"));
        run.diagnostics.report(note.avoided_by(Setting::Name))?;
    }
    Ok(spelled(entry, spelling))
}

/// Why docker cannot hold a name. One with a tag and a digest is the digest's to engines (N-3).
fn obstacle(name: &Name) -> Option<(&Name, &'static str)> {
    let problem = match name {
        Name::Reference(reference) if reference.digest().is_none() => return None,
        Name::Reference(_) => "docker's formats cannot hold a digest as a name",
        Name::Tag(_) => "docker's formats cannot hold a tag without a repository",
        Name::Text(_) => "docker's formats cannot hold what is not an image name",
    };
    Some((name, problem))
}

fn spelled(entry: &ImageEntry, spelling: Spelling) -> Vec<String> {
    let held = entry.names.iter().filter(|name| obstacle(name).is_none());
    held.filter_map(|name| match (name, spelling) {
        (Name::Reference(reference), Spelling::Familiar) => Some(reference.familiar()),
        (Name::Reference(reference), Spelling::Full) => Some(reference.full()),
        (Name::Tag(_) | Name::Text(_), _) => None,
    })
    .collect()
}
