//! Small archives that ask for much work: none of them takes long, and none passes a limit unseen (H-7, H-14).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::layout::{Layout, Types};
use crate::support::run::imgtar;
use crate::support::tarball::Tarball;

/// Generous for an unoptimised build on a busy machine; what multiplies takes minutes.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn indexes_that_list_one_another_many_times_over_are_refused() {
    let mut layout = Layout::new();
    let mut node = layout.image(&TestImage::demo("app:1"), Types::Oci);
    for _ in 0..6 {
        node = layout.nested(&vec![node; 60], Types::Oci);
    }
    layout.list(&node);
    for target in Target::ALL {
        refuse(&layout.tarball().bytes(), target, &[], 3).says(["more than 10000 descriptors"]);
    }
}

#[test]
fn an_image_with_ten_thousand_names_takes_no_longer_than_they_deserve() {
    let image = TestImage::new();
    let tags: Vec<_> = (0..20_000).map(|n| format!("app:{n}")).collect();
    let mut tar = Tarball::default();
    tar.file("config", image.config());
    tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": tags, "Layers": []}]));
    let begun = Instant::now();
    imgtar(["convert", "--to", "docker", "-q"]).stdin(tar.bytes()).success();
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[test]
fn images_that_share_a_long_chain_are_counted_against_the_limit() {
    let id = |n: usize| format!("{n:064x}");
    let mut tar = Tarball::default();
    let mut push = |id: &str, parent: Option<String>| {
        tar.json(format!("{id}/json"), &json!({"id": id, "parent": parent.unwrap_or_default()}));
        tar.file(format!("{id}/layer.tar"), "");
    };
    (0..200).for_each(|n| push(&id(n), n.checked_sub(1).map(id)));
    (1000..1200).for_each(|n| push(&id(n), Some(id(199))));
    let tops: serde_json::Map<String, Value> = (1000..1200).map(|n| (n.to_string(), json!(id(n)))).collect();
    tar.json("repositories", &json!({"app": tops}));
    refuse(&tar.bytes(), Target::Docker, &["--max-metadata", "1M"], 6).says(["--max-metadata"]);
    assert_eq!(convert(&tar, Target::Docker, &[]).images.len(), 200);
}
