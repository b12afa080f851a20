//! Archives from decisions: sound ones of every writer, and the same with something a little wrong.

use serde_json::json;

use crate::choice::Choice;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{Item, device, dir, extension, fifo, file, hardlink, opaque, pax_body, symlink, whiteout};
use crate::support::layer::{layer_tar, unended_tar};
use crate::support::shape::Shape;
use crate::support::sparse::Sparse;
use crate::support::tarball::Tarball;

/// The slow ones seldom.
pub(crate) const CODECS: [Codec; 8] =
    [Codec::Plain, Codec::Gzip, Codec::Plain, Codec::Zstd, Codec::Gzip, Codec::Plain, Codec::Xz, Codec::Bzip2];

/// Images and the archive that some writer makes of them.
pub(crate) struct Built {
    pub(crate) images: Vec<TestImage>,
    pub(crate) tar: Tarball,
}

/// A sound archive of up to three images.
pub(crate) fn built(choice: &mut Choice<'_>) -> Built {
    let shape = *choice.of(&Shape::ALL);
    let count = if shape == Shape::Jib { 1 } else { 1 + choice.below(3) };
    let images: Vec<_> = (0..count).map(|nth| image(choice, nth)).collect();
    Built { tar: shape.save(&images), images }
}

/// An image of its own: no two have the same config.
fn image(choice: &mut Choice<'_>, nth: usize) -> TestImage {
    let mut image = TestImage::new().key("x-nth", json!(nth));
    for _ in 0..choice.below(4) {
        image = image.layer_bytes(layer(choice)).stored(*choice.of(&CODECS));
    }
    if choice.once_in(3) {
        image = image.metadata_step("ENV a=b");
    }
    for tag in 0..choice.below(3) {
        let domain = choice.of(&["", "acme/", "example.com/", "localhost:5000/a/b/"]);
        image = image.tag(&format!("{domain}app{nth}:{tag}"));
    }
    image
}

/// A layer that engines could unpack, most of the time.
pub(crate) fn layer(choice: &mut Choice<'_>) -> Vec<u8> {
    let items: Vec<_> = (0..choice.below(8)).map(|nth| any_item(choice, nth)).collect();
    if choice.once_in(6) { unended_tar(items) } else { layer_tar(items) }
}

/// An entry with anything in front of it and anything in its header.
fn any_item(choice: &mut Choice<'_>, nth: usize) -> Item {
    let item = item(choice, nth);
    match choice.below(16) {
        0 => item.gnu(),
        1 => item.xattr("user.comment", choice.take(8)),
        2 => item.pax("mtime", "-12.5"),
        3 => item.pax("uid", "3000000"),
        4 => item.after(extension(b'g', &pax_body(&[("comment", "0123")]))),
        5 => long_named(item, 120 + choice.below(256)),
        6 => sparse(choice),
        7 => device("dev", b'3', (choice.below(2) as u32, 3)),
        8 => item.owner_names("root", "wheel"),
        _ => item,
    }
}

fn long_named(mut item: Item, length: usize) -> Item {
    item.name = [&item.name[..], b"-", &b"n".repeat(length)].concat();
    item
}

fn sparse(choice: &mut Choice<'_>) -> Item {
    let sparse = Sparse { size: 4096 + choice.below(300) as u64, pieces: vec![(0, b"head"), (2048, b"tail")] };
    match choice.below(3) {
        0 => sparse.pax_0_0("sparse"),
        1 => sparse.pax_0_1("sparse"),
        _ => sparse.pax_1_0("sparse"),
    }
}

/// Layers as the model of [`crate::support::model`] knows them: ASCII names, few of them, so that entries meet.
pub(crate) fn stack(choice: &mut Choice<'_>) -> Vec<Vec<Item>> {
    (0..=choice.below(4)).map(|_| (0..choice.below(14)).map(|nth| item(choice, nth)).collect()).collect()
}

fn item(choice: &mut Choice<'_>, nth: usize) -> Item {
    let path = path(choice);
    let item = match choice.below(32) {
        0..8 => file(path, format!("content {nth}")),
        8..14 => dir(path),
        14..18 => symlink(path, target(choice)),
        18..23 => hardlink(path, self::path(choice)),
        23..26 => whiteout(&path),
        26..28 => opaque(&path),
        28 => fifo(&path),
        29 => dir("."),
        30 => file(path, "x".repeat(choice.below(1 << 16))),
        _ => file(path + "/.wh..wh.hidden", ""),
    };
    let (mode, uid) = (*choice.of(&[0o644, 0o4755, 0o1777, 0o600]), *choice.of(&[0, 1_500_000]));
    item.mode(mode).owner(uid, choice.below(256) as u32).mtime(choice.below(1 << 16) as u64)
}

fn path(choice: &mut Choice<'_>) -> String {
    let mut names: Vec<&str> = (0..=choice.below(3)).map(|_| *choice.of(&["a", "b", "a-"])).collect();
    match choice.below(16) {
        13 => names.insert(0, "."),
        14 => names.insert(0, ""),
        15 => names.splice(0..0, ["b", ".."]).for_each(drop),
        _ => {}
    }
    names.join("/")
}

fn target(choice: &mut Choice<'_>) -> String {
    match choice.below(8) {
        5 => format!("/{}", path(choice)),
        6 => format!("../{}", path(choice)),
        7 => (*choice.of(&[".", "..", "/", "../../../..", "d/../a"])).to_owned(),
        _ => path(choice),
    }
}

/// One image, saved by one writer, that engines can unpack; they take less than we do.
pub(crate) struct ForEngines {
    pub(crate) shape: Shape,
    pub(crate) image: TestImage,
}

impl ForEngines {
    pub(crate) fn new(choice: &mut Choice<'_>) -> Self {
        let shape = *choice.of(&Shape::ALL);
        let mut image = TestImage::new().key("x-salt", json!(hex::encode(choice.take(8))));
        for nth in 0..=choice.below(4) {
            let codec = *choice.of(&[Codec::Gzip, Codec::Plain, Codec::Gzip, Codec::Zstd]);
            image = image.layer_bytes(unpackable_layer(choice, nth)).stored(codec);
            if choice.once_in(5) {
                let again = image.layers[choice.below(nth + 1)].tar.clone();
                image = image.layer_bytes(again);
            }
        }
        let name = *choice.of(&["app", "acme/app", "example.com/team/app", "localhost:5000/a/b/c"]);
        for tag in ["1.0", "latest"].into_iter().take(1 + choice.below(2)) {
            image = image.tag(&format!("{name}:{tag}"));
        }
        Self { shape, image }
    }

    /// Whether Docker 20.10 loads the archive as it is: it knows no zstd, and no layout.
    pub(crate) fn is_for_old_docker(&self) -> bool {
        let zstd = self.shape.stored(&self.image).layers.iter().any(|layer| layer.codec == Codec::Zstd);
        !zstd && !matches!(self.shape, Shape::Oci | Shape::OciDockerTypes | Shape::OciNested)
    }
}

/// Parents first, every name once, links to what is there.
fn unpackable_layer(choice: &mut Choice<'_>, nth: usize) -> Vec<u8> {
    let own = format!("l{nth}");
    let mut items = vec![dir("shared"), file("shared/last", format!("{nth}")), dir(&own)];
    for number in 0..=choice.below(6) {
        let name = format!("{own}/f{number}");
        items.push(match choice.below(6) {
            0 => symlink(&name, *choice.of(&["../shared", "/etc/passwd", "nowhere", "../../../x"])),
            1 => hardlink(&name, "shared/last"),
            2 => dir(&name).mode(0o1777),
            3 => long_named(file(&name, "long"), 120 + choice.below(80)),
            4 => file(&name, vec![b'x'; choice.below(40_000)]).mode(0o4755),
            _ => file(&name, choice.take(12)).owner(choice.below(60_000) as u32, 7).mtime(choice.below(1 << 30) as u64),
        });
    }
    if nth > 0 {
        let below = format!("l{}", choice.below(nth));
        match choice.below(3) {
            0 => items.push(whiteout(&below)),
            1 => items.extend([dir(&below), opaque(&below), file(format!("{below}/new"), "new")]),
            _ => {}
        }
    }
    layer_tar(items)
}
