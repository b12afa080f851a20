//! Verification of a removal: the layers to be written are read, and no file in them may have removed content.

use std::collections::HashMap;
use std::io::Read;

use crate::archive::EntryKind;
use crate::diagnostics::Rule;
use crate::digest::{Digest, Hasher};
use crate::edit::paths::first;
use crate::error::{Error, Result};
use crate::image::{Image, Layer, distinct};
use crate::layer_index::{FileContent, read_layer};
use crate::path::escape_for_terminal;
use crate::run::Run;
use crate::stream::copy::Buffer;
use crate::stream::pool;

/// The most files with removed content that are named one by one.
const MOST_NAMED: usize = 10;

/// The content of removed files, by its digest.
#[derive(Default)]
pub(in crate::edit) struct RemovedContent(HashMap<Digest, Vec<u8>>);

impl RemovedContent {
    /// Adds the content of the file at `path`, unless it is empty.
    pub(super) fn add(&mut self, path: &[u8], body: &mut dyn Read, at: &str) -> Result<()> {
        let (mut hasher, mut buffer, mut size) = (Hasher::sha256(), Buffer::new(), 0);
        loop {
            match buffer.fill(body).map_err(|error| Error::io("reading", at, error))? {
                [] => break,
                bytes => {
                    hasher.update(bytes);
                    size += bytes.len();
                }
            }
        }
        if size > 0 {
            self.0.entry(hasher.finish()).or_insert_with(|| path.to_vec());
        }
        Ok(())
    }

    /// Reads all layers of `images` and warns of files that have removed content, under whatever name.
    ///
    /// # Errors
    /// Layers that cannot be read; with `--strict` a file that is found.
    pub(in crate::edit) fn check(&self, images: &[&Image], run: &Run) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let again = run.second_reading();
        let is_there = |layer: &&Layer| layer.blob.is_some() && !layer.is_encrypted();
        let layers: Vec<&Layer> =
            distinct(images.iter().flat_map(|image| image.layers.iter())).filter(is_there).collect();
        let ahead = layers.len() < run.jobs.get();
        let find = |layer: &Layer| self.find(layer, ahead, &again);
        let found = pool::for_all(run.jobs, layers, |layer| layer.stored_size(), find)?.concat();
        if found.is_empty() {
            let message = "no layer has the content of the removed files any more; not searched: history, environment, labels \
                           and attestations";
            run.diagnostics.note(Rule::E26, "the output", message);
            return Ok(());
        }
        let problem = format!("removed content is still in the image, as {}", first(found.into_iter(), MOST_NAMED));
        run.diagnostics.warn_of_target(Rule::E21, "the output", problem)
    }

    fn find(&self, layer: &Layer, ahead: bool, run: &Run) -> Result<Vec<String>> {
        let mut found = Vec::new();
        read_layer(layer, FileContent::Hashed, ahead, run, |entry, content| {
            let removed = content.and_then(|content| self.0.get(&Digest::from_sha256_bytes(&content)));
            if let (EntryKind::Regular, Some(removed)) = (entry.kind, removed) {
                let (path, removed) = (escape_for_terminal(&entry.path), escape_for_terminal(removed));
                found.push(format!("`{path}` (that of `{removed}`) in {}", layer.at));
            }
            Ok(())
        })?;
        Ok(found)
    }
}
