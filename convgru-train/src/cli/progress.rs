//! The events of a run on stderr: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use convgru_train::checkpoint::StepRecord;
use convgru_train::dataset::Split;
use convgru_train::printable::printable;
use convgru_train::schedule::Monitor;
use convgru_train::trainer::{Observer, TrainerEvent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::display::shows_notes;
use super::output;

/// Time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The share of the time of steps from which on waiting for data is reported.
const REPORTED_WAIT: f64 = 0.05;

/// Shows how far a run is.
pub(crate) struct Progress {
    terminal: bool,
    bar: Option<ProgressBar>,
    steps: u64,
    batch_size: usize,
    began: Instant,
    began_at: u64,
    last_line: Option<Instant>,
    /// The share of the time in which steps waited for data.
    waiting: f64,
    /// When the first sequences of a measurement were done, and how many.
    measuring: Option<(Instant, usize)>,
}

impl Progress {
    /// A bar if stderr is a terminal, otherwise a line every few seconds; neither where it is to be quiet.
    pub(crate) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal() && shows_notes(),
            bar: None,
            steps: 0,
            batch_size: 0,
            began: Instant::now(),
            began_at: 0,
            last_line: None,
            waiting: 0.0,
            measuring: None,
        }
    }

    /// Prints above the bar.
    fn above(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn show_bar(&mut self, unit: &str, done: u64, total: u64) {
        if !self.terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = format!("{{bar:24}} {unit} {{pos}}/{{len}}  {{msg}}  {{eta}} left");
        // The template is fixed but for a word; should it be refused, the default style serves too.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar.set_position(done);
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn step(&mut self, record: &StepRecord) {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let done = record.step.saturating_sub(self.began_at).max(1) as f64;
        let speed = done * self.batch_size as f64 / seconds;
        let waiting = match self.waiting {
            share if share > REPORTED_WAIT => format!("  {:.0} % waiting for data", 100.0 * share),
            _ => String::new(),
        };
        let message = format!("loss {:.5}  {speed:.1} sequences/s{waiting}", record.loss);
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            bar.set_position(record.step);
        } else if self.line_is_due() || record.step == self.steps {
            self.last_line = Some(Instant::now());
            let left = output::duration(seconds / done * self.steps.saturating_sub(record.step) as f64);
            output::note(&format!("step {}/{}  {message}  {left} left", record.step, self.steps));
        }
    }

    fn evaluating(&mut self, split: Split, done: usize, total: usize) {
        if self.terminal && self.bar.is_none() {
            self.show_bar("sequence", 0, total as u64);
        }
        let (began, first) = *self.measuring.get_or_insert((Instant::now(), done));
        if done == total {
            self.measuring = None;
        }
        match &self.bar {
            // Within a training the bar counts steps.
            Some(bar) if self.steps > 0 => bar.set_message(format!("{split} {done}/{total}")),
            Some(bar) => bar.set_position(done as u64),
            None if self.line_is_due() => {
                self.last_line = Some(Instant::now());
                let left = match done.checked_sub(first) {
                    Some(measured @ 1..) => {
                        let each = began.elapsed().as_secs_f64() / measured as f64;
                        format!("  {} left", output::duration(each * (total - done) as f64))
                    }
                    _ => String::new(),
                };
                output::note(&format!("{split} {done}/{total} sequences{left}"));
            }
            None => {}
        }
    }

    fn line_is_due(&self) -> bool {
        self.last_line.is_none_or(|last| last.elapsed() >= BETWEEN_LINES)
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: &TrainerEvent<'_>) {
        match *event {
            TrainerEvent::Begin { folder, parameters, done, steps, batch_size } => {
                let verb = if done == 0 { "training" } else { "going on with" };
                let folder = printable(folder);
                output::note(&format!("{verb} {folder}: {parameters} parameters, step {done} of {steps}"));
                (self.steps, self.batch_size, self.began_at) = (steps, batch_size, done);
                self.began = Instant::now();
                self.show_bar("step", done, steps);
            }
            TrainerEvent::Waiting { share } => self.waiting = share,
            TrainerEvent::Step(record) => self.step(record),
            TrainerEvent::Evaluating { split, done, total } => self.evaluating(split, done, total),
            TrainerEvent::Validation { record, best, monitor } => {
                let (step, mse) = (record.step, record.metrics.mse);
                let (baseline, name) = match record.mse_copy_last.is_nan() {
                    true => (record.mse_mean, "predicting the mean frame"),
                    false => (record.mse_copy_last, "copying the last frame"),
                };
                let ratio = mse / baseline;
                let best = if best { ", best so far" } else { "" };
                let value = record.result(monitor);
                let monitored = match monitor {
                    Monitor::Mse => String::new(),
                    _ => format!(", {monitor} {value:.4}"),
                };
                let text =
                    format!("validation at step {step}: MSE {mse:.3}, {ratio:.3} of {name}{monitored}{best}");
                self.above(|| output::note(&text));
                if value.is_nan() {
                    let text = format!(
                        "training.monitor = \"{monitor}\" is no number in the validation at step {step}, which cannot be the best: \
                         a score of events needs events"
                    );
                    self.above(|| output::warn(&text));
                }
            }
            TrainerEvent::Skipped { record, total } => {
                let (step, reason) = (record.step, record.reason.name());
                let text = match record.reason.is_not_finite() {
                    true => {
                        format!("step {step} was skipped: {reason} is not finite ({total} skipped so far)")
                    }
                    false => format!(
                        "step {step} was skipped: its frames to predict have {reason} ({total} skipped so far)"
                    ),
                };
                self.above(|| output::warn(&text));
            }
            TrainerEvent::EarlyStop { step, validations } => {
                let s = if validations == 1 { "" } else { "s" };
                let text =
                    format!("stopping early at step {step}: {validations} validation{s} without improvement");
                self.above(|| output::note(&text));
            }
            TrainerEvent::Saved { path } => {
                let text = format!("saved {}", printable(path));
                self.above(|| output::detail(&text));
            }
            TrainerEvent::Warning(text) => self.above(|| output::warn(text)),
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
