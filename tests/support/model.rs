//! Layers applied to a tree in memory the obvious way: what a root filesystem must hold, written from docs/formats.md 7.1
//! alone. A map from paths to nodes, a copy of it wherever a rule says "below", and no thought for speed.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use super::layer::Item;

const OPAQUE: &str = ".wh..wh..opq";

type Path = Vec<String>;
type Nodes = BTreeMap<Path, Node>;

/// What stands at a path; names of one inode share it.
#[derive(Debug, Clone)]
enum Node {
    Implied,
    Described(Rc<Item>),
}

/// The number of the entry, in its layer, that means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) usize);

/// Why a lookup has no outcome.
struct NoWay;

/// A tree under layers.
#[derive(Debug, Default)]
pub(crate) struct Model {
    nodes: Nodes,
}

impl Node {
    fn item(&self) -> Option<&Item> {
        match self {
            Self::Implied => None,
            Self::Described(item) => Some(item),
        }
    }

    fn is_directory(&self) -> bool {
        self.item().is_none_or(|item| item.kind == b'5')
    }

    fn target(&self) -> Option<String> {
        self.item().filter(|item| item.kind == b'2').map(|item| text(&item.link))
    }
}

impl Model {
    /// Applies one layer: whiteouts against the tree below, then everything else in order.
    pub(crate) fn apply(&mut self, layer: &[Item]) -> Result<(), Refused> {
        let below = self.nodes.clone();
        self.nodes = without_whited_out(&below, layer)?;
        let whited_out = self.nodes.clone();
        for (nth, item) in layer.iter().enumerate() {
            self.entry(item, &below, &whited_out).map_err(|NoWay| Refused(nth))?;
        }
        Ok(())
    }

    fn entry(&mut self, item: &Item, below: &Nodes, whited_out: &Nodes) -> Result<(), NoWay> {
        let path = clean(&text(&item.name)).ok_or(NoWay)?;
        if path.iter().any(|name| name.starts_with(".wh.")) {
            return Ok(());
        }
        if path.is_empty() {
            if item.kind != b'5' {
                return Err(NoWay);
            }
            self.nodes.insert(path, Node::Described(Rc::new(item.clone())));
            return Ok(());
        }
        let place = self.make_way(&path)?;
        let node = match item.kind {
            b'1' => self.linked(item, &place, below, whited_out)?,
            _ => Node::Described(Rc::new(item.clone())),
        };
        let keeps_children = node.is_directory() && self.nodes.get(&place).is_some_and(Node::is_directory);
        if !keeps_children {
            self.nodes.retain(|path, _| !path.starts_with(&place));
        }
        self.nodes.insert(place, node);
        Ok(())
    }

    ///
    fn linked(&self, item: &Item, place: &Path, below: &Nodes, whited_out: &Nodes) -> Result<Node, NoWay> {
        let target = clean(&text(&item.link)).ok_or(NoWay)?;
        let find = |nodes: &Nodes| -> Result<Option<Path>, NoWay> {
            let Some((name, directory)) = target.split_last() else { return Ok(Some(Path::new())) };
            Ok(walk(nodes, directory)?.ok().map(|way| [way, vec![name.clone()]].concat()))
        };
        let found = find(&self.nodes)?;
        if found.as_ref() == Some(place) || target.is_empty() {
            return Err(NoWay);
        }
        let node = |nodes: &Nodes, path: Option<Path>| path.and_then(|path| nodes.get(&path).cloned());
        let lost = || {
            let was = node(below, find(below).ok()?)?;
            let is = find(whited_out).ok().flatten().and_then(|path| whited_out.get(&path));
            (!was.is_directory() && is.is_none_or(Node::is_directory)).then_some(was)
        };
        let now = node(&self.nodes, found);
        now.or_else(lost).filter(|node| !node.is_directory()).ok_or(NoWay)
    }

    /// Where `path` leads when links among its parents are followed, missing parents made.
    fn make_way(&mut self, path: &Path) -> Result<Path, NoWay> {
        let (name, directory) = path.split_last().ok_or(NoWay)?;
        loop {
            match walk(&self.nodes, directory)? {
                Ok(way) => return Ok([way, vec![name.clone()]].concat()),
                Err(blocked) if blocked.last().is_some_and(|name| name.starts_with(".wh.")) => return Err(NoWay),
                Err(blocked) => {
                    self.nodes.retain(|path, _| !path.starts_with(&blocked));
                    self.nodes.insert(blocked, Node::Implied);
                }
            }
        }
    }

    /// The regular files by path: mode and content.
    pub(crate) fn files(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let files = self.nodes.iter().filter_map(|(path, node)| {
            let item = node.item().filter(|item| item.kind == b'0')?;
            Some((path.join("/"), (item.mode, item.body.clone())))
        });
        files.collect()
    }

    /// What must be written, in order, as [`Rootfs::listing`](super::rootfs::Rootfs::listing) says it.
    pub(crate) fn listing(mut self) -> Vec<String> {
        let root = self.nodes.remove(&Path::new());
        let root = root.as_ref().and_then(Node::item).map(|item| format!("./ {}", metadata(item)));
        let mut carriers: Vec<(Rc<Item>, String)> = Vec::new();
        let lines = self.nodes.into_iter().map(|(path, node)| {
            let path = path.join("/");
            let Node::Described(item) = node else { return format!("{path}/ 0755 0:0 0") };
            if item.kind == b'5' {
                return format!("{path}/ {}", metadata(&item));
            }
            if let Some((_, carrier)) = carriers.iter().find(|(known, _)| Rc::ptr_eq(known, &item)) {
                return format!("{path} = {carrier}");
            }
            carriers.push((Rc::clone(&item), path.clone()));
            match item.kind {
                b'2' => format!("{path} -> {}", text(&item.link)),
                b'0' => format!("{path} {} {}", metadata(&item), text(&item.body)).trim_end().to_owned(),
                kind => format!("{path} {} 0:0 {}", char::from(kind), metadata(&item)),
            }
        });
        root.into_iter().chain(lines).collect()
    }
}

fn metadata(item: &Item) -> String {
    format!("{:04o} {}:{} {}", item.mode, item.owner.0, item.owner.1, item.mtime)
}

///
fn without_whited_out(below: &Nodes, layer: &[Item]) -> Result<Nodes, Refused> {
    let mut left = below.clone();
    for (nth, item) in layer.iter().enumerate() {
        let path = clean(&text(&item.name)).ok_or(Refused(nth))?;
        let Some((name, directory)) = path.split_last().filter(|(name, _)| is_whiteout(name)) else { continue };
        if name == OPAQUE {
            let opaque = opaque(below, directory, layer).map_err(|NoWay| Refused(nth))?;
            left.retain(|path, _| opaque.as_ref().is_none_or(|dir| path.len() <= dir.len() || !path.starts_with(dir)));
        } else if let Ok(way) = walk(below, directory).map_err(|NoWay| Refused(nth))? {
            let gone = [way, vec![name[4..].to_owned()]].concat();
            left.retain(|path, _| !path.starts_with(&gone));
        }
    }
    Ok(left)
}

/// AUFS's own files are none.
fn is_whiteout(name: &str) -> bool {
    name.starts_with(".wh.") && (name == OPAQUE || !name.starts_with(".wh..wh."))
}

/// The directory whose children an opaque marker removes.
fn opaque(below: &Nodes, directory: &[String], layer: &[Item]) -> Result<Option<Path>, NoWay> {
    let Some((name, parents)) = directory.split_last() else { return Ok(Some(Path::new())) };
    let Ok(way) = walk(below, parents)? else { return Ok(None) };
    let place = [way, vec![name.clone()]].concat();
    let replaces = |item: &Item| {
        let path = clean(&text(&item.name)).filter(|_| item.kind == b'5');
        let Some((name, parents)) = path.as_ref().and_then(|path| path.split_last()) else { return false };
        let way = walk(below, parents).ok().and_then(Result::ok);
        way.is_some_and(|way| [way, vec![name.clone()]].concat() == place)
    };
    let is_link = below.get(&place).is_some_and(|node| node.target().is_some());
    if is_link && layer.iter().any(replaces) {
        return Ok(None);
    }
    Ok(walk(below, &place)?.ok())
}

/// The directory that `path` leads to inside the root, or the first place on the way where there is none and that no
/// `..` cancels.
fn walk(nodes: &Nodes, path: &[String]) -> Result<Result<Path, Path>, NoWay> {
    let (mut way, mut links) = (Path::new(), 0);
    let mut ahead: VecDeque<String> = path.iter().cloned().collect();
    while let Some(name) = ahead.pop_front() {
        match name.as_str() {
            "" | "." => continue,
            ".." => {
                way.pop();
                continue;
            }
            _ => way.push(name),
        }
        let node = nodes.get(&way);
        if let Some(target) = node.and_then(Node::target) {
            links += 1;
            if links > 40 {
                return Err(NoWay);
            }
            way.pop();
            if target.starts_with('/') {
                way.clear();
            }
            target.split('/').rev().for_each(|name| ahead.push_front(name.to_owned()));
        } else if !node.is_some_and(Node::is_directory) {
            let mut missing = way.split_off(way.len() - 1);
            while !missing.is_empty() {
                match ahead.pop_front().as_deref() {
                    None => return Ok(Err([way, missing[..1].to_vec()].concat())),
                    Some("" | ".") => {}
                    Some("..") => drop(missing.pop()),
                    Some(name) => missing.push(name.to_owned()),
                }
            }
        }
    }
    Ok(Ok(way))
}

///
fn clean(name: &str) -> Option<Path> {
    let mut path = Path::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(path.pop()?),
            _ => path.push(part.to_owned()),
        }
    }
    (!name.is_empty()).then_some(path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the generator writes ASCII")
}
