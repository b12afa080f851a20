//! Documents of every kind: read or refused, and what is read is written so that it reads the same.

use imgtar::internals::spec::docker::{ManifestItem, Repositories};
use imgtar::internals::spec::oci::check_layout;
use imgtar::internals::spec::v1::{LegacyLayer, Steps, V1Id, layer_json, synthesise_config};
use imgtar::internals::spec::{docker, json, oci};
use imgtar::{Diagnostics, ImageConfig, MediaType, Result, Rule};
use serde_json::Value;

/// One document; the first byte says of which kind.
pub(crate) fn documents(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 8 {
        0 => value(bytes),
        1 => manifest_json(bytes),
        2 => index(bytes),
        3 => manifest(bytes),
        4 => config(bytes),
        5 => legacy_layer(bytes),
        6 => drop(Repositories::read(bytes, "repositories")),
        _ => drop(check_layout(bytes, "oci-layout", &Diagnostics::silent())),
    }
}

/// The door takes nothing that the library refuses, and knows no second meaning.
fn value(bytes: &[u8]) {
    let Ok(read) = json::read::<Value>(bytes, "x", 1 << 16, Rule::O2) else { return };
    let plain: Value = serde_json::from_slice(bytes).expect("the library reads what the door lets in");
    assert_eq!(read, plain);
    assert!(bytes.len() <= 1 << 16 && depth(&read) <= 100);
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn read_items(bytes: &[u8]) -> Result<Vec<ManifestItem>> {
    let items = docker::read_manifest(bytes, "manifest.json", &Diagnostics::silent())?;
    Ok(items.into_iter().map(|item| item.expect("a sink that does not collect goes on after no error")).collect())
}

fn manifest_json(bytes: &[u8]) {
    let Ok(items) = read_items(bytes) else { return };
    let write = |items| docker::manifest(items, |_| Ok(())).expect("nothing is refused");
    let written = write(items);
    let again = read_items(&written).expect("what is written reads");
    assert_eq!(write(again), written);
}

fn index(bytes: &[u8]) {
    let silent = Diagnostics::silent();
    for promised in [None, Some(MediaType::parse("application/vnd.oci.image.index.v1+json"))] {
        let Ok(index) = oci::Index::read(bytes, "index.json", promised.as_ref(), &silent) else { continue };
        let written = index.to_bytes();
        let again =
            oci::Index::read(&written, "index.json", Some(index.media_type()), &silent).expect("what is written reads");
        assert_eq!(again.to_bytes(), written);
    }
}

fn manifest(bytes: &[u8]) {
    let Ok(manifest) = oci::Manifest::read(bytes, "manifest", None) else { return };
    let written = manifest.to_bytes();
    let again = oci::Manifest::read(&written, "manifest", Some(manifest.media_type())).expect("what is written reads");
    assert_eq!(again.to_bytes(), written);
}

fn config(bytes: &[u8]) {
    let Ok(config) = ImageConfig::read(bytes.to_vec(), "config") else { return };
    assert_eq!(config.raw(), bytes);
    let digests: Vec<_> = config.diff_ids().iter().map(|diff_id| diff_id.digest().clone()).collect();
    let ids = V1Id::of_layers(&digests, config.raw());
    let steps = Steps::of(config.history(), ids.len());
    for (nth, (id, step)) in ids.iter().zip(&steps.of_layers).enumerate() {
        let parent = nth.checked_sub(1).map(|below| &ids[below]);
        let config = (nth + 1 == ids.len()).then_some(&config);
        let json = layer_json(id, parent, step, config);
        LegacyLayer::read(&json, "json", id, &Diagnostics::silent()).expect("a layer's json that is written reads");
    }
}

fn legacy_layer(bytes: &[u8]) {
    let id: V1Id = "a".repeat(64).parse().expect("an id");
    let Ok(layer) = LegacyLayer::read(bytes, "json", &id, &Diagnostics::silent()) else { return };
    let diff_id = imgtar::DiffId(imgtar::Digest::sha256(b""));
    let config = synthesise_config(&[(&layer, &diff_id)]).expect("one layer is enough");
    ImageConfig::read(config, "config").expect("a config that is made reads");
}
