//! The indexes of all layers of an image, or of two images that are compared.

use std::collections::HashMap;

use super::{FileContent, LayerEntry, LayerIndex};
use crate::error::Result;
use crate::flatten::Overlay;
use crate::image::Layer;
use crate::run::Run;
use crate::stream::pool;

/// The indexes of a list of layers, by their numbers in it. A layer that is listed several times is read once.
#[derive(Debug)]
pub(crate) struct LayerIndexes {
    distinct: Vec<LayerIndex>,
    /// For each layer of the list, its place in `distinct`.
    numbers: Vec<usize>,
    /// For each of `distinct`, the number of the last layer that it is.
    last: Vec<usize>,
}

impl LayerIndexes {
    /// Reads `layers` side by side on the threads of `run`.
    ///
    /// # Errors
    /// Those of [`LayerIndex::read`].
    pub(crate) fn read(layers: &[&Layer], content: FileContent, run: &Run) -> Result<Self> {
        let (distinct, numbers) = distinct(layers, content);
        let weigh = |layer: &Layer| match &layer.blob {
            // Of what lies plain headers alone are read.
            Some(blob) if content == FileContent::Skipped && blob.is_plain() => 0,
            _ => layer.stored_size(),
        };
        run.progress.expect(distinct.iter().map(|layer| weigh(layer)).sum());
        let ahead = distinct.len() < run.jobs.get();
        let read = |layer: &Layer| LayerIndex::read(layer, content, ahead, run);
        let distinct = pool::for_all(run.jobs, distinct, |layer| weigh(layer), read)?;
        let mut last = vec![0; distinct.len()];
        numbers.iter().enumerate().for_each(|(number, &place)| last[place] = number);
        Ok(Self { distinct, numbers, last })
    }

    /// The index of layer `number`.
    pub(crate) fn get(&self, number: usize) -> &LayerIndex {
        &self.distinct[self.numbers[number]]
    }

    /// The entry at `position` of layer `number`.
    pub(crate) fn entry(&self, number: usize, position: u64) -> LayerEntry<'_> {
        self.get(number).entry(position)
    }

    /// Returns a number that layer `number` shares with the layers that are the same, and with no other.
    pub(crate) fn place(&self, number: usize) -> usize {
        self.numbers[number]
    }

    /// Applies `layer`, which is number `number`, to `overlay`.
    ///
    /// # Errors
    /// Those of [`LayerBuilder`](crate::flatten::LayerBuilder).
    pub(crate) fn apply(&self, number: usize, layer: &Layer, overlay: &mut Overlay, run: &Run) -> Result<()> {
        let mut builder = overlay.layer(&layer.at, &run.diagnostics, &run.budget);
        self.get(number).apply(&mut builder)?;
        builder.finish()
    }

    /// Drops the names of layer `number`, which has been applied, unless it is listed again further up.
    pub(crate) fn forget_paths(&mut self, number: usize) {
        let place = self.numbers[number];
        if self.last[place] == number {
            self.distinct[place].forget_paths();
        }
    }
}

/// Each of `layers` once, and for each of them which that is. Where all is checked, one diff_id is one layer.
fn distinct<'l>(layers: &[&'l Layer], content: FileContent) -> (Vec<&'l Layer>, Vec<usize>) {
    let (mut places, mut distinct) = (HashMap::new(), Vec::new());
    let numbers = layers.iter().map(|&layer| {
        let unchecked = (content == FileContent::Skipped).then(|| layer.content_key());
        *places.entry((unchecked, &layer.diff_id)).or_insert_with(|| {
            distinct.push(layer);
            distinct.len() - 1
        })
    });
    let numbers = numbers.collect();
    (distinct, numbers)
}
