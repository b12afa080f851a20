//! From archives to images: detection of an input's format, by its content alone, and one reader for each format.
//!
//! Sources: docs/formats.md G-1, G-5, G-18, X-1 to X-3.

mod archives;
mod delta;
mod docker;
mod format_hint;
mod hybrid;
mod incoming;
mod increment;
mod layer;
mod oci;
mod opener;
mod rootfs;
mod shared;
mod v1;

use std::collections::HashSet;

use crate::archive::MemberIndex;
use crate::codec::Codec;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::image::{ImageSet, distinct_images};
use crate::limits::MAX_MANIFEST_JSON;
use crate::options::Half;
use crate::path::EntryPath;
use crate::rule::Rule;
use crate::run::Run;
use crate::spec::docker::{MANIFEST_MEMBER, REPOSITORIES_MEMBER};
use crate::spec::oci::{INDEX_MEMBER, LAYOUT_MEMBER};
use crate::stream::input::Input;

use opener::Opener;
use shared::SharedBlobs;

pub use archives::Archives;
pub(crate) use archives::{ArchiveImages, open_all};
pub(crate) use rootfs::{import, single_layer};

/// Reads the metadata of the archive in `input`; bodies stay where they are.
///
/// A regular, uncompressed file is indexed where it lies; a pipe or a compressed archive is spooled once (G-3).
/// `prefer` is the half to read of an archive that has both Docker's and OCI's list of its images (a
/// [hybrid](Format::Hybrid)), should they disagree; `None` makes that an error.
///
/// ```
/// use imgtar::{ImageSelector, Run, open};
///
/// # fn main() -> imgtar::Result<()> {
/// # if !std::path::Path::new("fixtures").exists() { return Ok(()); } // The published crate has none.
/// let images = open("fixtures/saved20.tar.xz".into(), None, &Run::quiet())?;
/// for chosen in ImageSelector::default().images(&images)? {
///     let names: Vec<String> = chosen.names.iter().map(ToString::to_string).collect();
///     let stored: u64 = chosen.image.layers.iter().map(|layer| layer.stored_size()).sum();
///     println!("{}: for {}, {stored} bytes in layers", names.join(", "), chosen.image.platform);
/// #   assert_eq!(names, ["example.com/demo:v1"]);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the input cannot be read, is not an image archive, or breaks a rule of its format. An image that breaks one, or
/// lacks members, is no error here: its [`Node`](crate::Node) says so.
pub fn open(input: Input, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
    Archive::open(input, run)?.images(prefer, run)
}

/// An archive whose members are known and whose kind is settled; its images have not been read yet.
/// [`inspect`](crate::inspect()) needs it; [`open`] goes on to the images.
pub struct Archive {
    /// Its members, by name.
    pub(crate) members: MemberIndex,
    /// The format, by the members that there are.
    pub format: Format,
    /// The compression of the archive as a whole.
    pub(crate) outer: Codec,
}

/// The kinds of archives (X-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub enum Format {
    /// `oci-layout` and `index.json`.
    Oci,
    /// A layout that lists deltas and nothing else: what its images lack is in another archive.
    Delta,
    /// A layout with docker's `manifest.json` beside it.
    Hybrid,
    /// `manifest.json`, with layers of any name.
    Docker,
    /// A manifest by the name of `manifest.json`, blobs by their hex beside it: `dir:` of skopeo and podman.
    Dir,
    /// Layer directories of Docker 1.9 and older, with or without `repositories`.
    V1,
}

impl Format {
    /// Returns the function that takes a blob's digest from the name of its member; `None` where names do not tell digests.
    fn digest_of_member(self) -> Option<fn(&str) -> Option<Digest>> {
        match self {
            Self::Oci | Self::Hybrid => Some(oci::digest_of_blob_path),
            Self::Dir => Some(oci::digest_in_dir),
            Self::Delta | Self::Docker | Self::V1 => None,
        }
    }
}

impl Archive {
    /// Returns the archive's name in messages.
    pub fn label(&self) -> &str {
        self.members.label()
    }

    /// Reads the bytes of the document that lists the images; `prefer` chooses the one of a hybrid.
    ///
    /// # Errors
    /// [`Error::Choice`] for an archive of Docker 1.9 or older that lists none; those of reading the document.
    pub fn list_document(&self, prefer: Option<Half>, run: &Run) -> Result<Vec<u8>> {
        let member = match (self.format, prefer) {
            (Format::Docker | Format::Dir, _) | (Format::Hybrid, Some(Half::Docker)) => MANIFEST_MEMBER,
            (Format::Oci | Format::Delta | Format::Hybrid, _) => INDEX_MEMBER,
            (Format::V1, _) if self.members.has(REPOSITORIES_MEMBER)? => REPOSITORIES_MEMBER,
            (Format::V1, _) => {
                let problem = format!("{}: there is no list of images in it", self.label());
                return Err(Error::choice(problem, []));
            }
        };
        self.members.document(Rule::X2, member, "the format", MAX_MANIFEST_JSON, run)
    }

    /// Finds the members of the archive in `input` and detects its format.
    ///
    /// # Errors
    /// When the input cannot be read, or is not an image archive. If the diagnostics of `run` go on, an archive that is damaged
    /// as a tar has the members that can still be found.
    pub fn open(input: Input, run: &Run) -> Result<Self> {
        Self::open_with(input, &Opener::new(1, run))
    }

    fn open_with(input: Input, opener: &Opener<'_>) -> Result<Self> {
        let (members, outer) = opener.open(input)?;
        Ok(Self { format: detect_format(&members, opener.run)?, members, outer })
    }

    /// The name of its format. Docker's tarballs with directories of layers are `legacy`, the others `docker`.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub fn format_name(&self) -> Result<&'static str> {
        Ok(match self.format {
            Format::Oci => "oci",
            Format::Delta => "delta",
            Format::Hybrid => "hybrid",
            Format::V1 => "v1",
            Format::Dir => "dir",
            Format::Docker if self.has_layer_directories()? => "legacy",
            Format::Docker => "docker",
        })
    }

    /// X-2: returns whether a directory holds a layer as Docker before 25 writes it, or the files beside one.
    fn has_layer_directories(&self) -> Result<bool> {
        let marks = [&b"layer.tar"[..], b"json", b"VERSION"];
        let is_mark = |name: &EntryPath| {
            name.split().is_some_and(|(directory, last)| !directory.is_root() && marks.contains(&last))
        };
        Ok(self.members.names()?.iter().any(is_mark))
    }

    /// Reads all its images; `prefer` decides which half of a hybrid is right where the two disagree. The images of a delta
    /// have no layers.
    ///
    /// # Errors
    /// When a document breaks a rule, or names a missing member.
    pub fn images(&self, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
        self.images_sharing(&SharedBlobs::default(), prefer, run)
    }

    fn images_sharing(&self, shared: &SharedBlobs, prefer: Option<Half>, run: &Run) -> Result<ImageSet> {
        let set = match self.format {
            Format::Oci => oci::read(&self.members, shared, run),
            Format::Delta => delta::listed(&self.members, run),
            Format::Hybrid => hybrid::read(&self.members, shared, prefer, run),
            Format::Docker => docker::read(&self.members, shared, shared.has_others, run),
            Format::Dir => oci::read_dir(&self.members, shared, run),
            Format::V1 => v1::read(&self.members, run),
        }?;
        if self.members.is_directory() {
            count_layers(&set, self.label(), run)?;
        }
        Ok(set)
    }
}

/// Counts the bytes of the layers of a directory against the limits, each file once; a tar is counted when it is opened.
fn count_layers(set: &ImageSet, label: &str, run: &Run) -> Result<()> {
    let mut bodies = HashSet::new();
    for image in distinct_images(&set.entries) {
        for blob in image.layers.iter().filter_map(|layer| layer.blob.as_ref()) {
            if bodies.insert(blob.extent.location()) {
                run.budget.decoded(blob.extent.size(), label)?;
            }
        }
    }
    Ok(())
}

/// X-2: the first format that fits.
fn detect_format(index: &MemberIndex, run: &Run) -> Result<Format> {
    let has_manifest = index.has(MANIFEST_MEMBER)?;
    match (index.has(LAYOUT_MEMBER)?, index.has(INDEX_MEMBER)?) {
        (true, true) if has_manifest => Ok(Format::Hybrid),
        (true, true) if delta::lists_deltas(index, run)? => Ok(Format::Delta),
        (true, true) => Ok(Format::Oci),
        (true, false) if !has_manifest => {
            Err(Error::invalid(Rule::O1, index.label(), "`oci-layout` is there, but `index.json` is missing"))
        }
        _ if has_manifest && is_manifest(index)? => Ok(Format::Dir),
        _ if has_manifest => Ok(Format::Docker),
        (false, true) if has_blobs(index)? => Ok(Format::Oci),
        (false, true) => Err(Error::invalid(
            Rule::O1,
            index.label(),
            "`index.json` is there, but `oci-layout` and `blobs/` are missing",
        )),
        _ if v1::is_one(index)? => Ok(Format::V1),
        _ => {
            let (rule, hint) = match index.root() {
                Some(root) => (Rule::X1, format_hint::directory(root)),
                None => (Rule::X2, format_hint::archive(index)?),
            };
            Err(Error::invalid(rule, index.label(), format!("not an image archive{hint}")))
        }
    }
}

/// Returns whether `manifest.json` is an object, and so an image manifest itself (X-4).
fn is_manifest(index: &MemberIndex) -> Result<bool> {
    let extent = index.member(Rule::X4, MANIFEST_MEMBER, "the format")?;
    let head = extent.head::<64>().map_err(|error| Error::io("reading", index.at(MANIFEST_MEMBER), error))?;
    Ok(head.trim_ascii_start().first() == Some(&b'{'))
}

fn has_blobs(index: &MemberIndex) -> Result<bool> {
    Ok(index.names()?.iter().any(|name| name.as_bytes().starts_with(b"blobs/")))
}
