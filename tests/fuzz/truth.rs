//! Whether what came out is true: judged by the suite's own code, which shares nothing with imgtar.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::digest;
use crate::support::judge::{Judged, docker_images, oci_images};
use crate::support::tarball::Kind;

/// What of an image a conversion must not change: image ID, names, diff_ids.
pub(crate) type Facts = BTreeSet<(String, Vec<String>, Vec<String>)>;

/// The facts of these images.
pub(crate) fn facts(images: &[Judged]) -> Facts {
    let owned = |text: &&str| (*text).to_owned();
    images
        .iter()
        .map(|image| (image.id.clone(), image.names.clone(), image.diff_ids().iter().map(owned).collect()))
        .collect()
}

/// Judges an archive that imgtar wrote: every digest, size and diff_id in it. `None` where a document promises what cannot
/// be judged: an algorithm that nobody here knows, or an encrypted layer.
pub(crate) fn judged(written: &[u8]) -> Option<Vec<Judged>> {
    let archive = Archive::written(written);
    is_judgeable(&archive).then(|| images(&archive))
}

/// The images of an archive, by whichever of its documents is the truth (O-26).
pub(crate) fn images(archive: &Archive) -> Vec<Judged> {
    if archive.has("index.json") { oci_images(archive) } else { docker_images(archive) }
}

/// What an archive that may be damaged says of itself.
#[derive(Debug)]
pub(crate) enum Declared {
    /// Its documents name these images.
    Images(Facts),
    /// It has no such document left: as an archive of docker before 1.10 it holds layers, whose config is made anew (L-32).
    /// These are the digests of its members, decoded.
    Layers(BTreeSet<String>),
}

/// What an archive that may be damaged says; `None` if the judge, who panics, finds something wrong.
pub(crate) fn declared(archive: &[u8]) -> Option<Declared> {
    // libFuzzer takes every panic for a crash, in a hook of its own.
    let hook = crate::UNDER_LIBFUZZER.then(std::panic::take_hook);
    let declared = catch_unwind(AssertUnwindSafe(|| {
        let archive = Archive::open(archive);
        let mut named = Vec::new();
        if archive.has("index.json") {
            named.extend(oci_images(&archive));
        }
        if archive.has("manifest.json") {
            // Also of a hybrid: what only this half knows is taken over (O-25).
            named.extend(docker_images(&archive));
        }
        if archive.has("index.json") || archive.has("manifest.json") {
            return Declared::Images(facts(&named));
        }
        let bodies = archive.members.iter().filter_map(|member| match &member.kind {
            Kind::File(body) => Some(digest(&Codec::decode(body))),
            Kind::Dir | Kind::Symlink(_) | Kind::Hardlink(_) => None,
        });
        Declared::Layers(bodies.collect())
    }));
    if let Some(hook) = hook {
        std::panic::set_hook(hook);
    }
    declared.ok()
}

fn is_judgeable(archive: &Archive) -> bool {
    archive.members.iter().all(|member| {
        let Kind::File(body) = &member.kind else { return true };
        let Ok(document) = serde_json::from_slice::<Value>(body) else { return true };
        let diff_ids = document["rootfs"]["diff_ids"].as_array();
        let known = |diff_id: &Value| diff_id.as_str().is_some_and(|text| text.starts_with("sha256:"));
        diff_ids.is_none_or(|diff_ids| diff_ids.iter().all(known)) && !document.to_string().contains("encrypted")
    })
}
