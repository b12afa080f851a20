//! `TestImage`: layers, a config and names, before anybody saved them.

use serde_json::{Map, Value, json};

use super::codec::Codec;
use super::layer::{Item, dir, file, layer_tar};
use super::{digest, sha256};

/// One layer and how a writer that compresses would store it.
#[derive(Debug, Clone)]
pub(crate) struct TestLayer {
    pub(crate) tar: Vec<u8>,
    pub(crate) codec: Codec,
    /// Where a foreign layer could be fetched, if it is one (M-8).
    pub(crate) url: Option<String>,
}

impl TestLayer {
    pub(crate) fn diff_id(&self) -> String {
        digest(&self.tar)
    }

    /// The layer as a registry holds it.
    pub(crate) fn blob(&self) -> Vec<u8> {
        self.codec.encode(&self.tar)
    }
}

/// An image that shapes save.
#[derive(Debug, Clone)]
pub(crate) struct TestImage {
    pub(crate) layers: Vec<TestLayer>,
    pub(crate) tags: Vec<String>,
    os: String,
    architecture: String,
    variant: Option<String>,
    keys: Map<String, Value>,
    history: Vec<Value>,
    raw_config: Option<Vec<u8>>,
}

impl TestImage {
    /// An image for linux/amd64 without layers and without names.
    pub(crate) fn new() -> Self {
        Self {
            layers: Vec::new(),
            tags: Vec::new(),
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: None,
            keys: Map::new(),
            history: Vec::new(),
            raw_config: None,
        }
    }

    /// Two small layers of its own and this name: for tests whose theme is not what images hold.
    pub(crate) fn demo(name: &str) -> Self {
        let base = Self::new().layer([dir("etc"), file("etc/os-release", "ID=demo\n")]);
        base.layer([file("app", name)]).tag(name)
    }

    /// Adds a layer of `items`, gzip-compressed by writers that compress.
    #[must_use]
    pub(crate) fn layer<const N: usize>(self, items: [Item; N]) -> Self {
        self.layer_bytes(layer_tar(items))
    }

    /// Adds a layer of these very bytes, tar or not.
    #[must_use]
    pub(crate) fn layer_bytes(mut self, tar: impl Into<Vec<u8>>) -> Self {
        let nth = self.layers.len();
        self.layers.push(TestLayer { tar: tar.into(), codec: Codec::Gzip, url: None });
        self.history.push(json!({"created": "2020-01-02T03:04:05Z", "created_by": format!("ADD layer {nth}")}));
        self
    }

    /// Stores the layer added last with `codec`.
    #[must_use]
    pub(crate) fn stored(mut self, codec: Codec) -> Self {
        self.layers.last_mut().expect("a layer first").codec = codec;
        self
    }

    /// Stores every layer with `codec`.
    #[must_use]
    pub(crate) fn all_stored(mut self, codec: Codec) -> Self {
        self.layers.iter_mut().for_each(|layer| layer.codec = codec);
        self
    }

    /// Makes the layer added last a foreign one.
    #[must_use]
    pub(crate) fn foreign(mut self, url: &str) -> Self {
        self.layers.last_mut().expect("a layer first").url = Some(url.into());
        self
    }

    /// Adds a history entry without a layer.
    #[must_use]
    pub(crate) fn metadata_step(mut self, created_by: &str) -> Self {
        self.history.push(json!({"created_by": created_by, "empty_layer": true}));
        self
    }

    /// Adds a full name, tag included.
    #[must_use]
    pub(crate) fn tag(mut self, name: &str) -> Self {
        self.tags.push(name.into());
        self
    }

    /// Takes all names away.
    #[must_use]
    pub(crate) fn untagged(mut self) -> Self {
        self.tags.clear();
        self
    }

    /// Sets `os/architecture[/variant]`.
    #[must_use]
    pub(crate) fn platform(mut self, platform: &str) -> Self {
        let mut parts = platform.split('/').map(str::to_owned);
        self.os = parts.next().unwrap();
        self.architecture = parts.next().expect("os/architecture");
        self.variant = parts.next();
        self
    }

    /// Sets a key of the config.
    #[must_use]
    pub(crate) fn key(mut self, key: &str, value: Value) -> Self {
        self.keys.insert(key.into(), value);
        self
    }

    /// Takes this text as the config.
    #[must_use]
    pub(crate) fn raw_config(mut self, config: &str) -> Self {
        self.raw_config = Some(config.into());
        self
    }

    /// The config's bytes: keys that OCI does not know, in no order and with white space, because all of that must
    /// survive every conversion (M-2, M-3).
    pub(crate) fn config(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw_config {
            return raw.clone();
        }
        let mut config = json!({
            "os": self.os,
            "architecture": self.architecture,
            "docker_version": "20.10.24",
            "config": {"Cmd": ["/bin/sh", "-c", "a && b <c>"], "Healthcheck": {"Test": ["NONE"]}, "Shell": ["/bin/sh"]},
            "container_config": {"Hostname": "h"},
            "created": "2020-01-02T03:04:05.5Z",
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids()},
            "history": self.history,
            "x-unknown": {"b": 1.50, "a": "ü"},
        });
        let object = config.as_object_mut().unwrap();
        if let Some(variant) = &self.variant {
            object.insert("variant".into(), json!(variant));
        }
        object.extend(self.keys.clone());
        let mut bytes = serde_json::to_vec_pretty(&config).unwrap();
        bytes.push(b'\n');
        bytes
    }

    /// The image ID, 64 hex digits.
    pub(crate) fn id(&self) -> String {
        sha256(&self.config())
    }

    pub(crate) fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(TestLayer::diff_id).collect()
    }

    /// The digests of the layers as a registry holds them.
    pub(crate) fn layer_digests(&self) -> Vec<String> {
        self.layers.iter().map(|layer| digest(&layer.blob())).collect()
    }

    /// The platform as a descriptor says it.
    pub(crate) fn platform_json(&self) -> Value {
        let mut platform = json!({"architecture": self.architecture, "os": self.os});
        if let Some(variant) = &self.variant {
            platform["variant"] = json!(variant);
        }
        platform
    }
}
