//! Where fuzzing starts: the archives of every writer, what they hold, and the fixtures made small.

use std::path::PathBuf;

use crate::choice::Choice;
use crate::generate;
use crate::support::archive::Archive;
use crate::support::codec::Codec;
use crate::support::image::TestImage;
use crate::support::layer::layer_tar;
use crate::support::repair::repair_digests;
use crate::support::sparse::Sparse;
use crate::support::tarball::{Kind, Tarball};

/// A file of a miniature's layers has at most so many bytes.
const SMALL: u64 = 512;

/// The archives that real engines wrote (fixtures/README.md), as they are stored.
pub(crate) fn fixtures() -> Vec<(String, Vec<u8>)> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    let dir = if dir.is_dir() { dir } else { PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")) };
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "xz")).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    files.into_iter().map(|path| (name(&path), std::fs::read(path).unwrap())).collect()
}

/// The fixtures without the large files of their layers, every digest right: real writers' archives of a few KiB.
pub(crate) fn miniatures() -> Vec<Tarball> {
    let fixtures = fixtures().into_iter();
    fixtures.map(|(_, packed)| miniature(&Tarball { members: Archive::open(&packed).members })).collect()
}

fn miniature(whole: &Tarball) -> Tarball {
    let mut small = whole.clone();
    for member in &mut small.members {
        if let Kind::File(body) = &mut member.kind
            && body.len() as u64 > 16 << 10
        {
            *body = Codec::sniff(body).encode(&without_large_files(&Codec::decode(body)));
        }
    }
    repair_digests(whole, &small)
}

fn without_large_files(layer: &[u8]) -> Vec<u8> {
    let mut small = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(layer).entries().unwrap() {
        let entry = entry.unwrap();
        if entry.size() <= SMALL {
            let header = entry.header().clone();
            small.append(&header, entry).unwrap();
        }
    }
    small.into_inner().unwrap()
}

/// What to start the target `name` with.
pub(crate) fn of(name: &str) -> Vec<Vec<u8>> {
    match name {
        "index" | "import" => archives().iter().flat_map(|tar| [behind(&[0], tar), behind(&[1], tar)]).collect(),
        "layer" => layers().iter().flat_map(|tar| [behind(&[0], tar), behind(&[1], tar)]).collect(),
        "convert" => {
            let numbers = 0..;
            archives().iter().zip(numbers).map(|(tar, nth)| behind(&[0, nth % 4, 0, 0], tar)).collect()
        }
        "codec" => layers().iter().flat_map(|tar| Codec::ALL.map(|codec| behind(&[7], &codec.encode(tar)))).collect(),
        "json" => documents().iter().flat_map(|json| (0..8).map(|kind| behind(&[kind], json))).collect(),
        "words" => words().iter().map(|word| word.as_bytes().to_vec()).collect(),
        "paths" => ["a/b\n../c", "/usr/./lib/\n/x", "..", "a\n../..", ".wh.a\n\u{202e}"].map(Into::into).to_vec(),
        // These take any bytes for decisions.
        _ => {
            (0..32).map(|nth| (0..200_u8).map(|at| at.wrapping_mul(nth * 8 + 1).wrapping_add(nth)).collect()).collect()
        }
    }
}

fn behind(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, body].concat()
}

fn archives() -> Vec<Vec<u8>> {
    let built = (0..26_u8).map(|nth| generate::built(&mut Choice::new(&[nth, 0, 1, 1, 7, nth, 3, 1, 2])).tar);
    let plain: Vec<_> = built.chain(miniatures()).map(|tar| tar.bytes()).collect();
    let packed: Vec<_> = Codec::ALL.into_iter().zip(&plain).map(|(codec, tar)| codec.encode(tar)).collect();
    plain.into_iter().chain(packed).collect()
}

fn layers() -> Vec<Vec<u8>> {
    let sparse =
        Sparse { size: 8192, pieces: vec![(0, b"head"), (512, b"x"), (1024, b"x"), (2048, b"x"), (8190, b"y")] };
    let mut layers = vec![
        TestImage::demo("a:1").layers[0].tar.clone(),
        layer_tar([sparse.pax_0_0("a"), sparse.pax_0_1("b"), sparse.pax_1_0("c")]),
        [sparse.old_gnu("d"), vec![0; 1024]].concat(),
    ];
    layers.extend((0..24).map(|nth: u8| {
        let bytes: Vec<u8> =
            (0..120).map(|at: u8| at.wrapping_mul(nth.wrapping_mul(2) + 1).wrapping_add(nth)).collect();
        generate::layer(&mut Choice::new(&bytes))
    }));
    layers
}

/// Every document of every archive.
fn documents() -> Vec<Vec<u8>> {
    let mut found = std::collections::BTreeSet::new();
    for tar in archives() {
        for member in Archive::open(&tar).members {
            if let Kind::File(body) = member.kind
                && serde_json::from_slice::<serde_json::Value>(&body).is_ok()
            {
                found.insert(body);
            }
        }
    }
    found.into_iter().collect()
}

fn words() -> Vec<String> {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut words = vec![
        format!("sha256:{hex}"),
        format!("sha512:{hex}{hex}"),
        hex.to_owned(),
        "multihash+base58:Qm=_-".to_owned(),
        format!("localhost:5000/a/b_c--d:T.1@sha256:{hex}"),
    ];
    let more = [
        "app",
        "docker.io/library/app:1",
        "[::1]:5000/a:b",
        "linux/arm64/v8",
        "windows(10.0.17763)/amd64",
        "2020-01-02T03:04:05.123456789+01:00",
        "1969-12-31T23:59:59Z",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
    ];
    words.extend(more.map(str::to_owned));
    words
}
