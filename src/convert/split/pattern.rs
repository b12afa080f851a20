//! The names of the archives, by a pattern.
//!
//! ```text
//! out/{name}-{tag}.tar      ex.org/team/app:1 → out/app-1.tar
//! ```
//!
//! In values from an archive every character but ASCII letters, digits, `.`, `-` and `_` becomes `_`: no output leaves
//! the pattern's directory. Two outputs with one name are refused before anything is written.
//!
//! Source: docs/bundles.md B-41.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{ImageEntry, Name};
use crate::options::ConvertOptions;
use crate::path::{can_name_file, escape_for_terminal};
use crate::spec::platform::Platform;
use crate::stream::PathKey;

/// The longest name of a file, bytes.
const MAX_NAME: usize = 255;

/// Names of archives, made from what they hold: a path whose last component has `{name}` (the last part of the
/// repository), `{repo}` (all of it), `{tag}`, `{os}`, `{arch}`, `{id}` (of the image ID) or `{n}` (a number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitPattern {
    directory: PathBuf,
    parts: Vec<PatternPart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum PatternPart {
    Text(String),
    Field(PatternField),
}

/// A field of a pattern, in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternField {
    Name,
    Repo,
    Tag,
    Os,
    Arch,
    Id,
    Number,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseSplitPatternError(String);

impl PatternField {
    const ALL: [Self; 7] = [Self::Name, Self::Repo, Self::Tag, Self::Os, Self::Arch, Self::Id, Self::Number];

    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Repo => "repo",
            Self::Tag => "tag",
            Self::Os => "os",
            Self::Arch => "arch",
            Self::Id => "id",
            Self::Number => "n",
        }
    }
}

impl fmt::Display for PatternField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{}}}", self.name())
    }
}

impl FromStr for SplitPattern {
    type Err = ParseSplitPatternError;

    /// Parses a path whose last component has fields in braces.
    fn from_str(text: &str) -> std::result::Result<Self, ParseSplitPatternError> {
        let path = Path::new(text);
        let last = path.file_name().and_then(|last| last.to_str()).unwrap_or_default();
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        if last.is_empty() || text.ends_with(std::path::is_separator) {
            return Err(ParseSplitPatternError("a pattern ends in the name of a file".to_owned()));
        }
        if directory.to_string_lossy().contains('{') {
            let problem = "only the last part of a pattern has {fields}: all archives go into one directory";
            return Err(ParseSplitPatternError(problem.to_owned()));
        }
        Ok(Self { directory, parts: parts(last)? })
    }
}

fn parts(text: &str) -> std::result::Result<Vec<PatternPart>, ParseSplitPatternError> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, from)) = rest.split_once('{') {
        let unknown = || {
            let known = PatternField::ALL.map(|field| field.to_string());
            ParseSplitPatternError(format!("a pattern's fields are {}", known.join(", ")))
        };
        let (name, after) = from.split_once('}').ok_or_else(unknown)?;
        let field = PatternField::ALL.into_iter().find(|field| field.name() == name).ok_or_else(unknown)?;
        parts.extend([PatternPart::Text(before.to_owned()), PatternPart::Field(field)]);
        rest = after;
    }
    parts.push(PatternPart::Text(rest.to_owned()));
    Ok(parts)
}

impl SplitPattern {
    /// The directory into which all archives go.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns `options` for archives with these names: each platform is one of its own where a field differs by platform.
    pub(in crate::convert) fn options(&self, options: &ConvertOptions) -> ConvertOptions {
        let differs_by_platform = |part: &PatternPart| {
            matches!(part, PatternPart::Field(PatternField::Os | PatternField::Arch | PatternField::Id))
        };
        ConvertOptions { each_platform: self.parts.iter().any(differs_by_platform), ..options.clone() }
    }

    /// The names of the archives that `groups` become.
    ///
    /// # Errors
    /// [`Error::Inexpressible`] for an image that has not got what the pattern names, a name that no file can have;
    /// [`Error::Choice`] for a name that two would have.
    pub(super) fn names(&self, groups: &[Vec<ImageEntry>]) -> Result<Vec<String>> {
        let names: Vec<String> =
            groups.iter().enumerate().map(|(number, group)| self.name(number, group)).collect::<Result<_>>()?;
        let mut known: HashMap<PathKey, usize> = HashMap::new();
        for (number, name) in names.iter().enumerate() {
            if let Some(other) = known.insert(PathKey::of_name(name), number) {
                let problem = format!(
                    "two images would be written to {name}; a pattern with more fields, such as {{n}}, tells them apart"
                );
                let titles = [other, number]
                    .map(|number| format!("{} in {}", groups[number][0].title(), groups[number][0].archive));
                return Err(Error::choice(problem, titles));
            }
        }
        Ok(names)
    }

    fn name(&self, number: usize, group: &[ImageEntry]) -> Result<String> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                PatternPart::Text(text) => name += text,
                PatternPart::Field(field) => {
                    let value = field.value(number, group).ok_or_else(|| {
                        let problem = format!("it has no {field}; {{id}} and {{n}} are there for every image");
                        Error::inexpressible(group[0].at(), problem)
                    })?;
                    name.extend(value.chars().map(|letter| if is_plain(letter) { letter } else { '_' }));
                }
            }
        }
        if name.len() > MAX_NAME || name.chars().all(|letter| letter == '.') || !can_name_file(&name) {
            let problem = format!("no file can be named `{}`", escape_for_terminal(name.as_bytes()));
            return Err(Error::inexpressible(group[0].at(), problem));
        }
        Ok(name)
    }
}

/// Letters that mean nothing to a file system, a shell or a terminal.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_')
}

impl PatternField {
    /// Returns the field's value for `group`, the archive with this `number`; `None` where `group` has none.
    fn value(self, number: usize, group: &[ImageEntry]) -> Option<String> {
        let names = || group.iter().flat_map(|entry| &entry.names);
        let reference = names().find_map(|name| match name {
            Name::Reference(reference) => Some(reference),
            Name::Tag(_) | Name::Text(_) => None,
        });
        let repository = || {
            let reference = reference?;
            let familiar = reference.familiar();
            let tagged = familiar.split('@').next().unwrap_or_default();
            let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
            Some(tagged.strip_suffix(&*tag).unwrap_or(tagged).to_owned())
        };
        match self {
            Self::Name => Some(repository()?.rsplit('/').next()?.to_owned()),
            Self::Repo => repository(),
            Self::Tag => match reference {
                // All fields are those of one name.
                Some(reference) => reference.tag().map(str::to_owned),
                None => names().find_map(|name| if let Name::Tag(tag) = name { Some(tag.clone()) } else { None }),
            },
            Self::Os => platform(group).map(|platform| platform.os.clone()),
            Self::Arch => platform(group).map(|platform| match platform.variant.as_str() {
                "" => platform.architecture.clone(),
                variant => format!("{}-{variant}", platform.architecture),
            }),
            Self::Id => image_id(group).map(|digest| digest.encoded().chars().take(12).collect()),
            Self::Number => Some(number.to_string()),
        }
        .filter(|value| !value.is_empty())
    }
}

/// The platform of the only image.
fn platform(group: &[ImageEntry]) -> Option<&Platform> {
    match &group.iter().flat_map(|entry| entry.node.distinct_images()).collect::<Vec<_>>()[..] {
        [image] => Some(&image.platform),
        _ => None,
    }
}

fn image_id(group: &[ImageEntry]) -> Option<&Digest> {
    group.iter().flat_map(|entry| entry.node.images()).map(|image| &image.image_id).next()
}
