//! Bars on a terminal: the total above, the current layers below; removed when the run is over, however it ends.
//!
//! A task that is over before anyone could read its bar is never drawn: neither a short run nor a small layer flickers.

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgtar::{Event, Progress, TaskId};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::{Width, terminal_size_of};

use super::tally::{Tally, TaskState, Whole};
use super::{short, verbs};

/// Columns from which on a line has room for the bytes of all and the rate.
const WIDE: u16 = 72;
/// The longest name of a task, so that the line has room for the action.
const LONGEST: usize = 15;

/// The duration of a run after which bars are drawn.
const DELAY: Duration = Duration::from_millis(300);
/// The interval at which a bar without progress is drawn again, so that its rate sinks.
const TICK: Duration = Duration::from_millis(250);
/// The most tasks that are shown at once; on a machine of many cores more may be running.
const MOST: usize = 6;

/// The bars on the screen, shared with all that write to the same terminal.
static SCREEN: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Writes to the terminal of the bars, which are hidden meanwhile.
pub(in super::super) fn aside<T>(write: impl FnOnce() -> T) -> T {
    let screen = SCREEN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match screen {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Draws the events from now on.
pub(super) fn draw() -> Progress {
    let bars = Mutex::new(Bars::new());
    Progress::new(move |event| bars.lock().unwrap_or_else(PoisonError::into_inner).hear(event))
}

struct Bars {
    screen: MultiProgress,
    start: Instant,
    tally: Tally,
    /// An empty line above the bars. A terminal that echoes `^C` below them moves the cursor down one line, by which they
    /// are then missed when they are wiped off: what stays is this one.
    margin: Bar,
    whole: Option<Bar>,
    tasks: HashMap<TaskId, Bar>,
}

/// A bar counts from the beginning, so that its rate is true, and is drawn once it has a place on the screen.
struct Bar {
    bar: ProgressBar,
    shown: bool,
}

impl Bars {
    fn new() -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(screen.clone());
        Self {
            screen,
            start: Instant::now(),
            tally: Tally::default(),
            margin: Bar::new(None),
            whole: None,
            tasks: HashMap::new(),
        }
    }

    fn hear(&mut self, event: &Event<'_>) {
        let task = self.tally.hear(event);
        match (*event, task) {
            (Event::Began { task: id, .. }, Some(task)) => {
                self.tasks.insert(id, Bar::new(task.total));
            }
            (Event::Moved { task: id, .. }, Some(task)) => self.moved(id, &task),
            (Event::Ended { task: id, .. }, _) => {
                if let Some(bar) = self.tasks.remove(&id) {
                    bar.remove(&self.screen);
                }
            }
            _ => {}
        }
        match self.tally.whole() {
            Some(whole) => self.show_whole(whole),
            None if self.tasks.is_empty() => self.remove_margin(),
            None => {}
        }
    }

    /// Leaves nothing above what is written next: an answer begins where the bars were.
    fn remove_margin(&mut self) {
        if self.margin.shown {
            self.margin.remove(&self.screen);
            self.margin = Bar::new(None);
        }
    }

    fn moved(&mut self, id: TaskId, task: &TaskState) {
        if self.start.elapsed() >= DELAY && !self.margin.shown {
            self.margin.show(style(" "), |bar| self.screen.insert(0, bar));
        }
        let shown = self.tasks.values().filter(|bar| bar.shown).count();
        let Some(bar) = self.tasks.get_mut(&id) else { return };
        bar.bar.set_position(task.bytes);
        let is_over = task.total == Some(task.bytes);
        if self.margin.shown && !bar.shown && !is_over && shown < MOST {
            bar.bar.set_message(task_message(task));
            bar.show(style(task_template(task.total.is_some())), |bar| self.screen.add(bar));
        }
    }

    fn show_whole(&mut self, whole: Whole) {
        let bar = self.whole.get_or_insert_with(|| Bar::new(Some(whole.total)));
        bar.bar.set_length(whole.total);
        bar.bar.set_position(whole.bytes);
        // The total stays while tasks are running: more may begin, and a layer whose bar is shown does not look done.
        if whole.is_done() && self.tasks.is_empty() {
            if let Some(bar) = self.whole.take() {
                bar.remove(&self.screen);
            }
            self.remove_margin();
        } else if !bar.shown && self.margin.shown {
            bar.show(style(whole_template()), |bar| self.screen.insert(1, bar));
        }
    }
}

impl Bar {
    fn new(total: Option<u64>) -> Self {
        Self { bar: ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden()), shown: false }
    }

    fn show(&mut self, style: ProgressStyle, place: impl FnOnce(ProgressBar) -> ProgressBar) {
        self.bar.set_style(style);
        place(self.bar.clone()).enable_steady_tick(TICK);
        self.shown = true;
    }

    fn remove(&self, screen: &MultiProgress) {
        self.bar.finish_and_clear();
        if self.shown {
            screen.remove(&self.bar);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let bars = self.tasks.drain().map(|(_, bar)| bar).chain(self.whole.take());
        bars.for_each(|bar| bar.remove(&self.screen));
        self.margin.remove(&self.screen);
        *SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Returns whether standard error is wide; terminals can be resized.
fn is_wide() -> bool {
    terminal_size_of(io::stderr()).is_none_or(|(Width(columns), _)| columns >= WIDE)
}

fn whole_template() -> &'static str {
    match is_wide() {
        true => {
            "{percent:>3}% {eta:>12} left  {wide_bar:.green/dim} {bytes:>11} of {total_bytes:>11} {binary_bytes_per_sec:>13}"
        }
        false => "{percent:>3}% {wide_bar:.green/dim} {bytes:>11}",
    }
}

fn task_template(has_total: bool) -> &'static str {
    match (is_wide(), has_total) {
        (true, true) => "{msg:23!} {wide_bar:.cyan/dim} {bytes:>11} of {total_bytes:>11} {binary_bytes_per_sec:>13}",
        (true, false) => "{msg:23!} {bytes:>11} {binary_bytes_per_sec:>13}",
        (false, _) => "{wide_msg} {bytes:>11}",
    }
}

fn task_message(task: &TaskState) -> String {
    let name = short(&task.label, LONGEST);
    if is_wide() { format!("{} {name}", verbs(task.action).0) } else { name }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed").progress_chars("━╸─")
}
