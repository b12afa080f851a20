//! Several archives are edited as the one that `convert` would make of them.

use std::path::PathBuf;

use super::stacked;
use crate::support::expect::{Target, edit_paths};
use crate::support::judge::Judged;
use crate::support::layer::file;
use crate::support::run::imgtar;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// Two archives of different formats in `scratch`, whose images share a layer.
fn two(scratch: &Scratch) -> [PathBuf; 2] {
    let base = stacked(&[vec![file("etc/demo", "1")]]).untagged();
    let [a, b] = ["example.com/a:1", "example.com/b:1"].map(|name| base.clone().layer([file("app", name)]).tag(name));
    let [a, b] = [Shape::Oci.save_one(&a), Shape::Containerd.save_one(&b)];
    [scratch.write("a.tar", a.bytes()), scratch.write("b.tar", b.bytes())]
}

#[test]
fn several_archives_are_edited_as_the_one_that_convert_makes_of_them() {
    let scratch = Scratch::new();
    let (both, bundle) = (two(&scratch), scratch.path("bundle.tar"));
    imgtar(["convert", "--to", "oci", "-o"]).arg(&bundle).args(&both).success();
    for flags in [
        &["--label", "x=1"][..],
        &["--squash"],
        &["--remove", "etc/demo"],
        &["--image", "example.com/b:1", "--user", "1"],
    ] {
        for target in Target::ALL {
            let written = edit_paths(&both, target, flags);
            let expected = edit_paths(&[&bundle], target, flags);
            assert!(written.bytes == expected.bytes, "{flags:?} to {}", target.flag());
            let ids = |images: &[Judged]| {
                images.iter().map(|image| (image.names.clone(), image.id.clone())).collect::<Vec<_>>()
            };
            assert_eq!(ids(&written.images), ids(&expected.images));
        }
    }
}

#[test]
fn archives_of_one_platform_each_become_one_changed_image() {
    let scratch = Scratch::new();
    let archives = ["amd64", "arm64"].map(|arch| {
        let image = stacked(&[vec![file("arch", arch)]]).untagged().platform(&format!("linux/{arch}"));
        scratch.write(arch, Shape::Oci.save_one(&image).bytes())
    });
    let flags = ["-t", "app:1", "--only-platform", "linux/arm64", "--label", "beta=1"];
    let written = edit_paths(&archives, Target::Oci, &flags);
    let labelled = |image: &Judged| String::from_utf8_lossy(&image.config).contains("beta");
    assert_eq!(written.images.iter().map(labelled).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_preview_is_of_all_archives_and_an_output_without_its_flag_is_told() {
    let scratch = Scratch::new();
    let [a, b] = two(&scratch);
    let run = || imgtar(["edit", "--to", "oci", "--user", "1"]).args([&a, &b]);
    run().arg("--dry-run").success().says(["example.com/a:1", "example.com/b:1"]);
    for flags in [&[][..], &["--dry-run"]] {
        run().arg(scratch.path("out.tar")).args(flags).exits(2).says(["out.tar", "-o"]);
    }
    run().args([&a, &b]).args(["-o"]).arg(&b).exits(2).says(["b.tar", "is the input"]);
    imgtar(["import", "--to", "oci", "--arch", "amd64"]).args([&a, &b]).exits(2).never_says([" -o", "`-o"]);
    assert_eq!(scratch.names(), ["a.tar", "b.tar"]);
}
