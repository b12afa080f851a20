//! Flattens an image and reads the root filesystem while it is made, here for the size of the largest file:
//! `flatten ARCHIVE`. Any reader of tars would do: a scanner, a hash, an upload.

use std::{io, thread};

use imgtar::{ConvertOptions, RootfsOptions, Run, Sink, Target, convert};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let archive = std::env::args_os().nth(1).ok_or("usage: flatten ARCHIVE")?;
    let (reader, writer) = io::pipe()?;
    let flattened = thread::spawn(move || {
        let options = ConvertOptions::new(Target::Rootfs(RootfsOptions::default()));
        convert(archive.into(), Sink::writer("the pipe", writer).into(), &options, &Run::quiet())
    });
    let mut largest = None;
    for entry in tar::Archive::new(reader).entries()? {
        let entry = entry?;
        largest = largest.max(Some((entry.size(), entry.path()?.into_owned())));
    }
    // The tar is whole when this says so, and no earlier.
    flattened.join().expect("no thread of imgtar panics")?;
    if let Some((size, path)) = largest {
        println!("{size} {}", path.display());
    }
    Ok(())
}
