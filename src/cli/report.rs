//! The report of a conversion: sentences for people, a document for programs.

use std::cmp::Ordering;
use std::path::Path;

use imgtar::internals::image::layer_title;
use imgtar::internals::path::{escape_path, presentable};
use imgtar::{
    BlobReport, Codec, ConversionReport, Diagnostic, EditedImage, EditedLayer, EditedTar, ImageReport, LayerAction,
    LayerReport, UnreadReport,
};
use serde::Serialize;

use super::args::WriteArgs;
use super::choices::FormatArg;
use super::messages::{self, Messages, Verbosity};
use super::words::{counted, list, made, needed, size};

/// The most images that are listed without `--verbose`. An archive may have thousands; `--report` has them all.
const MOST_IMAGES: usize = 100;

/// A conversion as `--report` has it.
#[derive(Serialize)]
pub(super) struct ReportDocument {
    /// A path, or `-` for standard output.
    output: String,
    /// The word of `--to`.
    format: &'static str,
    /// The compression of the archive as a whole.
    compression: &'static str,
    #[serde(flatten)]
    report: ConversionReport,
    warnings: Vec<Diagnostic>,
    /// The way to keep the config that a root filesystem has no place for; `None` if it was written to a file of its own.
    #[serde(skip)]
    config_hint: Option<&'static str>,
}

/// The same as `--progress json` has it.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum ReportEvent<'a> {
    Wrote(&'a ReportDocument),
}

impl ReportDocument {
    pub(super) fn new(
        output: &Path,
        args: &WriteArgs,
        outer: Codec,
        report: ConversionReport,
        warnings: Vec<Diagnostic>,
    ) -> Self {
        let output = escape_path(output);
        let config_hint = args.rootfs.config_out.is_none().then_some("--config-out FILE keeps the config");
        let (format, compression) = (args.to.name(), outer.compression());
        Self { output, format, compression, report, warnings, config_hint }
    }

    /// The same, for one of several outputs: no flag writes their configs.
    pub(super) fn of_several(self) -> Self {
        Self { config_hint: Some("`imgtar inspect --config` prints the config"), ..self }
    }

    /// Writes the report to standard error, in the form that the run selects.
    pub(super) fn announce(&self, format: FormatArg, messages: Messages) {
        if messages.is_json() {
            return messages.document(&ReportEvent::Wrote(self));
        }
        if messages.verbosity() == Verbosity::Quiet {
            return;
        }
        let mut text = self.archive(format);
        // A root filesystem that is converted to one is not an image.
        let is_image = |image: &&ImageReport| format != FormatArg::Rootfs || image.source_image_id.is_some();
        let most = if messages.verbosity() == Verbosity::Verbose { usize::MAX } else { MOST_IMAGES };
        for image in self.report.images.iter().filter(is_image).take(most) {
            text += &format!("  {}\n", sentence(image, format));
            if let Some(line) = self.config_hint.and_then(|hint| left_out(image, hint)) {
                text += &format!("    {line}\n");
            }
            if let Some(needs) = &image.needs {
                let layers = image.layers.len();
                if let Some(delta) = &needs.delta {
                    text += &format!("    makes {}\n", made(delta, layers));
                }
                text += &format!("    needs {}\n", needed(needs, layers));
            }
            image.changes.iter().for_each(|change| text += &format!("    {}\n", presentable(change)));
            if messages.verbosity() == Verbosity::Verbose {
                image.layers.iter().for_each(|layer| text += &format!("    {}\n", layer_sentence(layer)));
            }
        }
        if self.report.images.len() > most {
            text += &format!("  and {}; -v lists all\n", counted(self.report.images.len() - most, "more image"));
        }
        for unread in self.report.unread.iter().filter(|_| messages.verbosity() == Verbosity::Verbose) {
            text += &format!("  {}\n", presentable(&unread_sentence(unread)));
        }
        messages::lines(&text);
    }

    /// `wrote app.tar: OCI layout, 2 images, 754.0 KiB`.
    fn archive(&self, format: FormatArg) -> String {
        let output = if self.output == "-" { "to standard output" } else { &self.output };
        let what = match format {
            FormatArg::Legacy => "docker save archive",
            FormatArg::Docker => "docker tarball",
            FormatArg::Oci => "OCI layout",
            FormatArg::OciDir => "OCI layout directory",
            FormatArg::Rootfs => "root filesystem",
            FormatArg::Delta => "delta",
        };
        let compression = match self.compression {
            "none" => String::new(),
            codec => format!(" compressed with {codec}"),
        };
        let images = match format {
            FormatArg::Rootfs => String::new(),
            _ => format!("{}, ", counted(self.report.images.len(), "image")),
        };
        format!("wrote {output}: {what}{compression}, {images}{}\n", size(self.report.size))
    }
}

/// Returns the names of an image as a title. An archive may give it tens of thousands; `--report` has them all.
fn title(names: &[String]) -> String {
    const MOST: usize = 100;
    if names.is_empty() { "untagged image".to_owned() } else { list(names, MOST) }
}

/// Writes the images that an edit would change, and the changes.
pub(super) fn announce_preview(images: &[EditedImage], messages: Messages) {
    for image in images {
        let names = title(&image.names);
        let id = match image.image_id == image.old_image_id {
            true => "unchanged".to_owned(),
            false => format!("would become {}", image.image_id.short()),
        };
        let changes: String = image.changes.iter().map(|change| format!("; {change}")).collect();
        let saved = saved(&image.layers);
        let old = image.old_image_id.short();
        let title = format!("{names} ({})", image.platform);
        messages.note(&format!("{title}: image ID {old}, {id}{changes}{saved}"));
        for line in image.layers.iter().enumerate().filter_map(|(number, layer)| edited_layer(number, layer)) {
            messages.note(&format!("{title}: {line}"));
        }
    }
}

/// `; its layers would take 2.0 KiB uncompressed, 1.0 KiB less`.
fn saved(layers: &[EditedLayer]) -> String {
    let sum = |tar: fn(&EditedLayer) -> Option<&EditedTar>| layers.iter().filter_map(tar).map(|tar| tar.size).sum();
    if layers.is_empty() {
        return String::new();
    }
    let (before, after) = (sum(|layer| layer.before.as_ref()), sum(|layer| layer.after.as_ref()));
    format!("; its layers would take {} uncompressed, {}", size(after), difference(before, after))
}

/// `layer 1 (0123456789ab): would become 89abcdef0123, 2.0 KiB uncompressed, 1.0 KiB less`; `None` for one that stays.
fn edited_layer(number: usize, EditedLayer { before, after }: &EditedLayer) -> Option<String> {
    match (before, after) {
        (Some(before), Some(after)) if before.diff_id == after.diff_id => None,
        (Some(before), Some(after)) => Some(format!(
            "{}: would become {}, {} uncompressed, {}",
            layer_title(number, &before.diff_id),
            after.diff_id.digest().short(),
            size(after.size),
            difference(before.size, after.size)
        )),
        (Some(before), None) => {
            Some(format!("{}: would be removed, {}", layer_title(number, &before.diff_id), difference(before.size, 0)))
        }
        (None, after) => {
            let after = after.as_ref()?;
            Some(format!("new layer ({}): {} uncompressed", after.diff_id.digest().short(), size(after.size)))
        }
    }
}

/// `1.0 KiB less`.
fn difference(before: u64, after: u64) -> String {
    match before.cmp(&after) {
        Ordering::Greater => format!("{} less", size(before - after)),
        Ordering::Equal => "the same".to_owned(),
        Ordering::Less => format!("{} more", size(after - before)),
    }
}

/// `app:1 (linux/amd64): image ID 0123456789ab, unchanged; 3 layers, unchanged; manifest sha256:0123456789ab…, new`.
fn sentence(image: &ImageReport, format: FormatArg) -> String {
    let names = title(&image.names);
    let id = match &image.source_image_id {
        // A filesystem is not an image: there is none that would be unchanged or new, unless it was changed before.
        Some(source) if *source == image.image_id && format == FormatArg::Rootfs => String::new(),
        Some(source) if *source == image.image_id => ", unchanged".to_owned(),
        Some(source) => format!(", new (was {})", source.short()),
        None => ", new".to_owned(),
    };
    let manifest = image.manifest.as_ref().map_or_else(String::new, |manifest| {
        let kept = if manifest.kept { "unchanged" } else { "new" };
        format!("; manifest {}:{}…, {kept}", manifest.digest.algorithm(), manifest.digest.short())
    });
    let title = presentable(&format!("{names} ({})", image.platform));
    format!("{title}: image ID {}{id}; {}{manifest}", image.image_id.short(), layers_clause(&image.layers))
}

/// `not in a root filesystem: CMD, ENV; --config-out FILE keeps the config`.
fn left_out(image: &ImageReport, hint: &str) -> Option<String> {
    let instructions = &image.config.as_ref()?.instructions;
    (!instructions.is_empty()).then(|| format!("not in a root filesystem: {}; {hint}", instructions.join(", ")))
}

/// `3 layers, unchanged`; `3 layers, 1 unchanged, 2 compressed with gzip`.
fn layers_clause(layers: &[LayerReport]) -> String {
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for layer in layers {
        let kind = became(layer);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, number)) => *number += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let all = counted(layers.len(), "layer");
    match &kinds[..] {
        [] => all,
        [(only, _)] => format!("{all}, {only}"),
        several => {
            let several: Vec<_> = several.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
            format!("{all}, {}", several.join(", "))
        }
    }
}

fn became(layer: &LayerReport) -> &'static str {
    match (layer.action, layer.written.as_ref().map(|blob| blob.compression)) {
        (LayerAction::Converted, Some(Codec::Gzip)) => "compressed with gzip",
        (LayerAction::Converted, Some(Codec::Zstd)) => "compressed with zstd",
        (LayerAction::Converted, _) => "uncompressed",
        (LayerAction::Flattened, _) => "flattened",
        (LayerAction::Delta, _) => "as differences",
        (LayerAction::LeftOut, _) => "left out",
        (LayerAction::New, _) => "new",
        (_, _) => "unchanged",
    }
}

/// `b.tar: 3 layers not read, because an archive before it has the same`.
fn unread_sentence(unread: &UnreadReport) -> String {
    let UnreadReport { archive, layers, .. } = unread;
    format!("{archive}: {} not read, because an archive before it has the same", counted(*layers, "layer"))
}

/// `layer 1 (0123456789ab): zstd, 1.2 MiB -> gzip, 1.3 MiB`.
fn layer_sentence(layer: &LayerReport) -> String {
    let blob = |blob: &BlobReport| format!("{}, {}", blob.compression.name(), size(blob.size));
    let name = layer_title(layer.layer, &layer.diff_id);
    match (layer.action, &layer.source, &layer.written) {
        (LayerAction::Converted, Some(source), Some(written)) => {
            format!("{name}: {} -> {}", blob(source), blob(written))
        }
        (LayerAction::Delta, Some(source), Some(written)) => {
            format!("{name}: {} -> {}, differences", blob(source), size(written.size))
        }
        (_, Some(source), _) => format!("{name}: {}, {}", blob(source), became(layer)),
        (LayerAction::New, _, Some(written)) => format!("{name}: {}, new", blob(written)),
        (_, None, _) => format!("{name}: {}", became(layer)),
    }
}
