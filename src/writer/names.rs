//! Names as docker's formats hold them: a repository and a tag, always both.
//!
//! Sources: docs/formats.md L-7, L-18, N-5 to N-7, O-24.

use crate::error::Result;
use crate::image::{Entry, Name};
use crate::notice::Fault;
use crate::run::Run;

/// How a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As `docker images` shows it.
    Familiar,
    /// With registry and all.
    Full,
}

impl Spelling {
    /// As `--full-names` says.
    pub(super) fn of(full_names: bool) -> Self {
        if full_names { Self::Full } else { Self::Familiar }
    }
}

/// The names of `entry` that docker can hold; the others are warned about and dropped.
pub(super) fn repo_tags(entry: &Entry, spelling: Spelling, run: &Run) -> Result<Vec<String>> {
    let mut tags = Vec::with_capacity(entry.names.len());
    for name in &entry.names {
        let problem = match name {
            Name::Reference(reference) => match reference.clone().without_digest() {
                Some(tagged) => {
                    tags.push(match spelling {
                        Spelling::Familiar => tagged.familiar(),
                        Spelling::Full => tagged.to_string(),
                    });
                    continue;
                }
                None => "docker's formats cannot hold a digest as a name",
            },
            Name::Tag(_) => "docker's formats cannot hold a tag without a repository",
            Name::Text(_) => "docker's formats cannot hold what is no image name",
        };
        run.notices.warn(Fault::Target, &name.to_string(), &format!("{problem}; dropped (--tag gives a name)"))?;
    }
    tags.dedup();
    Ok(tags)
}
