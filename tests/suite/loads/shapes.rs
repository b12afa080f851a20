//! Archives of all shapes that engines take or refuse, each with what they make of it.

use serde_json::{Value, json};

use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::docker::{self, docker_19};
use crate::support::image::TestImage;
use crate::support::layer::{dir, file, hardlink, symlink, whiteout};
use crate::support::layout::{
    DOCKER_CONFIG, DOCKER_MANIFEST, Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types, blob_path, dir_layout,
};
use crate::support::shape::Shape;
use crate::support::tarball::{Kind, Member, Tarball};

/// What engines did, a line an archive.
pub(super) const MEASURED: &str = include_str!("engines.txt");

/// An archive or directory beside those of [`MEASURED`].
pub(super) struct LoadCase {
    /// What is particular about it.
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    /// The verdicts in a letter each: Docker 20.10, 29 classic, 29 containerd, ctr 1.6, 2, kind, podman, skopeo docker-archive
    /// 1.9, 1.22, oci-archive 1.9, 1.22, crane, umoci 0.4, 0.6.
    pub(super) letters: &'static str,
    /// Whether only `--full` tells.
    pub(super) in_full: bool,
}

/// All archives beside those of [`MEASURED`].
pub(super) fn cases() -> Vec<LoadCase> {
    let with = |in_full| move |(what, bytes, letters)| LoadCase { what, bytes, letters, in_full };
    let told = [archives(), of_types(), of_configs(), of_platforms()].concat().into_iter().map(with(false));
    told.chain(of_layers().into_iter().map(with(true))).collect()
}

/// What is particular about an archive, its bytes, and the verdicts.
type Case = (&'static str, Vec<u8>, &'static str);

fn archives() -> Vec<Case> {
    let demo = TestImage::demo("app:1");
    let tags = |names: Value| {
        let tar = Shape::Crane.save_one(&demo);
        tar.editing("manifest.json", |json| json[0]["RepoTags"] = names).bytes()
    };
    let steps = json!([{"created_by": "a"}, {"created_by": "b"}, {"created_by": "c"}]);
    let long = demo.clone().key("history", steps);
    let none = TestImage::new().tag("app:1");
    let empty = TestImage::new().layer_bytes(Vec::new()).tag("app:1");
    let unlisted = docker_19(&demo).editing("repositories", |json| *json = json!({}));
    let rooted = Shape::Crane.save_one(&demo).renamed(|name| format!("/{name}"));
    vec![
        ("v1 without a list", docker_19(&demo).without("repositories").bytes(), "nnnnnnnnnnnnnn"),
        ("hard links in directories (G-8)", hard_linked(Shape::RulesOci).bytes(), "yynnnnnnnnnnnn"),
        ("hard links at the top", hard_linked(Shape::Crane).bytes(), "yynnnnnnnnnynn"),
        ("hard links in a layout", hard_linked(Shape::Containerd).bytes(), "yyyyyyynnyynnn"),
        ("names that begin with a slash (G-4)", rooted.bytes(), "yynnnnnnnnnnnn"),
        ("lz4 around (G-1)", Shape::Containerd.save_one(&demo).compressed(Codec::Lz4), "nnnnnnnnnnnnnn"),
        ("bzip2 around", Shape::Containerd.save_one(&demo).compressed(Codec::Bzip2), "yyynnnyyyyynnn"),
        ("no tag (L-7)", tags(json!(["app"])), "nnyyyynyynnynn"),
        ("a digest for a name", tags(json!([format!("app@sha256:{}", "d".repeat(64))])), "nnyyyynyynnynn"),
        ("an upper case name", tags(json!(["ACME/web:1"])), "nnnnnnnyynnynn"),
        ("an IPv6 name", tags(json!(["[fc00::3]:5000/app:1"])), "nyynyynyynnynn"),
        ("zero bytes behind gzip (O-17)", padded("docker").bytes(), "nnnnnnnnnnnynn"),
        ("zero bytes behind gzip in a layout", padded("oci-nodm").bytes(), "nnnnnnnnnyynnn"),
        ("an empty stream, which ends with zeros", Shape::Crane.save_one(&empty).bytes(), "yyyyyyyyynnynn"),
        ("125 layers (M-15)", deep(125), "yyyyyyyyynnynn"),
        ("126 layers", deep(126), "nnyyyyyyynnynn"),
        ("no layers (L-17)", Shape::Crane.save_one(&none).bytes(), "yyyyyyyyynnnnn"),
        ("more steps than layers (L-16)", Shape::Crane.save_one(&long).bytes(), "nnyyyyyyynnynn"),
        ("a wrong layer", wrong_layer().bytes(), "nnnnnnnnnnnnnn"),
        ("a layer called plain (O-9)", called_plain().bytes(), "nnnnnnynnyynnn"),
        ("a layout without its marker (O-1)", unmarked().bytes(), "nnnnnnynnyynnn"),
        ("an entry without a type (O-2)", untyped().bytes(), "nnnnnnynnyynnn"),
        ("a dir: in a tar (X-4)", dir_layout(&demo, Types::Oci, "").bytes(), "nnnnnnnnnnnnnn"),
        ("a layer of an unknown type", unknown_type().bytes(), "nnnnnnynnyynnn"),
        ("a slash before a layer in manifest.json", rooted_layer().bytes(), "yynnnnnnnnnnnn"),
        ("an index in an index", twice_nested().bytes(), "nnyyyynnnnnnnn"),
        ("no image", no_image().bytes(), "nnnnnnnnnnnnnn"),
        ("no image of Docker 1.9", unlisted.bytes(), "nnnnnnnnnnnnnn"),
        ("a ref.name that is not a name", named("a:b:c:d").bytes(), "nnyyyynnnyynnn"),
        ("a ref.name with an upper case letter", named("v1-RC").bytes(), "nnyyyynnnyynnn"),
        ("a ref.name that is a tag", named("v1").bytes(), "nnyyyyynnyynnn"),
        ("a ref.name of 64 hexadecimal digits", named(&"f".repeat(64)).bytes(), "nnyyyyynnyynnn"),
    ]
}

fn of_types() -> Vec<Case> {
    let typed = |manifest: &str, config: &str, layer: &str| of_types_and_layers(manifest, config, layer).bytes();
    let (gzip, docker_gzip) = (format!("{OCI_LAYER}+gzip"), "application/vnd.docker.image.rootfs.diff.tar.gzip");
    let docker_zstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    vec![
        ("OCI's layers in Docker's manifest", typed(DOCKER_MANIFEST, DOCKER_CONFIG, &gzip), "nnyyyynnnnnnnn"),
        ("Docker's layers in OCI's manifest (O-10)", typed(OCI_MANIFEST, OCI_CONFIG, docker_gzip), "nnyyyyynnyynnn"),
        ("Docker's zstd in OCI's manifest", typed(OCI_MANIFEST, OCI_CONFIG, docker_zstd), "nnynyyynnyynnn"),
        ("Docker's config in OCI's manifest", typed(OCI_MANIFEST, DOCKER_CONFIG, &gzip), "nnyyyynnnyynnn"),
        ("OCI's config in Docker's manifest", typed(DOCKER_MANIFEST, OCI_CONFIG, docker_gzip), "nnyyyyynnyynnn"),
        ("a config of an unknown type", odd_config().bytes(), "nnyyyynnnyynnn"),
    ]
}

fn of_configs() -> Vec<Case> {
    let with = |key: &str, value: Value| Shape::Crane.save_one(&TestImage::demo("app:1").key(key, value)).bytes();
    vec![
        ("no time (M-14)", with("created", Value::Null), "yyyyyyyyynnynn"),
        ("an empty time", with("created", json!("")), "nnnnnnnnnnnnnn"),
        ("a time without a zone", with("created", json!("2020-01-02T03:04:05")), "nnnnnnnnnnnnnn"),
        ("Env as an object", with("config", json!({"Env": {"A": "1"}})), "nnnnnnnnnnnnnn"),
        ("Cmd as a text", with("config", json!({"Cmd": "sh"})), "yynnnnnyynnnnn"),
        ("OnBuild as a text", with("config", json!({"OnBuild": "x"})), "nnyyyynnnnnnnn"),
    ]
}

fn of_platforms() -> Vec<Case> {
    let on = |platform: &str, name: &str| TestImage::new().platform(platform).layer([file("arch", platform)]).tag(name);
    let save = |images: &[TestImage]| Shape::Crane.save(images).bytes();
    vec![
        ("an image of Windows", save(&[on("windows/amd64", "app:1")]), "nnnnnyyyynnynn"),
        ("an image of WASI", save(&[on("wasi/wasm", "app:1")]), "nnnnnyyyynnynn"),
        ("an image for arm64", save(&[on("linux/arm64", "app:1")]), "yyyyyyyyynnynn"),
        (
            "platforms that no machine has together",
            save(&[on("linux/arm64", "arm:1"), on("linux/amd64", "amd:1")]),
            "yyynnyyyynnnnn",
        ),
    ]
}

fn of_layers() -> Vec<Case> {
    let base = || TestImage::new().layer([dir("d"), file("d/x", "1"), file("f", "2")]).tag("app:1");
    let save = |image: TestImage| Shape::Crane.save_one(&image).bytes();
    vec![
        ("a path twice (R-10)", save(base().layer([file("a", "1"), file("a", "2")])), "nnyyyynyynnynn"),
        ("a whiteout behind its path (V-2)", save(base().layer([file("f", "3"), whiteout("f")])), "nnnnnnnyynnynn"),
        ("a file below a whiteout (V-6)", save(base().layer([whiteout("d"), file("d/n", "")])), "nnnnnnnyynnynn"),
        ("a link into a lower layer (V-18)", save(base().layer([hardlink("c", "f")])), "nnnnnnnyynnynn"),
        ("a link to a directory (R-12)", save(base().layer([dir("e"), hardlink("c", "e")])), "nnnnnnnyynnynn"),
        (
            "an entry below a link to nothing yet",
            save(base().layer([symlink("a", "b"), whiteout("a/x"), dir("b")])),
            "nnyyyynyynnynn",
        ),
        ("a whiteout of nothing (R-3)", save(base().layer([file("d/.wh.", "")])), "nnnnnnnyynnynn"),
        ("a layer that is not a tar", save(base().layer_bytes("no tar at all")), "nnnnnnnyynnynn"),
    ]
}

/// Layouts that are unpacked into directories, with the verdicts.
pub(super) fn directories() -> Vec<(&'static str, Tarball, &'static str)> {
    let demo = TestImage::demo("app:1");
    let zstd = demo.clone().all_stored(Codec::Zstd);
    let two = [demo.clone(), TestImage::demo("b:2")];
    vec![
        ("one image", Shape::Oci.save_one(&demo), "nnnnnnynnyyyyy"),
        ("zstd", Shape::Oci.save_one(&zstd), "nnnnnnynnyyyny"),
        ("Docker's types", Shape::OciDockerTypes.save_one(&demo), "nnnnnnynnyyynn"),
        ("two images", Shape::Oci.save(&two), "nnnnnnnnnyyyyy"),
        ("two images in Docker's types", Shape::OciDockerTypes.save(&two), "nnnnnnnnnnyynn"),
        ("untagged", Shape::Oci.save_one(&demo.clone().untagged()), "nnnnnnynnyyynn"),
        ("several platforms", nested("oci-nodm", false), "nnnnnnynnyyynn"),
        ("a flat index", flat("oci-nodm"), "nnnnnnnnnffynn"),
        ("no marker", unmarked(), "nnnnnnynnyyynn"),
        ("a dir:", dir_layout(&demo, Types::Oci, ""), "nnnnnnynnnnnnn"),
        ("zstd in Docker's types", of_docker_29(std::slice::from_ref(&zstd), "oci-nodm-zstd"), "nnnnnnnnnnyynn"),
    ]
}

/// The archive that a line of the table is about.
pub(super) fn archive(name: &str) -> Vec<u8> {
    let (name, outer) = match name.rsplit_once('.') {
        Some((name, "gz")) => (name, Codec::Gzip),
        Some((name, "zst")) => (name, Codec::Zstd),
        Some((name, "xz")) => (name, Codec::Xz),
        _ => (name, Codec::Plain),
    };
    let (source, form) = name.split_once(['/', '-']).expect("SOURCE/FORM");
    tarball(source, form).compressed(outer)
}

fn tarball(source: &str, form: &str) -> Tarball {
    let plain = TestImage::demo("app:1").all_stored(Codec::Plain);
    let gzip = TestImage::demo("app:1");
    let two = || [gzip.clone(), gzip.clone().layer([file("more", "")]).untagged().tag("other:2")];
    let images = match source {
        "A" if form == "oci" || form == "oci-nodm" => vec![plain],
        "A" | "B" | "b1" | "b2" | "v1" | "import" => vec![gzip],
        "M" | "MB" => two().to_vec(),
        "T" => vec![gzip.tag("example.com/app:2")],
        "U" => vec![gzip.untagged()],
        "P" => return flat(form),
        "X" => return nested(form, false),
        "DG" => return nested(form, form == "oci-keepidx"),
        "mix" | "mixgr" | "mixrg" | "xz" | "bz" => return mixed(source, form),
        other => panic!("no source {other}"),
    };
    match (source, form) {
        ("v1", "src") => docker_19(&images[0]),
        ("b1" | "b2", form) => buildkit(source, form),
        ("B" | "MB", form) if form.starts_with("oci") && !form.contains("types") => of_docker_29(&images, form),
        (_, form) => converted(&images, form),
    }
}

/// The archive of `images` in this form, with OCI's media types if it is a layout.
fn converted(images: &[TestImage], form: &str) -> Tarball {
    let stored = |codec| images.iter().map(|image| image.clone().all_stored(codec)).collect::<Vec<_>>();
    match form {
        "legacy" | "legacy-full" => Shape::CraneLegacy.save(images),
        "docker" | "docker-full" => Shape::Crane.save(images),
        "docker-zstd" => Shape::Crane.save(&stored(Codec::Zstd)),
        "oci" | "oci-full" | "oci-types" => Shape::Containerd.save(images),
        "oci-none" => Shape::Containerd.save(&stored(Codec::Plain)),
        "oci-gzip" => Shape::Containerd.save(&stored(Codec::Gzip)),
        "oci-zstd" | "oci-types-zstd" => Shape::Containerd.save(&stored(Codec::Zstd)),
        "oci-nodm" => Shape::Oci.save(images),
        "oci-nodm-gzip" => Shape::Oci.save(&stored(Codec::Gzip)),
        other => panic!("no form {other}"),
    }
}

/// The archive of `images` as Docker 29 has them, in Docker's media types.
pub(super) fn of_docker_29(images: &[TestImage], form: &str) -> Tarball {
    let codec = if form.ends_with("zstd") {
        Codec::Zstd
    } else if form.ends_with("none") {
        Codec::Plain
    } else {
        Codec::Gzip
    };
    let images: Vec<_> = images.iter().map(|image| image.clone().all_stored(codec)).collect();
    let mut layout = Layout::new();
    for image in &images {
        let manifest = dockers(&mut layout, image);
        layout.list_as(&manifest, &image.tags);
    }
    finished(&layout, &images, form)
}

/// An image in Docker's media types, that of zstd layers among them.
fn dockers(layout: &mut Layout, image: &TestImage) -> Value {
    let mut layers = Vec::new();
    for layer in &image.layers {
        let suffix = match layer.codec {
            Codec::Plain => "",
            Codec::Zstd => ".zstd",
            _ => ".gzip",
        };
        layers.push(layout.blob(&format!("application/vnd.docker.image.rootfs.diff.tar{suffix}"), layer.blob()));
    }
    let config = layout.blob(DOCKER_CONFIG, image.config());
    layout.manifest(&json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers}))
}

/// The layout as an archive, with the `manifest.json` of `images` unless the form is without.
fn finished(layout: &Layout, images: &[TestImage], form: &str) -> Tarball {
    let mut tar = layout.tarball();
    if !form.contains("nodm") {
        let items = images.iter().map(|image| {
            let layers = image.layer_digests();
            docker::item(image, &blob_path(&digest(&image.config())), layers.iter().map(|digest| blob_path(digest)))
        });
        let items = Value::from(items.collect::<Vec<_>>()).to_string();
        tar.members.push(Member { name: "manifest.json".into(), kind: Kind::File(items.into()) });
    }
    tar
}

fn platforms() -> [TestImage; 2] {
    ["linux/amd64", "linux/arm64"]
        .map(|platform| TestImage::new().platform(platform).layer([file("arch", platform)]).tag("app:1"))
}

/// Two platforms of one name side by side.
pub(super) fn flat(form: &str) -> Tarball {
    let mut layout = Layout::new();
    for image in platforms() {
        let manifest = layout.image(&image, Types::Oci);
        layout.list_as(&manifest, &image.tags);
    }
    finished(&layout, &platforms()[..1], form)
}

/// Two platforms of one name in an index of their own; the second may be absent.
pub(super) fn nested(form: &str, is_absent: bool) -> Tarball {
    let codec = if form.ends_with("none") { Codec::Plain } else { Codec::Gzip };
    let images = platforms().map(|image| image.all_stored(codec));
    let mut layout = Layout::new();
    let children = if form == "oci-zstd" {
        images.clone().map(|image| {
            let platform = image.platform_json();
            let mut child = dockers(&mut layout, &image.all_stored(Codec::Zstd));
            child["platform"] = platform;
            child
        })
    } else {
        images.clone().map(|image| layout.image(&image, Types::Oci))
    };
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    if is_absent {
        layout.drop_blob(&children[1]);
    }
    let stored = if form == "oci-zstd" { images.map(|image| image.all_stored(Codec::Zstd)) } else { images };
    finished(&layout, &stored[..1], form)
}

/// An image, or two platforms, with provenance beside, as BuildKit exports them and imgtar converts them.
fn buildkit(source: &str, form: &str) -> Tarball {
    let codec = match form {
        "zstd" => Codec::Zstd,
        "plain" => Codec::Plain,
        _ => Codec::Gzip,
    };
    let images = platforms().map(|image| image.all_stored(codec));
    let images = match (source, form) {
        ("b2", "arm") => &images[1..],
        ("b2", "amd" | "keep") | ("b1", _) => &images[..1],
        _ => &images[..],
    };
    match form {
        "legacy" | "docker" => return converted(&images[..1], form),
        "zstdsrc" => return converted(&images[..1], "docker"),
        "zgz" => return converted(&images[..1], "oci-gzip"),
        "amd" | "arm" => return converted(images, "oci"),
        _ => {}
    }
    let mut layout = Layout::new();
    let mut children = Vec::new();
    for image in images {
        let manifest = layout.image(image, Types::Oci);
        let attestation = (form != "drop").then(|| layout.attestation(&manifest));
        children.extend([manifest].into_iter().chain(attestation));
    }
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    finished(&layout, &images[..1], form)
}

/// An image whose layers are compressed in several ways, or as no media type says.
pub(super) fn mixed(source: &str, form: &str) -> Tarball {
    let codecs: &[Codec] = match (source, form) {
        ("mix", "docker") | ("xz", "oci") => &[Codec::Gzip],
        ("mix", _) => &[Codec::Gzip, Codec::Plain, Codec::Zstd],
        ("mixgr", _) => &[Codec::Gzip, Codec::Plain],
        ("mixrg", _) => &[Codec::Plain, Codec::Gzip],
        ("xz", _) => &[Codec::Xz],
        _ => &[Codec::Bzip2],
    };
    let mut image = TestImage::new().tag("app:1");
    for (number, codec) in codecs.iter().enumerate() {
        image = image.layer([file(format!("layer-{number}"), "")]).stored(*codec);
    }
    match form {
        "src" | "docker" => Shape::Crane.save_one(&image),
        _ => Shape::Containerd.save_one(&image),
    }
}

/// A layer is a hard link, as tar writes the second name of a file (G-8).
pub(super) fn hard_linked(shape: Shape) -> Tarball {
    let demo = TestImage::demo("app:1");
    let tar = shape.save_one(&demo);
    let layer = match shape {
        Shape::Containerd => blob_path(&demo.layer_digests()[0]),
        _ => tar.name_ending(".tar.gz"),
    };
    let bytes = tar.body(&layer).to_vec();
    let mut linked = Tarball::default();
    linked.file("first", bytes);
    linked.members.extend(tar.replacing(&layer, Kind::Hardlink("first".into())).members);
    linked
}

/// An image of so many layers.
pub(super) fn deep(layers: usize) -> Vec<u8> {
    let image = (0..layers).fold(TestImage::new().tag("app:1"), |image, nth| image.layer([file("f", nth.to_string())]));
    Shape::Crane.save_one(&image).bytes()
}

/// A layer's gzip stream is followed by zero bytes.
pub(super) fn padded(form: &str) -> Tarball {
    let image = TestImage::new().layer([file("f", "1")]).tag("app:1");
    let mut blob = image.layers[0].blob();
    blob.extend([0; 100]);
    if form == "docker" {
        let tar = Shape::Crane.save_one(&image);
        let member = tar.name_ending(".tar.gz");
        return tar.replacing(&member, Kind::File(blob));
    }
    of_layers_of_type(&image, &format!("{OCI_LAYER}+gzip"), vec![blob])
}

/// The second layer's bytes are not those that the config names, which their digest tells as they are plain.
fn wrong_layer() -> Tarball {
    let image = TestImage::demo("app:1").all_stored(Codec::Plain);
    let wrong = format!("sha256:{}", "e".repeat(64));
    let config = image.clone().key("rootfs", json!({"type": "layers", "diff_ids": [image.diff_ids()[0], wrong]}));
    let mut layout = Layout::new();
    let listed = layout.image(&config, Types::Oci);
    layout.list_as(&listed, &image.tags);
    layout.tarball()
}

pub(super) fn untyped() -> Tarball {
    Shape::Oci.save_one(&TestImage::demo("app:1")).editing("index.json", |index| {
        index["manifests"][0].as_object_mut().unwrap().remove("mediaType");
    })
}

fn unmarked() -> Tarball {
    Shape::Oci.save_one(&TestImage::demo("app:1")).without("oci-layout")
}

/// A gzip layer whose media type says that it is plain.
fn called_plain() -> Tarball {
    of_layer_type(OCI_LAYER)
}

fn unknown_type() -> Tarball {
    of_layer_type("application/vnd.example.layer.tar+gzip")
}

fn of_layer_type(media_type: &str) -> Tarball {
    let image = TestImage::demo("app:1");
    of_layers_of_type(&image, media_type, image.layers.iter().map(crate::support::image::TestLayer::blob).collect())
}

fn of_layers_of_type(image: &TestImage, media_type: &str, blobs: Vec<Vec<u8>>) -> Tarball {
    of_types_and_blobs(image, [OCI_MANIFEST, OCI_CONFIG, media_type], blobs)
}

/// An image in a manifest of a type, with a config and gzip layers of types.
pub(super) fn of_types_and_layers(manifest: &str, config: &str, layer: &str) -> Tarball {
    let image = TestImage::demo("app:1");
    let blobs = image.layers.iter().map(crate::support::image::TestLayer::blob).collect();
    of_types_and_blobs(&image, [manifest, config, layer], blobs)
}

fn of_types_and_blobs(image: &TestImage, types: [&str; 3], blobs: Vec<Vec<u8>>) -> Tarball {
    let [manifest, config, layer] = types;
    let mut layout = Layout::new();
    let layers: Vec<Value> = blobs.into_iter().map(|blob| layout.blob(layer, blob)).collect();
    let config = layout.blob(config, image.config());
    let manifest =
        layout.manifest(&json!({"schemaVersion": 2, "mediaType": manifest, "config": config, "layers": layers}));
    layout.list_as(&manifest, &image.tags);
    layout.tarball()
}

/// An image whose layers are stored in a form, under a media type that does not tell it.
pub(super) fn stored_as(codec: Codec, media_type: &str) -> Tarball {
    let image = TestImage::demo("app:1").all_stored(codec);
    of_layers_of_type(&image, media_type, image.layers.iter().map(crate::support::image::TestLayer::blob).collect())
}

fn odd_config() -> Tarball {
    of_types_and_layers(OCI_MANIFEST, "application/x-foo+json", &format!("{OCI_LAYER}+gzip"))
}

/// `manifest.json` names a layer with a slash before it.
pub(super) fn rooted_layer() -> Tarball {
    Shape::Crane.save_one(&TestImage::demo("app:1")).editing("manifest.json", |json| {
        let layer = json[0]["Layers"][0].as_str().unwrap().to_owned();
        json[0]["Layers"][0] = json!(format!("/{layer}"));
    })
}

/// Two platforms in an index that is alone in another one.
pub(super) fn twice_nested() -> Tarball {
    let mut layout = Layout::new();
    let children = platforms().map(|image| layout.image(&image, Types::Oci));
    let inner = layout.nested(&children, Types::Oci);
    let outer = layout.nested(&[inner], Types::Oci);
    layout.list_as(&outer, &["app:1".into()]);
    layout.tarball()
}

/// Two images for one platform in an index.
pub(super) fn same_platform() -> Tarball {
    let mut layout = Layout::new();
    let images = [TestImage::demo("app:1"), TestImage::demo("app:1").layer([file("more", "")])];
    let children = images.map(|image| layout.image(&image, Types::Oci));
    let index = layout.nested(&children, Types::Oci);
    layout.list_as(&index, &["app:1".into()]);
    layout.tarball()
}

/// An image, and beside it a signature of cosign with a name.
pub(super) fn signed() -> Tarball {
    let mut layout = Layout::new();
    let image = layout.image(&TestImage::demo("app:1"), Types::Oci);
    layout.list_as(&image, &["app:1".into()]);
    let layer = layout.blob("application/vnd.dev.cosign.simplesigning.v1+json", r#"{"critical":{}}"#);
    let config = layout.blob(OCI_CONFIG, "{}");
    let mut signature =
        layout.manifest(&json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}));
    let name = format!("{}.sig", image["digest"].as_str().unwrap().replace(':', "-"));
    signature["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    layout.list(&signature);
    layout.tarball()
}

/// A layout whose image has this `ref.name`, and no other name.
pub(super) fn named(ref_name: &str) -> Tarball {
    let untagged = Shape::Oci.save_one(&TestImage::new().layer([file("f", "1")]).untagged());
    untagged.editing("index.json", |index| {
        index["manifests"][0]["annotations"] = json!({"org.opencontainers.image.ref.name": ref_name});
    })
}

fn no_image() -> Tarball {
    Tarball::default().with("manifest.json", "[]")
}
