//! The vectors of docs/edit.md section 9 that are decided by trees alone, by name; and what holds for any stack of layers.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::diagnostics::Diagnostics;
use crate::flatten::naive::layers;
use crate::flatten::testing::change;
use crate::flatten::{Change, ChangeKind, Options, Overlay};
use crate::limits::Budget;

/// The base layer of the table.
const B: &[&str] = &["d/", "d/x", "d/s/", "d/s/y", "f"];

/// The trees of the first `base` layers and of all of them.
fn trees<L: AsRef<[E]>, E: AsRef<str>>(layers: &[L], base: usize) -> Result<(Flattened, Flattened)> {
    let (diagnostics, budget) = (Diagnostics::silent(), Budget::default());
    let mut overlay = Overlay::new(Options::default());
    let mut below = None;
    for (number, entries) in layers.iter().enumerate() {
        if number == base {
            below = Some(overlay.clone().finish());
        }
        let at = format!("layer {number}");
        let mut layer = overlay.layer(&at, &diagnostics, &budget);
        for (position, entry) in entries.as_ref().iter().enumerate() {
            layer.entry(change(entry.as_ref(), position as u64))?;
        }
        layer.finish()?;
    }
    let above = overlay.finish();
    Ok((below.unwrap_or_else(|| Overlay::new(Options::default()).finish()), above))
}

/// The layer in place of those from `base` on; no two directories are alike but by their entry.
fn items<L: AsRef<[E]>, E: AsRef<str>>(layers: &[L], base: usize) -> Result<Vec<LayerItem>> {
    let (below, above) = trees(layers, base)?;
    let mut items = Vec::new();
    difference(&below, &above, &|one, other| one == other, |item| {
        items.push(item);
        Ok(())
    })?;
    Ok(items)
}

/// An item in the form in which tests spell entries.
fn text<L: AsRef<[E]>, E: AsRef<str>>(layers: &[L], item: &LayerItem) -> String {
    let name = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap();
    match item {
        LayerItem::Entry { path, entry, .. } => {
            let given = layers[entry.layer as usize].as_ref()[entry.position as usize].as_ref();
            match change(given, 0).kind {
                ChangeKind::Directory if path.is_empty() => "./".to_owned(),
                ChangeKind::Directory => format!("{}/", name(path)),
                ChangeKind::Symlink(target) => format!("{} -> {}", name(path), name(target)),
                ChangeKind::CharDevice { .. } => format!("{} !", name(path)),
                _ => name(path),
            }
        }
        LayerItem::ImplicitDirectory { path } => format!("{}/", name(path)),
        LayerItem::HardLink { path, target, .. } => format!("{} = {}", name(path), name(target)),
        LayerItem::Whiteout { hidden } => {
            let hidden = name(hidden);
            match hidden.rsplit_once('/') {
                Some((directory, name)) => format!("{directory}/.wh.{name}"),
                None => format!(".wh.{hidden}"),
            }
        }
    }
}

#[track_caller]
fn squashed(base: &[&[&str]], cut: &[&[&str]], expected: &[&str]) {
    let layers = [base, cut].concat();
    let found = items(&layers, base.len()).unwrap();
    let found: Vec<String> = found.iter().map(|item| text(&layers, item)).collect();
    assert_eq!(found, expected);
}

#[test]
fn s01_s02_a_file_is_deleted_and_comes_back() {
    squashed(&[B], &[&[".wh.f"]], &[".wh.f"]);
    squashed(&[B], &[&[".wh.f"], &["f"]], &["f"]);
}

#[test]
fn s03_s04_s05_a_directory_comes_back_without_its_old_content() {
    squashed(&[B], &[&[".wh.d"], &["d/", "d/n"]], &["d/", "d/n", "d/.wh.s", "d/.wh.x"]);
    squashed(&[B], &[&["d/", "d/.wh..wh..opq", "d/n"]], &["d/", "d/n", "d/.wh.s", "d/.wh.x"]);
    squashed(&[B], &[&[".wh.d"], &["d/", "d/x"]], &["d/", "d/.wh.s", "d/x"]);
}

#[test]
fn s06_s07_types_change_both_ways() {
    squashed(&[B], &[&["d"]], &["d"]);
    squashed(&[B], &[&["f/", "f/k"]], &["f/", "f/k"]);
}

#[test]
fn s08_s09_s10_directories_and_links_replace_each_other() {
    squashed(&[&["l -> d", "d/"]], &[&["l/", "l/q"]], &["l/", "l/q"]);
    squashed(
        &[&["lib/", "lib/a", "usr/", "usr/lib/"]],
        &[&["usr/", "usr/lib/", "usr/lib/a", ".wh.lib"], &["lib -> usr/lib"]],
        &["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/a"],
    );
    squashed(&[&["l -> d", "d/"]], &[&["l/", "l/q"], &[".wh.l"], &["l -> d"]], &["l -> d"]);
}

#[test]
fn s11_s12_changed_metadata_is_an_entry() {
    squashed(&[B], &[&["d/"]], &["d/"]);
    squashed(&[B], &[&["f"]], &["f"]);
}

#[test]
fn s13_s32_parents_are_listed() {
    squashed(&[&["a/", "a/b/"]], &[&["a/b/n"]], &["a/", "a/b/", "a/b/n"]);
}

#[test]
fn s14_what_went_through_a_link_stands_at_its_path() {
    squashed(
        &[&["usr/", "usr/lib/", "usr/lib/old", "lib -> usr/lib"]],
        &[&["lib/foo", "lib/.wh.old"]],
        &["usr/", "usr/lib/", "usr/lib/foo", "usr/lib/.wh.old"],
    );
}

#[test]
fn s15_s16_s17_hard_links_never_reach_out_of_the_layer() {
    squashed(&[&["a"]], &[&["c = a"]], &["a", "c = a"]);
    squashed(&[&["a", "b = a"]], &[&["c = b"]], &["a", "b = a", "c = a"]);
    squashed(&[&["a", "b = a"]], &[&["a", "c = a"]], &["a", "c = a"]);
}

#[test]
fn s18_s19_other_names_of_a_group_stay_below() {
    squashed(&[&["a", "b = a", "c = a"]], &[&[".wh.a"]], &[".wh.a"]);
    squashed(&[&["a", "b = a", "c = a"]], &[&["a"]], &["a"]);
}

#[test]
fn s20_s36_without_a_base_a_group_keeps_its_data() {
    squashed(&[], &[&["a", "b = a", "c = a"], &[".wh.a"]], &["b", "c = b"]);
}

#[test]
fn s21_t16_devices_are_entries() {
    squashed(&[B], &[&["d/x !", "n !"]], &["d/", "d/x !", "n !"]);
    squashed(&[B], &[&["q/", "q/n !"]], &["q/", "q/n !"]);
}

#[test]
fn s24_s25_nothing_hides_what_is_not_below() {
    squashed(&[B], &[&["n/", "n/a", "n/b"], &["n/.wh.a"]], &["n/", "n/b"]);
    squashed(&[B], &[&["q/.wh.zz", ".wh.yy"]], &[]);
}

#[test]
fn s26_a_long_name_can_be_hidden() {
    let name = "n".repeat(253);
    squashed(&[&["d/", &format!("d/{name}")]], &[&[&format!("d/.wh.{name}")]], &["d/", &format!("d/.wh.{name}")]);
}

#[test]
fn s27_an_opaque_root_becomes_whiteouts() {
    squashed(&[B], &[&[".wh..wh..opq", "n"]], &[".wh.d", ".wh.f", "n"]);
}

#[test]
fn s29_t17_a_directory_becomes_a_file_and_a_directory_again() {
    squashed(
        &[&["a/", "a/b/", "a/b/c/", "a/b/c/x", "a/b/y"]],
        &[&["a/b"], &["a/", "a/b/", "a/b/c/", "a/b/c/n"]],
        &["a/", "a/b/", "a/b/c/", "a/b/c/n", "a/b/c/.wh.x", "a/b/.wh.y"],
    );
}

#[test]
fn s31_parents_that_no_layer_lists_are_listed() {
    squashed(&[&["p/q/x"]], &[&["p/q/y"]], &["p/", "p/q/", "p/q/y"]);
}

#[test]
fn s34_s35_groups_move_and_links_have_names() {
    squashed(
        &[&["d/", "d/a", "d/b = d/a"]],
        &[&["e/", "e/a", "e/b = e/a", ".wh.d"]],
        &[".wh.d", "e/", "e/a", "e/b = e/a"],
    );
    squashed(&[], &[&["s -> z", "t = s"], &[".wh.s"]], &["t -> z"]);
}

#[test]
fn t07_what_a_kept_layer_wrote_through_a_link_is_hidden_at_its_path() {
    squashed(
        &[&["usr/", "usr/lib/", "lib -> usr/lib"], &["lib/foo"]],
        &[&["usr/lib/.wh.foo"]],
        &["usr/", "usr/lib/", "usr/lib/.wh.foo"],
    );
}

#[test]
fn t14_t15_a_group_that_comes_back_is_the_same() {
    squashed(&[&["a", "b = a"]], &[&[".wh.a"], &["a = b"]], &[]);
    squashed(&[&["a"]], &[&["c = a"], &[".wh.a"]], &[".wh.a", "c"]);
}

#[test]
fn f10_f11_f19_w02_w03_w04_w05_ghosts_and_contradictions_vanish() {
    squashed(&[B], &[&["n/", "n/k", "n/.wh.q"]], &["n/", "n/k"]);
    squashed(&[B], &[&["f/", "f/k", "f/.wh.q"]], &["f/", "f/k"]);
    squashed(&[B], &[&["d/", "d/.wh..wh..opq", "d/.wh.x", "d/n"]], &["d/", "d/n", "d/.wh.s", "d/.wh.x"]);
    squashed(&[B], &[&["d -> e", "d/.wh.x"]], &["d -> e"]);
    squashed(&[B], &[&["d", "d/.wh.x"]], &["d"]);
    squashed(&[B], &[&["d/.wh.x", ".wh.d"]], &[".wh.d"]);
    squashed(&[B], &[&[".wh.d", "d/k"]], &["d/", "d/k", "d/.wh.s", "d/.wh.x"]);
}

#[test]
fn the_root_is_an_entry_where_it_differs() {
    squashed(&[&["./", "a"]], &[&["./", "b"]], &["./", "b"]);
    squashed(&[&["./", "a"]], &[&["b"]], &["b"]);
}

#[test]
fn directories_that_are_alike_are_listed_as_parents_only() {
    let layers = [B, &["d/", "f"][..], &["d/", "d/n"]];
    let (below, above) = trees(&layers, 1).unwrap();
    let mut found = Vec::new();
    let collect = |item| {
        found.push(text(&layers, &item));
        Ok(())
    };
    difference(&below, &above, &|_, _| true, collect).unwrap();
    assert_eq!(found, ["d/", "d/n", "f"]);
    let layers = [B, &["d/", "f"][..]];
    let (below, above) = trees(&layers, 1).unwrap();
    let mut found = Vec::new();
    let collect = |item| {
        found.push(text(&layers, &item));
        Ok(())
    };
    difference(&below, &above, &|_, _| true, collect).unwrap();
    assert_eq!(found, ["f"]);
}

/// The nodes of a tree: paths, the entries that describe them, and the path that carries the data.
fn standing(tree: &Flattened, entry: impl Fn(EntryKey) -> Option<EntryKey>) -> Vec<String> {
    let mut carriers: HashMap<EntryKey, Vec<u8>> = HashMap::new();
    let line = |node: FlatNode| {
        let carrier =
            node.entry.filter(|_| node.names > 1).map(|id| carriers.entry(id).or_insert(node.path.clone()).clone());
        format!("{:?} {:?} {:?}", String::from_utf8_lossy(&node.path), node.entry.and_then(&entry), carrier)
    };
    tree.nodes().map(line).collect()
}

/// A layer of `items` on the first `base` of `layers`.
fn applied(layers: &[Vec<String>], base: usize, items: &[LayerItem]) -> Flattened {
    let (diagnostics, budget) = (Diagnostics::silent(), Budget::default());
    let mut overlay = Overlay::new(Options::default());
    let texts: Vec<String> = items.iter().map(|item| text(layers, item)).collect();
    for (number, entries) in layers[..base].iter().chain([&texts]).enumerate() {
        let at = format!("layer {number}");
        let mut layer = overlay.layer(&at, &diagnostics, &budget);
        for (position, entry) in entries.iter().enumerate() {
            let Change { path, kind, .. } = change(entry, 0);
            layer.entry(Change { path, kind, position: position as u64 }).unwrap();
        }
        layer.finish().unwrap();
    }
    overlay.finish()
}

fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..=at])
}

/// Asserts the requirements of every engine on a layer (E-3 to E-7), whatever is below it.
fn check_form(texts: &[String], below: &Flattened) {
    let directories: HashSet<Vec<u8>> = below.nodes().filter(|node| node.is_directory).map(|node| node.path).collect();
    let there: HashSet<Vec<u8>> = below.nodes().map(|node| node.path).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    for text in texts {
        let (name, target) =
            text.split_once(" = ").map_or((text.as_str(), None), |(name, target)| (name, Some(target)));
        let name = name.split(" -> ").next().unwrap().trim_end_matches(" !");
        assert!(seen.insert(name), "{name} twice in {texts:?}");
        if name == "./" {
            continue;
        }
        let inner = name.trim_end_matches('/');
        assert!(parents(inner).all(|parent| seen.contains(parent)), "a parent of {name} is not listed in {texts:?}");
        if let Some(target) = target {
            assert!(seen.contains(target), "{text} reaches out of {texts:?}");
        }
        let (directory, last) = inner.rsplit_once('/').unwrap_or(("", inner));
        if let Some(hidden) = last.strip_prefix(".wh.") {
            let hidden = if directory.is_empty() { hidden.to_owned() } else { format!("{directory}/{hidden}") };
            assert!(directory.is_empty() || directories.contains(directory.as_bytes()), "{text} hides nothing");
            assert!(there.contains(hidden.as_bytes()), "{text} hides nothing");
            let stays = texts
                .iter()
                .any(|other| other.trim_end_matches('/') == hidden || other.starts_with(&format!("{hidden}/")));
            assert!(!stays, "{text} and an entry at or below it in {texts:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_difference_makes_the_one_tree_of_the_other(layers in layers(), base in 0..5_usize) {
        let base = base.min(layers.len());
        let Ok((below, above)) = trees(&layers, base) else { return Ok(()) };
        let items = items(&layers, base).unwrap();
        let texts: Vec<String> = items.iter().map(|item| text(&layers, item)).collect();
        check_form(&texts, &below);
        let again = applied(&layers, base, &items);
        let origin = |id: EntryKey| match &items.get(id.position as usize) {
            _ if (id.layer as usize) < base => Some(id),
            Some(LayerItem::Entry { entry, .. } | LayerItem::HardLink { entry, .. }) => Some(*entry),
            _ => None,
        };
        prop_assert_eq!(standing(&again, origin), standing(&above, Some), "{:?}", texts);
    }
}
