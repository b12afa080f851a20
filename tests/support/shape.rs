//! Every writer's way to save the same images, and what each leaves to be kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::codec::Codec;
use super::docker::{self, Duplicate};
use super::image::TestImage;
use super::layout::{Layout, OCI_LAYER, Types, blob_path};
use super::tarball::{Kind, Tarball};
use super::{digest, hex_of};

/// A writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `docker save`, 1.10 and 1.11: a repeated layer is written again.
    Docker111,
    /// `docker save`, 1.12–24: a repeated layer is a symbolic link.
    Docker20,
    /// `docker save`, 25 and later, graph store: hybrid with plain layers, LayerSources, v1 json among the blobs.
    Docker25,
    /// `ctr images export`, docker ≥ 29, buildkit: hybrid with the registry's blobs.
    Containerd,
    /// skopeo and podman `docker-archive`.
    Skopeo,
    /// `crane pull`, kaniko, ko.
    Crane,
    /// ggcr's legacy writer.
    CraneLegacy,
    Jib,
    RulesOci,
    Nix,
    /// skopeo, buildkit: an OCI layout alone.
    Oci,
    /// `crane pull --format oci`, regclient: docker's media types in a layout.
    OciDockerTypes,
    /// An image behind one more index with an attestation beside it, as buildx exports.
    OciNested,
}

impl Shape {
    /// All writers.
    pub(crate) const ALL: [Self; 13] = [
        Self::Docker111,
        Self::Docker20,
        Self::Docker25,
        Self::Containerd,
        Self::Skopeo,
        Self::Crane,
        Self::CraneLegacy,
        Self::Jib,
        Self::RulesOci,
        Self::Nix,
        Self::Oci,
        Self::OciDockerTypes,
        Self::OciNested,
    ];

    /// Saves `images` as this writer does.
    pub(crate) fn save(self, images: &[TestImage]) -> Tarball {
        match self {
            Self::Docker111 => docker::docker_save(images, Duplicate::Again),
            Self::Docker20 => docker::docker_save(images, Duplicate::Symlink),
            Self::Docker25 => docker25(images),
            Self::Containerd => containerd(images),
            Self::Skopeo => docker::skopeo(images),
            Self::Crane => docker::crane(images),
            Self::CraneLegacy => docker::crane_legacy(images),
            Self::Jib => docker::jib(images),
            Self::RulesOci => docker::rules_oci(images),
            Self::Nix => docker::nix(images),
            Self::Oci => layout(images, Types::Oci).tarball(),
            Self::OciDockerTypes => layout(images, Types::Docker).tarball(),
            Self::OciNested => nested(images).tarball(),
        }
    }

    /// Saves one image.
    pub(crate) fn save_one(self, image: &TestImage) -> Tarball {
        self.save(std::slice::from_ref(image))
    }

    /// The image as this writer stores it: some decompress every layer.
    pub(crate) fn stored(self, image: &TestImage) -> TestImage {
        match self {
            Self::Docker111 | Self::Docker20 | Self::Docker25 | Self::Skopeo | Self::CraneLegacy | Self::Nix => {
                image.clone().all_stored(Codec::Plain)
            }
            _ => image.clone(),
        }
    }

    /// The manifest that this writer's archive holds for `image`, if it holds one: those bytes survive OCI → OCI (M-4).
    pub(crate) fn manifest(self, image: &TestImage) -> Option<Vec<u8>> {
        let mut layout = Layout::new();
        let descriptor = match self {
            Self::Oci | Self::OciNested | Self::Containerd => layout.image(image, Types::Oci),
            Self::OciDockerTypes => layout.image(image, Types::Docker),
            Self::Docker25 => layout.image(&self.stored(image), Types::Oci),
            _ => return None,
        };
        Some(layout.bytes_of(&descriptor))
    }
}

fn layout(images: &[TestImage], types: Types) -> Layout {
    let mut layout = Layout::new();
    for image in images {
        let descriptor = layout.image(image, types);
        layout.list_as(&descriptor, &image.tags);
    }
    layout
}

fn nested(images: &[TestImage]) -> Layout {
    let mut layout = Layout::new();
    for image in images {
        let manifest = layout.image(image, Types::Oci);
        let attestation = layout.attestation(&manifest);
        let index = layout.nested(&[manifest, attestation], Types::Oci);
        layout.list_as(&index, &image.tags);
    }
    layout
}

fn containerd(images: &[TestImage]) -> Tarball {
    let mut tar = layout(images, Types::Oci).tarball();
    let items = images.iter().map(|image| {
        let layers = image.layer_digests();
        docker::item(image, &blob_path(&digest(&image.config())), layers.iter().map(|digest| blob_path(digest)))
    });
    let manifest = items.collect::<Vec<_>>().into();
    insert_before(&mut tar, "oci-layout", "manifest.json", Value::to_string(&manifest));
    tar
}

fn docker25(images: &[TestImage]) -> Tarball {
    let plain: Vec<_> = images.iter().map(|image| Shape::Docker25.stored(image)).collect();
    let mut layout = layout(&plain, Types::Oci);
    let (mut items, mut repositories) = (Vec::new(), BTreeMap::new());
    for image in &plain {
        for diff_id in image.diff_ids() {
            layout.blob("v1", json!({"id": hex_of(&diff_id), "created": "1970-01-01T00:00:00Z"}).to_string());
        }
        let paths = image.diff_ids().into_iter().map(|diff_id| blob_path(&diff_id));
        let mut item = docker::item(image, &blob_path(&digest(&image.config())), paths);
        let sources = image.layers.iter().map(|layer| {
            let digest = layer.diff_id();
            (digest.clone(), json!({"mediaType": OCI_LAYER, "size": layer.tar.len(), "digest": digest}))
        });
        item["LayerSources"] = Value::Object(sources.collect());
        items.push(item);
        let top = image.diff_ids().last().map(|diff_id| hex_of(diff_id).to_owned());
        docker::add_tags(&mut repositories, image, top.as_ref());
    }
    let mut tar = layout.tarball();
    insert_before(&mut tar, "oci-layout", "manifest.json", format!("{}\n", Value::from(items)));
    tar.file("repositories", format!("{}\n", json!(repositories)));
    tar
}

fn insert_before(tar: &mut Tarball, before: &str, name: &str, body: String) {
    let at = tar.members.iter().position(|member| member.name == before).expect("a member to stand before");
    tar.members.insert(at, super::tarball::Member { name: name.into(), kind: Kind::File(body.into()) });
}
