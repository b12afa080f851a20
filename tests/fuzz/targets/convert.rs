//! Whole runs in memory: any bytes to any target, archives of every writer with something a little wrong, layers against
//! the model.

use std::collections::BTreeSet;

use imgtar::{
    Attestations, Compress, ConfigChanges, ConvertOptions, DockerOptions, EditOptions, Encoding, GzipLevel, Half,
    IndexPolicy, NewConfig, Normalize, OciOptions, Output, Platform, Platforms, RootfsOptions, Sink, Squash, Target,
    Verify, ZstdLevel,
};

use crate::choice::Choice;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::{Item, layer_tar};
use crate::support::model::{Model, Refused};
use crate::support::name::full;
use crate::support::rootfs::Rootfs;
use crate::support::shape::Shape;
use crate::{generate, memory, mutate, truth};

/// Any bytes behind four that pick the options: what is written is true.
pub(crate) fn raw(data: &[u8]) {
    let mut choice = Choice::new(data);
    let repaired = choice.once_in(2);
    let options = options(&mut Choice::new(choice.take(3)));
    let mut archive = choice.rest().to_vec();
    if repaired {
        mutate::repair_checksums(&mut archive);
    }
    convert_and_check(&archive, &options);
}

/// Archives of every writer: sound ones convert and keep what they hold, damaged ones are refused or come out true.
pub(crate) fn built(data: &[u8]) {
    let mut choice = Choice::new(data);
    let mut options = options(&mut Choice::new(choice.take(3)));
    let sound = !choice.once_in(4);
    let built = generate::built(&mut choice);
    let outer = if choice.once_in(8) { *choice.of(&Codec::ALL) } else { Codec::Plain };
    if sound {
        options = ConvertOptions { verify: options.verify, ..ConvertOptions::new(options.target) };
        let written = memory::converted(&outer.encode(&built.tar.bytes()), &options);
        if !matches!(options.target, Target::Rootfs(_)) {
            same(&built.images, &written.expect("a sound archive converts"), &options);
        }
        return;
    }
    let mut bytes = mutate::members(&mut choice, &built.tar).bytes();
    if choice.once_in(4) {
        mutate::tar(&mut choice, &mut bytes);
    }
    convert_and_check(&outer.encode(&bytes), &options);
}

/// Image IDs, diff_ids and names are those of `images`.
fn same(images: &[TestImage], written: &[u8], options: &ConvertOptions) {
    let found = truth::facts(&truth::judged(written).expect("nothing is beyond judging"));
    let expected: truth::Facts = images
        .iter()
        .map(|image| {
            let names: BTreeSet<_> = image.tags.iter().map(|name| full(name)).collect();
            (image.id(), names.into_iter().collect(), image.diff_ids())
        })
        .collect();
    assert_eq!(found, expected, "{options:?}");
}

/// Converts; what comes out, if anything does, is judged.
fn convert_and_check(archive: &[u8], options: &ConvertOptions) {
    let Ok(written) = memory::converted(archive, options) else { return };
    if matches!(options.target, Target::Rootfs(_)) {
        // Only what was checked to the last layer can be held to its word.
        let _ = memory::converted(&written, options).expect_err("a root filesystem is not an image archive");
    } else if options.verify == Verify::Full && options.index != IndexPolicy::Keep {
        truth::judged(&written);
    }
}

/// A filesystem's tar becomes an image.
pub(crate) fn import(data: &[u8]) {
    let mut choice = Choice::new(data);
    let repaired = choice.once_in(2);
    let options = ConvertOptions::new(target(&mut choice));
    let mut tar = choice.rest().to_vec();
    if repaired {
        mutate::repair_checksums(&mut tar);
    }
    let (sink, memory) = Sink::memory();
    let output = Output::Archive { sink, outer: Encoding::Plain };
    let (os, architecture) = (Some("linux".to_owned()), Some("amd64".to_owned()));
    let config = NewConfig { from: None, changes: ConfigChanges { os, architecture, ..ConfigChanges::default() } };
    let done = imgtar::import(memory::input(&tar), &config, output, &options, &memory::run());
    if done.is_ok() && !matches!(options.target, Target::Rootfs(_)) {
        assert_eq!(truth::judged(&memory.bytes()).expect("a config of our own").len(), 1);
    }
}

/// Stacks of layers: what the model makes of them, and refused where it refuses.
pub(crate) fn flattened(data: &[u8]) {
    let mut choice = Choice::new(data);
    let codec = *choice.of(&generate::CODECS);
    let mut stack = generate::stack(&mut choice);
    if apply(&stack).is_err() {
        assert!(rootfs(&stack, codec).is_err(), "the model refuses this");
    }
    while let Err((layer, Refused(nth))) = apply(&stack) {
        stack[layer].remove(nth);
    }
    let expected = apply(&stack).expect("nothing left to refuse").listing();
    let found = rootfs(&stack, codec).expect("the model takes this");
    assert_eq!(Rootfs::written(&found).listing(), expected);
}

fn apply(stack: &[Vec<Item>]) -> Result<Model, (usize, Refused)> {
    let mut model = Model::default();
    for (nth, layer) in stack.iter().enumerate() {
        model.apply(layer).map_err(|refused| (nth, refused))?;
    }
    Ok(model)
}

fn rootfs(stack: &[Vec<Item>], codec: Codec) -> imgtar::Result<Vec<u8>> {
    let options = ConvertOptions::new(Target::Rootfs(RootfsOptions::default()));
    memory::converted(&stacked(stack, codec), &options)
}

/// An archive of one image of these layers.
fn stacked(stack: &[Vec<Item>], codec: Codec) -> Vec<u8> {
    let add = |image: TestImage, layer: &Vec<Item>| image.layer_bytes(layer_tar(layer.clone())).stored(codec);
    Shape::Oci.save_one(&stack.iter().fold(TestImage::new(), add)).bytes()
}

/// Any changes of any archive: what is written is true. Layers of a sound stack keep their tree where a change says so.
pub(crate) fn edited(data: &[u8]) {
    let mut choice = Choice::new(data);
    if choice.once_in(2) {
        return same_tree(&mut choice);
    }
    let changes = changes(&mut choice);
    let options = ConvertOptions { verify: Verify::Full, ..ConvertOptions::new(target(&mut choice)) };
    let built = generate::built(&mut choice);
    let mut bytes = mutate::members(&mut choice, &built.tar).bytes();
    if choice.once_in(4) {
        mutate::tar(&mut choice, &mut bytes);
    }
    if let Ok(written) = memory::edited(&bytes, &changes, &options)
        && !matches!(options.target, Target::Rootfs(_))
    {
        truth::judged(&written);
    }
}

/// One layer in place of several, and the order of paths: neither changes what a container sees.
fn same_tree(choice: &mut Choice<'_>) {
    let codec = *choice.of(&generate::CODECS);
    let top = choice.byte();
    let (is_squashed, is_normal) = (choice.once_in(2), choice.once_in(2));
    let mut stack = generate::stack(choice);
    while let Err((layer, Refused(nth))) = apply(&stack) {
        stack[layer].remove(nth);
    }
    let squash = is_squashed.then(|| Squash::Top(usize::from(top) % (stack.len() + 1)));
    let changes = EditOptions { squash, normalize: is_normal.then_some(Normalize::All), ..EditOptions::default() };
    // What is normal has no time after 1970.
    let clamp_mtime = is_normal.then_some(0);
    let options = ConvertOptions::new(Target::Rootfs(RootfsOptions { clamp_mtime, ..RootfsOptions::default() }));
    let image = stacked(&stack, codec);
    let expected = memory::converted(&image, &options).expect("the model takes this");
    let found = memory::edited(&image, &changes, &options).expect("a change takes what flattening takes");
    assert!(found == expected, "{changes:?}");
}

/// Any changes that a command line could ask for without other files.
fn changes(choice: &mut Choice<'_>) -> EditOptions {
    let paths = ["a", "b", "a/b", "*", "**/a", "b/**", "etc/*", "**/*-", "b/../a"];
    let remove = (0..choice.below(3)).map(|_| choice.of(&paths).parse().expect("a pattern")).collect();
    let what = choice.byte();
    let flag = |bit: u8| what >> bit & 1 == 1;
    let config = ConfigChanges { author: flag(5).then(|| "me".to_owned()), ..ConfigChanges::default() };
    EditOptions {
        remove: if flag(0) { remove } else { Vec::new() },
        remove_layers: if flag(1) && flag(2) { vec![choice.below(4)] } else { Vec::new() },
        squash: match what >> 6 {
            2 => Some(Squash::All),
            3 => Some(Squash::Top(1 + choice.below(4))),
            _ => None,
        },
        normalize: flag(3).then_some(Normalize::All),
        platforms: if flag(4) && flag(5) { vec![Platform::new("linux", "amd64")] } else { Vec::new() },
        config,
        ..EditOptions::default()
    }
}

/// Any options that a command line could give.
fn options(choice: &mut Choice<'_>) -> ConvertOptions {
    let mut options = ConvertOptions::new(target(choice));
    options.verify = *choice.of(&[Verify::Full, Verify::Auto, Verify::Digests, Verify::Full]);
    options.index = *choice.of(&[IndexPolicy::Prune, IndexPolicy::Prune, IndexPolicy::Keep, IndexPolicy::Strict]);
    let rare = choice.byte();
    options.prefer = [None, None, Some(Half::Oci), Some(Half::Docker)][usize::from(rare & 3)];
    options.attestations = [None, None, Some(Attestations::Keep), Some(Attestations::Drop)][usize::from(rare >> 2 & 3)];
    if rare >> 4 & 7 == 7 {
        options.platforms = Platforms::Only(vec![Platform::new("linux", "amd64")]);
    }
    options
}

fn target(choice: &mut Choice<'_>) -> Target {
    let number = choice.byte();
    let compress = [
        None,
        None,
        Some(Compress::Keep),
        Some(Compress::None),
        Some(Compress::Gzip(GzipLevel::new(1))),
        Some(Compress::Zstd(ZstdLevel::new(1))),
    ][usize::from(number >> 2) % 6];
    let flag = |bit: u8| number >> bit & 1 == 1;
    let docker = DockerOptions { compress, full_names: flag(6), allow_missing_foreign: flag(7) };
    match number & 3 {
        0 => Target::Legacy(DockerOptions { compress: None, ..docker }),
        1 => Target::Docker(docker),
        2 => Target::Oci(OciOptions {
            compress,
            full_names: flag(6),
            no_docker_manifest: flag(5),
            oci_types: flag(7),
            flat_index: false,
            all_blobs: flag(4),
            embed_foreign: flag(3),
        }),
        _ => Target::Rootfs(RootfsOptions {
            sort: flag(2),
            keep_dirlinks: flag(3),
            strip_estargz: flag(4),
            clamp_mtime: flag(5).then_some(0),
            only: if flag(6) { vec![b"**/a*".to_vec(), b"etc".to_vec()] } else { Vec::new() },
        }),
    }
}
