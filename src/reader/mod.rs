//! From archives to images: what the input is, by its content alone, and one reader for each kind.
//!
//! Sources: docs/formats.md G-1, G-5, G-18, X-1 to X-3.

mod docker;
mod format_hint;
mod hybrid;
mod incoming;
mod layer;
mod oci;
mod rootfs;
mod v1;

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::archive::{MemberIndex, Scan};
use crate::codec::{self, Codec, Watch};
use crate::error::{Error, Result};
use crate::image::ImageSet;
use crate::limits::MAX_MANIFEST_JSON;
use crate::options::Half;
use crate::path::EntryPath;
use crate::progress::{Action, ProgressReader};
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{MANIFEST_MEMBER, REPOSITORIES_MEMBER};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER};
use crate::stream::source::Input;
use crate::stream::spool::Spool;

use incoming::Incoming;

pub(crate) use rootfs::import;
pub(crate) use rootfs::layer as single_layer;

/// Reads the metadata of the archive in `input`; bodies stay where they are.
///
/// A regular, uncompressed file is indexed where it lies; a pipe or a compressed archive is spooled once (G-3).
///
/// # Errors
/// When the input cannot be read, is no image archive, or breaks a rule of its format.
pub fn open(input: Input, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
    Archive::open(input, run)?.images(prefer, run)
}

/// An archive whose members are known and whose kind is settled; its images have not been read yet.
pub struct Archive {
    /// Its members, by name.
    pub(crate) members: MemberIndex,
    /// What its members make it.
    pub format: Format,
    /// How it is compressed as a whole.
    pub(crate) outer: Codec,
}

/// The kinds of archives that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Format {
    /// `oci-layout` and `index.json`.
    Oci,
    /// A layout with docker's `manifest.json` beside it.
    Hybrid,
    /// `manifest.json`, whatever its layers are called.
    Docker,
    /// Layer directories of Docker 1.9 and older, with or without `repositories`.
    V1,
}

impl Archive {
    /// What messages call it.
    pub fn label(&self) -> &str {
        self.members.label()
    }

    /// The document that lists the images, byte for byte; `prefer` says which one of a hybrid.
    ///
    /// # Errors
    /// [`Error::Choice`] for an archive of Docker 1.9 or older that lists none; those of reading the document.
    pub fn list_document(&self, prefer: Option<Half>, run: &Run) -> Result<Vec<u8>> {
        let member = match (self.format, prefer) {
            (Format::Docker, _) | (Format::Hybrid, Some(Half::Docker)) => MANIFEST_MEMBER,
            (Format::Oci | Format::Hybrid, _) => INDEX_MEMBER,
            (Format::V1, _) if self.members.has(REPOSITORIES_MEMBER)? => REPOSITORIES_MEMBER,
            (Format::V1, _) => {
                let problem = format!("{}: there is no list of images in it", self.label());
                return Err(Error::choice(problem, []));
            }
        };
        self.members.document(Rule::X2, member, "the format", MAX_MANIFEST_JSON, run)
    }

    /// Finds the members of the archive in `input` and decides what it is; reads none of its documents.
    ///
    /// # Errors
    /// When the input cannot be read, or is no image archive. Of one that is damaged as a tar all is found that can be, if
    /// the diagnostics of `run` go on.
    pub fn open(input: Input, run: &Run) -> Result<Self> {
        let label = input.label();
        let (members, outer) = match input {
            Input::Path(path) if path.is_dir() => (directory(&label, &path)?, Codec::Plain),
            input => indexed(&label, Incoming::open(input, &label)?, run)?,
        };
        Ok(Self { format: format(&members)?, members, outer })
    }

    /// The word for its format; Docker's old and compressed tarballs have one reader, but two names.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn format_name(&self) -> Result<&'static str> {
        Ok(match self.format {
            Format::Oci => "oci",
            Format::Hybrid => "hybrid",
            Format::V1 => "v1",
            Format::Docker if self.has_layer_directories()? => "legacy",
            Format::Docker => "docker",
        })
    }

    /// layers in directories of their own, or what stood beside them.
    fn has_layer_directories(&self) -> Result<bool> {
        let marks = [&b"layer.tar"[..], b"json", b"VERSION"];
        let is_mark = |name: &EntryPath| {
            name.split().is_some_and(|(directory, last)| !directory.is_root() && marks.contains(&last))
        };
        Ok(self.members.names()?.iter().any(is_mark))
    }

    /// All its images; `prefer` says which half of a hybrid is right where the two disagree.
    ///
    /// # Errors
    /// When a document breaks a rule, or names what is not there.
    pub fn images(&self, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
        match self.format {
            Format::Oci => oci::read(&self.members, run),
            Format::Hybrid => hybrid::read(&self.members, prefer, run),
            Format::Docker => docker::read(&self.members, run),
            Format::V1 => v1::read(&self.members, run),
        }
    }
}

fn indexed(label: &str, incoming: (Codec, Incoming), run: &Run) -> Result<(MemberIndex, Codec)> {
    let (codec, source) = match incoming {
        (codec, Incoming::Passing(stream)) => {
            return Ok((spooled(label, codec, told(stream, label, None, run), run)?, codec));
        }
        (codec, Incoming::AtRest(source)) => (codec, source),
    };
    let reader = source.extent().reader().map_err(|error| Error::io("reading", label, error))?;
    match codec {
        Codec::Plain => Ok((Scan::read(reader, label, run)?.bind(&source), codec)),
        codec => {
            let index = spooled(label, codec, told(reader, label, Some(source.extent().size()), run), run)?;
            source.unchanged()?;
            Ok((index, codec))
        }
    }
}

fn told<'a, R: Read>(reader: R, label: &str, size: Option<u64>, run: &'a Run) -> ProgressReader<'a, R> {
    ProgressReader::new(reader, run.progress.begin(Action::Spool, label, size))
}

/// Indexes a stream while it is laid down, decoded, in a temporary file.
fn spooled(label: &str, codec: Codec, reader: impl Read, run: &Run) -> Result<MemberIndex> {
    let decoder = codec::decode(codec, reader, Watch::new(label, &run.budget, &run.diagnostics))
        .map_err(|error| Error::io("reading", label, error))?;
    let mut spool = Spool::new(decoder, &run.tmpdir)?;
    let scan = Scan::read(&mut spool, label, run)?;
    spool.drain(label).or_else(|error| run.diagnostics.fault(error))?;
    let source = spool.laid_down(label)?;
    Ok(scan.bind(&source))
}

/// a directory is an OCI layout or nothing.
fn directory(label: &str, path: &Path) -> Result<MemberIndex> {
    let has = |member: &str| path.join(member).try_exists().map_err(|error| Error::io("reading", label, error));
    if !has(LAYOUT_MEMBER)? {
        let hint = format_hint::directory(path);
        return Err(Error::invalid(
            Rule::X1,
            label,
            format!("a directory without `oci-layout` is no OCI layout{hint}"),
        ));
    }
    let path = fs::canonicalize(path).map_err(|error| Error::io("reading", label, error))?;
    Ok(MemberIndex::directory(label, path))
}

/// the first that fits.
fn format(index: &MemberIndex) -> Result<Format> {
    let has_docker = index.has(MANIFEST_MEMBER)? && !index.is_directory();
    match (index.has(LAYOUT_MEMBER)?, index.has(INDEX_MEMBER)?) {
        (true, true) if has_docker => Ok(Format::Hybrid),
        (true, true) => Ok(Format::Oci),
        (true, false) if !has_docker => {
            Err(Error::invalid(Rule::O1, index.label(), "`oci-layout` is there, but `index.json` is missing"))
        }
        _ if has_docker => Ok(Format::Docker),
        (false, true) => {
            Err(Error::invalid(Rule::O1, index.label(), "`index.json` is there, but `oci-layout` is missing"))
        }
        _ if v1::is_one(index)? => Ok(Format::V1),
        _ => Err(Error::invalid(
            Rule::X2,
            index.label(),
            format!("not an image archive{}", format_hint::archive(index)?),
        )),
    }
}
