//! Increments of which `manifest.json` alone is left, as the bases of others.

use super::{Shelf, links, new, old};
use crate::support::archive::Archive;
use crate::support::image::TestImage;
use crate::support::judge;
use crate::support::layer::file;
use crate::support::shape::Shape;
use crate::support::tarball::Tarball;

/// Takes the layout out of the archive `name`.
fn lose_index(shelf: &Shelf, name: &str) {
    let mut members = shelf.archive(name).members;
    members.retain(|member| !["index.json", "oci-layout"].contains(&&*member.name));
    shelf.0.write(name, Tarball { members }.bytes());
}

/// `old.tar` and `up.tar` to `up4.tar`, each an increment of the one before; of all but the last only `manifest.json` is left.
fn chain(shape: Shape) -> (Shelf, TestImage) {
    let shelf = Shelf::with_increment(&shape.save_one(&old()), &shape.save_one(&new()));
    lose_index(&shelf, "up.tar");
    let mut bases = "--base up.tar --base old.tar".to_owned();
    let mut image = new();
    for nth in [3, 4] {
        image = image.untagged().layer([file("more", nth.to_string())]).tag(&format!("ex.org/app:{nth}"));
        shelf.0.write("new.tar", shape.save_one(&image).bytes());
        let run = shelf.convert(&format!("new.tar {bases} --to oci -o up{nth}.tar")).success();
        run.says([&*format!("needs {nth} of {} layers of ex.org/app:{}", nth + 1, nth - 1)]).never_says(["warning"]);
        bases = format!("--base up{nth}.tar {bases}");
        if nth == 3 {
            lose_index(&shelf, "up3.tar");
        }
    }
    (shelf, image)
}

#[test]
fn a_base_that_is_an_increment_without_index_is_completed_by_its_own_base() {
    for shape in Shape::ALL {
        let (shelf, image) = chain(shape);
        assert_eq!(links(&shelf.archive("up4.tar")).len(), 4, "B-43: {shape:?}");
        let refused = shelf.convert("new.tar --base up3.tar --base up.tar --to oci").exits(4);
        refused.says(["up3.tar: ex.org/app:3", "an increment itself", "--base"]);
        let with = "--with up3.tar --with up.tar --with old.tar";
        let back = shelf.converted(&format!("up4.tar {with} --to oci"));
        assert_eq!(judge::oci_images(&Archive::written(&back))[0].id, image.id(), "{shape:?}");
        let [back, whole] =
            [&*format!("up4.tar {with}"), "new.tar"].map(|line| shelf.converted(&format!("{line} --to rootfs")));
        assert!(back == whole, "{shape:?}");
    }
}

#[test]
fn the_inputs_do_not_complete_a_base() {
    let (shelf, _) = chain(Shape::Oci);
    // The receiver has none of what is sent, so it has not got the layers of old.tar.
    let run = shelf.convert("new.tar old.tar --base up.tar --to oci").exits(4);
    run.says(["up.tar: ex.org/app:2", "an increment itself"]);
}
