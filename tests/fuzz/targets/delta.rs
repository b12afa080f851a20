//! Deltas: any operations against an old image, and any two images through a delta and back.

use std::io::Cursor;

use imgtar::{
    Archives, ConvertOptions, DeltaOptions, DockerOptions, Encoding, Input, OciOptions, Output, Result, Sink, Target,
};

use crate::choice::Choice;
use crate::support::image::TestImage;
use crate::support::layer::{Item, file, layer_tar, symlink, whiteout};
use crate::support::shape::Shape;
use crate::support::tar_diff::{self, TarDiff};
use crate::{generate, memory, truth};

/// Paths that an operation may open.
const PATHS: [&str; 8] = ["a", "./d/../a", "d/b", "link", "hidden", "d", "/etc/passwd", "../../x"];

/// A delta that may lie, or one that was made.
pub(crate) fn delta(data: &[u8]) {
    let mut choice = Choice::new(data);
    if choice.once_in(2) { pair(&mut choice) } else { operations(&mut choice) }
}

/// Operations that fit or do not: only what has the diff_id comes out.
fn operations(choice: &mut Choice<'_>) {
    let hidden = layer_tar([file("hidden", "1"), file("a", "0123456789"), file("d/b", "b".repeat(3000))]);
    let old = TestImage::new().layer_bytes(hidden).layer([whiteout("hidden"), symlink("link", "d/b")]);
    let new = TestImage::new().layer([file("new", "0123456789")]);
    let mut diff = if choice.once_in(2) { TarDiff::v2() } else { TarDiff::v1() };
    while !choice.is_empty() {
        let bits = choice.below(15);
        let size = choice.below(1 << bits) as u64;
        diff = match choice.below(9) {
            0 => diff.data(choice.take(size as usize)),
            1 | 2 => diff.open(PATHS[choice.below(PATHS.len())]),
            3 => diff.copy(size),
            4 => diff.add(choice.take(size as usize)),
            5 => diff.seek(size),
            6 => diff.op(choice.byte() % 7, u64::MAX >> choice.below(64), choice.take(size as usize)),
            7 => {
                let frame = zstd::stream::encode_all(choice.take(size as usize), 1).unwrap();
                diff.op(5, frame.len() as u64, frame)
            }
            _ => diff.raw(choice.take(12)),
        };
    }
    let mut bytes = diff.bytes();
    if choice.once_in(3)
        && let Some(byte) = bytes.last_mut()
    {
        *byte ^= 1;
    }
    let delta = tar_diff::of_layer(&old, &new, &bytes).bytes();
    let made = convert(&[&delta], &[&Shape::Oci.save_one(&old).bytes()], &[], Target::Docker(DockerOptions::default()));
    if let Ok(written) = made {
        truth::judged(&written);
    }
}

/// Of any image another is made.
fn pair(choice: &mut Choice<'_>) {
    let options = DeltaOptions { fast: choice.once_in(2), ..DeltaOptions::default() };
    let [old, new] = [0, 1].map(|_| image(&generate::stack(choice)));
    let [old, new] = [old, new].map(|image| Shape::Oci.save_one(&image).bytes());
    // What cannot be merged is not a base.
    let Ok(delta) = convert(&[&new], &[], &[&old], Target::Delta(options)) else { return };
    let oci = || Target::Oci(OciOptions::default());
    let made = convert(&[&delta], &[&old], &[], oci()).expect("a delta of our own");
    let facts = |archive: &[u8]| truth::facts(&truth::judged(archive).expect("nothing is beyond judging"));
    assert_eq!(facts(&made), facts(&convert(&[&new], &[], &[], oci()).expect("it was read before")));
}

fn image(stack: &[Vec<Item>]) -> TestImage {
    stack.iter().fold(TestImage::new().tag("app:1"), |image, layer| image.layer_bytes(layer_tar(layer.clone())))
}

fn convert(inputs: &[&[u8]], with: &[&[u8]], bases: &[&[u8]], target: Target) -> Result<Vec<u8>> {
    let input = |archive: &&[u8]| Input::reader("memory", Cursor::new(archive.to_vec()));
    let inputs_of = |archives: &[&[u8]]| archives.iter().map(input).collect();
    let archives = Archives { inputs: inputs_of(inputs), with: inputs_of(with), bases: inputs_of(bases) };
    let (sink, memory) = Sink::memory();
    let output = Output::Archive { sink, outer: Encoding::Plain };
    imgtar::convert_all(archives, output, &ConvertOptions::new(target), &memory::run())?;
    Ok(memory.bytes())
}
