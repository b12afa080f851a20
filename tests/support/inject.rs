//! The command with a fault at its nth system call (`tests/faults/inject.c`).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::LazyLock;

use super::process::{Ended, Process};
use super::skip::skip;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call fails: EIO, ENOSPC or EMFILE, as fits it.
    Error,
    /// This call and all later ones that change what is on a disk fail with EROFS.
    ReadOnly,
    /// This call and all later ones that need room on a disk fail with ENOSPC.
    Full,
    /// From here on the system gives no memory.
    Memory,
    /// The call fails with EINTR.
    Interrupt,
    /// The call moves one byte.
    Short,
    /// The reader of a pipe goes away.
    HangUp,
    /// SIGTERM comes.
    Term,
    /// SIGKILL comes.
    Kill,
    /// A shell command runs to its end, here and now.
    Run,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::ReadOnly => "readonly",
            Self::Full => "full",
            Self::Memory => "memory",
            Self::Interrupt => "interrupt",
            Self::Short => "short",
            Self::HangUp => "hangup",
            Self::Term => "term",
            Self::Kill => "kill",
            Self::Run => "run",
        }
    }
}

/// What file systems can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disks {
    /// What those of this machine can.
    Able,
    /// No more than they must: neither hard links nor files without a name, no renaming that spares or exchanges what is
    /// there, no copies inside the kernel.
    Bare,
}

/// The injector, built; `None` where a process may not be traced.
static INJECTOR: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (built, place) = (dir.join(format!("inject-{}", process::id())), dir.join("inject"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/inject.c");
    let compiled = Command::new("cc").args(["-O1", "-o"]).arg(&built).arg(source).status();
    assert!(compiled.expect("a C compiler").success(), "the injector compiles");
    // Whoever tests beside us may be running the one that is there.
    fs::rename(&built, &place).unwrap();
    let probe = Command::new(&place).args(["/dev/null", "error", "0", "true"]).output().unwrap();
    probe.status.success().then_some(place)
});

/// Whether faults can be injected here; a test that needs them is skipped if not.
#[track_caller]
pub(crate) fn is_possible() -> bool {
    if INJECTOR.is_none() {
        skip("processes cannot be traced here");
    }
    INJECTOR.is_some()
}

/// Runs `imgtar` on such `disks` with `fault` at call `nth`: how it ended, and which call that was; `None` if there were
/// fewer.
///
/// `log` is a file that may be written. `meanwhile` is the shell command of [`Fault::Run`].
pub(crate) fn run(
    disks: Disks,
    (fault, nth): (Fault, usize),
    log: &Path,
    meanwhile: &str,
    args: impl IntoIterator<Item = OsString>,
    stdin: Stdio,
) -> (Ended, Option<String>) {
    let injector = INJECTOR.as_ref().expect("asked before");
    let (injector, shown) = (injector.to_str().unwrap(), log.to_str().unwrap());
    let bare = if disks == Disks::Bare { "INJECT_BARE=1" } else { "" };
    let prefix = format!("INJECT_RUN='{meanwhile}' {bare} exec {injector} {shown} {} {nth}", fault.name());
    let ended = Process::start(&prefix, args, stdin).end();
    assert_ne!(ended.code, 125, "the injector fails: {}", ended.stderr);
    let struck = fs::read_to_string(log).unwrap();
    (ended, (!struck.is_empty()).then_some(struck))
}
