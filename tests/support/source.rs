//! The text of src as tests of its structure see it: without what only tests compile, and without comments.

use std::fs;
use std::path::{Path, PathBuf};

const TEST: &str = "#[cfg(test)]";

/// A file of src.
pub(crate) struct Source {
    /// Its path below src.
    pub(crate) path: PathBuf,
    /// Its lines outside of items marked `#[cfg(test)]`, comments included.
    pub(crate) lines: Vec<String>,
}

impl Source {
    /// All files but those that only tests compile, by path.
    pub(crate) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        rust_files(&root, &mut files);
        files.sort();
        let texts: Vec<_> = files.into_iter().map(|path| (fs::read_to_string(&path).unwrap(), path)).collect();
        let tests: Vec<_> = texts.iter().flat_map(|(text, path)| test_modules(path, text)).collect();
        let is_product = |path: &Path| !path.ancestors().any(|place| tests.iter().any(|test| test == place));
        let products = texts.into_iter().filter(|(_, path)| is_product(path));
        products
            .map(|(text, path)| Self {
                path: path.strip_prefix(&root).unwrap().to_owned(),
                lines: without_tests(&text),
            })
            .collect()
    }

    /// Its module in the crate: `["reader", "oci"]`; nothing for the root of a crate.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if ["mod", "lib", "main"].contains(&parts.last().unwrap().as_str()) {
            parts.pop();
        }
        parts
    }

    /// Its lines without comments that stand alone.
    pub(crate) fn code(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str).filter(|line| !line.trim_start().starts_with("//"))
    }
}

/// Adds the files of Rust below `dir` to `found`.
pub(crate) fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The files and folders of the modules that `text`, the file at `path`, declares for tests alone.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| path.ends_with(name));
    let folder = if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") };
    let lines: Vec<_> = text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == TEST).filter_map(|pair| {
        let (_, name) = pair[1].strip_suffix(';')?.split_once("mod ")?;
        Some([folder.join(name), folder.join(format!("{name}.rs"))])
    });
    declared.flatten().collect()
}

/// The lines of `text` but for items marked as tests, which end where rustfmt ends them.
fn without_tests(text: &str) -> Vec<String> {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == TEST {
            skip_item(&mut lines);
        } else {
            kept.push(line.to_owned());
        }
    }
    kept
}

fn skip_item<'t>(lines: &mut impl Iterator<Item = &'t str>) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut begun = None;
    for line in lines {
        let text = line.trim();
        match begun {
            None if text.starts_with("#[") => {}
            None if text.ends_with([';', ',']) || text.contains('{') && text.ends_with('}') => return,
            None => begun = Some(indent(line)),
            Some(column) if text.starts_with('}') && indent(line) == column => return,
            Some(_) => {}
        }
    }
}
