//! The house as it is drawn: which module of src imports which, and a type name that stands for one type.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::source::{Source, rust_files};

/// The modules of the library from the ground up, each with all that it may import: only what stands above it, so that
/// there is no cycle.
const EDGES: &[(&str, &[&str])] = &[
    // Words, which know nothing.
    ("digest", &[]),
    ("glob", &[]),
    ("rule", &[]),
    ("words", &[]),
    ("path", &["rule"]),
    ("progress", &[]),
    // What every part may say, and how much it may use.
    ("error", &["digest", "rule", "words"]),
    ("path_filter", &["error", "glob", "path"]),
    ("diagnostics", &["error", "path", "rule"]),
    ("limits", &["error"]),
    ("run", &["diagnostics", "limits", "progress"]),
    // Documents; bytes; tars. None of them knows of an image.
    ("spec", &["diagnostics", "digest", "error", "limits", "path", "rule"]),
    ("stream", &["digest", "error", "limits", "path", "progress", "rule"]),
    ("codec", &["diagnostics", "error", "limits", "rule", "stream"]),
    ("archive", &["codec", "diagnostics", "error", "limits", "path", "rule", "run", "spec", "stream"]),
    ("flatten", &["diagnostics", "error", "limits", "path", "rule"]),
    // The model, and what is asked of it.
    ("image", &["codec", "digest", "error", "path", "rule", "spec", "stream", "words"]),
    ("nearest", &["image", "spec"]),
    ("options", &["codec", "digest", "spec"]),
    (
        "layer_io",
        &["archive", "codec", "diagnostics", "digest", "error", "image", "limits", "progress", "rule", "run", "stream"],
    ),
    (
        "select",
        &["diagnostics", "digest", "error", "glob", "image", "nearest", "options", "path", "rule", "run", "spec"],
    ),
    // What is in layers.
    (
        "layer_index",
        &[
            "archive",
            "diagnostics",
            "digest",
            "error",
            "flatten",
            "image",
            "layer_io",
            "limits",
            "path",
            "progress",
            "rule",
            "run",
            "stream",
        ],
    ),
    (
        "files",
        &[
            "archive",
            "digest",
            "error",
            "flatten",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "nearest",
            "path",
            "path_filter",
            "progress",
            "rule",
            "run",
            "select",
            "spec",
            "stream",
        ],
    ),
    ("history", &["digest", "error", "flatten", "image", "path", "rule", "run", "spec", "layer_index", "words"]),
    (
        "diff",
        &[
            "digest",
            "error",
            "files",
            "flatten",
            "image",
            "limits",
            "path",
            "rule",
            "run",
            "spec",
            "layer_index",
            "archive",
        ],
    ),
    ("report", &["codec", "digest", "image", "spec"]),
    ("increment", &["codec", "digest", "error", "image", "rule", "run", "spec", "words"]),
    // Layers as what changed in the files of others.
    (
        "delta",
        &[
            "archive",
            "codec",
            "diagnostics",
            "digest",
            "error",
            "flatten",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "path",
            "progress",
            "rule",
            "run",
            "spec",
            "stream",
        ],
    ),
    // From archive to images, and back; neither knows the other.
    (
        "reader",
        &[
            "archive",
            "codec",
            "delta",
            "diagnostics",
            "digest",
            "error",
            "image",
            "layer_io",
            "limits",
            "options",
            "path",
            "progress",
            "rule",
            "run",
            "spec",
            "stream",
            "words",
        ],
    ),
    (
        "writer",
        &[
            "archive",
            "codec",
            "delta",
            "diagnostics",
            "digest",
            "error",
            "flatten",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "options",
            "path",
            "path_filter",
            "progress",
            "report",
            "rule",
            "run",
            "spec",
            "stream",
        ],
    ),
    (
        "inspect",
        &[
            "archive",
            "codec",
            "diagnostics",
            "digest",
            "error",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "options",
            "path",
            "progress",
            "reader",
            "rule",
            "run",
            "select",
            "spec",
            "stream",
            "words",
        ],
    ),
    (
        "verify",
        &[
            "archive",
            "codec",
            "diagnostics",
            "digest",
            "error",
            "flatten",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "path",
            "progress",
            "reader",
            "rule",
            "run",
            "select",
            "spec",
            "stream",
        ],
    ),
    // Images in, images out.
    (
        "edit",
        &[
            "archive",
            "codec",
            "diagnostics",
            "digest",
            "error",
            "flatten",
            "glob",
            "image",
            "layer_index",
            "layer_io",
            "limits",
            "path",
            "rule",
            "run",
            "select",
            "spec",
            "stream",
            "words",
        ],
    ),
    (
        "convert",
        &[
            "diagnostics",
            "digest",
            "edit",
            "error",
            "image",
            "increment",
            "options",
            "path",
            "reader",
            "report",
            "rule",
            "run",
            "select",
            "spec",
            "stream",
            "writer",
        ],
    ),
    // Doors for the command and the tests.
    ("internals", &["archive", "codec", "edit", "flatten", "image", "limits", "path", "spec", "stream", "words"]),
];

/// The modules that a file imports from outside of its own, each with the line that does.
fn imports(source: &Source) -> Vec<(String, String)> {
    let module = source.module();
    let mut found = Vec::new();
    for line in source.code() {
        let text = line.trim();
        assert!(!text.contains("crate::{"), "{}: one line for each module: `{text}`", source.path.display());
        for place in text.split("crate::").skip(1) {
            found.push((word(place), text.to_owned()));
        }
        // Above the root of its own module there are the others.
        let up = "super::".repeat(module.len());
        if let (false, Some((_, place))) = (module.is_empty(), text.split_once(&up)) {
            found.push((word(place), text.to_owned()));
        }
    }
    found
}

/// The identifier with which `text` begins.
fn word(text: &str) -> String {
    text.chars().take_while(|&letter| letter.is_alphanumeric() || letter == '_').collect()
}

/// The library's own top-level modules with what they import, each with the lines that do.
fn edges(sources: &[Source]) -> BTreeMap<(String, String), Vec<String>> {
    let mut edges = BTreeMap::<_, Vec<_>>::new();
    for source in sources {
        let Some(from) = source.module().into_iter().next().filter(|from| from != "cli") else { continue };
        for (to, line) in imports(source) {
            if to != from {
                edges.entry((from.clone(), to)).or_default().push(format!("src/{}: {line}", source.path.display()));
            }
        }
    }
    edges
}

fn allowed(from: &str) -> Option<&'static [&'static str]> {
    EDGES.iter().find(|(module, _)| *module == from).map(|(_, to)| *to)
}

#[test]
fn modules_import_what_they_may() {
    let mut problems = Vec::new();
    for ((from, to), lines) in &edges(&Source::all()) {
        if !allowed(from).is_some_and(|allowed| allowed.contains(&to.as_str())) {
            problems.push(format!("{from} may not import {to}:\n  {}", lines.join("\n  ")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_table_of_imports_is_that_of_the_modules_there_are_and_without_a_cycle() {
    let sources = Source::all();
    let modules: BTreeSet<_> = sources.iter().filter_map(|source| source.module().into_iter().next()).collect();
    let modules: BTreeSet<_> = modules.iter().map(String::as_str).filter(|module| *module != "cli").collect();
    let table: BTreeSet<_> = EDGES.iter().map(|(module, _)| *module).collect();
    assert_eq!(table, modules, "a row for each module of the library");
    for (nth, (from, allowed)) in EDGES.iter().enumerate() {
        for to in *allowed {
            let is_above = EDGES[..nth].iter().any(|(above, _)| above == to);
            assert!(is_above, "{from} may import {to}, which does not stand above it");
        }
    }
}

/// The files below `dir` that no file above them declares as a module, which the compiler therefore never sees.
fn undeclared(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    rust_files(dir, &mut files);
    let is_declared = |file: &PathBuf| {
        let file = if file.ends_with("mod.rs") { file.parent().unwrap() } else { file };
        let (above, name) = (file.parent().unwrap(), file.file_stem().unwrap().to_str().unwrap());
        let mut owners = vec![above.join("mod.rs"), above.with_extension("rs")];
        if above == dir {
            owners.extend([dir.join("lib.rs"), dir.join("main.rs")]);
        }
        let declares =
            |line: &str| line.split_once("mod ").is_some_and(|(_, rest)| rest.trim_end() == format!("{name};"));
        owners.iter().filter_map(|owner| fs::read_to_string(owner).ok()).any(|text| text.lines().any(declares))
    };
    files.retain(|file| !["lib.rs", "main.rs"].iter().any(|root| *file == dir.join(root)) && !is_declared(file));
    files
}

#[test]
fn every_file_is_a_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for dir in ["src", "tests/suite"] {
        assert_eq!(undeclared(&root.join(dir)), Vec::<PathBuf>::new(), "no `mod` for");
    }
}

#[test]
fn imports_make_no_cycle() {
    let edges = edges(&Source::all());
    let mut left: BTreeSet<_> = edges.keys().flat_map(|(from, to)| [from, to]).collect();
    // Whoever imports nothing of what is left is not part of a cycle.
    while let Some(free) =
        left.iter().copied().find(|from| !edges.keys().any(|(other, to)| other == *from && left.contains(to)))
    {
        left.remove(free);
    }
    assert!(left.is_empty(), "modules that import each other in a circle: {left:?}");
}

/// Flags of other programs, and whole commands that `inspect` recommends.
const COMMANDS: [&str; 5] = ["without --sparse", "tar --", "zstd -d --long=31", "imgtar edit --", "imgtar import"];

#[test]
fn the_library_names_no_flag() {
    let is_recommended = |path: &Path| path.starts_with("inspect/loads");
    let mut problems = Vec::new();
    for source in Source::all().iter().filter(|source| !source.path.starts_with("cli") && !is_recommended(&source.path))
    {
        for line in source.code() {
            let quoted = line.split('"').skip(1).step_by(2).chain(line.trim_start().starts_with("--").then_some(line));
            let names_flag = |text: &str| {
                text.split("--").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
            };
            if quoted.into_iter().any(names_flag) && !COMMANDS.iter().any(|command| line.contains(command)) {
                problems.push(format!("src/{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    assert!(problems.is_empty(), "the command adds flags (cli/hints.rs), not the library:\n{}", problems.join("\n"));
}

/// The types of src by their names, each with the files that declare it; those that a trait has, or an implementation gives
/// it, are not types of their own.
fn types(sources: &[Source]) -> BTreeMap<String, Vec<&Path>> {
    let mut types = BTreeMap::<_, Vec<_>>::new();
    for source in sources {
        for line in source.code() {
            let text = line.trim_start();
            let is_outermost = text.len() == line.len();
            let text = match text.strip_prefix("pub") {
                Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest),
                None => text,
            };
            let Some((kind, rest)) = text.split_once(' ') else { continue };
            if matches!(kind, "struct" | "enum" | "union" | "trait") || kind == "type" && is_outermost {
                types.entry(word(rest)).or_default().push(source.path.as_path());
            }
        }
    }
    types
}

#[test]
fn a_type_name_stands_for_one_type() {
    let sources = Source::all();
    let mut types = types(&sources);
    types.retain(|_, paths| paths.len() > 1);
    assert!(types.is_empty(), "declared more than once: {types:#?}");
}
