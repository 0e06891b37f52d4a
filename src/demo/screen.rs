//! Where the demo speaks: lines for people on standard output (on standard error with `--json`), progress bars on
//! standard error when that is a terminal.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what the demo prints is its product")]

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Lines and bars, kept apart from each other.
#[derive(Debug)]
pub(crate) struct Screen {
    json: bool,
    bars: MultiProgress,
}

impl Screen {
    /// With `json`, standard output is left to the one object at the end.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, bars: MultiProgress::new() }
    }

    /// A line, or several, for people.
    pub(crate) fn say(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        self.bars.suspend(|| if self.json { eprintln!("{text}") } else { println!("{text}") });
    }

    /// The object that `--json` prints.
    pub(crate) fn object(&self, json: &str) {
        self.bars.suspend(|| println!("{json}"));
    }

    /// A bar over `length` steps; nothing is drawn when standard error is no terminal.
    pub(crate) fn bar(&self, what: &'static str, length: u64) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:>12} [{bar:30}] {percent:>3}% {elapsed} {msg}")
            .expect("the template is a constant")
            .progress_chars("=> ");
        let bar = self.bars.add(ProgressBar::new(length).with_style(style).with_prefix(what));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}
