//! Archives that are removed while they are read: the files of a few stay open, those of many are opened again.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;

use imgtar::{Archives, ConvertOptions, Input, OciOptions, Run, Sink, Target};

use super::image;
use crate::support::scratch::Scratch;
use crate::support::shape::Shape;

/// An archive that removes files when it is read for the first time.
struct Removing {
    archive: Cursor<Vec<u8>>,
    paths: Vec<PathBuf>,
}

impl Read for Removing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.paths.drain(..).try_for_each(fs::remove_file)?;
        self.archive.read(buf)
    }
}

#[test]
fn of_up_to_eight_archives_the_files_stay_open() {
    for (count, stay_open) in [(2, true), (8, true), (9, false)] {
        let scratch = Scratch::new();
        let archive = |nth: usize| Shape::Oci.save_one(&image(&format!("app{nth}:1"))).bytes();
        let paths: Vec<_> = (1..count).map(|nth| scratch.write(&format!("{nth}.tar"), archive(nth))).collect();
        // All others are open by then, and none of their layers has been read.
        let last = Removing { archive: Cursor::new(archive(0)), paths: paths.clone() };
        let inputs: Vec<_> = paths.into_iter().map(Input::from).chain([Input::reader("last", last)]).collect();
        let options = ConvertOptions::new(Target::Oci(OciOptions::default()));
        let output = Sink::writer("nowhere", io::sink()).into();
        let converted = imgtar::convert_all(Archives::from(inputs), output, &options, &Run::quiet());
        assert_eq!(converted.is_ok(), stay_open, "{count}: {:?}", converted.err());
        assert_eq!(scratch.names(), [""; 0], "{count}");
    }
}
