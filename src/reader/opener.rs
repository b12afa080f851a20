//! Opening inputs: each becomes an index of its members, in place or spooled.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::incoming::{FileHandle, Incoming};
use crate::archive::{MemberIndex, Scan};
use crate::codec::{self, Codec, Watch};
use crate::error::{Error, Result};
use crate::progress::{Action, ProgressReader};
use crate::run::Run;
use crate::stream::input::Input;
use crate::stream::source::Extent;
use crate::stream::spool::{Spool, SpoolFiles};

/// The most archives of a run that stay open, so that they may be renamed or removed and are read without being opened again:
/// doing so for each file that a delta compares takes as long as comparing a small one.
const MOST_OPEN: usize = 8;

/// Opens the archives of one run. Spooled ones share a file: there may be more archives than a process may have open
/// files.
pub(super) struct Opener<'r> {
    spools: SpoolFiles,
    handle: FileHandle,
    pub(super) run: &'r Run,
}

impl<'r> Opener<'r> {
    /// For `count` archives.
    pub(super) fn new(count: usize, run: &'r Run) -> Self {
        let handle = if count <= MOST_OPEN { FileHandle::KeptOpen } else { FileHandle::Reopened };
        Self { spools: SpoolFiles::new(&run.tmpdir), handle, run }
    }

    /// Returns the members of `input`, and its compression as a whole.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged as a tar.
    pub(super) fn open(&self, input: Input) -> Result<(MemberIndex, Codec)> {
        let label = input.label();
        match input {
            Input::Path(path) if path.is_dir() => Ok((directory(&label, &path)?, Codec::Plain)),
            input => {
                let (codec, incoming) = Incoming::open(input, &label, self.handle, &self.run.budget)?;
                Ok((self.indexed(&label, codec, incoming)?, codec))
            }
        }
    }

    fn indexed(&self, label: &str, codec: Codec, incoming: Incoming) -> Result<MemberIndex> {
        let source = match incoming {
            Incoming::Stream(stream) => return self.spooled(label, codec, stream, None),
            Incoming::File(source) => source,
        };
        let extent = source.extent();
        let reader = extent.reader().map_err(|error| Error::io("reading", label, error))?;
        if codec == Codec::Plain {
            self.run.budget.decoded(extent.size(), label)?;
            return bound(Scan::read(reader, label, self.run)?, &extent, 0, self.run);
        }
        let index = self.spooled(label, codec, reader, Some(extent.size()))?;
        source.unchanged()?;
        Ok(index)
    }

    /// Indexes a stream of `size` bytes while it is written, decoded, to a temporary file.
    fn spooled(&self, label: &str, codec: Codec, reader: impl Read, size: Option<u64>) -> Result<MemberIndex> {
        let run = self.run;
        let reader = ProgressReader::new(reader, run.progress.begin(Action::Spool, label, size));
        let decoder = codec::decode(codec, reader, Watch::new(label, &run.budget, &run.diagnostics))
            .map_err(|error| Error::io("reading", label, error))?;
        let ((scan, rest), extent) = self.spools.add(label, |out| {
            let mut spool = Spool::to(decoder, out);
            let scan = Scan::read(&mut spool, label, run)?;
            // A tar without members is not an archive, whatever follows.
            let rest = if scan.is_empty() {
                0
            } else {
                spool.pass_by(label).or_else(|error| run.diagnostics.fault(error).map(|()| 0))?
            };
            Ok((scan, rest))
        })?;
        if codec == Codec::Plain {
            run.budget.decoded(extent.size() + rest, label)?;
        }
        bound(scan, &extent, rest, run)
    }
}

/// The index of the tar in `extent`, all of its source, whose members are in `scan`; `rest` bytes behind it were not kept.
fn bound(scan: Scan, extent: &Extent, rest: u64, run: &Run) -> Result<MemberIndex> {
    let members = scan.bind(extent.source());
    members.report_oddities(extent.size() + rest, run)?;
    Ok(members)
}

/// The members of a directory that an archive was unpacked into.
fn directory(label: &str, path: &Path) -> Result<MemberIndex> {
    let path = fs::canonicalize(path).map_err(|error| Error::io("reading", label, error))?;
    Ok(MemberIndex::directory(label, path))
}
