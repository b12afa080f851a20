//! Layers on top: one from a tar as it is, one made of files of the disk (E-37, E-38).
//!
//! An addition gets its canonical path in the image's tree, below directories that keep the metadata they have there:
//! engines that stack layers would make a directory of its own of a path that leads through a symbolic link.
//!
//! Sources: docs/edit.md E-5, E-10, E-37, E-38, E-52.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::ops::Bound;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::headers::StackHeaders;
use super::lint::warn_of_flaws;
use super::paths::{components, joined};
use super::stack::{DraftStack, form};
use super::workspace::{LayerWriter, Workspace};
use crate::archive::{EntryKind, TarEntry, TarTime};
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::flatten::{EntryKey, Flattened, Lookup, Options, Overlay, Standing, is_reserved};
use crate::image::Layer;
use crate::limits::MAX_PATH;
use crate::path::{EntryPath, escape_for_terminal, escape_path, quote, target_in_image};
use crate::spec::timestamp::Timestamp;
use crate::stream::stamp::{CHANGED, FileStamp};

/// The longest name of a file that systems take, in bytes.
const MAX_NAME: usize = 255;

/// A file, directory or symbolic link on disk, and its destination in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "cli"), non_exhaustive)]
pub struct Addition {
    /// Its path on disk.
    pub source: PathBuf,
    /// Its path in the image; ending in a slash, or naming a directory there, the directory that it goes into.
    pub destination: String,
    /// The mode of files; `None` keeps the one on disk.
    pub mode: Option<u32>,
    /// Owner and group; `None` means 0 and 0.
    pub owner: Option<(u32, u32)>,
}

impl Addition {
    /// Adds the file, directory or symbolic link at `source` with its mode on disk, owned by 0:0.
    pub fn new(source: impl Into<PathBuf>, destination: impl Into<String>) -> Self {
        Self { source: source.into(), destination: destination.into(), mode: None, owner: None }
    }
}

/// Puts `layer` on top, bytes as they are, and warns of entries that overlay filesystems treat differently.
///
/// # Errors
/// The errors of flattening; with `--strict` the warnings.
pub(super) fn add_layer(draft: &mut Draft, layer: &Layer, workspace: &Workspace<'_>) -> Result<()> {
    draft.change_layers()?;
    let layers: Vec<Layer> = draft.stack().into_iter().chain([layer.clone()]).collect();
    let headers = StackHeaders::read(&layers.iter().collect::<Vec<_>>(), workspace.run)?;
    draft.note_sizes(&layers, &headers);
    let (top, mut overlay) = (layers.len() - 1, Overlay::tracing(Options::default()));
    for number in 0..top {
        headers.apply(number, &mut overlay, workspace.run)?;
        overlay.placements();
    }
    let below = overlay.clone();
    let placements = headers.trace(top, &mut overlay, workspace.run)?;
    warn_of_flaws(&headers, top, &below, &placements, &layer.at, workspace.run)?;
    draft.changes.push(format!("{} added as a layer", layer.at));
    push(draft, layer.clone(), "imgtar edit --add-layer", workspace)
}

/// Puts one layer on top that has all `additions`; of two at one path the later one wins.
///
/// # Errors
/// A file that cannot be read from disk; a file where the image has a directory, or the other way round.
pub(super) fn add(draft: &mut Draft, additions: &[Addition], workspace: &Workspace<'_>) -> Result<()> {
    draft.change_layers()?;
    let DraftStack { layers, headers, .. } = DraftStack::read_headers(draft, workspace)?;
    let tree = tree(&headers, workspace)?;
    tree.check_paths(draft.at())?;
    let mut plan = AddPlan { tree: &tree, headers: &headers, epoch: workspace.run.epoch, items: BTreeMap::new() };
    for addition in additions {
        plan.add(addition)?;
    }
    let items = plan.with_parents();
    let codec = layers.last().map_or(Codec::Plain, form);
    let at = format!("{}: the added layer", draft.at());
    let layer = workspace.layer(&at, codec, |out| items.iter().try_for_each(|(_, item)| item.write(out)))?;
    let count = items.len();
    push(draft, layer, "imgtar edit --add", workspace)?;
    draft.changes.push(format!(
        "a layer of {} added",
        if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
    ));
    Ok(())
}

/// The tree that the layers make.
fn tree(headers: &StackHeaders, workspace: &Workspace<'_>) -> Result<Flattened> {
    let mut overlay = Overlay::new(Options::default());
    for number in 0..headers.len() {
        headers.apply(number, &mut overlay, workspace.run)?;
    }
    Ok(overlay.finish())
}

fn push(draft: &mut Draft, layer: Layer, created_by: &str, workspace: &Workspace<'_>) -> Result<()> {
    let created = Timestamp::from_unix(workspace.run.epoch).map_or_else(|| draft.created(), |time| time.to_string());
    let (layers, history) = draft.change_layers()?;
    history.push(&created, created_by);
    layers.push(layer.into());
    Ok(())
}

/// The entries of the layer, by their paths component by component.
type AddedItems = BTreeMap<Vec<Vec<u8>>, AddedItem>;

/// One entry of the layer.
struct AddedItem {
    entry: TarEntry,
    content: Option<DiskFile>,
}

/// A file on disk that has the content of an entry.
struct DiskFile {
    path: PathBuf,
    /// Its metadata when its size was read.
    stamp: FileStamp,
}

impl AddedItem {
    fn write(&self, out: &mut LayerWriter<'_>) -> Result<()> {
        match &self.content {
            Some(file) => file.write(&self.entry, out),
            None => out.entry(&self.entry, &mut io::empty()),
        }
    }
}

impl DiskFile {
    /// Copies the file. No digest tells that it is whole, so its metadata must be the same before and after, and its end where
    /// they say: files of `/proc` have a size of 0.
    fn write(&self, entry: &TarEntry, out: &mut LayerWriter<'_>) -> Result<()> {
        let reading = |error| failed(&self.path, error);
        let changed = || failed(&self.path, io::Error::other(CHANGED));
        let mut file = File::open(&self.path).map_err(reading)?;
        out.entry(entry, &mut file).map_err(|error| match error {
            Error::SizeMismatch { .. } => changed(),
            Error::Io { doing: "reading", source, .. } => reading(source),
            other => other,
        })?;
        let is_longer = (&file).take(1).read_to_end(&mut Vec::new()).map_err(reading)? > 0;
        let now = FileStamp::of(&file.metadata().map_err(reading)?);
        if is_longer || !self.stamp.has_content_of(&now) { Err(changed()) } else { Ok(()) }
    }
}

struct AddPlan<'a> {
    tree: &'a Flattened,
    headers: &'a StackHeaders,
    epoch: i64,
    items: AddedItems,
}

impl AddPlan<'_> {
    fn add(&mut self, addition: &Addition) -> Result<()> {
        let destination = addition.destination.as_bytes();
        let clean = EntryPath::clean(destination).map_err(|error| {
            Error::Usage(format!("`{}` cannot be added to: {error}", escape_for_terminal(destination)))
        })?;
        let is_added =
            self.items.get(&components(clean.as_bytes())).is_some_and(|item| item.entry.kind == EntryKind::Directory);
        let is_directory = is_added || self.is_directory(clean.as_bytes());
        let goes_into = destination.ends_with(b"/") || clean.is_root() || is_directory;
        let path =
            if goes_into { joined(clean.as_bytes(), name_of(&addition.source)?) } else { clean.as_bytes().to_vec() };
        self.add_at(&addition.source, &path, addition)
    }

    /// Adds the file or directory at `source`, with all below it.
    fn add_at(&mut self, source: &Path, path: &[u8], addition: &Addition) -> Result<()> {
        let metadata = fs::symlink_metadata(source).map_err(|error| failed(source, error))?;
        let path = self.canonical(path)?;
        if metadata.is_dir() {
            return self.add_directory(source, &path, &metadata, addition);
        }
        if self.is_directory_itself(&path) {
            return Err(self.clash(source, &path, "is a directory, which would be replaced with everything in it"));
        }
        let (uid, gid) = addition.owner.unwrap_or((0, 0));
        let (entry, content) = if metadata.is_symlink() {
            (TarEntry::symlink(path.clone(), link_target(source)?), None)
        } else if metadata.is_file() {
            let mode = addition.mode.unwrap_or_else(|| mode_of(&metadata));
            let file = TarEntry { mode, ..TarEntry::plain_file(path.clone(), metadata.len()) };
            (file, Some(DiskFile { path: source.to_owned(), stamp: FileStamp::of(&metadata) }))
        } else {
            return Err(Error::inexpressible(
                escape_path(source),
                "only files, directories and symbolic links can be added",
            ));
        };
        let entry = TarEntry { uid: uid.into(), gid: gid.into(), mtime: TarTime::from_seconds(self.epoch), ..entry };
        self.put(&path, AddedItem { entry, content })
    }

    /// A directory that the image has keeps the metadata that it has there.
    fn add_directory(&mut self, source: &Path, path: &[u8], metadata: &Metadata, addition: &Addition) -> Result<()> {
        if !self.is_directory(path) {
            if !matches!(self.tree.find(path), Lookup::Missing { .. }) {
                return Err(self.clash(source, path, "is not a directory"));
            }
            let (uid, gid) = addition.owner.unwrap_or((0, 0));
            let directory = TarEntry {
                mode: mode_of(metadata),
                uid: uid.into(),
                gid: gid.into(),
                mtime: TarTime::from_seconds(self.epoch),
                ..TarEntry::directory(path.to_vec())
            };
            self.put(path, AddedItem { entry: directory, content: None })?;
        }
        let entries = fs::read_dir(source).map_err(|error| failed(source, error))?;
        let mut below = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>();
        below.as_mut().map(|paths| paths.sort_unstable()).ok();
        for source in below.map_err(|error| failed(source, error))? {
            let path = joined(path, name_of(&source)?);
            self.add_at(&source, &path, addition)?;
        }
        Ok(())
    }

    fn put(&mut self, path: &[u8], item: AddedItem) -> Result<()> {
        let key = components(path);
        // In a layer such a name deletes what it hides.
        if key.iter().any(|component| is_reserved(component)) {
            let problem =
                "a name that begins with `.wh.` is a whiteout in a layer, which deletes: no file can be added under it";
            return Err(Error::inexpressible(format!("`{}`", escape_for_terminal(path)), problem));
        }
        refuse_long(path)?;
        let is_directory = |item: &AddedItem| item.entry.kind == EntryKind::Directory;
        let is_below_file =
            (1..key.len()).any(|length| self.items.get(&key[..length]).is_some_and(|above| !is_directory(above)));
        let is_other = self.items.get(&key).is_some_and(|there| is_directory(there) != is_directory(&item));
        let is_file_above = !is_directory(&item) && self.has_below(&key);
        if is_below_file || is_other || is_file_above {
            let at = format!("`{}`", escape_for_terminal(path));
            return Err(Error::inexpressible(at, "a file and a directory are added at the same path"));
        }
        self.items.insert(key, item);
        Ok(())
    }

    /// Returns whether something has been added below the path of these components.
    fn has_below(&self, key: &[Vec<u8>]) -> bool {
        let mut after = self.items.range::<[Vec<u8>], _>((Bound::Excluded(key), Bound::Unbounded));
        after.next().is_some_and(|(path, _)| path.starts_with(key))
    }

    /// The path with the symbolic links among its parents followed in the image's tree.
    fn canonical(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut names: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
        let last = names.pop().unwrap_or_default();
        let (mut at, mut is_new) = (Vec::new(), false);
        for name in names {
            let next = joined(&at, name);
            let refused = |path: &[u8], problem: &str| {
                Error::inexpressible(
                    format!("`{}`", escape_for_terminal(path)),
                    format!("nothing can be added below it: {problem}"),
                )
            };
            at = match self.tree.follow(&next) {
                _ if is_new => next,
                Lookup::Found { path, what: Standing::Directory } => path,
                Lookup::Missing { directory, name } if joined(&directory, &name) == next => {
                    is_new = true;
                    next
                }
                Lookup::Missing { .. } => return Err(refused(&next, "it is a symbolic link that leads nowhere")),
                Lookup::Found { path, .. } | Lookup::NoDirectory { path } => {
                    return Err(refused(&path, "it is not a directory"));
                }
                Lookup::Endless { problem } => return Err(refused(&next, &problem)),
            };
        }
        Ok(joined(&at, last))
    }

    /// Returns whether `path` leads to a directory of the image, through a symbolic link or not.
    fn is_directory(&self, path: &[u8]) -> bool {
        matches!(self.tree.follow(path), Lookup::Found { what: Standing::Directory, .. })
    }

    fn is_directory_itself(&self, path: &[u8]) -> bool {
        matches!(self.tree.find(path), Lookup::Found { path: found, what: Standing::Directory } if found == path)
    }

    fn clash(&self, source: &Path, path: &[u8], problem: &str) -> Error {
        let at = format!("adding {}", escape_path(source));
        Error::inexpressible(at, format!("`{}` of the image {problem}", escape_for_terminal(path)))
    }

    /// The items with every directory above them (E-5): as the image has it, else a new one.
    fn with_parents(self) -> AddedItems {
        let Self { tree, headers, epoch, mut items } = self;
        let above = |path: &Vec<Vec<u8>>| (1..path.len()).map(|length| path[..length].join(&b'/')).collect::<Vec<_>>();
        let above: BTreeSet<Vec<u8>> = items.keys().flat_map(above).collect();
        let of_image = tree.nodes().filter(|node| node.is_directory && above.contains(&node.path));
        let of_image: BTreeMap<Vec<u8>, Option<EntryKey>> = of_image.map(|node| (node.path, node.entry)).collect();
        for path in above {
            let entry = match of_image.get(&path) {
                Some(Some(id)) => headers.directory(path.clone(), *id),
                Some(None) => TarEntry::directory(path.clone()),
                None => TarEntry { mtime: TarTime::from_seconds(epoch), ..TarEntry::directory(path.clone()) },
            };
            items.entry(components(&path)).or_insert(AddedItem { entry, content: None });
        }
        items
    }
}

/// Refuses a path that no system takes, so that no engine could unpack the layer (H-24).
fn refuse_long(path: &[u8]) -> Result<()> {
    let longest = path.split(|&byte| byte == b'/').map(<[u8]>::len).max().unwrap_or_default();
    let (what, length, most) = match longest <= MAX_NAME {
        true if path.len() <= MAX_PATH => return Ok(()),
        true => ("the path", path.len(), MAX_PATH),
        false => ("a name in it", longest, MAX_NAME),
    };
    let problem = format!("{what} has {length} bytes, and no system takes more than {most}");
    Err(Error::inexpressible(format!("`{}`", quote(path)), problem))
}

/// The last component of a path on disk.
fn name_of(path: &Path) -> Result<&[u8]> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::Usage(format!("`{}` cannot be added: it has no name of its own", escape_path(path))))?;
    Ok(name.as_encoded_bytes())
}

/// The target of a symbolic link on disk as an image has it.
fn link_target(source: &Path) -> Result<Vec<u8>> {
    let target = fs::read_link(source).map_err(|error| failed(source, error))?;
    target_in_image(target.as_os_str().as_encoded_bytes()).ok_or_else(|| {
        let problem = format!("it is a link to {}, and in an image there is no drive or share", escape_path(&target));
        Error::inexpressible(escape_path(source), problem)
    })
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::io("reading", escape_path(path), error)
}

/// The permissions of a file or directory on disk, without setuid, setgid and sticky (E-37).
#[cfg(unix)]
fn mode_of(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

/// The usual permissions of files and directories, for systems whose files have none.
#[cfg(not(unix))]
fn mode_of(metadata: &Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}
