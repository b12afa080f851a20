//! A terminal, and what a person sees on it: every state of the screen, from the first byte to the last.
//!
//! It knows the few control sequences that the command has a use for, and fails on others.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::run::program;

/// More lines than anything here says.
const ROWS: u16 = 200;

/// A command about to run on a terminal.
pub(crate) struct OnScreen {
    command: Command,
    columns: u16,
    /// What is piped in, and how long to wait before each piece.
    input: (Vec<u8>, Duration),
}

/// What was seen.
pub(crate) struct Seen {
    /// The exit code.
    pub(crate) code: Option<i32>,
    /// The lines that held something, after each write.
    pub(crate) frames: Vec<Vec<String>>,
    /// Every byte.
    pub(crate) bytes: Vec<u8>,
    /// Lines that went on in the next one, as far as the screen is wide: they are longer, or are as long and drawn in one go.
    pub(crate) filled: Vec<String>,
}

/// `imgtar` with these arguments on a terminal of so many columns.
pub(crate) fn imgtar<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(columns: u16, args: I) -> OnScreen {
    let mut command = Command::new(program());
    command.args(args).env("TERM", "xterm-256color");
    for key in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "IMGTAR_JOBS", "SOURCE_DATE_EPOCH"] {
        command.env_remove(key);
    }
    OnScreen { command, columns, input: (Vec::new(), Duration::ZERO) }
}

impl OnScreen {
    /// Pipes these bytes in, with a pause before each piece.
    pub(crate) fn stdin(mut self, bytes: Vec<u8>, pause: Duration) -> Self {
        self.input = (bytes, pause);
        self
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Seen {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&control).and_then(|()| unlockpt(&control)).expect("a terminal of our own");
        let size = Winsize { ws_row: ROWS, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&control, size).expect("a terminal has a size");
        let terminal = ioctl_tiocgptpeer(&control, OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("its other end");
        let out = terminal.try_clone().unwrap();
        self.command.stdin(Stdio::piped()).stdout(out).stderr(terminal);
        let mut child = self.command.spawn().expect("the command starts");
        // Else its ends stay open here.
        drop(self.command);
        let (bytes, pause) = self.input;
        let mut pipe = child.stdin.take().unwrap();
        let feeder = thread::spawn(move || {
            for piece in bytes.chunks(1 << 20) {
                thread::sleep(pause);
                if pipe.write_all(piece).is_err() {
                    return;
                }
            }
        });
        let seen = watch(File::from(control), self.columns.into());
        feeder.join().unwrap();
        Seen { code: child.wait().unwrap().code(), ..seen }
    }
}

impl Seen {
    /// What is left on the screen.
    pub(crate) fn last(&self) -> &[String] {
        self.frames.last().map_or(&[], Vec::as_slice)
    }

    /// Whether there was a moment at which a line held all of these.
    pub(crate) fn ever(&self, words: &[&str]) -> bool {
        self.frames.iter().flatten().any(|line| words.iter().all(|word| line.contains(word)))
    }
}

fn watch(mut terminal: File, columns: usize) -> Seen {
    let mut screen = Screen { columns, lines: vec![Vec::new()], row: 0, column: 0, filled: Vec::new() };
    let (mut frames, mut bytes, mut rest, mut buffer) = (Vec::new(), Vec::new(), Vec::new(), [0; 4096]);
    // The end of a terminal is an error: nobody has it open any more.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
        rest.extend_from_slice(&buffer[..read]);
        rest.drain(..screen.take(&rest));
        frames.push(screen.shown());
    }
    assert!(rest.is_empty(), "it ends inside a character: {}", rest.escape_ascii());
    Seen { code: None, frames, bytes, filled: screen.filled }
}

struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    filled: Vec<String>,
}

impl Screen {
    /// Does what `bytes` say: how many of them were whole.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
        };
        let mut rest = whole;
        while let Some(first) = rest.chars().next() {
            rest = if first == '\u{1b}' {
                let Some(end) = rest.find(|char: char| char.is_ascii_alphabetic()) else { break };
                self.control(&rest[1..=end]);
                &rest[end + 1..]
            } else {
                self.put(first);
                &rest[first.len_utf8()..]
            };
        }
        whole.len() - rest.len()
    }

    fn put(&mut self, char: char) {
        match char {
            '\r' => self.column = 0,
            '\n' => self.down(),
            char => {
                if self.column == self.columns {
                    self.filled.push(self.lines[self.row].iter().collect());
                    self.down();
                    self.column = 0;
                }
                let (line, column) = (&mut self.lines[self.row], self.column);
                line.resize(line.len().max(column + 1), ' ');
                line[column] = char;
                self.column += 1;
            }
        }
    }

    fn down(&mut self) {
        self.row += 1;
        self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
    }

    /// `[2K` and the like, without the escape character.
    fn control(&mut self, sequence: &str) {
        let count = |text: &str| if text.is_empty() { 1 } else { text.parse::<usize>().expect(sequence) };
        let (parameters, last) = sequence.strip_prefix('[').expect(sequence).split_at(sequence.len() - 2);
        match last {
            "m" => {}
            "A" => self.row = self.row.saturating_sub(count(parameters)),
            "B" => (0..count(parameters)).for_each(|_| self.down()),
            "C" => self.column += count(parameters),
            "D" => self.column = self.column.saturating_sub(count(parameters)),
            "K" if parameters == "2" => self.lines[self.row].clear(),
            "K" => self.lines[self.row].truncate(self.column),
            "J" => {
                self.lines[self.row].truncate(self.column);
                self.lines.truncate(self.row + 1);
            }
            "h" | "l" if parameters == "?25" => {}
            _ => panic!("unknown here: {sequence}"),
        }
    }

    /// The lines from the first to the last that hold something, without spaces at their ends.
    fn shown(&self) -> Vec<String> {
        let text = |line: &Vec<char>| line.iter().collect::<String>().trim_end().to_owned();
        let mut lines: Vec<String> = self.lines.iter().map(text).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}
