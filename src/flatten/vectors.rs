//! The vectors of docs/formats.md 7.4 and the rules of 7.1 that no vector shows, by name.

use std::sync::{Arc, Mutex};

use super::testing::{change, flatten, listing};
use super::{Change, ChangeKind, EntryKey, FlattenedEntry, Options, Overlay};
use crate::diagnostics::Diagnostics;
use crate::error::ErrorKind;
use crate::limits::{Budget, Limits};

/// The base layer of the table.
const B: &[&str] = &["d/", "d/x", "d/s/", "d/s/y", "f"];

const USR_MERGE: &[&str] = &["usr/", "usr/lib/", "usr/lib/old", "lib -> usr/lib"];

#[track_caller]
fn gives(layers: &[&[&str]], expected: &[&str]) {
    assert_eq!(listing(Options::default(), layers).unwrap(), expected);
}

#[track_caller]
fn fails(layers: &[&[&str]], message: &str) {
    let error = listing(Options::default(), layers).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(error.to_string(), message);
}

/// Returns the warnings that flattening `layers` gives.
fn remarks(layers: &[&[&str]]) -> Vec<String> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let diagnostics = Diagnostics::new(false, move |diagnostic| {
        listener.lock().unwrap().push(diagnostic.line());
    });
    flatten(Options::default(), layers, &diagnostics).unwrap();
    let heard = heard.lock().unwrap();
    heard.clone()
}

#[test]
fn v_1_and_2_a_whiteout_does_not_hide_what_its_own_layer_adds() {
    let expected = |position| ["d/ 0.0", "d/s/ 0.2", "d/s/y 0.3", "d/x 0.1", position];
    gives(&[B, &[".wh.f", "f"]], &expected("f 1.1"));
    gives(&[B, &["f", ".wh.f"]], &expected("f 1.0"));
}

#[test]
fn v_3_a_whiteout_removes_a_directory_with_all_in_it() {
    gives(&[B, &[".wh.d"]], &["f 0.4"]);
}

#[test]
fn v_4_to_6_a_directory_comes_back_without_its_old_content() {
    gives(&[B, &[".wh.d", "d/", "d/n"]], &["d/ 1.1", "d/n 1.2", "f 0.4"]);
    gives(&[B, &["d/", "d/n", ".wh.d"]], &["d/ 1.0", "d/n 1.1", "f 0.4"]);
    gives(&[B, &[".wh.d", "d/n"]], &["d/", "d/n 1.1", "f 0.4"]);
}

#[test]
fn v_7_an_opaque_marker_hides_only_what_is_below_wherever_it_stands() {
    gives(&[B, &["d/", "d/s/z", "d/.wh..wh..opq"]], &["d/ 1.0", "d/s/", "d/s/z 1.1", "f 0.4"]);
    gives(&[B, &["d/.wh..wh..opq", "d/s/z"]], &["d/ 0.0", "d/s/", "d/s/z 1.1", "f 0.4"]);
}

#[test]
fn v_8_the_root_can_be_opaque() {
    gives(&[B, &[".wh..wh..opq", "n"]], &["n 1.1"]);
    gives(&[&["./", "a"], &[".wh..wh..opq"]], &["./ 0.0"]);
}

#[test]
fn v_9_to_11_types_change_both_ways() {
    gives(&[B, &["d"]], &["d 1.0", "f 0.4"]);
    gives(&[B, &["d -> f"]], &["d -> f 1.0", "f 0.4"]);
    gives(&[&["f"], &["f/", "f/k"]], &["f/ 1.0", "f/k 1.1"]);
    gives(&[&["f"], &["f/k"]], &["f/", "f/k 1.0"]);
}

#[test]
fn v_12_what_a_type_change_removed_does_not_come_back() {
    gives(&[B, &["d -> s2"], &["d/", "d/q"]], &["d/ 2.0", "d/q 2.1", "f 0.4"]);
}

#[test]
fn v_13_parents_are_resolved_through_links_inside_the_root() {
    let expected = |link| [link, "usr/ 0.0", "usr/lib/ 0.1", "usr/lib/foo 1.0", "usr/lib/old 0.2"];
    gives(&[USR_MERGE, &["lib/foo"]], &expected("lib -> usr/lib 0.3"));
    let absolute: &[&str] = &["usr/", "usr/lib/", "usr/lib/old", "lib -> /usr/lib"];
    gives(&[absolute, &["lib/foo"]], &expected("lib -> /usr/lib 0.3"));
}

#[test]
fn v_14_whiteouts_and_opaque_markers_are_resolved_through_links_too() {
    for marker in ["lib/.wh.old", "lib/.wh..wh..opq"] {
        gives(&[USR_MERGE, &[marker]], &["lib -> usr/lib 0.3", "usr/ 0.0", "usr/lib/ 0.1"]);
    }
}

#[test]
fn v_15_a_link_out_of_the_root_stops_at_the_root() {
    let target = "../../../../../x/y";
    gives(
        &[&[&format!("esc -> {target}")], &["esc/foo"]],
        &[&format!("esc -> {target} 0.0"), "x/", "x/y/", "x/y/foo 1.0"],
    );
}

#[test]
fn v_16_and_17_a_hard_link_outlives_its_target() {
    let base: &[&str] = &["a", "b = a"];
    gives(&[base, &["a"]], &["a 1.0", "b 0.0"]);
    gives(&[base, &[".wh.a"]], &["b 0.0"]);
    gives(&[&["a", "b = a", "c = b"], &["a"]], &["a 1.0", "b 0.0", "c = b"]);
    gives(&[&["a", "b = a", "a"]], &["a 0.2", "b 0.0"]);
}

#[test]
fn v_18_a_hard_link_reaches_into_lower_layers() {
    gives(&[&["a"], &["c = a"]], &["a 0.0", "c = a"]);
    gives(&[&["z"], &["c = z"]], &["c 0.0", "z = c"]);
}

#[test]
fn v_19_a_file_replaces_a_link_not_its_target() {
    gives(&[&["t", "s -> t"], &["s"]], &["s 1.0", "t 0.0"]);
}

#[test]
fn v_20_link_targets_are_kept_verbatim() {
    gives(&[&["u/", "u/s -> ../../../etc/hosts"]], &["u/ 0.0", "u/s -> ../../../etc/hosts 0.1"]);
}

#[test]
fn v_21_the_last_of_two_entries_counts() {
    gives(&[&["a", "a"]], &["a 0.1"]);
    assert_eq!(remarks(&[&["a", "a"]]), ["layer 0: `a` occurs more than once; the last one counts"]);
    assert_eq!(remarks(&[&["a"], &["a"]]), [""; 0]);
}

#[test]
fn v_22_whiteouts_are_known_by_name_alone() {
    gives(&[B, &[".wh.d/", ".wh.f -> x"]], &[]);
}

#[test]
fn v_23_a_directory_entry_keeps_the_children() {
    gives(&[B, &["d/"]], &["d/ 1.0", "d/s/ 0.2", "d/s/y 0.3", "d/x 0.1", "f 0.4"]);
}

#[test]
fn v_25_absolute_and_dotted_names_are_one() {
    gives(&[&["/etc/x"], &["./etc/x", "./"]], &["./ 1.1", "etc/", "etc/x 1.0"]);
    gives(&[&["a//b/../c/", "x"], &["x/"]], &["a/", "a/c/ 0.0", "x/ 1.0"]);
}

#[test]
fn no_layers_and_empty_layers_give_nothing() {
    gives(&[], &[]);
    gives(&[&[], &[]], &[]);
}

#[test]
fn whiteouts_of_nothing_there_create_nothing() {
    gives(
        &[B, &["n/.wh.x", "n/.wh..wh..opq", "f/.wh.x", "f/.wh..wh..opq"]],
        &["d/ 0.0", "d/s/ 0.2", "d/s/y 0.3", "d/x 0.1", "f 0.4"],
    );
}

#[test]
fn whiteouts_of_one_layer_do_not_depend_on_each_other() {
    for markers in [[".wh.lib", "lib/.wh.old"], ["lib/.wh.old", ".wh.lib"]] {
        gives(&[USR_MERGE, &markers], &["usr/ 0.0", "usr/lib/ 0.1"]);
    }
    for markers in [[".wh.d", "d/s/.wh..wh..opq"], ["d/s/.wh..wh..opq", ".wh.d"]] {
        gives(&[B, &markers], &["f 0.4"]);
    }
}

#[test]
fn bad_names_are_refused() {
    let nameless = "the whiteout names no file: `.wh.` must be followed by a name other than `.` and `..`";
    fails(&[&[".wh."]], &format!("layer 0: `.wh.`: {nameless}"));
    fails(&[B, &["d/.wh..."]], &format!("layer 1: `d/.wh...`: {nameless}"));
    fails(&[&[".wh.d/x"]], "layer 0: `.wh.d/x`: a whiteout cannot be a directory on the way to something");
    fails(&[&["../x"]], "layer 0: `../x`: the name climbs out of the archive");
    fails(&[&[""]], "layer 0: the entry for the root is not a directory");
}

#[test]
fn aufs_files_are_left_out_but_can_be_linked_to() {
    let layer: &[&str] =
        &[".wh..wh.aufs", ".wh..wh.plnk/", ".wh..wh.plnk/12.34", ".wh..wh.orph/", "z = .wh..wh.plnk/12.34", "b = z"];
    gives(&[layer], &["b 0.2", "z = b"]);
    gives(&[&["a"], layer], &["a 0.0", "b 1.2", "z = b"]);
    fails(
        &[&[".wh..wh.plnk/1.2"], &["z = .wh..wh.plnk/1.2"]],
        "layer 1: `z`: hard link to `.wh..wh.plnk/1.2`: no earlier entry of this layer has that name",
    );
}

#[test]
fn a_dangling_link_as_a_parent_gets_the_directory_it_names() {
    gives(&[&["l -> x/y"], &["l/a"]], &["l -> x/y 0.0", "x/", "x/y/", "x/y/a 1.0"]);
    gives(&[&["l -> no/../x/./y"], &["l/a"]], &["l -> no/../x/./y 0.0", "x/", "x/y/", "x/y/a 1.0"]);
}

#[test]
fn two_dots_cancel_what_is_no_directory() {
    for target in ["no/../real", "no/deeper/../../real", "real/f/../../real", "/no/../../real", "m/../../real"] {
        let (link, mut expected) = (format!("l -> {target}"), vec!["h 0.1".to_owned(), format!("l -> {target} 0.2")]);
        expected.extend(["m -> no/where 0.3", "real/ 0.0", "real/f = h", "real/n 0.5"].map(str::to_owned));
        let layer = ["real/", "real/f", &link, "m -> no/where", "h = l/f", "l/n"];
        gives(&[&layer], &expected.iter().map(String::as_str).collect::<Vec<_>>());
        let without = expected.into_iter().filter(|line| line != "real/n 0.5").collect::<Vec<_>>();
        gives(&[&layer, &["l/.wh.n"]], &without.iter().map(String::as_str).collect::<Vec<_>>());
    }
    fails(
        &[&["real/", "real/f", "l -> no/../no", "h = l/f"]],
        "layer 0: `h`: hard link to `l/f`: nothing is there at this point",
    );
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let chain = |length: usize| {
        let mut links: Vec<String> = (1..length).map(|link| format!("l{link} -> l{}", link + 1)).collect();
        links.push(format!("l{length} -> d"));
        links
    };
    let forty = chain(40);
    let mut layer: Vec<&str> = forty.iter().map(String::as_str).collect();
    layer.push("l1/x");
    assert!(listing(Options::default(), &[&layer]).unwrap().contains(&"d/x 0.40".to_owned()));
    let more = chain(41);
    let mut layer: Vec<&str> = more.iter().map(String::as_str).collect();
    layer.push("l1/x");
    fails(&[&layer], "layer 0: `l1/x`: more than 40 symbolic links in a row");
    fails(&[&["l -> l"], &["l/.wh.x"]], "layer 1: `l`: more than 40 symbolic links in a row");
}

#[test]
fn a_link_makes_no_directory_with_the_name_of_a_whiteout() {
    for name in [".wh.a", ".wh..wh.plnk", ".wh..wh..opq"] {
        let link = format!("l -> d/{name}/e");
        fails(
            &[&[&link], &["l/x"]],
            "layer 1: `l/x`: symbolic links that lead to a directory with the name of a whiteout",
        );
        gives(&[&[&link]], &[&format!("{link} 0.0")]);
    }
}

#[test]
fn links_with_endless_targets_are_not_followed() {
    let link = format!("l -> {}d", "./".repeat(8192));
    fails(&[&[&link], &["l/x"]], "layer 1: `l/x`: symbolic links with more than 16384 bytes of targets in a row");
}

#[test]
fn a_directory_entry_over_a_link_replaces_it_unless_asked_otherwise() {
    let layers: &[&[&str]] = &[&["e/", "e/x", "l -> e", "m -> no"], &["l/", "l/y", "m/"]];
    gives(layers, &["e/ 0.0", "e/x 0.1", "l/ 1.0", "l/y 1.1", "m/ 1.2"]);
    let keep = Options { keep_dirlinks: true, ..Options::default() };
    let kept = ["e/ 1.0", "e/x 0.1", "e/y 1.1", "l -> e 0.2", "m/ 1.2"];
    assert_eq!(listing(keep, layers).unwrap(), kept);
}

#[test]
fn an_opaque_marker_in_a_link_that_is_replaced_hides_nothing() {
    let base: &[&str] = &["e/", "e/x", "l -> e"];
    gives(&[base, &["l/.wh..wh..opq"]], &["e/ 0.0", "l -> e 0.2"]);
    gives(&[base, &["l/.wh..wh..opq", "l/"]], &["e/ 0.0", "e/x 0.1", "l/ 1.1"]);
    gives(&[base, &["l/", "l/.wh..wh..opq"]], &["e/ 0.0", "e/x 0.1", "l/ 1.0"]);
    let keep = Options { keep_dirlinks: true, ..Options::default() };
    assert_eq!(listing(keep, &[base, &["l/", "l/.wh..wh..opq"]]).unwrap(), ["e/ 1.0", "l -> e 0.2"]);
}

#[test]
fn a_hard_link_to_a_link_is_another_name_of_the_link() {
    gives(&[&["s -> t", "r = s"]], &["r -> t 0.0", "s = r"]);
    gives(
        &[USR_MERGE, &["k = lib/old"]],
        &["k 0.2", "lib -> usr/lib 0.3", "usr/ 0.0", "usr/lib/ 0.1", "usr/lib/old = k"],
    );
}

#[test]
fn hard_links_to_nothing_are_refused() {
    fails(&[&["b = a", "a"]], "layer 0: `b`: hard link to `a`: nothing is there at this point");
    fails(&[&["d/", "b = d"]], "layer 0: `b`: hard link to `d`: that is a directory");
    fails(&[&["b = /"]], "layer 0: `b`: hard link to `/`: that is a directory");
    fails(&[&["b = b"]], "layer 0: `b`: hard link to `b`: that is the link itself");
    fails(&[&["b"], &["b = ./b"]], "layer 1: `b`: hard link to `./b`: that is the link itself");
    fails(&[&["b = ../a"]], "layer 0: `b`: hard link to `../a`: the name climbs out of the archive");
    fails(&[&["a"], &[".wh.a"], &["b = a"]], "layer 2: `b`: hard link to `a`: nothing is there at this point");
}

#[test]
fn a_hard_link_may_name_what_a_whiteout_of_its_layer_removed() {
    gives(&[&["a"], &[".wh.a", "b = a"]], &["b 0.0"]);
    gives(&[&["d/", "d/a"], &["b = d/a", "c = d/a", "d/.wh..wh..opq"]], &["b 0.1", "c = b", "d/ 0.0"]);
    gives(&[&["a"], &[".wh.a", "a", "b = a"]], &["a 1.1", "b = a"]);
    fails(&[&["d/", "d/a"], &["d", "b = d/a"]], "layer 1: `b`: hard link to `d/a`: nothing is there at this point");
}

#[test]
fn a_hard_link_takes_the_node_of_the_moment() {
    gives(&[&["a", "b = a", "b", "c = b"]], &["a 0.0", "b 0.2", "c = b"]);
    gives(&[&["d/", "d/x", "d = d/x"]], &["d 0.1"]);
    gives(&[&["a", "b = a", "a = b", "b = a"]], &["a 0.0", "b = a"]);
}

#[test]
fn the_root_is_a_directory() {
    for root in ["/ -> x", "./ = a", ". !", "a/.. -> x"] {
        fails(&[&["a", root]], "layer 0: the entry for the root is not a directory");
    }
}

#[test]
fn links_of_lower_layers_are_warned_of_once() {
    let through = "layer 1: `lib` is a symbolic link of a lower layer: files of this layer below it go where the link \
                   leads, while a container on an overlay filesystem would see a directory instead";
    assert_eq!(remarks(&[USR_MERGE, &["lib/foo", "lib/bar"]]), [through]);
    assert_eq!(remarks(&[USR_MERGE, &["lib/.wh.old"]]), [through]);
    assert_eq!(remarks(&[&["usr/", "lib -> usr", "lib/foo"]]), [""; 0]);
}

#[test]
fn null_devices_are_kept_with_a_warning() {
    gives(&[&["d !"]], &["d 0.0"]);
    let warning = "layer 0: `d` is a character device 0/0, kept as it is; overlay filesystems take it for a whiteout";
    assert_eq!(remarks(&[&["d !"]]), [warning]);
}

#[test]
fn remarks_do_not_drown_their_reader() {
    let heard = remarks(&[&["a"; 1000]]);
    assert_eq!(heard[heard.len() - 1], "layer 0: 989 more entries for paths that this layer had already written");
    assert!(heard.len() <= 11);
}

#[test]
fn estargz_files_stay_unless_stripped() {
    let layers: &[&[&str]] = &[&["stargz.index.json", ".no.prefetch.landmark", "d/", "d/stargz.index.json"]];
    assert_eq!(listing(Options::default(), layers).unwrap().len(), 4);
    let strip = Options { strip_estargz: true, ..Options::default() };
    assert_eq!(listing(strip, layers).unwrap(), ["d/ 0.2", "d/stargz.index.json 0.3"]);
}

#[test]
fn an_entry_knows_how_many_names_it_has() {
    let layers: &[&[&str]] = &[&["a", "b = a", "c = a", "d"], &[".wh.a", "d = c"]];
    let entries = flatten(Options::default(), layers, &Diagnostics::silent()).unwrap();
    let key = EntryKey { layer: 0, position: 0 };
    let link = |path: &[u8]| FlattenedEntry::HardLink { path: path.to_vec(), target: b"b".to_vec(), key };
    assert_eq!(entries, [FlattenedEntry::Entry { path: b"b".to_vec(), key, names: 3 }, link(b"c"), link(b"d")]);
}

#[test]
fn it_is_told_how_often_a_layer_must_be_begun_anew() {
    let budget = Budget::default();
    let mut overlay = Overlay::new(Options::default());
    for entries in [&["a/", "b", "a/x"][..], &["a/y", "c", "d = a/x"], &[]] {
        let diagnostics = Diagnostics::silent();
        let mut layer = overlay.layer("layer", &diagnostics, &budget);
        for (position, entry) in entries.iter().enumerate() {
            layer.entry(change(entry, position as u64)).unwrap();
        }
        layer.finish().unwrap();
    }
    assert_eq!(overlay.finish().rewinds(), [1, 0, 0]);
}

#[test]
fn deep_and_wide_trees_are_neither_slow_nor_recursive() {
    let deep = "d/".repeat(4096);
    let wide: Vec<String> = (0..20_000).map(|number| format!("w/{number}")).collect();
    let mut base: Vec<&str> = wide.iter().map(String::as_str).collect();
    base.push(&deep);
    // Each of these would look at all of `w` again if what is gone were not forgotten.
    let opaque = ["w/.wh..wh..opq"; 1000];
    let replaced = ["w", "w/"].repeat(1000);
    assert_eq!(listing(Options::default(), &[&base, &opaque]).unwrap().len(), 4097);
    assert_eq!(listing(Options::default(), &[&base, &replaced, &[".wh.d"]]).unwrap(), ["w/ 1.1999"]);
}

#[test]
fn a_path_takes_less_than_a_hundred_bytes() {
    const PATHS: u64 = 100_000;
    let (diagnostics, budget) =
        (Diagnostics::silent(), Budget::new(Limits { metadata: PATHS * 100, ..Limits::default() }));
    let mut overlay = Overlay::new(Options::default());
    let mut layer = overlay.layer("layer", &diagnostics, &budget);
    for number in 0..PATHS {
        let path = format!("usr/share/some-package-{}/a-file-{number}.txt", number / 20);
        layer.entry(Change { path: path.as_bytes(), kind: ChangeKind::Regular, position: number * 512 }).unwrap();
    }
    layer.finish().unwrap();
}

#[test]
fn siblings_stand_by_name_or_as_written() {
    let layers: &[&[&str]] = &[&["a/", "a/x", "a-b", "a.c/", "Z"]];
    gives(layers, &["Z 0.4", "a/ 0.0", "a/x 0.1", "a-b 0.2", "a.c/ 0.3"]);
    let sort = Options { sort: true, ..Options::default() };
    assert_eq!(listing(sort, layers).unwrap(), ["Z 0.4", "a-b 0.2", "a.c/ 0.3", "a/ 0.0", "a/x 0.1"]);
}
