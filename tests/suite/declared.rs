//! What the input declares of layers before anybody can know it: sizes and names that are not true.

use crate::support::codec::Codec;
use crate::support::expect::{Target, convert, convert_path, refuse};
use crate::support::image::TestImage;
use crate::support::layer::file;
use crate::support::layout::{Layout, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Types};
use crate::support::noise;
use crate::support::scratch::Scratch;
use crate::support::tarball::Tarball;
use serde_json::json;

/// A zstd frame of `content`, uncompressed blocks, that declares `size` bytes (RFC 8878, 3.1.1).
fn zstd_frame(content: &[u8], size: u64) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 3 << 6, (20 - 10) << 3];
    frame.extend(size.to_le_bytes());
    let mut blocks = content.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let header = u32::try_from(block.len()).unwrap() << 3 | u32::from(blocks.peek().is_none());
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

/// An image of one layer of 2 MiB that no compression shortens and that declares `size` bytes, and a small one above it.
fn declaring(size: u64) -> Tarball {
    let image = TestImage::new().layer([file("noise", noise(2 << 20))]).layer([file("above", "1")]);
    let mut layout = Layout::new();
    let zstd = format!("{OCI_LAYER}+zstd");
    let layers = [
        layout.blob(&zstd, zstd_frame(&image.layers[0].tar, size)),
        layout.blob(&zstd, Codec::Zstd.encode(&image.layers[1].tar)),
    ];
    let config = layout.blob(OCI_CONFIG, image.config());
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
    let manifest = layout.manifest(&manifest);
    layout.list_as(&manifest, &["app:1".to_owned()]);
    layout.tarball()
}

#[test]
fn a_size_that_is_declared_and_not_true_is_the_input_s_fault() {
    let content = TestImage::new().layer([file("noise", noise(2 << 20))]).layers[0].tar.len() as u64;
    convert(&declaring(content), Target::Legacy, &[]);
    for size in [0, 512, content - 512, content + 512, 1 << 30, 1 << 40, 1 << 45, 1 << 62, (1 << 63) + 512, !511] {
        let tar = declaring(size).bytes();
        for flags in [&[][..], &["-j", "1"], &["--max-size", "20M"]] {
            refuse(&tar, Target::Legacy, flags, 3).says(["zstd"]);
        }
    }
}

/// Runs the command by a shell that lets no file become longer than `limit` blocks of 512 or 1024 bytes.
#[cfg(unix)]
fn with_files_of(limit: u32, input: &std::path::Path, out: &std::path::Path) -> (Option<i32>, String) {
    let command = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" convert --to legacy -o \"$2\" \"$1\"");
    let args = [&crate::support::run::program(), input, out];
    let run = std::process::Command::new("sh").arg("-c").arg(command).args(args).output().unwrap();
    (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
}

#[cfg(unix)]
#[test]
fn what_fails_because_of_a_declared_size_is_tried_with_the_true_one() {
    let scratch = Scratch::new();
    let out = scratch.path("out.tar");
    // Room for what the layer holds, and none for what it declares.
    let input = scratch.write("in.tar", declaring(1 << 30).bytes());
    let (status, said) = with_files_of(32 << 10, &input, &out);
    assert_eq!(status, Some(3), "{said}");
    // No room for either.
    let content = TestImage::new().layer([file("noise", noise(2 << 20))]).layers[0].tar.len() as u64;
    let input = scratch.write("honest.tar", declaring(content).bytes());
    let (status, said) = with_files_of(1 << 10, &input, &out);
    assert_eq!(status, Some(5), "{said}");
    assert!(!out.exists());
}

#[test]
fn a_layer_is_one_whether_a_directory_or_a_tar_holds_it() {
    let images = [
        TestImage::demo("app:1"),
        // One layer twice, and once more in an image of its own.
        TestImage::new().layer([file("a", "1")]).layer([file("a", "1")]).tag("twice:1"),
        TestImage::new().layer([file("a", "1")]).tag("once:1"),
    ];
    for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd] {
        for mut layout in [Layout::new(), Layout::sha512()] {
            for image in &images {
                let image = image.clone().all_stored(codec);
                let descriptor = layout.image(&image, Types::Oci);
                layout.list_as(&descriptor, &image.tags);
            }
            let tar = layout.tarball();
            let scratch = Scratch::new();
            let dir = scratch.path("layout");
            tar::Archive::new(&tar.bytes()[..]).unpack(&dir).unwrap();
            for (target, flags) in [
                (Target::Legacy, &[][..]),
                (Target::Docker, &[]),
                (Target::Docker, &["--compress", "keep"]),
                (Target::Oci, &[]),
                (Target::Oci, &["--compress", "gzip"]),
            ] {
                let from_tar = convert(&tar, target, flags);
                let from_dir = convert_path(&dir, target, flags);
                assert!(from_tar.bytes == from_dir.bytes, "{codec:?} to {} {flags:?}", target.flag());
            }
        }
    }
}
