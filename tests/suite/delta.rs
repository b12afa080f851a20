//! `--to delta` and deltas as input (docs/delta.md): what is written makes the same image again, here and by the format's own
//! page, and what others write is applied.

mod answers;
mod hostile;
#[cfg(target_os = "linux")]
mod memory;
mod pitfalls;
mod python;
mod random;

use serde_json::{Value, json};

use crate::rootfs::random::apply as model_of;
use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::digest512;
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layer::{Item, dir, file, hardlink, layer_tar, symlink, whiteout};
use crate::support::run::{Outcome, imgtar};
use crate::support::schema;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;
use crate::support::tar_diff::{self, TAR_DIFF, TarDiff};
use crate::support::tarball::Tarball;

/// Archives by their names, and conversions in their directory.
pub(crate) struct Shelf(Scratch);

impl Shelf {
    pub(crate) fn of<'t>(archives: impl IntoIterator<Item = (&'t str, Tarball)>) -> Self {
        let scratch = Scratch::new();
        archives.into_iter().for_each(|(name, archive)| drop(scratch.write(name, archive.bytes())));
        Self(scratch)
    }

    pub(crate) fn imgtar(&self, line: &str) -> crate::support::run::Run {
        imgtar(line.split(' ')).dir(self.0.dir())
    }

    pub(crate) fn convert(&self, line: &str) -> crate::support::run::Run {
        self.imgtar(&format!("convert {line}"))
    }

    /// Makes `up.delta` of `old.tar` and `new.tar`.
    fn delta(&self) -> Outcome {
        self.convert("new.tar --to delta --base old.tar -o up.delta").success()
    }

    /// Wants `line` to be refused, and no output.
    #[track_caller]
    pub(crate) fn refuses(&self, line: &str, code: i32) -> Outcome {
        let before = self.0.names();
        let outcome = self.convert(line).exits(code);
        assert_eq!(self.0.names(), before, "a failed run leaves no file\n{outcome}");
        outcome
    }
}

/// Bytes that no compression shortens.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let random = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(seed), random).map(|state| (state >> 56) as u8).take(len).collect()
}

/// `bytes` as another version has them: a byte changed here and there, some inserted.
fn next_version(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.iter_mut().step_by(1001).for_each(|byte| *byte = byte.wrapping_add(1));
    let middle = bytes.len() / 2;
    bytes.splice(middle..middle, *b"inserted");
    bytes
}

fn old_layers() -> Vec<Vec<Item>> {
    vec![
        vec![dir("lib"), file("lib/same", noise(1, 50_000)), file("lib/gone", noise(2, 20_000))],
        vec![
            file("app-1.2", noise(3, 60_000)),
            file("moved", noise(4, 30_000)),
            whiteout("lib/gone"),
            symlink("l", "lib"),
        ],
    ]
}

fn new_layers() -> Vec<Vec<Item>> {
    vec![
        old_layers()[0].clone(),
        vec![
            file("lib/same", noise(1, 50_000)).mtime(7),
            file("app-1.3", next_version(noise(3, 60_000))).mtime(8),
            file("here/now", noise(4, 30_000)),
            hardlink("again", "here/now"),
            file("tiny", "few"),
            file("lib/back", noise(2, 20_000)),
        ],
    ]
}

fn image(layers: &[Vec<Item>], name: &str) -> TestImage {
    let add = |image: TestImage, layer: &Vec<Item>| image.layer_bytes(layer_tar(layer.clone()));
    layers.iter().fold(TestImage::new().tag(name), add)
}

fn old() -> TestImage {
    image(&old_layers(), "ex.org/app:1")
}

fn new() -> TestImage {
    image(&new_layers(), "ex.org/app:2")
}

fn shelf(shape: Shape) -> Shelf {
    Shelf::of([("old.tar", shape.save_one(&old())), ("new.tar", shape.save_one(&new()))])
}

/// Wants the only image of an OCI layout to be `image`.
#[track_caller]
fn assert_image(archive: &[u8], image: &TestImage) -> judge::Judged {
    let found = judge::oci_images(&Archive::written(archive));
    let [found] = &found[..] else { panic!("{} images", found.len()) };
    assert_eq!((&found.id, &found.config), (&image.id(), &image.config()));
    assert_eq!(found.diff_ids(), image.diff_ids());
    assert_eq!(found.names, image.tags.iter().map(|tag| crate::support::name::full(tag)).collect::<Vec<_>>());
    found.clone()
}

#[test]
fn an_image_is_made_again_of_what_changed() {
    for shape in [Shape::Oci, Shape::Docker20, Shape::Crane, Shape::OciDockerTypes, Shape::Containerd] {
        let shelf = shelf(shape);
        let run = shelf.delta();
        run.says(["2 layers, 1 left out, 1 as differences", "needs ex.org/app:1"]).never_says(["warning"]);
        let size = shelf.0.read("up.delta").len();
        assert!(size < 40_000, "{shape:?}: {size} bytes: only lib/back has to be sent");
        for target in ["oci", "docker", "legacy"] {
            let line = format!("up.delta --with old.tar --to {target} -o back.tar --force");
            shelf.convert(&line).success();
            let again = shelf.convert("back.tar --to oci").success();
            assert_image(&again.stdout, &new());
        }
        let piped = shelf.convert("- --with old.tar --to oci").stdin(shelf.0.read("up.delta")).success();
        let stored = shelf.convert("up.delta --with old.tar --to oci").success();
        assert!(piped.stdout == stored.stdout, "{shape:?}: from a pipe");
        shelf.convert("- --with up.delta --to oci").stdin(shelf.0.read("old.tar")).success();
        let rootfs = |line: &str| shelf.convert(line).success().stdout;
        assert!(rootfs("up.delta --with old.tar --to rootfs") == rootfs("new.tar --to rootfs"), "{shape:?}");
    }
}

#[test]
fn every_layer_is_rebuilt_by_the_formats_own_page() {
    for (flags, magic) in [("", b"tardf1\n\0"), (" --fast", b"tardf2\n\0")] {
        let shelf = shelf(Shape::Oci);
        let written = shelf.convert(&format!("new.tar --to delta --base old.tar{flags}")).success().stdout;
        let layers = tar_diff::layers(&Archive::written(&written));
        let (media_type, diff) = &layers[&new().layer_digests()[1]];
        assert_eq!((layers.len(), media_type.as_str(), &diff[..8]), (1, TAR_DIFF, &magic[..]));
        assert!(tar_diff::apply(diff, &model_of(&old_layers()).unwrap()) == new().layers[1].tar, "{flags}");
        let again = shelf.convert(&format!("new.tar --to delta --base old.tar{flags} -j 8")).success();
        assert!(again.stdout == written, "threads change nothing");
    }
}

#[test]
fn the_artifact_is_that_of_oci_delta() {
    let shelf = shelf(Shape::Oci);
    shelf.delta();
    let archive = Archive::written(&shelf.0.read("up.delta"));
    let entry = &archive.json("index.json")["manifests"][0];
    let artifact: Value = serde_json::from_slice(judge::blob(&archive, entry)).unwrap();
    let target = Shape::Oci.manifest(&new()).unwrap();
    let digest = crate::support::digest(&target);
    let listed = |list: &[String]| json!(json!(list).to_string());
    assert_eq!(artifact["artifactType"], "application/vnd.io.github.containers.oci-delta.v1");
    assert_eq!(artifact["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
    assert_eq!(artifact["subject"]["digest"], json!(digest));
    let prefix = "io.github.containers.delta";
    let annotation = |key: &str| artifact["annotations"][format!("{prefix}.{key}")].clone();
    assert_eq!(annotation("target"), json!(digest));
    assert_eq!(annotation("source"), json!(crate::support::digest(&Shape::Oci.manifest(&old()).unwrap())));
    assert_eq!(annotation("source-config"), json!(format!("sha256:{}", old().id())));
    assert_eq!(annotation("reused"), listed(&new().layer_digests()[..1]));
    assert_eq!(annotation("reused-diff-id"), listed(&new().diff_ids()[..1]));
    let parts = artifact["layers"].as_array().unwrap();
    let content = |part: &Value| part["annotations"][format!("{prefix}.content")].as_str().unwrap().to_owned();
    assert_eq!(parts.iter().map(content).collect::<Vec<_>>(), ["image-manifest", "image-config", "image-layer"]);
    assert!(judge::blob(&archive, &parts[0]) == target && judge::blob(&archive, &parts[1]) == new().config());
    assert_eq!(parts[2]["annotations"][format!("{prefix}.to")], json!(new().layer_digests()[1]));
}

#[test]
fn what_oci_delta_writes_is_applied() {
    let old = image(&[vec![file("a", "old content\n"), file("b/c", "other")]], "ex.org/app:1");
    let tar = layer_tar([file("a", "new content\n"), file("d", "others")]);
    let new = TestImage::new().layer_bytes(tar.clone()).layer_bytes(layer_tar([file("whole", "as it is")]));
    let added = b"new content".iter().zip(b"old content").map(|(new, old)| new.wrapping_sub(*old)).collect::<Vec<_>>();
    let body = |name: &[u8]| tar.windows(name.len()).position(|window| window == name).unwrap();
    let (a, d) = (body(b"new content\n"), body(b"others"));
    let diff = TarDiff::v1()
        .data(&tar[..a])
        .open("./a")
        .add(added)
        .copy(1)
        .data(&tar[a + 12..d])
        .open("b/../b/c")
        .seek(2)
        .seek(0)
        .copy(5)
        .copy(0)
        .data(&tar[d + 5..]);
    let gzip = (crate::support::layout::OCI_LAYER, new.layers[1].blob());
    let gzip = (&*format!("{}+gzip", gzip.0.trim_end_matches("+gzip")), gzip.1);
    let delta = tar_diff::artifact(&old, &new, &[Some((TAR_DIFF, diff.bytes())), Some(gzip)]);
    let shelf = Shelf::of([("old.tar", Shape::Docker20.save_one(&old)), ("up.delta", delta.tarball())]);
    let made = shelf.convert("up.delta --with old.tar --to oci").success();
    let found = assert_image(&made.stdout, &new);
    assert_eq!(found.layers[1].digest, new.layer_digests()[1], "a layer that came as it is keeps its bytes");
}

#[test]
fn one_delta_may_stand_on_another() {
    let third =
        image(&[new_layers()[1].clone(), vec![file("lib/same", next_version(noise(1, 50_000)))]], "ex.org/app:3");
    let shelf = shelf(Shape::Oci);
    drop(shelf.0.write("third.tar", Shape::Crane.save_one(&third).bytes()));
    shelf.delta();
    shelf.convert("third.tar --to delta --base new.tar -o up2.delta").success();
    for line in ["up2.delta --with up.delta --with old.tar", "up2.delta --with old.tar --with up.delta"] {
        let made = shelf.convert(&format!("{line} --to oci")).success();
        assert_image(&made.stdout, &third);
    }
    let direct = shelf.convert("third.tar --to delta --base up.delta --with old.tar").success();
    drop(shelf.0.write("direct.delta", &direct.stdout));
    let made = shelf.convert("direct.delta --with new.tar --to oci").success();
    assert_image(&made.stdout, &third);
    let both = shelf.convert("up.delta up2.delta --with old.tar --to oci").success();
    assert_eq!(judge::oci_images(&Archive::written(&both.stdout)).len(), 2);
    shelf.refuses("up2.delta --with old.tar --to oci -o x.tar", 3).says(["ex.org/app:2"]);
}

#[test]
fn several_images_are_several_artifacts() {
    let other =
        |version: &str| image(&[vec![file("web", noise(9, 40_000)), file("v", version)]], &format!("web:{version}"));
    let old = Shape::Docker20.save(&[other("1"), old()]);
    let new = [new(), other("2").tag("web:latest")];
    let shelf = Shelf::of([("old.tar", old), ("new.tar", Shape::Oci.save(&new))]);
    shelf.delta().says(["2 images", "needs ex.org/app:1", "needs web:1"]);
    let made = shelf.convert("up.delta --with old.tar --to oci").success();
    let found = judge::oci_images(&Archive::written(&made.stdout));
    let ids = |images: &[&str]| images.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let mut expected = [new[0].id(), new[1].id(), new[1].id()];
    let mut found: Vec<_> = found.iter().map(|image| image.id.clone()).collect();
    found.sort();
    expected.sort();
    found.dedup();
    assert_eq!(found, {
        let mut all = ids(&expected.each_ref().map(String::as_str));
        all.dedup();
        all
    });
    let one = shelf.convert("up.delta --with old.tar --image web:2 --to oci").success();
    assert_eq!(judge::oci_images(&Archive::written(&one.stdout))[0].id, new[1].id());
}

#[test]
fn a_base_that_is_wrong_or_damaged_is_refused() {
    let shelf = shelf(Shape::Docker20);
    shelf.delta();
    let id = old().id();
    for line in ["up.delta --to oci -o x.tar", "up.delta --with new.tar --to oci -o x.tar"] {
        shelf.refuses(line, 3).says(["needs ex.org/app:1", &id, "--with"]);
    }
    for command in ["ls", "cat", "history"] {
        let path = if command == "cat" { " tiny" } else { "" };
        shelf.imgtar(&format!("{command} up.delta{path}")).exits(3).says(["needs ex.org/app:1", "--with"]);
    }
    // One byte of a file that is used.
    for shape in [Shape::Docker20, Shape::Crane] {
        let mut damaged = old();
        let changed = noise(3, 60_000)[30_000..30_050].to_vec();
        let tar = &mut damaged.layers[1].tar;
        let place = tar.windows(50).position(|window| window == changed).unwrap();
        let expected = old().diff_ids()[1].clone();
        tar[place] ^= 1;
        let found = damaged.diff_ids()[1].clone();
        let saved = shape.save_one(&damaged.raw_config(&String::from_utf8(old().config()).unwrap()));
        drop(shelf.0.write("damaged.tar", saved.bytes()));
        let run = shelf.refuses("up.delta --with damaged.tar --to oci -o x.tar", 3);
        run.says([&expected, &found]);
    }
}

#[test]
fn diff_ids_of_every_algorithm_are_checked_before_anything_is_written() {
    let with_sha512 = |image: TestImage| {
        let config = String::from_utf8(image.config()).unwrap();
        let layers = image.layers.iter();
        let config = layers.fold(config, |config, layer| config.replace(&layer.diff_id(), &digest512(&layer.tar)));
        image.raw_config(&config)
    };
    let mut damaged = with_sha512(old());
    let changed = noise(3, 60_000)[30_000..30_050].to_vec();
    let tar = &mut damaged.layers[1].tar;
    let place = tar.windows(50).position(|window| window == changed).unwrap();
    tar[place] ^= 1;
    let archives = [("old.tar", with_sha512(old())), ("new.tar", with_sha512(new())), ("damaged.tar", damaged)];
    let shelf = Shelf::of(archives.map(|(name, image)| (name, Shape::Docker20.save_one(&image))));
    shelf.delta();
    shelf.convert("up.delta --with old.tar --to oci").success();
    let run = shelf.convert("up.delta --with damaged.tar --to legacy").exits(3);
    // The base is the cause.
    assert!(run.says(["damaged.tar: ", &digest512(&old().layers[1].tar)]).stdout.is_empty());
}

#[test]
fn each_platform_is_made_of_the_same_one() {
    let of = |image: TestImage, name: &str| {
        ["linux/amd64", "linux/arm64"]
            .map(|platform| (format!("{name}-{}.tar", &platform[6..]), image.clone().platform(platform)))
    };
    let archives = of(old(), "old").into_iter().chain(of(new(), "new"));
    let saved: Vec<_> = archives.map(|(name, image)| (name, Shape::Oci.save_one(&image))).collect();
    let shelf = Shelf::of(saved.iter().map(|(name, archive)| (name.as_str(), archive.clone())));
    for name in ["old", "new"] {
        shelf.convert(&format!("{name}-amd64.tar {name}-arm64.tar --to oci -o {name}.tar")).success();
    }
    let run = shelf.convert("new.tar --to delta --base old.tar -o up.delta").success();
    run.says(["left out: the index", "linux/amd64", "linux/arm64"]);
    let made = shelf.convert("up.delta --with old.tar --to oci").success();
    let [mut found, mut expected] = [made.stdout, shelf.0.read("new.tar")].map(|archive| {
        judge::oci_images(&Archive::written(&archive))
            .into_iter()
            .map(|image| (image.id, image.names))
            .collect::<Vec<_>>()
    });
    found.sort();
    expected.sort();
    assert_eq!((found.len(), &found), (2, &expected));
    shelf.convert("new.tar --to delta --base old.tar --platform linux/arm64 -o arm.delta").success();
    let made = shelf.convert("arm.delta --with old-arm64.tar --to oci").success();
    assert_image(&made.stdout, &new().platform("linux/arm64"));
    shelf
        .refuses("new.tar --to delta --base old-amd64.tar -o x.delta", 4)
        .says(["no base has an image for linux/arm64"]);
}

#[test]
fn flags_and_commands_that_make_no_delta_are_refused() {
    let shelf = shelf(Shape::Oci);
    shelf.refuses("new.tar --to delta -o x.delta", 2).says(["--base"]);
    shelf.refuses("new.tar --to oci --fast -o x.tar", 2).says(["--fast"]);
    shelf.refuses("new.tar --to delta --base old.tar --compress gzip -o x.delta", 2).says(["--compress"]);
    drop(shelf.0.write("arm.tar", Shape::Oci.save_one(&old().platform("linux/arm64")).bytes()));
    shelf.refuses("new.tar --to delta --base arm.tar -o x.delta", 4).says(["linux/amd64"]);
    for command in ["edit new.tar --label a=b", "import new.tar --arch amd64"] {
        shelf.imgtar(&format!("{command} --to delta -o x.delta")).exits(2).says(["convert"]);
    }
}

#[test]
fn a_layer_that_is_smaller_as_it_is_stays_so() {
    let old = image(&[vec![file("a", "b")]], "ex.org/app:1");
    let new = TestImage::new().tag("ex.org/app:2").layer([file("x", "y")]).stored(Codec::Zstd);
    let shelf = Shelf::of([("old.tar", Shape::Oci.save_one(&old)), ("new.tar", Shape::Oci.save_one(&new))]);
    shelf.delta().says(["1 layer, unchanged"]);
    let layers = tar_diff::layers(&Archive::written(&shelf.0.read("up.delta")));
    assert_eq!(layers[&new.layer_digests()[0]].1, new.layers[0].blob());
    let made = shelf.convert("up.delta --with old.tar --to oci").success();
    assert_eq!(assert_image(&made.stdout, &new).manifest, Shape::Oci.manifest(&new));
}

#[test]
fn what_imgtar_compressed_comes_back_byte_for_byte() {
    let shelf = shelf(Shape::Docker20);
    for form in ["none", "gzip", "zstd"] {
        for (from, to) in [("old", "base"), ("new", "made")] {
            shelf.convert(&format!("{from}.tar --to oci --compress {form} -o {to}.tar --force")).success();
        }
        let run = shelf.convert("made.tar --to delta --base base.tar -o up.delta --force").success();
        run.never_says(["uncompressed"]);
        let back = shelf.convert("up.delta --with base.tar --to oci").success();
        assert!(back.stdout == shelf.0.read("made.tar"), "{form}");
    }
    drop(shelf.0.write("made.tar", Shape::Oci.save_one(&new()).bytes()));
    let run = shelf.convert("made.tar --to delta --base old.tar -o up.delta --force").success();
    run.says(["1 of its layers will come back uncompressed"]);
    let back = shelf.convert("up.delta --with old.tar --to oci --compress gzip").success();
    assert_eq!(assert_image(&back.stdout, &new()).layers[1].codec, Codec::Gzip);
}

#[test]
fn a_layer_that_is_listed_with_several_compressions_comes_back_with_each() {
    let new = image(&new_layers()[1..], "ex.org/app:2");
    let archives = [("old.tar", &old()), ("new.tar", &new)];
    let shelf = Shelf::of(archives.map(|(name, image)| (name, Shape::Docker20.save_one(image))));
    for form in ["none", "gzip", "zstd"] {
        shelf.convert(&format!("new.tar --to oci --compress {form} -t app:{form} -o {form}.tar")).success();
    }
    let manifests = |archive: &[u8]| {
        let found = judge::oci_images(&Archive::written(archive));
        found.into_iter().map(|image| image.manifest).collect::<Vec<_>>()
    };
    for inputs in ["none.tar gzip.tar zstd.tar", "zstd.tar gzip.tar none.tar"] {
        let bundle = inputs.split(' ').flat_map(|name| manifests(&shelf.0.read(name))).collect::<Vec<_>>();
        let run = shelf.convert(&format!("{inputs} --to delta --base old.tar -o up.delta --force")).success();
        run.never_says(["uncompressed"]);
        let back = shelf.convert("up.delta --with old.tar --to oci").success();
        assert_eq!(manifests(&back.stdout), bundle, "{inputs}");
    }
}

#[test]
fn the_report_names_the_image_that_is_needed() {
    let shelf = shelf(Shape::Oci);
    let run = shelf.convert("new.tar --base old.tar --to delta -o up.delta --report -").success();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    schema::check("report", &report);
    assert_eq!((&report["format"], &report["images"][0]["needs"]["image"]), (&json!("delta"), &json!("ex.org/app:1")));
    let actions = report["images"][0]["layers"].as_array().unwrap().iter().map(|layer| layer["action"].clone());
    assert_eq!(actions.collect::<Vec<_>>(), ["left-out", "delta"]);
}
