//! Progress of long work: a bar on a terminal, a line every few seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{Output, count};

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far some work is.
pub(crate) struct Progress {
    output: Output,
    label: &'static str,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// Starts at nothing of `total` (unknown if 0).
    #[must_use]
    pub(crate) fn start(output: Output, label: &'static str, total: u64) -> Self {
        let bar = output.is_interactive().then(|| bar(label, total));
        Self {
            output,
            label,
            bar,
            last_line: Instant::now(),
        }
    }

    /// Shows a new state, with a remark such as `3 bad rows`.
    pub(crate) fn update(&mut self, done: u64, total: u64, remark: &str) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(remark.to_owned());
            return;
        }
        if self.output.is_quiet() || self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let of = if total > 0 {
            format!(" of {}", count(total))
        } else {
            String::new()
        };
        self.output
            .note(format_args!("{}: {}{of} {remark}", self.label, count(done)));
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(label: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template(
        "{prefix} {bar:30} {human_pos}/{human_len} {per_sec}, {eta} left {msg}",
    );
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(label);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
