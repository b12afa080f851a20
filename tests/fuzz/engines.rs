//! Random sound archives: every target keeps what they hold; on request they are written down for the real engines.

use std::fs;
use std::path::{Path, PathBuf};

use imgtar::{ConvertOptions, DockerOptions, OciOptions, Target};

use crate::choice::Choice;
use crate::generate::ForEngines;
use crate::random::Random;
use crate::support::name::{familiar, full, tag};
use crate::support::shape::Shape;
use crate::truth::{facts, judged};
use crate::{from_env, memory};

/// Where tests/interop/checks/random.sh wants the archives.
const DIR: &str = "IMGTAR_ENGINES";

#[test]
fn random_sound_archives_keep_what_they_hold() {
    let (first, count) = (from_env("IMGTAR_SEED").unwrap_or(1), from_env("IMGTAR_ARCHIVES").unwrap_or(20));
    let dir = std::env::var_os(DIR).map(PathBuf::from);
    for seed in first..first + count {
        let archive = ForEngines::new(&mut Choice::new(&Random::new(seed).bytes(600)));
        let bytes = archive.shape.save_one(&archive.image).bytes();
        for target in [
            Target::Legacy(DockerOptions::default()),
            Target::Docker(DockerOptions::default()),
            Target::Oci(OciOptions::default()),
        ] {
            let written = memory::converted(&bytes, &ConvertOptions::new(target)).unwrap();
            let mut names: Vec<_> = archive.image.tags.iter().map(|name| full(name)).collect();
            names.sort();
            let held = [(archive.image.id(), names, archive.image.diff_ids())].into();
            assert_eq!(facts(&judged(&written).unwrap()), held, "IMGTAR_SEED={seed} {:?}", archive.shape);
        }
        if let Some(dir) = &dir {
            write(dir, seed, &archive, &bytes);
        }
    }
}

/// `SEED.tar`; `SEED.facts` and `SEED.names` as tests/interop/facts.sh spells them; `SEED.skopeo`, what skopeo calls it;
/// `SEED.docker` where Docker 20.10 can load it.
fn write(dir: &Path, seed: u64, archive: &ForEngines, bytes: &[u8]) {
    let ForEngines { shape, image } = archive;
    let put = |extension: &str, text: &[u8]| fs::write(dir.join(format!("{seed}.{extension}")), text).unwrap();
    let layers: String = image.diff_ids().iter().map(|diff_id| format!("layer {diff_id}\n")).collect();
    let names: String = image.tags.iter().map(|name| familiar(name) + "\n").collect();
    let path = dir.join(format!("{seed}.tar"));
    let skopeo = match shape {
        Shape::Oci | Shape::OciDockerTypes | Shape::OciNested => {
            format!("oci-archive:{}:{}", path.display(), tag(&image.tags[0]))
        }
        _ => format!("docker-archive:{}", path.display()),
    };
    put("tar", bytes);
    put("facts", format!("id sha256:{}\n{layers}", image.id()).as_bytes());
    put("names", names.as_bytes());
    put("skopeo", skopeo.as_bytes());
    if archive.is_for_old_docker() {
        put("docker", format!("{shape:?}\n").as_bytes());
    }
}
