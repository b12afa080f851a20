//! The cost of a run of the command: the processor's time, memory, and what it writes to standard error.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use wait4::Wait4;

use super::process::peak;
use super::run::program;
use super::scratch::Scratch;
use super::tarball::Tarball;

/// Seconds of the processor after which the system ends a run: what grows without bound is a failure, not a stuck suite.
const MOST_SECONDS: u32 = 120;
/// Bytes of standard error that are kept to be shown.
const SHOWN: usize = 600;

/// What one run took.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    /// The exit code; 128 + n for a run that signal n ended.
    pub(crate) code: i32,
    /// The processor's time, of all threads.
    pub(crate) cpu: Duration,
    /// The most memory that it took, KiB, as [`peak`] has seen it.
    pub(crate) peak: u64,
    /// Bytes of standard output.
    pub(crate) stdout: usize,
    /// Bytes of standard error, and how they begin.
    pub(crate) stderr: (usize, String),
}

/// Runs the command to its end. What it writes to standard output is counted and dropped.
pub(crate) fn cost(args: &[OsString]) -> Cost {
    let mut command = Command::new("sh");
    command.args(["-c", &format!(r#"ulimit -t {MOST_SECONDS}; exec "$0" "$@""#)]).arg(program());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for key in ["IMGTAR_JOBS", "SOURCE_DATE_EPOCH", "NO_COLOR"] {
        command.env_remove(key);
    }
    let mut child = command.spawn().expect("the shell starts");
    let (stdout, stderr) =
        (child.stdout.take().expect("stdout is piped"), child.stderr.take().expect("stderr is piped"));
    let stdout = thread::spawn(move || drain(stdout).0);
    let stderr = thread::spawn(move || drain(stderr));
    let process = child.id();
    let watch = thread::spawn(move || {
        // Nothing is told of a process that has ended and is not waited for yet.
        let peaks = std::iter::from_fn(|| {
            thread::sleep(Duration::from_millis(1));
            peak(process)
        });
        peaks.max().unwrap_or(0)
    });
    let used = child.wait4().unwrap();
    let code = used.status.code().or(used.status.signal().map(|signal| 128 + signal)).expect("it ended");
    let cpu = used.rusage.utime + used.rusage.stime;
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    Cost { code, cpu, peak: watch.join().unwrap(), stdout, stderr }
}

/// Times that twice as much may take beside other tests, in hundredths: two, and something for chance. What grows with the
/// square takes four.
const MOST_TIMES: u128 = 320;
/// A run that takes no longer has not done enough to be judged.
const LEAST: Duration = Duration::from_millis(40);
/// Runs of each size before growth is found to be too fast: chance only ever makes a run slower.
const ATTEMPTS: usize = 4;

/// Runs the command with an archive of `times` and with one of twice as many, whose path stands for `IN` in `args`: both end
/// with `code`, and the processor's time grows no faster than the archive. Returns what the second said.
#[track_caller]
pub(crate) fn grows_evenly(args: &[&str], times: usize, archive: impl Fn(usize) -> Tarball, code: i32) -> String {
    let scratch = Scratch::new();
    let inputs = [times, 2 * times].map(|times| scratch.write(&times.to_string(), archive(times).bytes()));
    let run = |input: &PathBuf| {
        let typed = args.iter().map(|&arg| if arg == "IN" { input.into() } else { arg.into() });
        let cost = cost(&typed.collect::<Vec<OsString>>());
        assert_eq!(cost.code, code, "{args:?} of {}: {}", input.display(), cost.stderr.1);
        cost
    };
    let [mut one, mut two] = [Duration::MAX; 2];
    for _ in 0..ATTEMPTS {
        let [first, second] = inputs.each_ref().map(run);
        (one, two) = (one.min(first.cpu), two.min(second.cpu));
        if two < LEAST || two.as_micros() * 100 <= one.as_micros().max(1) * MOST_TIMES {
            return second.stderr.1;
        }
    }
    panic!("{args:?} takes {one:?} for {times} and {two:?} for twice as many");
}

fn drain(mut stream: impl Read) -> (usize, String) {
    let (mut begins, mut length, mut buffer) = (Vec::new(), 0, vec![0; 1 << 16]);
    loop {
        match stream.read(&mut buffer).expect("reading what the command wrote") {
            0 => return (length, String::from_utf8_lossy(&begins).into_owned()),
            read => {
                length += read;
                begins.extend_from_slice(&buffer[..read.min(SHOWN - begins.len())]);
            }
        }
    }
}
