//! The command under way: begun under a limit, held up, looked into, told to stop.
//!
//! It stops where its input or output does: a test that keeps standard input open, or does not read standard output,
//! knows what has happened and what has not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::run::program;

/// Nothing here takes longer: what hangs is a failure, not a stuck suite.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Runs in the foreground whatever runs the tests, with the signals as a terminal would leave them.
pub(crate) const FOREGROUND: &str = "exec env --default-signal=HUP,INT,TERM";

/// A process whose standard input is as given, its standard output a pipe that the test reads.
pub(crate) struct Process {
    child: Child,
    stderr: JoinHandle<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; 128 + n for a process that signal n ended.
    pub(crate) code: i32,
    /// What was left to read of it.
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Process {
    /// `imgtar` with `args`, by way of a shell: `prefix` is what stands before the command, such as
    /// `ulimit -f 64; exec`.
    pub(crate) fn start<S: AsRef<OsStr>>(prefix: &str, args: impl IntoIterator<Item = S>, stdin: Stdio) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!(r#"{prefix} "$0" "$@""#)]).arg(program()).args(args);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the shell starts");
        let mut stream = child.stderr.take().expect("stderr is piped");
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("messages are text");
            text
        });
        Self { child, stderr }
    }

    /// Writes to its standard input, which stays open.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.child.stdin.as_mut().expect("stdin is piped").write_all(bytes).expect("the command reads on");
    }

    /// Reads from its standard output, which then fills until it is read again.
    pub(crate) fn read(&mut self, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        self.child.stdout.as_mut().expect("stdout is piped").read_exact(&mut read).expect("that much is written");
        read
    }

    /// Sends a signal by its name: `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "{name} is sent");
    }

    /// What its open files are called.
    pub(crate) fn open_files(&self) -> Vec<String> {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect()
    }

    /// Waits until `test` holds.
    pub(crate) fn until(&self, what: &str, test: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !test(self) {
            assert!(start.elapsed() < TIMEOUT, "in vain: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// As [`Process::end`], and the most memory that it took, in KiB, as [`peak`] has seen it.
    pub(crate) fn end_and_peak(self) -> (Ended, u64) {
        let process = self.child.id();
        let watch = thread::spawn(move || {
            let mut most = 0;
            while let Some(peak) = peak(process) {
                most = most.max(peak);
                thread::sleep(Duration::from_millis(1));
            }
            most
        });
        (self.end(), watch.join().unwrap())
    }

    /// Closes its standard input, reads to the end what it writes, and tells how it ended.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let mut stdout = Vec::new();
        self.child.stdout.take().expect("stdout is piped").read_to_end(&mut stdout).unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > TIMEOUT {
                self.child.kill().unwrap();
                panic!("still running after {TIMEOUT:?}");
            }
            thread::sleep(Duration::from_millis(1));
        };
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).expect("it ended one way or the other");
        Ended { code, stdout, stderr: self.stderr.join().unwrap() }
    }
}

/// The most memory that a process has taken so far, in KiB and never more than it was; `None` once it has ended. The pages of
/// files are not counted: how many a program has of itself is the system's choice, and most are debug information.
pub(crate) fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = |name: &str| -> Option<u64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(value("VmHWM:")? - value("RssFile:")?)
}

impl Ended {
    /// Wants this exit code and each of these on standard error.
    #[track_caller]
    pub(crate) fn exits<const N: usize>(self, code: i32, texts: [&str; N]) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "standard error lacks `{text}`: {}", self.stderr);
        }
        self
    }
}

/// A file as standard input that cannot be seeked.
pub(crate) fn piped(path: &Path) -> Stdio {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut file = File::open(path).unwrap();
    // The other side may stop reading early; that is its right.
    thread::spawn(move || std::io::copy(&mut file, &mut writer));
    reader.into()
}
