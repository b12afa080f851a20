//! OCI image layouts as literals: blobs, manifests, indexes, attestations, artifacts.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::codec::Codec;
use super::image::{TestImage, TestLayer};
use super::name::{full, tag};
use super::tarball::{Kind, Tarball};
use super::{digest, digest512};

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The annotations that carry names (O-20).
pub(crate) const FULL_NAME: &str = "io.containerd.image.name";
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Whose media types a manifest uses (M-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Types {
    Oci,
    Docker,
}

/// A layout under construction.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    blobs: Vec<(String, Vec<u8>)>,
    known: HashSet<String>,
    pub(crate) index: Vec<Value>,
    digest_of: fn(&[u8]) -> String,
}

impl Layout {
    pub(crate) fn new() -> Self {
        Self { blobs: Vec::new(), known: HashSet::new(), index: Vec::new(), digest_of: digest }
    }

    /// A layout whose blobs are named by sha512 (O-5).
    pub(crate) fn sha512() -> Self {
        Self { digest_of: digest512, ..Self::new() }
    }

    /// Stores a blob once and describes it, keys in the order of M-6.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let bytes = bytes.into();
        let digest = (self.digest_of)(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        if self.known.insert(digest.clone()) {
            self.blobs.push((digest, bytes));
        }
        descriptor
    }

    /// Stores an image and describes its manifest, platform included.
    pub(crate) fn image(&mut self, image: &TestImage, types: Types) -> Value {
        let layers: Vec<_> = image.layers.iter().map(|layer| self.layer(layer, types)).collect();
        let (manifest_type, config_type) = match types {
            Types::Oci => (OCI_MANIFEST, OCI_CONFIG),
            Types::Docker => (DOCKER_MANIFEST, DOCKER_CONFIG),
        };
        let config = self.blob(config_type, image.config());
        let manifest = json!({"schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers});
        let mut descriptor = self.manifest(&manifest);
        descriptor["platform"] = image.platform_json();
        descriptor
    }

    /// Stores a manifest of any content, with white space that a rewrite would lose.
    pub(crate) fn manifest(&mut self, manifest: &Value) -> Value {
        let media_type = manifest["mediaType"].as_str().unwrap_or(OCI_MANIFEST).to_owned();
        self.blob(&media_type, serde_json::to_vec_pretty(manifest).unwrap())
    }

    fn layer(&mut self, layer: &TestLayer, types: Types) -> Value {
        let mut descriptor = self.blob(&layer_type(layer, types), layer.blob());
        if let Some(url) = &layer.url {
            descriptor["urls"] = json!([url]);
        }
        descriptor
    }

    /// BuildKit's provenance of a manifest: not runnable (O-13).
    pub(crate) fn attestation(&mut self, of: &Value) -> Value {
        let statement = format!("{{\"subject\":{}}}", of["digest"]);
        let layer = self.blob("application/vnd.in-toto+json", statement.as_bytes());
        let config = self.blob(
            OCI_CONFIG,
            json!({"architecture": "unknown", "os": "unknown", "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}})
                .to_string(),
        );
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
        let mut descriptor = self.manifest(&manifest);
        descriptor["annotations"] =
            json!({"vnd.docker.reference.digest": of["digest"], "vnd.docker.reference.type": "attestation-manifest"});
        descriptor["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        descriptor
    }

    /// An artifact that refers to a subject, such as a signature (O-14).
    pub(crate) fn artifact(&mut self, subject: &Value) -> Value {
        let config = self.blob("application/vnd.oci.empty.v1+json", "{}");
        let layer = self.blob("application/vnd.example.signature", "signed");
        let subject = json!({"mediaType": subject["mediaType"], "digest": subject["digest"], "size": subject["size"]});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example.signature",
            "config": config, "layers": [layer], "subject": subject,
        });
        self.manifest(&manifest)
    }

    /// An index blob of `children`.
    pub(crate) fn nested(&mut self, children: &[Value], types: Types) -> Value {
        let media_type = if types == Types::Oci { OCI_INDEX } else { DOCKER_LIST };
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
        self.blob(media_type, serde_json::to_vec_pretty(&index).unwrap())
    }

    /// Lists a descriptor in index.json without a name.
    pub(crate) fn list(&mut self, descriptor: &Value) {
        self.index.push(descriptor.clone());
    }

    /// Lists a descriptor in index.json under each name, both annotations set (O-23); without names once, bare.
    pub(crate) fn list_as(&mut self, descriptor: &Value, names: &[String]) {
        for name in names {
            let mut named = descriptor.clone();
            named["annotations"][FULL_NAME] = json!(full(name));
            named["annotations"][REF_NAME] = json!(tag(name));
            self.index.push(named);
        }
        if names.is_empty() {
            self.list(descriptor);
        }
    }

    /// Forgets a blob: what is described is no longer there.
    pub(crate) fn drop_blob(&mut self, descriptor: &Value) {
        let before = self.blobs.len();
        self.blobs.retain(|(digest, _)| descriptor["digest"] != *digest);
        self.known.retain(|digest| descriptor["digest"] != *digest);
        assert_ne!(self.blobs.len(), before, "the blob was there to drop");
    }

    /// The bytes of a blob.
    pub(crate) fn bytes_of(&self, descriptor: &Value) -> Vec<u8> {
        let found = self.blobs.iter().find(|(digest, _)| descriptor["digest"] == *digest);
        found.unwrap_or_else(|| panic!("no blob of {descriptor}")).1.clone()
    }

    /// The layout as members, in containerd's order: directories, blobs by digest, index.json, oci-layout.
    pub(crate) fn tarball(&self) -> Tarball {
        let mut tar = Tarball::default();
        tar.push("blobs/", Kind::Dir);
        let algorithm = (self.digest_of)(b"").split_once(':').unwrap().0.to_owned();
        tar.push(format!("blobs/{algorithm}/"), Kind::Dir);
        let mut blobs = self.blobs.clone();
        blobs.sort();
        for (digest, bytes) in blobs {
            tar.file(blob_path(&digest), bytes);
        }
        tar.json("index.json", &json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self.index}));
        tar.file("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
        tar
    }
}

/// Where a layout keeps a blob (O-3).
pub(crate) fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn layer_type(layer: &TestLayer, types: Types) -> String {
    let foreign = layer.url.is_some();
    match types {
        Types::Oci if foreign => {
            format!("application/vnd.oci.image.layer.nondistributable.v1.tar{}", layer.codec.oci_suffix())
        }
        Types::Oci => format!("{OCI_LAYER}{}", layer.codec.oci_suffix()),
        Types::Docker => {
            let kind = if foreign { "foreign.diff" } else { "diff" };
            let suffix = if layer.codec == Codec::Plain { "" } else { ".gzip" };
            format!("application/vnd.docker.image.rootfs.{kind}.tar{suffix}")
        }
    }
}

/// `skopeo copy … dir:` of one image, or `podman save --format docker-dir`.
pub(crate) fn dir_layout(image: &TestImage, types: Types, end: &str) -> Tarball {
    let mut layout = Layout::new();
    let manifest = layout.image(image, types);
    let mut tar = Tarball::default().with("version", "Directory Transport Version: 1.1\n");
    for member in &layout.tarball().members {
        let Some(hex) = member.name.strip_prefix("blobs/sha256/").filter(|hex| !hex.is_empty()) else { continue };
        let Kind::File(bytes) = &member.kind else { continue };
        let is_manifest = manifest["digest"].as_str().unwrap().ends_with(hex);
        tar = tar.with(&if is_manifest { "manifest.json".to_owned() } else { format!("{hex}{end}") }, bytes.clone());
    }
    tar
}
