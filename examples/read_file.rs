//! Writes one file of an image to standard output, as a container would see it: `read_file ARCHIVE PATH`.

use std::io::{self, Write};

use imgtar::{Error, ImageFiles, ImageSelector, Result, Run, open};

fn main() -> Result<()> {
    let usage = "usage: read_file ARCHIVE PATH";
    let mut args = std::env::args_os().skip(1);
    let (archive, path) = (args.next().expect(usage), args.next().expect(usage));
    let run = Run::quiet();
    let images = open(archive.into(), None, &run)?;
    let chosen = ImageSelector::default().one(&images)?;
    let files = ImageFiles::of(&images.archive, &chosen, &run)?;
    let mut content = Vec::new();
    files.open(path.as_encoded_bytes())?.copy_to(&mut content)?;
    io::stdout().write_all(&content).map_err(|error| Error::io("writing to", "standard output", error))
}
