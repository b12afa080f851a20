//! Whole runs in memory: any bytes to any target, archives of every writer with something a little wrong, layers against
//! the model.

use std::collections::BTreeSet;

use imgtar::{
    Attestations, Compress, ConfigChanges, ConvertOptions, DockerOptions, Encoding, GzipLevel, Half, IndexPolicy,
    NewConfig, OciOptions, Output, Platform, Platforms, RootfsOptions, Sink, Target, Verify, ZstdLevel,
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
    judge(&archive, &options);
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
    judge(&outer.encode(&bytes), &options);
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
fn judge(archive: &[u8], options: &ConvertOptions) {
    let Ok(written) = memory::converted(archive, options) else { return };
    if matches!(options.target, Target::Rootfs(_)) {
        // Only what was checked to the last layer can be held to its word.
        let _ = memory::converted(&written, options).expect_err("a root filesystem is no image archive");
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
    let image = TestImage::new();
    let image = stack.iter().fold(image, |image, layer| image.layer_bytes(layer_tar(layer.clone())).stored(codec));
    let options = ConvertOptions::new(Target::Rootfs(RootfsOptions::default()));
    memory::converted(&Shape::Oci.save_one(&image).bytes(), &options)
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
