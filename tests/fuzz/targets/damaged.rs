//! Archives damaged at random: refused, or what comes out is true.
//!
//! In half of them checksums or digests are made right again, so that what lies behind those checks is met as well. True
//! is what the suite's own judge finds true, and equal to what the sound archive held, or to what the damaged one says it
//! holds by the same judge.

use std::sync::OnceLock;

use imgtar::{ConvertOptions, DockerOptions, OciOptions, RootfsOptions, Target, Verify};

use crate::choice::Choice;
use crate::random::Random;
use crate::support::archive::Archive;
use crate::support::judge::Judged;
use crate::support::name::full;
use crate::support::tarball::Tarball;
use crate::truth::{Declared, Facts, declared, facts, images, judged};
use crate::{generate, memory, mutate, seeds};

/// What became of a damaged archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// It was not converted.
    Refused,
    /// What the damage hit matters to nobody.
    Unharmed,
    /// Another image, and a true one: what the archive says now.
    Another,
    /// It promises what cannot be computed here.
    BeyondJudging,
}

/// The targets by number, as the command calls them.
pub(crate) const FLAGS: [&str; 4] = ["legacy", "docker", "oci", "rootfs"];

/// Everything that is decoded is checked: nothing else can be held to its word.
pub(crate) fn options(target: usize) -> ConvertOptions {
    let options = ConvertOptions::new(match target {
        0 => Target::Legacy(DockerOptions::default()),
        1 => Target::Docker(DockerOptions::default()),
        2 => Target::Oci(OciOptions::default()),
        _ => Target::Rootfs(RootfsOptions::default()),
    });
    ConvertOptions { verify: Verify::Full, ..options }
}

/// An archive to damage, and what it holds.
struct Sound {
    tar: Tarball,
    held: Facts,
}

/// Small ones, and the fixtures as they are, a hundred times as large.
fn sound() -> &'static (Vec<Sound>, Vec<Sound>) {
    static SOUND: OnceLock<(Vec<Sound>, Vec<Sound>)> = OnceLock::new();
    let known = |tar: Tarball| Sound { held: facts(&images(&Archive::open(&tar.bytes()))), tar };
    SOUND.get_or_init(|| {
        let built = (0..40).map(|seed| generate::built(&mut Choice::new(&Random::new(seed).bytes(400))).tar);
        let fixtures = seeds::fixtures().into_iter();
        let fixtures = fixtures.map(|(_, packed)| Tarball { members: Archive::open(&packed).members });
        (seeds::miniatures().into_iter().chain(built).map(known).collect(), fixtures.map(known).collect())
    })
}

/// Decisions: which archive, what is damaged, to which target it goes.
pub(crate) fn damaged(data: &[u8]) {
    fate(data);
}

/// What becomes of the archive that `data` decide on.
pub(crate) fn fate(data: &[u8]) -> Fate {
    let mut choice = Choice::new(data);
    let target = choice.below(4);
    let (sound, damaged) = damage(&mut choice);
    let Ok(written) = memory::converted(&damaged, &options(target)) else { return Fate::Refused };
    let layered = if target == 3 { through_docker(&damaged, &written) } else { written };
    let Some(judged) = judged(&layered) else { return Fate::BeyondJudging };
    let found = facts(&judged);
    if found == sound.held {
        return Fate::Unharmed;
    }
    let declared = declared(&damaged);
    let is_true = match &declared {
        Some(declared) => is_part(&found, declared) || judged.iter().all(|image| is_made_anew(&damaged, image)),
        None => judged.iter().all(|image| stands(&damaged, &image.config) || is_made_anew(&damaged, image)),
    };
    assert!(is_true, "{}: {found:#?}\nis not what the archive says: {declared:#?}", FLAGS[target]);
    Fate::Another
}

/// The archive that `data` decide on and the target that it goes to.
pub(crate) fn archive(data: &[u8]) -> (usize, Vec<u8>) {
    let mut choice = Choice::new(data);
    let target = choice.below(4);
    (target, damage(&mut choice).1)
}

fn damage(choice: &mut Choice<'_>) -> (&'static Sound, Vec<u8>) {
    let (small, large) = sound();
    let sound = if choice.once_in(20) { choice.of(large) } else { choice.of(small) };
    if choice.once_in(2) {
        return (sound, mutate::members(choice, &sound.tar).bytes());
    }
    let mut bytes = sound.tar.bytes();
    mutate::tar(choice, &mut bytes);
    (sound, bytes)
}

/// Every image is one that the archive says it holds; a name that no engine takes may be missing.
fn is_part(found: &Facts, declared: &Declared) -> bool {
    found.iter().all(|(id, names, diff_ids)| match declared {
        Declared::Images(images) => images.iter().any(|(other, all, promised)| {
            let is_declared = |name: &String| all.contains(name) || all.contains(&full(name));
            other == id && diff_ids == promised && names.iter().all(is_declared)
        }),
        Declared::Layers(layers) => diff_ids.iter().all(|diff_id| layers.contains(diff_id)),
    })
}

/// Whether a member's body begins so. The judge's tar reader knows fewer ways to read a header than there are, and skips
/// data behind links, which have none: where it is lost, a config that stands in the archive binds the layers.
fn stands(tar: &[u8], body: &[u8]) -> bool {
    (0..tar.len()).step_by(512).any(|block| tar[block..].starts_with(body))
}

/// Whether the image's config was made anew, for layers that the archive holds: without `manifest.json`, or behind an end
/// that came early, it is one of docker before 1.10 (X-2, L-32).
fn is_made_anew(tar: &[u8], image: &Judged) -> bool {
    let has_layer = |plain: &Option<Vec<u8>>| plain.as_ref().is_some_and(|plain| stands(tar, plain));
    !stands(tar, &image.config) && image.layers.iter().all(|layer| has_layer(&layer.plain))
}

/// The image in docker's form, if flattening that gives the same `rootfs`.
fn through_docker(damaged: &[u8], rootfs: &[u8]) -> Vec<u8> {
    let docker = memory::converted(damaged, &options(1)).expect("what can be flattened can be written for docker");
    let flattened = memory::converted(&docker, &options(3)).expect("and flattened from there");
    assert!(flattened == rootfs, "flattening before and after differs");
    docker
}
