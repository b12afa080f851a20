//! Checks of one image.

use std::collections::HashSet;
use std::rc::Rc;

use super::super::facts::{LayerFault, LoadedImage};
use super::super::remedy::Remedy;
use super::super::row::{Containers, DockerTypes, EngineRow, LayerForms, LayerTypes, LinkRule, PlatformRule, Reads};
use super::super::verdict::Verdict;
use super::LoadObstacle;
use crate::codec::Codec;
use crate::layer_index::Unpacker;
use crate::spec::config_types::{ConfigReader, ConfigTypeFault};
use crate::words::counted;

pub(super) type ImageCheck = fn(&EngineRow, &LoadedImage, bool) -> Option<LoadObstacle>;

pub(super) const CHECKS: &[ImageCheck] = &[
    layer_forms,
    layer_types,
    docker_types,
    config_type,
    encrypted,
    absent_layer,
    base,
    wrong_layer,
    order,
    depth,
    no_layers,
    history,
    config,
    documents,
    padding,
    unpacking,
];

/// The compression of layers (L-3, D-5).
fn layer_forms(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    match row.layers {
        LayerForms::All => None,
        // It copies a directory as it is.
        LayerForms::LikeTheFirst if is_layout => None,
        LayerForms::LikeTheFirst => {
            let is_uniform = matches!(image.codecs.as_slice(), [] | [Codec::Gzip] | [Codec::Plain]);
            let reason = "it treats all layers like the first one, as gzip or plain";
            LoadObstacle::no_if(!is_uniform, reason, Remedy::GZIP)
        }
        LayerForms::AnyOf(forms) => {
            let unread = image.codecs.iter().copied().find(|codec| !forms.contains(codec))?;
            // Every target makes gzip of forms that have no media type.
            let remedy = if unread == Codec::Zstd { Remedy::GZIP } else { Remedy::CONVERT };
            LoadObstacle::no(format!("it cannot read {} layers", unread.name()), remedy)
        }
    }
}

/// The media types of layers (O-9).
fn layer_types(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    if !is_layout {
        return None;
    }
    // Docker's tarball has no media types; a layout gets the true ones of layers that are compressed anew.
    let remedy = match image.untold.as_slice() {
        _ if row.target == "oci" => Some(Remedy::DOCKER),
        [Codec::Gzip] => Some(Remedy::PLAIN),
        untold if !untold.contains(&Codec::Gzip) => Some(Remedy::GZIP),
        _ => None,
    };
    let unknown = || {
        let media_type = image.unknown_type.as_ref()?;
        LoadObstacle::no(format!("it does not know layers of the type `{media_type}`"), remedy)
    };
    match row.types {
        LayerTypes::Ignored => None,
        LayerTypes::Known if image.called_plain => {
            LoadObstacle::no("the media type of a compressed layer says that it is plain, which it believes", remedy)
        }
        LayerTypes::Decisive if image.mislabelled => {
            LoadObstacle::no("the media type of a layer is not that of its bytes, and it goes by the type", remedy)
        }
        LayerTypes::Known | LayerTypes::Decisive => unknown(),
    }
}

/// Docker's media types in a layout (O-10).
fn docker_types(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    if !is_layout {
        return None;
    }
    // containers/image asks for Docker's types in a manifest of Docker's, and for none in others.
    let is_library = row.links == LinkRule::ContainersImage;
    match row.docker_types {
        DockerTypes::None if image.docker_type => {
            LoadObstacle::no("it does not know Docker's media types", Remedy::OCI_TYPES)
        }
        DockerTypes::NotZstd | DockerTypes::NotZstdNorByName
            if image.docker_zstd && (image.docker_manifest || !is_library) =>
        {
            LoadObstacle::no("it does not know Docker's media type for zstd layers", Remedy::OCI_TYPES)
        }
        DockerTypes::All | DockerTypes::NotZstd | DockerTypes::NotZstdNorByName if is_library => {
            let media_type = image.other_type.as_ref()?;
            let reason = format!("it does not accept a layer of the type `{media_type}` in a manifest of Docker's");
            LoadObstacle::no(reason, Remedy::OCI_TYPES)
        }
        DockerTypes::All | DockerTypes::NotZstd | DockerTypes::NotZstdNorByName | DockerTypes::None => None,
    }
}

/// A config whose media type is not that of an image (O-10).
fn config_type(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let media_type = image.config_type.as_ref().filter(|_| is_layout)?;
    // Its manifest has Docker's type too, which hides this fault until it has OCI's.
    if image.docker_manifest && row.docker_types != DockerTypes::None {
        return None;
    }
    let remedy = match (row.reads, row.docker_types) {
        // The `manifest.json` beside the layout helps it.
        (Reads::IndexJsonThenManifestJson, _) => Some(Remedy::CONVERT),
        (_, DockerTypes::None) => media_type.is_config().then_some(Remedy::OCI_TYPES),
        _ => return None,
    };
    LoadObstacle::no(format!("it does not know configs of the type `{media_type}`"), remedy)
}

/// Encrypted layers (O-19).
fn encrypted(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    if !image.encrypted {
        return None;
    }
    match row.unpacks {
        Some(_) => LoadObstacle::no("its layers are encrypted, and it has no keys", None),
        None => LoadObstacle::no_if(!is_layout, "its layers are encrypted, and manifest.json cannot list those", None),
    }
}

/// Layers that may not be distributed, and whose bytes are not there (M-8).
fn absent_layer(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let layer = image.absent_layer?;
    if is_layout && row.reads == Reads::ByContainer {
        // A registry may take the image without it.
        return None;
    }
    LoadObstacle::no(format!("the bytes of layer {layer} are not in it"), None)
}

/// Layers that are left to a base (docs/bundles.md, tables 1 and 3).
fn base(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let base = image.base.as_ref()?;
    let reads_all = row.unpacks == Some(Unpacker::InPlace) || (row.reads == Reads::ByContainer && !is_layout);
    if reads_all {
        return LoadObstacle::no(format!("it needs all layers in the archive, and {base} has some of them"), None);
    }
    let reason = format!("it needs layers of {base}");
    Some(LoadObstacle { verdict: Verdict::WhereBaseIs, reason, remedy: None })
}

/// Bytes that cannot be those that the config names (M-11).
fn wrong_layer(_: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let layer = image.wrong_layer.filter(|_| is_layout && image.is_damaged())?;
    LoadObstacle::no(format!("the bytes of layer {layer} are not those that the config names"), None)
}

/// Layers in another order than in the config (O-25).
fn order(_: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let reason = "the manifest lists the layers in another order than the config";
    LoadObstacle::no_if(is_layout && image.disordered, reason, Remedy::CONVERT)
}

/// More layers than the store can stack (M-15).
fn depth(row: &EngineRow, image: &LoadedImage, _: bool) -> Option<LoadObstacle> {
    let most = row.max_layers.filter(|&most| image.layers > most)?;
    let top = image.layers + 1 - most;
    LoadObstacle::no(
        format!("an image has {}, and it stacks {most} at most", counted(image.layers, "layer")),
        Remedy::squash_top(top),
    )
}

/// An image without layers (L-17).
fn no_layers(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let is_refused = row.layers == LayerForms::LikeTheFirst && !is_layout && image.layers == 0;
    LoadObstacle::no_if(is_refused, "it does not accept an image without layers from an archive", None)
}

/// A history with more layers than the image has (L-16).
fn history(row: &EngineRow, image: &LoadedImage, _: bool) -> Option<LoadObstacle> {
    let (steps, layers) = (image.layer_steps, image.layers);
    if !row.checks_history || steps <= layers {
        return None;
    }
    LoadObstacle::no(format!("the history describes {}, but the image has {layers}", counted(steps, "layer")), None)
}

/// Fields of the config that have another type than the engine reads (M-14).
fn config(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    let reader = row.config.filter(|&reader| !(is_layout && reader == ConfigReader::GoContainerregistry))?;
    // podman reads Docker's archives as containers/image does, before it converts the image to OCI.
    let first = (row.links == LinkRule::ContainersImage && !is_layout).then_some(ConfigReader::ContainersImage);
    let stops = |fault: &&ConfigTypeFault| fault.stops(reader) || first.is_some_and(|first| fault.stops(first));
    let fault = image.config_faults.iter().find(stops)?;
    LoadObstacle::no(format!("it cannot read the config: {fault}"), None)
}

/// Documents that are larger than the engine reads (H-14).
fn documents(row: &EngineRow, image: &LoadedImage, _: bool) -> Option<LoadObstacle> {
    let most = row.max_document.filter(|&most| image.largest_document > most)?;
    LoadObstacle::no(format!("it does not read a config or a manifest of more than {} MiB", most >> 20), None)
}

/// Zero bytes behind a gzip stream, which Go's gzip refuses; Docker and containerd may use another program (O-17).
fn padding(row: &EngineRow, image: &LoadedImage, is_layout: bool) -> Option<LoadObstacle> {
    // Of manifest.json containers/image has to decode a layer to know its size.
    let decodes = row.unpacks.is_some() || (row.links == LinkRule::ContainersImage && !is_layout);
    let layer = image.padded_layer.filter(|_| decodes)?;
    LoadObstacle::no(format!("zero bytes follow the gzip stream of layer {layer}, which Go refuses"), Remedy::PLAIN)
}

/// Layers that cannot be unpacked in the engine's way.
fn unpacking(row: &EngineRow, image: &LoadedImage, _: bool) -> Option<LoadObstacle> {
    let unpacker = row.unpacks?;
    let LayerFault { layer, fault, path } = image.unpack_faults.iter().find(|found| found.fault.stops(unpacker))?;
    let path = if path.is_empty() { String::new() } else { format!(" (`{path}`)") };
    // One layer is made of several, entry by entry.
    let remedy = (image.layers > 1).then_some(Remedy::SQUASH);
    LoadObstacle::no(format!("it does not unpack layer {layer}: {}{path}", fault.problem()), remedy)
}

/// Checks the platforms of several names, each with its images: a name without an image for Linux, and names that no one machine
/// has images for.
pub(super) fn platforms<'a>(
    row: &EngineRow,
    names: impl Iterator<Item = &'a [Rc<LoadedImage>]>,
) -> Option<LoadObstacle> {
    if row.platforms == PlatformRule::Any || row.containers == Containers::Directories {
        return None;
    }
    let mut common: Option<HashSet<String>> = None;
    for images in names {
        let is_linux = |image: &Rc<LoadedImage>| matches!(image.platform.os.as_str(), "linux" | "");
        if !images.iter().any(is_linux) {
            let platform = images.first().map(|image| image.platform.to_string()).unwrap_or_default();
            return LoadObstacle::no(format!("on Linux it does not accept an image for {platform}"), None);
        }
        let machines: HashSet<String> = images.iter().map(|image| machine(image)).collect();
        common = Some(match common {
            None => machines,
            Some(common) => common.intersection(&machines).cloned().collect(),
        });
    }
    let has_none = row.platforms == PlatformRule::Machine && common.is_some_and(|common| common.is_empty());
    let reason =
        "it loads images for the platform of the machine, and no machine has all of these; --all-platforms helps";
    LoadObstacle::no_if(has_none, reason, Remedy::PLATFORM)
}

/// The machine that runs an image: system and architecture.
fn machine(image: &LoadedImage) -> String {
    format!("{}/{}", image.platform.os, image.platform.architecture)
}
