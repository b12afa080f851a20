//! The command, run and judged by what a shell would see.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No test waits longer for the command: what hangs is a failure, not a stuck suite. No measure of speed, for which a busy
/// machine is no fault.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The program that is tested: `$IMGTAR`, which may start one of another system in an emulator, or that of this build.
pub(crate) fn program() -> PathBuf {
    env::var_os("IMGTAR").map_or_else(|| env!("CARGO_BIN_EXE_imgtar").into(), PathBuf::from)
}

/// A run of `imgtar` with these arguments; standard input is empty unless set.
pub(crate) fn imgtar<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(args: I) -> Run {
    Run {
        args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(),
        input: Input::Nothing,
        stdout: None,
        envs: Vec::new(),
        dir: None,
    }
}

/// What stands on standard input.
enum Input {
    Nothing,
    Pipe(Vec<u8>),
    /// One byte a write: every short read there is.
    Dribble(Vec<u8>),
    File(File),
}

/// A command about to run.
pub(crate) struct Run {
    args: Vec<OsString>,
    input: Input,
    stdout: Option<File>,
    envs: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
}

impl Run {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Pipes these bytes in.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Pipe(bytes.into());
        self
    }

    /// Pipes these bytes in, one at a time.
    pub(crate) fn dribble(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Dribble(bytes.into());
        self
    }

    /// Redirects standard input from a file, at its current offset.
    pub(crate) fn stdin_file(mut self, file: File) -> Self {
        self.input = Input::File(file);
        self
    }

    /// Redirects standard output to a file; the outcome's `stdout` is then empty.
    pub(crate) fn stdout_file(mut self, file: File) -> Self {
        self.stdout = Some(file);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.envs.push((key.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Runs to the end and keeps everything that was said.
    pub(crate) fn run(self) -> Outcome {
        let shown = self.to_string();
        let (mut child, feeder) = self.spawn();
        let stdout = child.stdout.take().map(drain);
        let stderr = drain(child.stderr.take().expect("stderr is piped"));
        let status = wait(&mut child, &shown);
        feeder.join().expect("the feeder does not panic");
        let stdout = stdout.map(|stdout| stdout.join().unwrap()).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
        Outcome { code: code(status), stdout, stderr, shown }
    }

    /// Runs, reads `bytes` of standard output, and hangs up.
    pub(crate) fn run_and_hang_up_after(self, bytes: usize) -> Outcome {
        let shown = self.to_string();
        let (mut child, feeder) = self.spawn();
        let stderr = drain(child.stderr.take().expect("stderr is piped"));
        let mut stdout = vec![0; bytes];
        child.stdout.take().unwrap().read_exact(&mut stdout).unwrap();
        let status = wait(&mut child, &shown);
        feeder.join().expect("the feeder does not panic");
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap()).into_owned();
        Outcome { code: code(status), stdout, stderr, shown }
    }

    /// Runs and wants exit 0.
    #[track_caller]
    pub(crate) fn success(self) -> Outcome {
        self.exits(0)
    }

    /// Runs and wants this exit code; one that is not 0 comes with one message on standard error.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.code, code, "exit code\n{outcome}");
        assert!(!outcome.stderr.contains("panicked"), "a panic\n{outcome}");
        assert!(code == 0 || !outcome.stderr.trim().is_empty(), "failed without a word\n{outcome}");
        outcome
    }

    fn spawn(self) -> (Child, thread::JoinHandle<()>) {
        let mut command = Command::new(program());
        command.args(&self.args).stderr(Stdio::piped());
        for key in ["IMGTAR_JOBS", "SOURCE_DATE_EPOCH", "NO_COLOR"] {
            command.env_remove(key);
        }
        command.envs(self.envs);
        if let Some(dir) = self.dir {
            command.current_dir(dir);
        }
        command.stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from));
        let (stdin, bytes, step) = match self.input {
            Input::Nothing => (Stdio::null(), Vec::new(), 1),
            Input::File(file) => (Stdio::from(file), Vec::new(), 1),
            Input::Pipe(bytes) => (Stdio::piped(), bytes, 1 << 16),
            Input::Dribble(bytes) => (Stdio::piped(), bytes, 1),
        };
        let mut child = start(command.stdin(stdin)).expect("the command starts");
        let pipe = child.stdin.take();
        let feeder = thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            // The command may stop reading early; that is its right.
            for chunk in bytes.chunks(step) {
                if pipe.write_all(chunk).is_err() {
                    return;
                }
            }
        });
        (child, feeder)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.envs {
            write!(f, "{}={} ", key.to_string_lossy(), value.to_string_lossy())?;
        }
        write!(f, "imgtar")?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))?;
        match &self.input {
            Input::Nothing => Ok(()),
            Input::Pipe(bytes) => write!(f, "   (standard input: {} bytes)", bytes.len()),
            Input::Dribble(bytes) => write!(f, "   (standard input: {} bytes, one by one)", bytes.len()),
            Input::File(_) => write!(f, "   (standard input: a file)"),
        }
    }
}

/// What a shell saw.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; 128 + n for a run that signal n ended.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    shown: String,
}

impl Outcome {
    /// Wants each of these on standard error.
    #[track_caller]
    pub(crate) fn says<const N: usize>(self, texts: [&str; N]) -> Self {
        for text in texts {
            assert!(slashed(&self.stderr).contains(&slashed(text)), "standard error lacks `{text}`\n{self}");
        }
        self
    }

    /// Wants none of these on standard error.
    #[track_caller]
    pub(crate) fn never_says<const N: usize>(self, texts: [&str; N]) -> Self {
        for text in texts {
            assert!(!slashed(&self.stderr).contains(&slashed(text)), "standard error has `{text}`\n{self}");
        }
        self
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("text on standard output")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "command: {}", self.shown)?;
        writeln!(f, "exit:    {}", self.code)?;
        writeln!(f, "stdout:  {} bytes", self.stdout.len())?;
        write!(f, "stderr:  {}", self.stderr.trim_end().replace('\n', "\n         "))
    }
}

/// The text as it reads where `/` separates the parts of all paths: an expectation then holds on Windows too.
fn slashed(text: &str) -> String {
    if cfg!(windows) { text.replace('\\', "/") } else { text.to_owned() }
}

/// Starts the command. Wine 8 sometimes cannot start one of several at once, and says that it is an internal error.
fn start(command: &mut Command) -> io::Result<Child> {
    const INTERNAL_ERROR: i32 = 1359;
    for _ in 0..20 {
        match command.spawn() {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(INTERNAL_ERROR) => {
                thread::sleep(Duration::from_millis(100));
            }
            started => return started,
        }
    }
    command.spawn()
}

fn drain(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("reading what the command wrote");
        bytes
    })
}

fn wait(child: &mut Child, shown: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > TIMEOUT {
            child.kill().unwrap();
            panic!("still running after {TIMEOUT:?}: {shown}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().expect("an exit code")
}
