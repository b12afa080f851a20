//! What archives hold, repeated: entries and images, names, layers, members, and what is in layers.

use serde_json::{Value, json};

use super::Repeat;
use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker::docker_19;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, extension, file, hardlink, layer_tar, opaque, pax_body, symlink, whiteout};
use crate::support::layout::{FULL_NAME, Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, REF_NAME, Types, blob_path};
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Tarball};

/// Times for what costs little each, such as an entry of a layer.
const MANY: (usize, usize) = (2_500, 60_000);
/// Times for what costs more, such as a document of its own.
const SOME: (usize, usize) = (400, 8_000);
/// Times for descriptors, of which an archive may have ten thousand (H-7).
const DESCRIPTORS: (usize, usize) = (400, 4_900);

/// All of them.
pub(super) fn all() -> Vec<Repeat> {
    [entries(), manifests(), names(), images(), layers(), members(), headers(), contents(), remarks()]
        .into_iter()
        .flatten()
        .collect()
}

/// A config of layers with these diff_ids, and something of its own.
fn config(diff_ids: &[String], more: &Value) -> String {
    let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
    let mut config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config.to_string()
}

/// An image without layers that has the number `nth`.
fn numbered(nth: usize) -> TestImage {
    TestImage::new().raw_config(&config(&[], &json!({"author": nth.to_string()})))
}

/// A layout that `fill` fills.
fn layout(fill: impl FnOnce(&mut Layout)) -> Vec<u8> {
    let mut layout = Layout::new();
    fill(&mut layout);
    layout.tarball().bytes()
}

/// A small image, stored and described.
fn demo(layout: &mut Layout) -> Value {
    layout.image(&TestImage::demo("app:1"), Types::Oci)
}

/// Entries of index.json.
fn entries() -> Vec<Repeat> {
    vec![
        Repeat::new("images in index.json", DESCRIPTORS, |times| {
            layout(|layout| {
                for nth in 0..times {
                    let image = layout.image(&numbered(nth), Types::Oci);
                    layout.list_as(&image, &[format!("app:{nth}")]);
                }
            })
        }),
        Repeat::new("entries for one manifest", DESCRIPTORS, |times| {
            layout(|layout| {
                let mut image = demo(layout);
                for nth in 0..times {
                    image["annotations"] = json!({"a": nth.to_string()});
                    layout.list(&image);
                }
            })
        }),
        Repeat::new("platforms of one manifest", DESCRIPTORS, |times| {
            layout(|layout| {
                let mut image = demo(layout);
                for nth in 0..times {
                    image["platform"]["variant"] = json!(format!("v{nth}"));
                    layout.list_as(&image, &["app:1".into()]);
                }
            })
        }),
        Repeat::new("platforms of one name", DESCRIPTORS, |times| {
            layout(|layout| {
                for nth in 0..times {
                    let image = TestImage::new().platform(&format!("linux/amd64/v{nth}"));
                    let image = layout.image(&image, Types::Oci);
                    layout.list_as(&image, &["app:1".into()]);
                }
            })
        }),
        Repeat::new("versions of Windows of one name", DESCRIPTORS, |times| {
            layout(|layout| {
                for nth in 0..times {
                    let mut image = layout.image(&numbered(nth), Types::Oci);
                    image["platform"] =
                        json!({"os": "windows", "architecture": "amd64", "os.version": nth.to_string()});
                    layout.list_as(&image, &["app:1".into()]);
                }
            })
        }),
        Repeat::new("images of one name and platform", DESCRIPTORS, |times| {
            layout(|layout| {
                for nth in 0..times {
                    let image = layout.image(&numbered(nth), Types::Oci);
                    layout.list_as(&image, &["app:1".into()]);
                }
            })
        }),
        Repeat::new("artifacts", DESCRIPTORS, |times| {
            layout(|layout| {
                let image = demo(layout);
                layout.list_as(&image, &["app:1".into()]);
                for nth in 0..times {
                    let mut subject = image.clone();
                    subject["size"] = json!(nth);
                    let artifact = layout.artifact(&subject);
                    layout.list(&artifact);
                }
            })
        }),
        Repeat::new("entries that are missing", DESCRIPTORS, |times| {
            layout(|layout| {
                let image = demo(layout);
                layout.list_as(&image, &["app:1".into()]);
                for nth in 0..times {
                    let mut missing = image.clone();
                    missing["digest"] = json!(format!("sha256:{nth:064x}"));
                    layout.list(&missing);
                }
            })
        }),
        Repeat::new("entries for one index", DESCRIPTORS, |times| {
            layout(|layout| {
                let image = demo(layout);
                let mut index = layout.nested(&[image], Types::Oci);
                for nth in 0..times {
                    index["annotations"] = json!({"a": nth.to_string()});
                    layout.list(&index);
                }
            })
        }),
        Repeat::new("images of one index", DESCRIPTORS, |times| {
            layout(|layout| {
                let images: Vec<_> = (0..times)
                    .map(|nth| layout.image(&TestImage::new().platform(&format!("linux/amd64/v{nth}")), Types::Oci))
                    .collect();
                let index = layout.nested(&images, Types::Oci);
                layout.list_as(&index, &["app:1".into()]);
            })
        }),
        Repeat::new("attestations of one index", DESCRIPTORS, |times| {
            layout(|layout| {
                let image = demo(layout);
                let mut children = vec![image.clone()];
                for nth in 0..times {
                    let mut subject = image.clone();
                    subject["digest"] = json!(format!("sha256:{nth:064x}"));
                    children.push(layout.attestation(&subject));
                }
                let index = layout.nested(&children, Types::Oci);
                layout.list_as(&index, &["app:1".into()]);
            })
        }),
        Repeat::new("indexes of one image", (DESCRIPTORS.0, DESCRIPTORS.1 / 2), |times| {
            layout(|layout| {
                let mut image = demo(layout);
                for nth in 0..times {
                    image["annotations"] = json!({"a": nth.to_string()});
                    let index = layout.nested(std::slice::from_ref(&image), Types::Oci);
                    layout.list_as(&index, &[format!("app:{nth}")]);
                }
            })
        }),
    ]
}

/// What descriptors and manifests hold.
fn manifests() -> Vec<Repeat> {
    vec![
        Repeat::new("entries for one large index", (60, 300), |times| {
            layout(|layout| {
                let image = demo(layout);
                let annotations: serde_json::Map<_, _> =
                    (0..1000).map(|nth| (format!("x{nth}"), json!("y".repeat(1000)))).collect();
                let index = json!({"schemaVersion": 2, "manifests": [image], "annotations": annotations});
                let mut index = layout.blob("application/vnd.oci.image.index.v1+json", index.to_string());
                for nth in 0..times {
                    index["annotations"] = json!({"a": nth.to_string()});
                    layout.list(&index);
                }
            })
        }),
        Repeat::new("manifests and configs in `data`", DESCRIPTORS, |times| {
            layout(|layout| {
                for nth in 0..times {
                    let mut image = layout.image(&numbered(nth), Types::Oci);
                    image["data"] = json!(base64(&layout.bytes_of(&image)));
                    layout.list(&image);
                }
            })
        }),
        Repeat::new("layers of one image in a layout", SOME, |times| layers_of_one(times, 1)),
        Repeat::new("entries for one image of many layers", (60, 400), |times| layers_of_one(2000, times)),
    ]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0, |number, &byte| number << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(number >> (18 - 6 * place)) as usize & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

/// A manifest that lists one empty layer so often, listed so often itself.
fn layers_of_one(layers: usize, entries: usize) -> Vec<u8> {
    layout(|layout| {
        let layer = layout.blob(OCI_LAYER, "");
        let config = layout.blob(OCI_CONFIG, config(&vec![digest(b""); layers], &json!({})));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": vec![layer; layers],
        });
        let mut manifest = layout.manifest(&manifest);
        for nth in 0..entries {
            manifest["annotations"] = json!({"a": nth.to_string()});
            layout.list(&manifest);
        }
    })
}

/// A tarball of one image without layers, its item as `edit` leaves it.
fn item(edit: impl FnOnce(&mut Value)) -> Tarball {
    let mut tar = Tarball::default();
    tar.file("config", config(&[], &json!({})));
    let mut item = json!({"Config": "config", "RepoTags": ["app:1"], "Layers": []});
    edit(&mut item);
    tar.json("manifest.json", &json!([item]));
    tar
}

/// Names.
fn names() -> Vec<Repeat> {
    let tags = |times: usize| (0..times).map(|nth| format!("app:{nth}")).collect::<Vec<_>>();
    vec![
        Repeat::new("names of one image", MANY, move |times| {
            item(|item| item["RepoTags"] = json!(tags(times))).bytes()
        }),
        Repeat::new("repetitions of one name", MANY, |times| {
            item(|item| item["RepoTags"] = json!(vec!["app:1"; times])).bytes()
        }),
        Repeat::new("names of one manifest", DESCRIPTORS, move |times| {
            layout(|layout| {
                let image = demo(layout);
                layout.list_as(&image, &tags(times));
            })
        }),
        Repeat::new("tags in repositories", MANY, move |times| {
            let mut tar = item(|item| item["RepoTags"] = json!(tags(times)));
            let ids: serde_json::Map<_, _> = (0..times).map(|nth| (nth.to_string(), json!("f".repeat(64)))).collect();
            tar.json("repositories", &json!({"app": ids}));
            tar.bytes()
        }),
        Repeat::new("repositories in repositories", MANY, |times| {
            let names: Vec<_> = (0..times).map(|nth| format!("app{nth}:1")).collect();
            let mut tar = item(|item| item["RepoTags"] = json!(names));
            let ids: serde_json::Map<_, _> =
                (0..times).map(|nth| (format!("app{nth}"), json!({"1": "f".repeat(64)}))).collect();
            tar.json("repositories", &ids.into());
            tar.bytes()
        }),
        Repeat::new("sources of layers", MANY, |times| {
            let source = json!({"mediaType": "a", "digest": digest(b""), "size": 0});
            let sources: serde_json::Map<_, _> =
                (0..times).map(|nth| (format!("sha256:{nth:064x}"), source.clone())).collect();
            item(|item| item["LayerSources"] = sources.into()).bytes()
        }),
    ]
}

/// A tarball of these images, each a config and the members that are its layers.
fn docker(configs: impl Iterator<Item = (String, Vec<String>)>, members: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut tar = Tarball::default();
    let mut items = Vec::new();
    for (nth, (config, layers)) in configs.enumerate() {
        tar.file(format!("config{nth}"), config);
        items.push(json!({"Config": format!("config{nth}"), "RepoTags": [format!("app:{nth}")], "Layers": layers}));
    }
    tar.json("manifest.json", &items.into());
    members.into_iter().for_each(|member| tar.file(member, ""));
    tar.bytes()
}

/// Images of docker's archives.
fn images() -> Vec<Repeat> {
    let empty = || vec![digest(b"")];
    vec![
        Repeat::new("images in manifest.json", SOME, |times| {
            docker((0..times).map(|nth| (config(&[], &json!({"author": nth.to_string()})), Vec::new())), [])
        }),
        Repeat::new("images of one layer", SOME, move |times| {
            let config = |nth: usize| config(&empty(), &json!({"author": nth.to_string()}));
            docker((0..times).map(|nth| (config(nth), vec!["layer".into()])), ["layer".into()])
        }),
        Repeat::new("images of one config and layers of their own", SOME, |times| {
            let mut tar = Tarball::default();
            tar.file("config", config(&[digest(b"")], &json!({})));
            let items: Vec<_> =
                (0..times).map(|nth| json!({"Config": "config", "Layers": [format!("layer{nth}")]})).collect();
            tar.json("manifest.json", &items.into());
            (0..times).for_each(|nth| tar.file(format!("layer{nth}"), ""));
            tar.bytes()
        }),
        Repeat::new("items of one image", MANY, |times| {
            let mut tar = Tarball::default();
            tar.file("config", config(&[], &json!({})));
            let item = json!({"Config": "config", "RepoTags": ["app:1"], "Layers": []});
            tar.json("manifest.json", &vec![item; times].into());
            tar.bytes()
        }),
        Repeat::new("images of one name", SOME, |times| {
            let mut tar = Tarball::default();
            let item = |nth| json!({"Config": format!("config{nth}"), "RepoTags": ["app:1"], "Layers": []});
            tar.json("manifest.json", &(0..times).map(item).collect());
            for nth in 0..times {
                tar.file(format!("config{nth}"), config(&[], &json!({"author": nth.to_string()})));
            }
            tar.bytes()
        }),
        Repeat::new("layers of an image of docker before 1.10", SOME, |times| {
            let layer = |image: TestImage, nth: usize| image.layer([file("f", nth.to_string())]);
            docker_19(&(0..times / 4).fold(TestImage::new().tag("app:1"), layer)).bytes()
        }),
        Repeat::new("images of docker before 1.10 that share layers", (100, 600), |times| {
            let id = |nth: usize| format!("{nth:064x}");
            let mut tar = Tarball::default();
            for nth in 0..20 + times {
                let parent = nth.min(20).checked_sub(1).map(id).unwrap_or_default();
                tar.json(format!("{}/json", id(nth)), &json!({"id": id(nth), "parent": parent}));
                tar.file(format!("{}/layer.tar", id(nth)), "");
            }
            let tops: serde_json::Map<_, _> = (20..20 + times).map(|nth| (nth.to_string(), json!(id(nth)))).collect();
            tar.json("repositories", &json!({"app": tops}));
            tar.bytes()
        }),
    ]
}

/// Layers of one image.
fn layers() -> Vec<Repeat> {
    let one = |layers: Vec<String>, diff_ids: Vec<String>| {
        let mut tar = Tarball::default();
        tar.file("config", config(&diff_ids, &json!({})));
        tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": ["app:1"], "Layers": layers}]));
        tar
    };
    let name = |nth: usize| format!("layer{nth}");
    let tar = |nth: usize| layer_tar([file("f", nth.to_string())]);
    vec![
        Repeat::new("layers of one image", SOME, move |times| {
            let diff_ids = (0..times).map(|nth| digest(&tar(nth))).collect();
            let mut archive = one((0..times).map(name).collect(), diff_ids);
            (0..times).for_each(|nth| archive.file(name(nth), tar(nth)));
            archive.bytes()
        }),
        Repeat::new("compressed layers of one image", (SOME.0, SOME.1 / 4), move |times| {
            let diff_ids = (0..times).map(|nth| digest(&tar(nth))).collect();
            let mut archive = one((0..times).map(name).collect(), diff_ids);
            (0..times).for_each(|nth| archive.file(name(nth), Codec::Gzip.encode(&tar(nth))));
            archive.bytes()
        }),
        Repeat::new("repetitions of one layer", MANY, move |times| {
            let mut archive = one(vec![name(0); times], vec![digest(&tar(0)); times]);
            archive.file(name(0), tar(0));
            archive.bytes()
        }),
        Repeat::new("equal layers", SOME, move |times| {
            let mut archive = one((0..times).map(name).collect(), vec![digest(&tar(0)); times]);
            (0..times).for_each(|nth| archive.file(name(nth), tar(0)));
            archive.bytes()
        }),
        Repeat::new("symbolic links to one layer", SOME, move |times| {
            let mut archive = one((0..times).map(name).collect(), vec![digest(&tar(0)); times]);
            (0..times).for_each(|nth| archive.push(name(nth), Kind::Symlink("layer".into())));
            archive.file("layer", tar(0));
            archive.bytes()
        }),
        Repeat::new("hard links to one layer", SOME, move |times| {
            let mut archive = one((0..times).map(name).collect(), vec![digest(&tar(0)); times]);
            archive.file("layer", tar(0));
            (0..times).for_each(|nth| archive.push(name(nth), Kind::Hardlink("layer".into())));
            archive.bytes()
        }),
        Repeat::new("layers in disorder", SOME, |times| {
            let digests: Vec<_> = (0..times).map(|nth| format!("sha256:{nth:064x}")).collect();
            let mut layout = Layout::new();
            let config = layout.blob(OCI_CONFIG, config(&digests, &json!({})));
            let layers: Vec<_> = digests
                .iter()
                .rev()
                .map(|digest| json!({"mediaType": OCI_LAYER, "digest": digest, "size": 0}))
                .collect();
            let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
            let manifest = layout.manifest(&manifest);
            layout.list(&manifest);
            let mut tar = layout.tarball();
            digests.iter().for_each(|digest| tar.file(blob_path(digest), ""));
            let paths: Vec<_> = digests.iter().map(|digest| blob_path(digest)).collect();
            let config = blob_path(config["digest"].as_str().unwrap());
            tar.json("manifest.json", &json!([{"Config": config, "Layers": paths}]));
            tar.bytes()
        }),
    ]
}

/// Members of the archive.
fn members() -> Vec<Repeat> {
    let demo = || Shape::Docker20.save_one(&TestImage::demo("app:1"));
    vec![
        Repeat::new("members that nothing names", MANY, move |times| {
            let mut tar = demo();
            (0..times).for_each(|nth| tar.file(format!("unknown/{nth}"), ""));
            tar.bytes()
        }),
        Repeat::new("members of one name", MANY, move |times| {
            let mut tar = demo();
            (0..times).for_each(|_| tar.file("unknown", ""));
            tar.bytes()
        }),
        Repeat::new("repetitions of one layer's member", MANY, |times| {
            let mut tar = Tarball::default();
            tar.file("config", config(&vec![digest(b""); times], &json!({})));
            tar.json("manifest.json", &json!([{"Config": "config", "Layers": vec!["layer"; times]}]));
            (0..times).for_each(|_| tar.file("layer", ""));
            tar.bytes()
        }),
        Repeat::new("symbolic links that lead nowhere", MANY, move |times| {
            let mut tar = demo();
            (0..times).for_each(|nth| tar.push(format!("link{nth}"), Kind::Symlink(format!("nowhere{nth}"))));
            tar.bytes()
        }),
        Repeat::new("members with odd names", MANY, move |times| {
            let mut tar = demo();
            (0..times).for_each(|nth| tar.file(format!("odd//{nth}"), ""));
            tar.bytes()
        }),
        Repeat::new("directories of a config's name", (40_000, 400_000), |times| {
            let mut tar = Tarball::default();
            tar.push("link", Kind::Symlink("elsewhere".into()));
            tar.json("manifest.json", &json!([{"Config": "a/".repeat(times) + "b", "Layers": []}]));
            tar.bytes()
        }),
        Repeat::new("blobs that nothing refers to", MANY, |times| {
            layout(|layout| {
                let image = self::demo(layout);
                layout.list_as(&image, &["app:1".into()]);
                (0..times).for_each(|nth| drop(layout.blob("unknown", nth.to_string())));
            })
        }),
        Repeat::new("blobs that are links to nowhere", MANY, |times| {
            let mut tar = Shape::Oci.save_one(&TestImage::demo("app:1"));
            (0..times)
                .for_each(|nth| tar.push(format!("blobs/sha256/{nth:064x}"), Kind::Symlink(format!("nowhere{nth}"))));
            tar.bytes()
        }),
        Repeat::new("global headers of the archive", (600, 4_000), move |times| {
            let headers: Vec<u8> = (0..times).flat_map(|nth| global(nth, 900)).collect();
            [headers, demo().bytes()].concat()
        }),
    ]
}

/// A `g` header with a record of its own, whose name has so many bytes.
fn global(nth: usize, length: usize) -> Vec<u8> {
    extension(b'g', &pax_body(&[(format!("k{nth:08}{}", "x".repeat(length)), "v")]))
}

/// An archive of one image whose layer is `layer`, gzipped.
fn of_layer(layer: Vec<u8>) -> Vec<u8> {
    Shape::Crane.save_one(&TestImage::new().layer_bytes(layer).tag("app:1")).bytes()
}

/// An archive of one image whose layer has these entries.
fn of_items(items: impl IntoIterator<Item = Item>) -> Vec<u8> {
    of_layer(layer_tar([dir("etc"), file("etc/os-release", "ID=demo\n")].into_iter().chain(items)))
}

/// Headers of a layer.
fn headers() -> Vec<Repeat> {
    vec![
        Repeat::new("PAX records of one file", (4_000, 20_000), |times| {
            of_items([(0..times).fold(file("f", ""), |file, nth| file.pax(format!("ACME.{nth}"), "v"))])
        }),
        Repeat::new("extended attributes of one file", (4_000, 14_000), |times| {
            of_items([(0..times).fold(file("f", ""), |file, nth| file.xattr(&format!("user.{nth}"), "v"))])
        }),
        Repeat::new("repetitions of one PAX record", (4_000, 20_000), |times| {
            of_items([(0..times).fold(file("f", ""), |file, _| file.pax("path", "f"))])
        }),
        Repeat::new("global headers of a layer", MANY, |times| {
            of_items((0..times).map(|nth| file(nth.to_string(), "").after(global(nth, 10))))
        }),
        Repeat::new("global headers of a layer with long names", (40, 75), |times| {
            let headers: Vec<u8> = (0..times).flat_map(|nth| global(nth, 900_000)).collect();
            of_items([file("f", "").after(headers)])
        }),
        Repeat::new("pieces of a sparse file", (4_000, 40_000), |times| {
            let map = (0..times).map(|nth| format!("{},1", nth * 1024)).collect::<Vec<_>>().join(",");
            let sparse = file("GNUSparseFile.7/x", "x".repeat(times))
                .pax("GNU.sparse.size", (times * 1024).to_string())
                .pax("GNU.sparse.numblocks", times.to_string())
                .pax("GNU.sparse.map", map)
                .pax("GNU.sparse.name", "sparse");
            of_items([sparse])
        }),
        Repeat::new("members of a gzip stream", (4_000, 40_000), |times| {
            let layer = layer_tar([file("f", "1")]);
            gzip_members(&layer, times)
        }),
    ]
}

/// An archive whose layer's gzip stream begins with so many empty members.
fn gzip_members(layer: &[u8], times: usize) -> Vec<u8> {
    let blob = [Codec::Gzip.encode(b"").repeat(times), Codec::Gzip.encode(layer)].concat();
    let mut tar = Tarball::default();
    tar.file("config", config(&[digest(layer)], &json!({})));
    tar.json("manifest.json", &json!([{"Config": "config", "RepoTags": ["app:1"], "Layers": ["layer"]}]));
    tar.file("layer", blob);
    tar.bytes()
}

/// Entries of layers.
fn contents() -> Vec<Repeat> {
    let two = |lower: Vec<Item>, upper: Vec<Item>| {
        let image = TestImage::new().layer_bytes(layer_tar(lower)).layer_bytes(layer_tar(upper));
        Shape::Crane.save_one(&image.tag("app:1")).bytes()
    };
    vec![
        Repeat::new("files of one directory", MANY, |times| {
            of_items((0..times).map(|nth| file(format!("d/{nth}"), "")))
        }),
        Repeat::new("files of directories of their own", MANY, |times| {
            of_items((0..times).map(|nth| file(format!("d/{nth}/f"), "")))
        }),
        Repeat::new("entries of one path", MANY, |times| of_items((0..times).map(|nth| file("f", nth.to_string())))),
        Repeat::new("directories of one path", (1_000, 2_000), |times| of_items([file("d/".repeat(times) + "f", "")])),
        Repeat::new("paths of many directories", (1_000, 10_000), |times| {
            of_items((0..times).map(|nth| file(format!("{}{nth}", "d/".repeat(100)), "")))
        }),
        Repeat::new("hard links of one file", MANY, |times| {
            of_items([file("f", "1")].into_iter().chain((0..times).map(|nth| hardlink(format!("link{nth}"), "f"))))
        }),
        Repeat::new("hard links to the one before", MANY, |times| {
            of_items(
                [file("0", "1")]
                    .into_iter()
                    .chain((1..times).map(|nth| hardlink(nth.to_string(), (nth - 1).to_string()))),
            )
        }),
        Repeat::new("symbolic links", MANY, |times| {
            of_items((0..times).map(|nth| symlink(format!("link{nth}"), "nowhere")))
        }),
        Repeat::new("files behind a symbolic link", MANY, |times| {
            let links = [dir("a"), dir("a/b"), symlink("l", "a/../a/b/../b")];
            of_items(links.into_iter().chain((0..times).map(|nth| file(format!("l/{nth}"), ""))))
        }),
        Repeat::new("files whose directory becomes another thing", MANY, |times| {
            of_items((0..times).flat_map(|nth| [file(format!("d/{nth}"), ""), file("d", "")]))
        }),
        Repeat::new("whiteouts of a layer", MANY, move |times| {
            let files = (0..times).map(|nth| file(format!("d/{nth}"), "")).collect();
            two(files, (0..times).map(|nth| whiteout(&format!("d/{nth}"))).collect())
        }),
        Repeat::new("whiteouts of nothing", MANY, |times| {
            of_items((0..times).map(|nth| whiteout(&format!("d/{nth}"))))
        }),
        Repeat::new("whiteouts of one file", MANY, move |times| {
            two(vec![file("f", "")], (0..times).map(|_| whiteout("f")).collect())
        }),
        Repeat::new("opaque directories", MANY, move |times| {
            let files = (0..times).map(|nth| file(format!("d{nth}/f"), "")).collect();
            two(files, (0..times).map(|nth| opaque(&format!("d{nth}"))).collect())
        }),
        Repeat::new("repetitions of one opaque directory", MANY, move |times| {
            let files = (0..times).map(|nth| file(format!("d/{nth}"), "")).collect();
            two(files, (0..times).map(|_| opaque("d")).collect())
        }),
        Repeat::new("layers that replace one file", SOME, |times| {
            let layer = |image: TestImage, nth: usize| image.layer([file("f", nth.to_string())]);
            Shape::Docker25.save_one(&(0..times / 4).fold(TestImage::new().tag("app:1"), layer)).bytes()
        }),
        Repeat::new("layers that remove one directory", SOME, |times| {
            let layer = |image: TestImage, nth: usize| match nth % 2 {
                0 => image.layer([file("d/f", nth.to_string())]),
                _ => image.layer([whiteout("d")]),
            };
            Shape::Docker25.save_one(&(0..times / 4).fold(TestImage::new().tag("app:1"), layer)).bytes()
        }),
    ]
}

/// What is remarked upon, each time.
fn remarks() -> Vec<Repeat> {
    let demo = || Shape::Docker20.save_one(&TestImage::demo("app:1"));
    vec![
        Repeat::new("entries with odd names", MANY, |times| {
            of_items((0..times).map(|nth| file(format!("odd//{nth}"), "")))
        }),
        Repeat::new("entries with unknown PAX records", MANY, |times| {
            of_items((0..times).map(|nth| file(nth.to_string(), "").pax(format!("ACME.{nth}"), "v")))
        }),
        Repeat::new("entries of unknown types", MANY, |times| {
            of_items((0..times).map(|nth| file(nth.to_string(), "").kind(b'V')))
        }),
        Repeat::new("files with names of whiteouts' own", MANY, |times| {
            of_items((0..times).map(|nth| file(format!("d{nth}/.wh..wh.own"), "")))
        }),
        Repeat::new("hard links to nowhere", MANY, |times| {
            of_items((0..times).map(|nth| hardlink(format!("link{nth}"), format!("nowhere{nth}"))))
        }),
        Repeat::new("entries above the root", MANY, |times| {
            of_items((0..times).map(|nth| file(format!("../{nth}"), "")))
        }),
        Repeat::new("names that are none", MANY, |times| {
            let tags: Vec<_> = (0..times).map(|nth| format!("UPPER//{nth}")).collect();
            item(|item| item["RepoTags"] = json!(tags)).bytes()
        }),
        Repeat::new("names that are none in a layout", DESCRIPTORS, |times| {
            layout(|layout| {
                let mut image = self::demo(layout);
                for nth in 0..times {
                    let name = format!("UPPER//{nth}");
                    image["annotations"] = json!({FULL_NAME: name, REF_NAME: name});
                    layout.list(&image);
                }
            })
        }),
        Repeat::new("configs with false names", SOME, |times| {
            let mut tar = Tarball::default();
            let name = |nth: usize| format!("{nth:064x}.json");
            tar.json("manifest.json", &(0..times).map(|nth| json!({"Config": name(nth), "Layers": []})).collect());
            for nth in 0..times {
                tar.file(name(nth), config(&[], &json!({"author": nth.to_string()})));
            }
            tar.bytes()
        }),
        Repeat::new("layers with false names and sources", SOME, |times| {
            let mut tar = Tarball::default();
            let layer = |nth: usize| layer_tar([file("f", nth.to_string())]);
            let name = |nth: usize| format!("{nth:064x}.tar");
            let diff_ids: Vec<_> = (0..times).map(|nth| digest(&layer(nth))).collect();
            let source = json!({"mediaType": OCI_LAYER, "digest": digest(b"other"), "size": 1});
            let sources: serde_json::Map<_, _> = diff_ids.iter().map(|id| (id.clone(), source.clone())).collect();
            let layers: Vec<_> = (0..times).map(name).collect();
            let item = json!({"Config": "config", "RepoTags": ["app:1"], "Layers": layers, "LayerSources": sources});
            tar.json("manifest.json", &json!([item]));
            tar.file("config", config(&diff_ids, &json!({})));
            (0..times).for_each(|nth| tar.file(name(nth), layer(nth)));
            tar.bytes()
        }),
        Repeat::new("layers of another type than is said", SOME, |times| {
            layout(|layout| {
                let tars: Vec<_> = (0..times).map(|nth| layer_tar([file("f", nth.to_string())])).collect();
                let diff_ids: Vec<_> = tars.iter().map(|tar| digest(tar)).collect();
                let gzip = format!("{OCI_LAYER}+gzip");
                let layers: Vec<_> = tars.into_iter().map(|tar| layout.blob(&gzip, tar)).collect();
                let config = layout.blob(OCI_CONFIG, config(&diff_ids, &json!({})));
                let manifest =
                    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
                let manifest = layout.manifest(&manifest);
                layout.list_as(&manifest, &["app:1".into()]);
            })
        }),
        Repeat::new("digests of an unknown algorithm", DESCRIPTORS, move |times| {
            layout(|layout| {
                let mut image = self::demo(layout);
                layout.list_as(&image, &["app:1".into()]);
                for nth in 0..times {
                    image["digest"] = json!(format!("acme:{nth:032x}"));
                    layout.list(&image);
                }
            })
        }),
        Repeat::new("members with PAX records that are ignored", MANY, move |times| {
            let mut bytes: Vec<u8> = Vec::new();
            for nth in 0..times {
                bytes.extend(file(format!("unknown{nth}"), "").pax(format!("ACME.{nth}"), "v").bytes());
            }
            [bytes, demo().bytes()].concat()
        }),
    ]
}
