//! Random stacks of layers through the command, against a model that shares no code with it.
//!
//! `IMGTAR_STACKS` says how many (100 if unset), `IMGTAR_SEED` with which one to begin; a failure names its seed.

use std::env;

use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{Item, dir, fifo, file, hardlink, layer_tar, opaque, symlink, unended_tar, whiteout};
use crate::support::model::{Model, Refused};
use crate::support::rootfs::Rootfs;
use crate::support::run::imgtar;
use crate::support::shape::Shape;

/// A generator that needs no crate and gives the same stacks everywhere (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(1);
        random
    }

    /// A stack in which the model refuses nothing.
    pub(crate) fn sound_stack(&mut self) -> Vec<Vec<Item>> {
        let mut stack = self.stack();
        while let Err((layer, Refused(nth))) = apply(&stack) {
            stack[layer].remove(nth);
        }
        stack
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    fn of<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        choices[self.below(choices.len())]
    }

    /// Few names, so that entries meet each other all the time.
    fn path(&mut self) -> String {
        let mut names: Vec<&str> = (0..=self.below(3)).map(|_| self.of(&["a", "a", "b", "b", "a-"])).collect();
        match self.below(12) {
            0 => names.insert(0, "."),
            1 => names.insert(0, ""),
            2 => names.splice(0..0, ["b", ".."]).for_each(drop),
            _ => {}
        }
        names.join("/")
    }

    fn target(&mut self) -> String {
        match self.below(6) {
            0 => format!("/{}", self.path()),
            1 => format!("../{}", self.path()),
            2 => self.of(&[".", "..", "/", "../../../..", "d/../a"]).to_owned(),
            _ => self.path(),
        }
    }

    fn item(&mut self, nth: usize) -> Item {
        let path = self.path();
        let item = match self.below(40) {
            0..10 => file(path, if self.below(20) == 0 { "x".repeat(70_000) } else { format!("content {nth}") }),
            10..18 => dir(path),
            18..24 => symlink(path, self.target()),
            24..31 => hardlink(path, self.path()),
            31..34 => whiteout(&path),
            34..37 => opaque(&path),
            37 => fifo(&path),
            38 => dir("."),
            _ => file(path.clone() + "/.wh..wh.hidden", "").kind(b'0'),
        };
        let item = item.mode([0o644, 0o4755, 0o1777, 0o600][self.below(4)]).mtime(self.below(1 << 30) as u64);
        item.owner(self.below(3) as u32 * 1_500_000, self.below(1000) as u32)
    }

    pub(crate) fn stack(&mut self) -> Vec<Vec<Item>> {
        let layers = 1 + self.below(4);
        (0..layers).map(|_| (0..self.below(14)).map(|nth| self.item(nth)).collect()).collect()
    }

    pub(crate) fn codec(&mut self) -> Codec {
        Codec::ALL[self.below(Codec::ALL.len())]
    }
}

pub(crate) fn from_env(key: &str) -> Option<u64> {
    env::var(key).ok().map(|value| value.parse().unwrap_or_else(|error| panic!("{key}={value}: {error}")))
}

#[test]
fn random_stacks_are_what_the_model_says() {
    let first = from_env("IMGTAR_SEED").unwrap_or(1);
    for seed in first..first + from_env("IMGTAR_STACKS").unwrap_or(100) {
        let mut random = Random::new(seed);
        let mut stack = random.stack();
        // What the model refuses the command must refuse; then both go on without all that the model refuses.
        if apply(&stack).is_err() {
            convert(&stack, &mut random, 3);
        }
        while let Err((layer, Refused(nth))) = apply(&stack) {
            stack[layer].remove(nth);
        }
        let expected = apply(&stack).expect("nothing left to refuse").listing();
        let found = Rootfs::written(&convert(&stack, &mut random, 0)).listing();
        assert_eq!(found, expected, "IMGTAR_SEED={seed}: {:#?}", shown(&stack));
    }
}

pub(crate) fn apply(stack: &[Vec<Item>]) -> Result<Model, (usize, Refused)> {
    let mut model = Model::default();
    for (nth, layer) in stack.iter().enumerate() {
        model.apply(layer).map_err(|refused| (nth, refused))?;
    }
    Ok(model)
}

/// The stack through the command, saved in some shape with some compression.
#[track_caller]
fn convert(stack: &[Vec<Item>], random: &mut Random, code: i32) -> Vec<u8> {
    let image = stack.iter().fold(TestImage::new().tag("app:1"), |image, layer| {
        let tar = if random.below(5) == 0 { unended_tar(layer.clone()) } else { layer_tar(layer.clone()) };
        image.layer_bytes(tar).stored(random.codec())
    });
    let shape = [Shape::Docker20, Shape::Crane, Shape::Oci][random.below(3)];
    let jobs = (1 + random.below(4)).to_string();
    imgtar(["convert", "--to", "rootfs", "-j", &jobs]).stdin(shape.save_one(&image).bytes()).exits(code).stdout
}

pub(crate) fn shown(stack: &[Vec<Item>]) -> Vec<Vec<String>> {
    let line = |item: &Item| {
        let (name, link) = (String::from_utf8_lossy(&item.name), String::from_utf8_lossy(&item.link));
        format!("{} {name} {link}", char::from(item.kind)).trim_end().to_owned()
    };
    stack.iter().map(|layer| layer.iter().map(line).collect()).collect()
}
