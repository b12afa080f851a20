//! The tree under construction: places, and what stands on them.
//!
//! A [`Place`] is a path, resolved: it is never forgotten nor reused, so the way to it stays valid when what stood there is
//! gone. An [`Inode`] is what stands there: several places may share one, and it outlives its last name for those who
//! still hold it. Children are found through one hash table for the whole tree and listed through links between siblings;
//! only those that exist are listed, so removing a directory again and again costs nothing for what is long gone.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;

use super::EntryId;
use super::text::{Text, Texts};
use super::trace::Step;

/// A resolved path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place(NonZeroU32);

/// Something that places are names of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Inode(NonZeroU32);

/// What an inode is, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A directory and its first child; `implicit` until an entry describes it.
    Directory { first: Option<Place>, implicit: bool },
    /// A symbolic link and its target.
    Symlink(Text),
    /// A regular file.
    Regular,
    /// A device or named pipe.
    Special,
}

/// The arenas ran out of their 32-bit numbers: more than 4 GiB of names or 4 billion paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree holds more than 4 GiB of names")]
pub(super) struct Full;

#[derive(Debug)]
pub(super) struct Tree {
    places: Vec<PlaceRecord>,
    inodes: Vec<InodeRecord>,
    texts: Texts,
    /// All places but the root, by directory and name.
    index: HashTable<Slot>,
    hasher: RandomState,
    /// Bytes taken since [`Tree::taken`] was last asked.
    taken: u64,
    /// Bytes of link targets that lookups have read.
    walked: AtomicU64,
    /// What has lost its last name, if anybody asks.
    gone: Option<Vec<Gone>>,
    /// What the present layer has done where, if anybody asks.
    steps: Option<Vec<Step>>,
}

/// Something that has lost a name, which may have been its last.
#[derive(Debug, Clone, Copy)]
struct Gone {
    inode: Inode,
    /// What took its place, or that of a directory above it; `None` if a whiteout removed it.
    by: Option<Inode>,
}

/// A place in the hash table, with its hash, so that the table grows without a look at names.
#[derive(Debug, Clone)]
struct Slot {
    hash: u32,
    place: Place,
}

/// Bytes that a place takes in the hash table, about: the table is between seven sixteenths and seven eighths full.
const SLOT: usize = 2 * (size_of::<Slot>() + 1);

#[derive(Debug, Clone)]
struct PlaceRecord {
    parent: Place,
    name: Text,
    inode: Option<Inode>,
    next: Option<Place>,
    previous: Option<Place>,
    /// One more than the last layer that had an entry for this place.
    entered: u32,
}

#[derive(Debug, Clone)]
struct InodeRecord {
    position: u64,
    layer: u32,
    names: u32,
    content: Content,
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        Self {
            places: self.places.clone(),
            inodes: self.inodes.clone(),
            texts: self.texts.clone(),
            index: self.index.clone(),
            hasher: self.hasher.clone(),
            taken: self.taken,
            walked: AtomicU64::new(self.walked.load(Ordering::Relaxed)),
            gone: self.gone.clone(),
            steps: self.steps.clone(),
        }
    }
}

impl Tree {
    /// A root that no layer has described.
    pub(super) fn new() -> Self {
        let (mut texts, root) = (Texts::default(), Place(NonZeroU32::MIN));
        // The first text of an arena always fits: its offset is 0.
        let name = texts.add(b"").unwrap_or_else(|Full| unreachable!("an empty arena has room"));
        let content = Content::Directory { first: None, implicit: true };
        Self {
            places: vec![PlaceRecord {
                parent: root,
                name,
                inode: Some(Inode(NonZeroU32::MIN)),
                next: None,
                previous: None,
                entered: 0,
            }],
            inodes: vec![InodeRecord { position: 0, layer: 0, names: 1, content }],
            texts,
            index: HashTable::new(),
            hasher: RandomState::new(),
            taken: 0,
            walked: AtomicU64::new(0),
            gone: None,
            steps: None,
        }
    }

    pub(super) fn root(&self) -> Place {
        Place(NonZeroU32::MIN)
    }

    /// Counts link targets of so many bytes that a lookup has read: all of them so far.
    pub(super) fn walked(&self, bytes: usize) -> u64 {
        self.walked.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64
    }

    /// Begins to count what lookups read anew.
    pub(super) fn forget_walks(&self) {
        self.walked.store(0, Ordering::Relaxed);
    }

    /// The directory of `place`; the root's is the root.
    pub(super) fn parent(&self, place: Place) -> Place {
        self.at(place).parent
    }

    /// The last component of `place`.
    pub(super) fn name(&self, place: Place) -> &[u8] {
        self.texts.get(self.at(place).name)
    }

    /// The components of `place` from the root down, joined by slashes.
    pub(super) fn path(&self, place: Place) -> Vec<u8> {
        let up = std::iter::successors(Some(place), |&below| Some(self.parent(below)));
        let names: Vec<&[u8]> = up.take_while(|&above| above != self.root()).map(|above| self.name(above)).collect();
        let mut path = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
        path
    }

    /// What stands on `place`.
    pub(super) fn inode(&self, place: Place) -> Option<Inode> {
        self.at(place).inode
    }

    /// What kind of thing stands on `place`.
    pub(super) fn content(&self, place: Place) -> Option<Content> {
        self.inode(place).map(|inode| self.what(inode))
    }

    /// What kind of thing `inode` is.
    pub(super) fn what(&self, inode: Inode) -> Content {
        self.inodes[offset(inode.0)].content
    }

    /// Whether a directory stands on `place`.
    pub(super) fn is_directory(&self, place: Place) -> bool {
        matches!(self.content(place), Some(Content::Directory { .. }))
    }

    /// The bytes of a link target.
    pub(super) fn text(&self, text: Text) -> &[u8] {
        self.texts.get(text)
    }

    /// How many places `inode` stands on.
    pub(super) fn names(&self, inode: Inode) -> u32 {
        self.inodes[offset(inode.0)].names
    }

    /// The entry that describes `inode`; none for a directory that was only implied.
    pub(super) fn entry(&self, inode: Inode) -> Option<EntryId> {
        let InodeRecord { layer, position, content, .. } = self.inodes[offset(inode.0)];
        let implicit = matches!(content, Content::Directory { implicit: true, .. });
        (!implicit).then_some(EntryId { layer, position })
    }

    /// The place called `name` in `directory`, if one is known; there may be nothing on it.
    pub(super) fn known(&self, directory: Place, name: &[u8]) -> Option<Place> {
        self.find(self.hash(directory, name), directory, name)
    }

    /// The place called `name` in `directory`, if something stands there.
    pub(super) fn child(&self, directory: Place, name: &[u8]) -> Option<Place> {
        self.known(directory, name).filter(|&place| self.inode(place).is_some())
    }

    /// The children of the directory on `parent`, in no order that means anything.
    pub(super) fn children(&self, parent: Place) -> impl Iterator<Item = Place> {
        let first = match self.content(parent) {
            Some(Content::Directory { first, .. }) => first,
            _ => None,
        };
        std::iter::successors(first, |&child| self.at(child).next)
    }

    /// The place called `name` in `directory`, made known if it was not.
    pub(super) fn place(&mut self, directory: Place, name: &[u8]) -> Result<Place, Full> {
        let hash = self.hash(directory, name);
        if let Some(known) = self.find(hash, directory, name) {
            return Ok(known);
        }
        let place = u32::try_from(self.places.len()).ok().and_then(place).ok_or(Full)?;
        let text = self.keep(name)?;
        let record = PlaceRecord { parent: directory, name: text, inode: None, next: None, previous: None, entered: 0 };
        self.places.push(record);
        self.index.insert_unique(spread(hash), Slot { hash, place }, |slot| spread(slot.hash));
        self.taken += (size_of::<PlaceRecord>() + SLOT) as u64;
        Ok(place)
    }

    /// A copy of `text` that stays.
    pub(super) fn keep(&mut self, text: &[u8]) -> Result<Text, Full> {
        self.taken += text.len() as u64;
        self.texts.add(text)
    }

    /// Something new that no place names yet, described by the entry `id`.
    pub(super) fn add(&mut self, content: Content, id: EntryId) -> Result<Inode, Full> {
        let number = u32::try_from(self.inodes.len()).map_err(|_| Full)?;
        let inode = NonZeroU32::MIN.checked_add(number).map(Inode).ok_or(Full)?;
        self.inodes.push(InodeRecord { position: id.position, layer: id.layer, names: 0, content });
        self.taken += size_of::<InodeRecord>() as u64;
        Ok(inode)
    }

    /// Puts a directory that no entry describes on `place`, in place of what stood there.
    pub(super) fn put_implicit_directory(&mut self, place: Place) -> Result<(), Full> {
        let content = Content::Directory { first: None, implicit: true };
        let inode = self.add(content, EntryId { layer: 0, position: 0 })?;
        self.put(place, inode);
        Ok(())
    }

    /// Puts `inode` on `place`, whose parent must be a directory, in place of what stood there.
    pub(super) fn put(&mut self, place: Place, inode: Inode) {
        self.take_away(place, Some(inode));
        let parent = self.parent(place);
        let next = self.first_child(parent).and_then(|first| first.replace(place));
        if let Some(next) = next {
            self.at_mut(next).previous = Some(place);
        }
        let record = self.at_mut(place);
        (record.inode, record.next, record.previous) = (Some(inode), next, None);
        self.inodes[offset(inode.0)].names += 1;
    }

    /// Lets the entry `id` describe the directory on `place`, children and all.
    pub(super) fn describe(&mut self, place: Place, id: EntryId) {
        if let Some(inode) = self.inode(place) {
            let record = &mut self.inodes[offset(inode.0)];
            (record.layer, record.position) = (id.layer, id.position);
            if let Content::Directory { implicit, .. } = &mut record.content {
                *implicit = false;
            }
        }
    }

    /// Takes away what stands on `place`, children and all; the root's children only.
    pub(super) fn remove(&mut self, place: Place) {
        if place == self.root() {
            return self.clear(place);
        }
        self.take_away(place, None);
    }

    /// Takes away what stands beneath `directory`.
    pub(super) fn clear(&mut self, directory: Place) {
        let children = self.children(directory).collect();
        if let Some(first) = self.first_child(directory) {
            *first = None;
        }
        self.vacate(children, None);
    }

    /// From now on keeps what loses its last name, for [`Tree::gone`].
    pub(super) fn watch(&mut self) {
        self.gone.get_or_insert_default();
    }

    /// The entries without a name that were watched going since this was last asked, each with the one that took its place.
    pub(super) fn gone(&mut self) -> Vec<(EntryId, Option<EntryId>)> {
        let mut gone = self.gone.as_mut().map(std::mem::take).unwrap_or_default();
        // A hard link may have given a name back, and what had it lost one again.
        gone.retain(|gone| self.names(gone.inode) == 0);
        gone.reverse();
        let mut seen = HashSet::new();
        gone.retain(|gone| seen.insert(gone.inode));
        let described = |gone: &Gone| Some((self.entry(gone.inode)?, gone.by.and_then(|by| self.entry(by))));
        gone.iter().filter_map(described).collect()
    }

    /// From now on keeps what entries do where, for [`Tree::take_trace`].
    pub(super) fn begin_trace(&mut self) {
        self.steps.get_or_insert_default();
    }

    /// What entries have done since this was last asked.
    pub(super) fn take_trace(&mut self) -> Vec<Step> {
        self.steps.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Notes a step, if anybody asks.
    pub(super) fn note_step(&mut self, step: Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step);
            self.taken += size_of::<Step>() as u64;
        }
    }

    /// Notes an entry of `layer` for `place`; says whether that layer had one before.
    pub(super) fn enter(&mut self, place: Place, layer: u32) -> bool {
        std::mem::replace(&mut self.at_mut(place).entered, layer + 1) == layer + 1
    }

    /// Whether `layer` has had an entry for `place`.
    pub(super) fn was_entered(&self, place: Place, layer: u32) -> bool {
        self.at(place).entered == layer + 1
    }

    /// Bytes taken since this was last asked.
    pub(super) fn taken(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// Bytes that all of it takes, about.
    pub(super) fn size(&self) -> u64 {
        let places = self.places.len() * (size_of::<PlaceRecord>() + SLOT);
        (places + self.inodes.len() * size_of::<InodeRecord>() + self.texts.size()) as u64
    }

    /// Takes away what stands on `place`, which is not the root, children and all.
    fn take_away(&mut self, place: Place, by: Option<Inode>) {
        if self.inode(place).is_some() {
            self.unlink(place);
            self.vacate(vec![place], by);
        }
    }

    /// Takes `place` out of its parent's list of children.
    fn unlink(&mut self, place: Place) {
        let PlaceRecord { parent, next, previous, .. } = *self.at(place);
        match previous {
            Some(previous) => self.at_mut(previous).next = next,
            None => {
                if let Some(first) = self.first_child(parent) {
                    *first = next;
                }
            }
        }
        if let Some(next) = next {
            self.at_mut(next).previous = previous;
        }
    }

    /// Empties the places of whole subtrees, whose roots are in no list any more. A loop, because paths may be deep.
    fn vacate(&mut self, mut places: Vec<Place>, by: Option<Inode>) {
        while let Some(place) = places.pop() {
            places.extend(self.children(place));
            if let Some(inode) = self.at_mut(place).inode.take() {
                let record = &mut self.inodes[offset(inode.0)];
                record.names -= 1;
                if let Content::Directory { first, .. } = &mut record.content {
                    *first = None;
                }
                if let (0, Some(gone)) = (record.names, &mut self.gone) {
                    gone.push(Gone { inode, by });
                    self.taken += size_of::<Gone>() as u64;
                }
            }
        }
    }

    /// Where the directory on `place` keeps its first child.
    fn first_child(&mut self, place: Place) -> Option<&mut Option<Place>> {
        let inode = self.inode(place)?;
        match &mut self.inodes[offset(inode.0)].content {
            Content::Directory { first, .. } => Some(first),
            _ => None,
        }
    }

    fn find(&self, hash: u32, directory: Place, name: &[u8]) -> Option<Place> {
        let is_it = |slot: &Slot| {
            slot.hash == hash && {
                let record = self.at(slot.place);
                record.parent == directory && self.texts.get(record.name) == name
            }
        };
        self.index.find(spread(hash), is_it).map(|slot| slot.place)
    }

    fn hash(&self, directory: Place, name: &[u8]) -> u32 {
        self.hasher.hash_one((directory, name)) as u32
    }

    fn at(&self, place: Place) -> &PlaceRecord {
        &self.places[offset(place.0)]
    }

    fn at_mut(&mut self, place: Place) -> &mut PlaceRecord {
        &mut self.places[offset(place.0)]
    }
}

/// The table looks at the lowest and at the highest bits of a hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn place(number: u32) -> Option<Place> {
    NonZeroU32::MIN.checked_add(number).map(Place)
}

fn offset(number: NonZeroU32) -> usize {
    number.get() as usize - 1
}
