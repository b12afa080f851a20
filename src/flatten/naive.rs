//! Layers applied the obvious way: a map from paths to nodes, a copy of it wherever a rule says "below", and no thought
//! for speed. Written from docs/formats.md alone; what the overlay gives must be the same, line by line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use proptest::sample::select;

use super::testing::{change, listing};
use super::{ChangeKind, Options};

type NaivePath = Vec<String>;
type Nodes = BTreeMap<NaivePath, NaiveNode>;

#[derive(Debug, Clone, PartialEq)]
struct NaiveNode {
    /// Equal for all names of one inode.
    number: usize,
    what: What,
    /// Layer and position of the entry that describes it.
    entry: Option<(usize, usize)>,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    Directory,
    Link(String),
    Other,
}

/// The number, within its layer, of the entry that is refused.
#[derive(Debug)]
struct Refused(usize);

/// A chain of more than forty links.
#[derive(Debug)]
struct Loop;

struct Model {
    nodes: Nodes,
    numbers: usize,
    keep_dirlinks: bool,
}

impl Model {
    fn new(keep_dirlinks: bool) -> Self {
        let root = NaiveNode { number: 0, what: What::Directory, entry: None };
        Self { nodes: Nodes::from([(NaivePath::new(), root)]), numbers: 1, keep_dirlinks }
    }

    fn apply(&mut self, layer: usize, entries: &[String]) -> Result<(), Refused> {
        let below = self.nodes.clone();
        self.nodes = self.without_whited_out(entries)?;
        let after_whiteouts = self.nodes.clone();
        let mut aside = BTreeMap::new();
        for (position, entry) in entries.iter().enumerate() {
            let refused = || Refused(position);
            let change = change(entry, 0);
            let path = clean(change.path).ok_or_else(refused)?;
            let bookkeeping = is_aufs(&path);
            if is_whiteout(&path) && !bookkeeping {
                continue;
            }
            let fresh = |what, number| NaiveNode { number, what, entry: Some((layer, position)) };
            self.numbers += 1;
            let node = match change.kind {
                ChangeKind::Directory => fresh(What::Directory, self.numbers),
                ChangeKind::Symlink(target) => fresh(What::Link(text(target)), self.numbers),
                ChangeKind::HardLink(_) if bookkeeping => continue,
                ChangeKind::HardLink(target) => {
                    let target = clean(target).ok_or_else(refused)?;
                    if path.is_empty() {
                        return Err(refused());
                    }
                    let place = self.place(&path).map_err(|Loop| refused())?;
                    if !is_aufs(&target) && self.find(&target).map_err(|Loop| refused())? == Some(place) {
                        return Err(refused());
                    }
                    let node = if is_aufs(&target) {
                        aside.get(&target).cloned()
                    } else {
                        let lost = || {
                            let was = target_in(&below, &target)?;
                            target_in(&after_whiteouts, &target).is_none().then_some(was)
                        };
                        match self.find(&target).map_err(|Loop| refused())? {
                            Some(place) if self.nodes.contains_key(&place) => self.nodes.get(&place).cloned(),
                            _ => lost(),
                        }
                    };
                    node.filter(|node| node.what != What::Directory).ok_or_else(refused)?
                }
                _ => fresh(What::Other, self.numbers),
            };
            if bookkeeping {
                if change.kind == ChangeKind::Regular {
                    aside.insert(path, node);
                }
            } else if path.is_empty() {
                if node.what != What::Directory {
                    return Err(refused());
                }
                self.nodes.insert(path, node);
            } else {
                let place = self.place(&path).map_err(|Loop| refused())?;
                self.put(place, node);
            }
        }
        Ok(())
    }

    /// The nodes that no whiteout of this layer removes.
    fn without_whited_out(&self, entries: &[String]) -> Result<Nodes, Refused> {
        let mut left = self.nodes.clone();
        for (position, entry) in entries.iter().enumerate() {
            let refused = || Refused(position);
            let path = clean(change(entry, 0).path).ok_or_else(refused)?;
            if !is_whiteout(&path) || is_aufs(&path) {
                continue;
            }
            let (name, directory) = path.split_last().ok_or_else(refused)?;
            if directory.iter().any(|component| component.starts_with(".wh.")) {
                return Err(refused());
            }
            if name == ".wh..wh..opq" {
                if let Some(directory) = self.opaque(directory, entries).map_err(|Loop| refused())? {
                    left.retain(|path, _| path.len() <= directory.len() || !path.starts_with(&directory));
                }
            } else {
                let name = &name[".wh.".len()..];
                if ["", ".", ".."].contains(&name) {
                    return Err(refused());
                }
                if let Some(mut gone) = directory_in(&self.nodes, directory).map_err(|Loop| refused())? {
                    gone.push(name.to_owned());
                    left.retain(|path, _| !path.starts_with(&gone));
                }
            }
        }
        Ok(left)
    }

    /// The directory whose children an opaque marker hides.
    fn opaque(&self, directory: &[String], entries: &[String]) -> Result<Option<NaivePath>, Loop> {
        let Some(place) = self.find(directory)? else { return Ok(None) };
        let is_link = matches!(self.nodes.get(&place), Some(NaiveNode { what: What::Link(_), .. }));
        let is_replaced = entries.iter().map(|entry| change(entry, 0)).any(|change| {
            let path = clean(change.path).filter(|_| change.kind == ChangeKind::Directory);
            path.is_some_and(|path| self.find(&path).is_ok_and(|entry| entry.as_ref() == Some(&place)))
        });
        if is_link && is_replaced && !self.keep_dirlinks {
            return Ok(None);
        }
        directory_in(&self.nodes, &place)
    }

    /// The canonical path of `path`, links among its parents followed; `None` if a parent is missing.
    fn find(&self, path: &[String]) -> Result<Option<NaivePath>, Loop> {
        let Some((name, directory)) = path.split_last() else { return Ok(Some(NaivePath::new())) };
        Ok(directory_in(&self.nodes, directory)?.map(|mut place| {
            place.push(name.clone());
            place
        }))
    }

    /// The same, with missing parents created.
    fn place(&mut self, path: &[String]) -> Result<NaivePath, Loop> {
        let Some((name, directory)) = path.split_last() else { return Ok(NaivePath::new()) };
        while let Err(blocked) = walk(&self.nodes, directory)? {
            self.numbers += 1;
            let implicit = NaiveNode { number: self.numbers, what: What::Directory, entry: None };
            self.replace(blocked, implicit);
        }
        let mut place = walk(&self.nodes, directory)?.unwrap_or_default();
        place.push(name.clone());
        Ok(place)
    }

    fn put(&mut self, mut place: NaivePath, node: NaiveNode) {
        let is_directory = |nodes: &Nodes, place| nodes.get(place).is_some_and(|node| node.what == What::Directory);
        if node.what == What::Directory {
            let through = directory_in(&self.nodes, &place).ok().flatten();
            if let Some(through) = through.filter(|_| self.keep_dirlinks) {
                place = through;
            }
            if is_directory(&self.nodes, &place) {
                self.nodes.insert(place, node);
                return;
            }
        }
        self.replace(place, node);
    }

    fn replace(&mut self, place: NaivePath, node: NaiveNode) {
        self.nodes.retain(|path, _| !path.starts_with(&place));
        self.nodes.insert(place, node);
    }

    fn listing(mut self, sort: bool) -> Vec<String> {
        let root = self.nodes.remove(&NaivePath::new());
        let mut lines: Vec<String> = root
            .and_then(|root| root.entry)
            .map(|(layer, position)| format!("./ {layer}.{position}"))
            .into_iter()
            .collect();
        let mut written: Vec<(String, NaiveNode)> = Vec::new();
        for (path, node) in self.nodes {
            let slash = if node.what == What::Directory { "/" } else { "" };
            written.push((path.join("/") + slash, node));
        }
        if sort {
            written.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        let mut carriers: BTreeMap<usize, String> = BTreeMap::new();
        for (path, node) in written {
            let target = match &node.what {
                What::Link(target) => format!(" -> {target}"),
                _ => String::new(),
            };
            lines.push(match (carriers.get(&node.number), node.entry) {
                (Some(carrier), _) => format!("{path} = {carrier}"),
                (None, Some((layer, position))) => format!("{path}{target} {layer}.{position}"),
                (None, None) => path.clone(),
            });
            carriers.entry(node.number).or_insert(path);
        }
        lines
    }
}

/// The directory at `path`, or else the first path on the way that is missing or in the way and that no `..` cancels.
fn walk(nodes: &Nodes, path: &[String]) -> Result<Result<NaivePath, NaivePath>, Loop> {
    let (mut at, mut links) = (NaivePath::new(), 0);
    let mut ahead: VecDeque<String> = path.iter().cloned().collect();
    while let Some(component) = ahead.pop_front() {
        match component.as_str() {
            "" | "." => continue,
            ".." => {
                at.pop();
                continue;
            }
            _ => at.push(component),
        }
        match nodes.get(&at).map(|node| &node.what) {
            Some(What::Directory) => {}
            Some(What::Link(target)) => {
                at.pop();
                links += 1;
                if links > 40 {
                    return Err(Loop);
                }
                if target.starts_with('/') {
                    at.clear();
                }
                for component in target.split('/').rev() {
                    ahead.push_front(component.to_owned());
                }
            }
            _ => {
                let mut missing = at.split_off(at.len() - 1);
                while !missing.is_empty() {
                    match ahead.pop_front().as_deref() {
                        None => return Ok(Err([at, missing[..1].to_vec()].concat())),
                        Some("" | ".") => {}
                        Some("..") => drop(missing.pop()),
                        Some(name) => missing.push(name.to_owned()),
                    }
                }
            }
        }
    }
    Ok(Ok(at))
}

fn directory_in(nodes: &Nodes, path: &[String]) -> Result<Option<NaivePath>, Loop> {
    Ok(walk(nodes, path)?.ok())
}

/// Returns the node that a hard link to `target` would name in `nodes`.
fn target_in(nodes: &Nodes, target: &[String]) -> Option<NaiveNode> {
    let (name, directory) = target.split_last()?;
    let mut place = directory_in(nodes, directory).ok().flatten()?;
    place.push(name.clone());
    nodes.get(&place).filter(|node| node.what != What::Directory).cloned()
}

fn clean(name: &[u8]) -> Option<NaivePath> {
    let mut path = NaivePath::new();
    for component in text(name).split('/') {
        match component {
            "" | "." => {}
            ".." => {
                path.pop()?;
            }
            _ => path.push(component.to_owned()),
        }
    }
    (!name.is_empty()).then_some(path)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn is_whiteout(path: &[String]) -> bool {
    path.iter().any(|component| component.starts_with(".wh."))
}

fn is_aufs(path: &[String]) -> bool {
    let whiteout = path.iter().find(|component| component.starts_with(".wh."));
    whiteout.is_some_and(|component| component.starts_with(".wh..wh.") && component != ".wh..wh..opq")
}

/// Applies `layers`; an error is the layer and the entry that are refused.
fn model(options: Options, layers: &[Vec<String>]) -> Result<Vec<String>, (usize, usize)> {
    let mut model = Model::new(options.keep_dirlinks);
    for (number, entries) in layers.iter().enumerate() {
        model.apply(number, entries).map_err(|Refused(position)| (number, position))?;
    }
    Ok(model.listing(options.sort))
}

/// Few names, so that entries meet each other all the time.
fn path() -> impl Strategy<Value = String> {
    let name = || select(vec!["a", "a", "b", "b", "a-"]);
    prop_oneof![
        6 => name().prop_map(str::to_owned),
        8 => (name(), name()).prop_map(|(one, two)| format!("{one}/{two}")),
        2 => (name(), name(), name()).prop_map(|(one, two, three)| format!("{one}/{two}/{three}")),
        1 => (name(), name()).prop_map(|(one, two)| format!("./{one}//{two}")),
        1 => (name(), name()).prop_map(|(one, two)| format!("/{one}/../{two}")),
    ]
}

fn link_target() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => path(),
        2 => path().prop_map(|path| format!("/{path}")),
        2 => path().prop_map(|path| format!("../{path}")),
        1 => path().prop_map(|path| format!("d/../{path}")),
        2 => select(vec![".", "..", "/", "../../../..", "d"]).prop_map(str::to_owned),
    ]
}

fn whiteout() -> impl Strategy<Value = String> {
    let name = select(vec![".wh.a", ".wh.b", ".wh..wh..opq", ".wh..wh..opq"]);
    (proptest::option::of(path()), name).prop_map(|(directory, name)| match directory {
        Some(directory) => format!("{directory}/{name}"),
        None => name.to_owned(),
    })
}

fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => path(),
        5 => path().prop_map(|path| format!("{path}/")),
        5 => (path(), link_target()).prop_map(|(path, target)| format!("{path} -> {target}")),
        6 => (path(), path()).prop_map(|(path, target)| format!("{path} = {target}")),
        5 => whiteout(),
        1 => path().prop_map(|path| format!("{path} = .wh..wh.plnk/1")),
        1 => Just(".wh..wh.plnk/1".to_owned()),
        // Opaque markers in links that are, or are not, replaced.
        5 => select(vec!["a/", "a/b/", "a -> b", "b -> a/b", "a/.wh..wh..opq", "b/.wh..wh..opq"]).prop_map(str::to_owned),
        1 => select(vec!["./", "/", ".wh..wh.aufs", ".wh.a/b", "../a", "a/.wh.", ". -> a", "./ = a"]).prop_map(str::to_owned),
    ]
}

pub(crate) fn layers() -> impl Strategy<Value = Vec<Vec<String>>> {
    proptest::collection::vec(proptest::collection::vec(entry(), 0..16), 0..5)
}

/// Flattens `layers` with the overlay, as text.
fn overlay(options: Options, layers: &[Vec<String>]) -> crate::error::Result<Vec<String>> {
    let borrowed: Vec<Vec<&str>> = layers.iter().map(|layer| layer.iter().map(String::as_str).collect()).collect();
    let slices: Vec<&[&str]> = borrowed.iter().map(Vec::as_slice).collect();
    listing(options, &slices)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The overlay refuses the same layers as the model; both go on without the refused one.
    #[test]
    fn the_overlay_is_the_naive_model(mut layers in layers(), keep_dirlinks: bool, sort: bool) {
        let options = Options { keep_dirlinks, sort, ..Options::default() };
        loop {
            match (model(options, &layers), overlay(options, &layers)) {
                (Err((layer, position)), Err(_)) => drop(layers[layer].remove(position)),
                (Ok(expected), Ok(found)) => {
                    prop_assert_eq!(found, expected);
                    break;
                }
                (expected, found) => {
                    prop_assert!(false, "expected {expected:?}, found {found:?} for {layers:?}");
                }
            }
        }
    }

    /// Checks the order that require, and that the listing is of one tree.
    #[test]
    fn the_order_can_be_extracted_in_one_pass(layers in layers(), sort: bool) {
        let options = Options { sort, ..Options::default() };
        let Ok(lines) = overlay(options, &layers) else { return Ok(()) };
        let paths: Vec<&str> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let mut seen = BTreeSet::new();
        for (number, (path, line)) in paths.iter().zip(&lines).enumerate() {
            prop_assert!(seen.insert(*path), "{} twice", path);
            let (parent, _) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
            prop_assert!(parent.is_empty() || seen.contains(&*format!("{parent}/")), "{} before {}", path, parent);
            if let Some((_, target)) = line.split_once(" = ") {
                prop_assert!(seen.contains(target), "{} before its data", path);
            }
            let beneath = paths[number + 1..].iter().filter(|later| path.ends_with('/') && later.starts_with(path) && *path != "./");
            let next_to_it = paths[number + 1..].iter().take_while(|later| later.starts_with(path)).count();
            prop_assert!(!path.ends_with('/') || beneath.count() == next_to_it || *path == "./", "{} is torn apart", path);
        }
        let written: Vec<&str> = paths.iter().copied().filter(|path| *path != "./").collect();
        prop_assert!(!sort || written.is_sorted());
    }
}
