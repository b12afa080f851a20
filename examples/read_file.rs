//! Writes one file of an image to standard output, as a container would see it: `read_file ARCHIVE PATH`.

use imgtar::{ImageFiles, ImageSelector, Result, Run, Sink, open};

fn main() -> Result<()> {
    let usage = "usage: read_file ARCHIVE PATH";
    let mut args = std::env::args_os().skip(1);
    let (archive, path) = (args.next().expect(usage), args.next().expect(usage));
    let run = Run::quiet();
    let images = open(archive.into(), None, &run)?;
    let chosen = ImageSelector::default().one(&images)?;
    let files = ImageFiles::of(&images.archive, &chosen, &run)?;
    files.open(path.as_encoded_bytes())?.copy_to(&mut Sink::stdout()?)
}
