//! Values verified against other tools: L-12 (ggcr), L-33 (Docker 20.10), L-31.

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::expect::{Target, convert, refuse};
use crate::support::image::TestImage;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

const CONFIG: &str = r#"{"architecture":"amd64","config":{"Cmd":["/bin/sh"],"Env":["A=1"]},"created":"2020-01-02T03:04:05Z","history":[{"created":"2020-01-02T03:04:03Z","created_by":"ADD one"},{"created":"2020-01-02T03:04:04Z","created_by":"ENV A=1","empty_layer":true},{"created":"2020-01-02T03:04:05Z","created_by":"RUN two \u0026\u0026 <x>","author":"me","comment":"c"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef","sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"]}}"#;
const BASE: &str = "1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69";
const BASE_JSON: &str = r#"{"architecture":"","created":"2020-01-02T03:04:03Z","os":"","rootfs":{"type":"","diff_ids":null},"config":{},"container_config":{"Cmd":["ADD one"]},"id":"1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69"}"#;
const TOP: &str = "a892f1057c03eadf905acd62d1abb49cabf22e8f3579ac4f463af6cad778d865";
const TOP_JSON: &str = r#"{"architecture":"amd64","author":"me","created":"2020-01-02T03:04:05Z","os":"linux","rootfs":{"type":"","diff_ids":null},"config":{"Cmd":["/bin/sh"],"Env":["A=1"]},"container_config":{"Cmd":["RUN two \u0026\u0026 \u003cx\u003e"]},"id":"a892f1057c03eadf905acd62d1abb49cabf22e8f3579ac4f463af6cad778d865","parent":"1974559469fa9ea06fc780fa2d455acaaa298b56e3144330d3c371e06a312c69","comment":"c"}"#;

const SMALL_CONFIG: &str = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]}}"#;
const SMALL: &str = "43790b2ec37d4336a49884da231eafae6c31d2e820ed3948b96b520d432699e9";

/// The archive that legacy output of `image` is, from a layout and from a docker tarball: both list plain layers.
fn legacy_of(image: &TestImage) -> [Archive; 2] {
    let image = image.clone().all_stored(Codec::Plain);
    [Shape::Oci, Shape::Crane].map(|shape| convert(&shape.save_one(&image), Target::Legacy, &[]).archive)
}

#[test]
fn v1_ids_and_json_of_two_layers_are_those_of_ggcr() {
    let image = TestImage::new().layer_bytes([0; 1024]).layer_bytes([0; 10240]).raw_config(CONFIG).tag("app:1");
    assert_eq!(image.id(), "e1eecdd59953db187c766b48a39ddea960dd5112daf4737d863900a5260460b0");
    for archive in legacy_of(&image) {
        for (id, json) in [(BASE, BASE_JSON), (TOP, TOP_JSON)] {
            assert_eq!(String::from_utf8_lossy(archive.body(&format!("{id}/json"))), json, "L-12");
        }
    }
}

#[test]
fn the_v1_id_and_json_of_one_layer_without_history_are_those_of_ggcr() {
    let image = TestImage::new().layer_bytes([0; 1024]).raw_config(SMALL_CONFIG).tag("app:1");
    let expected = format!(
        r#"{{"architecture":"amd64","created":"0001-01-01T00:00:00Z","os":"linux","rootfs":{{"type":"","diff_ids":null}},"config":{{}},"container_config":{{"Cmd":[""]}},"id":"{SMALL}"}}"#
    );
    for archive in legacy_of(&image) {
        assert_eq!(String::from_utf8_lossy(archive.body(&format!("{SMALL}/json"))), expected, "L-12");
    }
}

#[test]
fn history_that_does_not_fit_is_no_reason_to_refuse() {
    let history = serde_json::json!([{"created_by": "only one"}]);
    let image = TestImage::demo("app:1").key("history", history);
    convert(&Shape::Oci.save_one(&image), Target::Legacy, &[]).outcome.says(["history"]);
}

const OLD_BASE: &str = r##","created":"2015-10-01T00:00:00.123Z","container":"cc","container_config":{"Hostname":"h","Cmd":["/bin/sh","-c","#(nop) ADD file:x in /"]},"docker_version":"1.9.1","author":"A <a@b>","architecture":"amd64","os":"linux","Size":123}"##;
const OLD_TOP: &str = r##","created":"2015-10-02T00:00:00Z","container_config":{"Cmd":["/bin/sh","-c","#(nop) CMD [\"sh\"]"]},"docker_version":"1.9.1","comment":"hi","config":{"Cmd":["sh"],"Env":null,"X":"<&>"},"architecture":"amd64","os":"linux","Size":0,"unknownField":{"z":1,"a":2}}"##;
const OLD_CONFIG: &str = r##"{"architecture":"amd64","comment":"hi","config":{"Cmd":["sh"],"Env":null,"X":"\u003c\u0026\u003e"},"container_config":{"Cmd":["/bin/sh","-c","#(nop) CMD [\"sh\"]"]},"created":"2015-10-02T00:00:00Z","docker_version":"1.9.1","history":[{"created":"2015-10-01T00:00:00.123Z","author":"A \u003ca@b\u003e","created_by":"/bin/sh -c #(nop) ADD file:x in /"},{"created":"2015-10-02T00:00:00Z","created_by":"/bin/sh -c #(nop) CMD [\"sh\"]","comment":"hi"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652","sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]},"unknownField":{"z":1,"a":2}}"##;

/// What Docker 1.9 saved, without `repositories` (L-33).
fn docker19() -> Tarball {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    Tarball::default()
        .with(&format!("{a}/VERSION"), "1.0")
        .with(&format!("{a}/json"), format!(r#"{{"id":"{a}"{OLD_BASE}"#))
        .with(&format!("{a}/layer.tar"), [0; 10240])
        .with(&format!("{b}/VERSION"), "1.0")
        .with(&format!("{b}/json"), format!(r#"{{"id":"{b}","parent":"{a}"{OLD_TOP}"#))
        .with(&format!("{b}/layer.tar"), [0; 1024])
}

fn docker19_named() -> Tarball {
    docker19().with("repositories", format!(r#"{{"old/app":{{"1":"{}"}}}}"#, "b".repeat(64)))
}

#[test]
fn the_image_id_of_a_docker_1_9_archive_is_the_one_docker_gives_it() {
    for target in Target::ALL {
        let converted = convert(&docker19_named(), target, &[]);
        let [image] = converted.images.as_slice() else { panic!("one image") };
        assert_eq!(String::from_utf8_lossy(&image.config), OLD_CONFIG, "L-32");
        assert_eq!(image.id, "069b0445c414329da3b2ec557aa4fdb7458a1d8118522402db1a8d1438798ce1", "L-33");
        assert_eq!(image.names, ["docker.io/old/app:1"]);
    }
}

#[test]
fn without_repositories_the_ids_that_nobody_names_as_parent_are_images() {
    let converted = convert(&docker19(), Target::Docker, &[]);
    assert_eq!(converted.images.len(), 1);
    assert!(converted.images[0].names.is_empty(), "untagged (L-31)");
}

#[test]
fn a_docker_1_9_archive_with_a_broken_chain_is_refused() {
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let base = format!("{a}/json");
    let cycle = docker19_named().editing(&base, |json| json["parent"] = b.clone().into());
    let foreign_id = docker19_named().editing(&base, |json| json["id"] = "c".repeat(64).into());
    let missing = docker19_named().without(&base).without(&format!("{a}/VERSION")).without(&format!("{a}/layer.tar"));
    let climbing = docker19_named().editing(&format!("{b}/json"), |json| json["parent"] = "../x".into());
    for (tar, word) in [(cycle, &b[..12]), (foreign_id, "cccccccccccc"), (missing, &a[..12]), (climbing, "../x")] {
        refuse(&tar.bytes(), Target::Docker, &[], 3).says([word]);
    }
}
