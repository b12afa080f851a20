//! `--split`: an archive for each image, named by a pattern.
//!
//! ```text
//! out/{name}-{tag}.tar      ex.org/team/app:1 → out/app-1.tar
//! ```
//!
//! In values from an archive every character but ASCII letters, digits, `.`, `-` and `_` becomes `_`: no output leaves
//! the pattern's directory. Two outputs with one name are refused before anything is written.
//!
//! Source: docs/bundles.md B-41.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, mem};

use super::{ConvertOptions, Target};
use crate::diagnostics::{Diagnostic, DiagnosticLog};
use crate::digest::Digest;
use crate::edit::EditedImage;
use crate::error::{Error, Result};
use crate::image::{ImageEntry, ImageSet, Name, Node};
use crate::path::escape_for_terminal;
use crate::report::{ConversionReport, UnreadReport};
use crate::rule::Rule;
use crate::run::Run;
use crate::select;
use crate::spec::platform::Platform;
use crate::stream::side_by_side::side_by_side;
use crate::writer::{self, Contents, Output};

/// The longest name of a file, bytes.
const MAX_NAME: usize = 255;

/// Names of archives, made from what they hold.
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

/// One of the archives that [`split`](crate::split) or [`edit_split`](crate::edit_split) wrote.
#[derive(Debug)]
#[non_exhaustive]
pub struct SplitArchive {
    /// Its file name.
    pub name: String,
    /// The images and layers in it.
    pub report: ConversionReport,
    /// The warnings about what was written into it.
    pub warnings: Vec<Diagnostic>,
    /// The outcome of an edit for each of its images; empty for a conversion.
    pub edited: Vec<EditedImage>,
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
    pub(super) fn options(&self, options: &ConvertOptions) -> ConvertOptions {
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
        let mut known: HashMap<String, usize> = HashMap::new();
        for (number, name) in names.iter().enumerate() {
            // File systems of these systems take `V1` and `v1` for one name.
            let is_folded = cfg!(any(windows, target_os = "macos"));
            let key = if is_folded { name.to_ascii_lowercase() } else { name.clone() };
            if let Some(other) = known.insert(key, number) {
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
        let is_device = cfg!(windows) && is_device_of_windows(&name);
        if name.len() > MAX_NAME || name.chars().all(|letter| letter == '.') || is_device {
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

/// Returns true for names that older versions of Windows take for a device, whatever extension follows: an archive called
/// `nul.tar` would be lost.
fn is_device_of_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    match stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt")) {
        Some(number) => matches!(number.as_bytes(), [b'1'..=b'9']),
        None => matches!(&*stem, "con" | "prn" | "aux" | "nul"),
    }
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

/// Puts `entries` into the archives that they belong to: images by themselves, with all that shares a name where the target
/// holds several platforms; what refers to an image, such as its signature, with it.
///
/// # Errors
/// If there is no image among them, which were chosen from those of `read`.
pub(super) fn groups(
    entries: Vec<ImageEntry>,
    read: &ImageSet,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<Vec<ImageEntry>>> {
    let is_together = matches!(options.target, Target::Oci(_)) && !options.each_platform;
    let mut groups = Groups::default();
    let (images, beside): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| !matches!(entry.node, Node::Artifact(_)));
    for entry in images {
        groups.add(entry, is_together);
    }
    // Those that became part of another are empty.
    groups.all.retain(|group| !group.is_empty());
    for entry in groups.attach(beside) {
        run.diagnostics.note(Rule::B41, entry.at(), "it belongs to no image that is written; left out");
    }
    if groups.all.is_empty() {
        return Err(select::no_image(read));
    }
    Ok(groups.all)
}

/// Writes an archive for each of `groups`, whose entries were chosen or made of `images`, as [`split`](crate::split) does.
///
/// # Errors
/// Those of [`SplitPattern::names`], of `open` and of the writers: of archives that fail, that of the first.
pub(super) fn write(
    images: &ImageSet,
    groups: &[Vec<ImageEntry>],
    bases: &[ImageSet],
    pattern: &SplitPattern,
    open: &mut dyn FnMut(&str) -> Result<Output>,
    options: &ConvertOptions,
    run: &Run,
) -> Result<Vec<SplitArchive>> {
    let names = pattern.names(groups)?;
    let contents = |entries| Contents { entries, unreferenced: &[], annotations: &images.annotations, bases };
    let contents: Vec<Contents<'_>> = groups.iter().map(|entries| contents(entries)).collect();
    if run.progress.is_heard() {
        let work = contents.iter().map(|contents| writer::work(contents, options));
        let (bytes, moved) = work.fold((0, 0), |(bytes, moved), (more, more_moved)| (bytes + more, moved + more_moved));
        if moved > 0 {
            run.progress.expect_moved(bytes, moved);
        }
    }
    let weights: Vec<u64> = contents.iter().map(Contents::stored_size).collect();
    let begin = |number: usize| match open(&names[number]) {
        Ok(output) => ControlFlow::Continue((&contents[number], output)),
        Err(error) => ControlFlow::Break((Err(error), DiagnosticLog::default())),
    };
    let write = |(contents, output): (&Contents<'_>, Output), jobs| {
        let part = run.part(jobs);
        (writer::write(contents, output, options, &part), part.diagnostics.take())
    };
    let done = side_by_side(run.jobs, &weights, begin, write, |(written, _)| written.is_err());
    let archive = |(((written, found), name), entries): (((Result<_>, _), &String), &Vec<_>)| {
        let warnings = run.diagnostics.absorb(found);
        let report = ConversionReport { unread: UnreadReport::of(images, entries), ..written? };
        Ok(SplitArchive { name: name.clone(), report, warnings, edited: Vec::new() })
    };
    done.into_iter().zip(&names).zip(groups).map(archive).collect()
}

#[derive(Default)]
struct Groups {
    all: Vec<Vec<ImageEntry>>,
    /// The number of the group that has an image of this name.
    by_name: HashMap<Name, usize>,
}

impl Groups {
    /// Adds an entry to the group that has one of its names, or makes a new one; groups that it ties together become one.
    fn add(&mut self, entry: ImageEntry, is_together: bool) {
        let known: BTreeSet<usize> = match is_together {
            true => entry.names.iter().filter_map(|name| self.by_name.get(name).copied()).collect(),
            false => BTreeSet::new(),
        };
        let place = known.first().copied().unwrap_or(self.all.len());
        for other in known.into_iter().skip(1) {
            let moved = mem::take(&mut self.all[other]);
            self.by_name.extend(moved.iter().flat_map(|entry| &entry.names).map(|name| (name.clone(), place)));
            self.all[place].extend(moved);
        }
        self.by_name.extend(entry.names.iter().map(|name| (name.clone(), place)));
        match self.all.get_mut(place) {
            Some(group) => group.push(entry),
            None => self.all.push(vec![entry]),
        }
    }

    /// Puts artifacts where what they refer to is; gives back those that refer to nothing that is written.
    fn attach(&mut self, beside: Vec<ImageEntry>) -> Vec<ImageEntry> {
        let mut places: HashMap<String, usize> = HashMap::new();
        for (place, group) in self.all.iter().enumerate() {
            for node in group.iter().map(|entry| &entry.node) {
                let manifests = node.images().into_iter().map(|image| image.own_digest());
                let indexes = node.indexes().into_iter().map(|index| &index.document.digest);
                for digest in manifests.chain(indexes) {
                    places.entry(digest.to_string()).or_insert(place);
                }
            }
        }
        let mut left = Vec::new();
        for entry in beside {
            let subjects = entry.node.artifacts().into_iter().filter_map(|artifact| artifact.subject.as_ref());
            let digests = subjects.map(Digest::to_string).chain(entry.names.iter().filter_map(tagged_digest));
            match digests.into_iter().find_map(|digest| places.get(&digest)) {
                Some(&place) => self.all[place].push(entry),
                None => left.push(entry),
            }
        }
        left
    }
}

/// The digest of the image to which a name like `app:sha256-….sig` belongs (docs/formats.md O-14).
fn tagged_digest(name: &Name) -> Option<String> {
    let tag = match name {
        Name::Reference(reference) => reference.tag()?,
        Name::Tag(text) | Name::Text(text) => text,
    };
    let (algorithm, rest) = tag.split_once('-')?;
    Some(format!("{algorithm}:{}", rest.split('.').next()?))
}

#[cfg(test)]
mod tests {
    use super::is_device_of_windows;

    #[test]
    fn names_of_devices_are_known_with_any_extension() {
        for name in ["nul", "NUL.tar", "aux.tar.gz", "Con .tar", "com1.tar", "LPT9"] {
            assert!(is_device_of_windows(name), "{name}");
        }
        for name in ["null.tar", "com.tar", "com10.tar", "lpt0.tar", "console.tar", "app-nul.tar", ""] {
            assert!(!is_device_of_windows(name), "{name}");
        }
    }
}
