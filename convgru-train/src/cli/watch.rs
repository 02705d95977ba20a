//! `convgru watch`: a forecast after each frame that arrives.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use convgru_train::Error;
use convgru_train::interrupt::Interrupt;
use convgru_train::printable::printable;
use convgru_train::trainer::{TrainedModel, with_threads};
use convgru_train::watch::{self, WatchConfig, WatchEvent, Watched, Written};
use serde_json::json;

use super::input::{InputArguments, MembersArgument};
use super::output::{self, counted};

/// The longest time between two looks, in seconds.
const LONGEST_POLL: f64 = 3600.0;

/// Lists the folder at intervals, reads each new file as the training read its data, and writes a forecast after it. The name of a forecast is
/// forecast_TIME.nc, or contains the name of the input file where the time is unknown. The network keeps its state from frame to frame. After a gap
/// the state starts again. A late frame is inserted among the newest frames. A file that cannot be read is skipped with a warning. Of the files
/// that exist at the start, only the newest are read, as many as the first forecast needs.
///
/// Ctrl-C, SIGTERM and SIGHUP end the program after the current forecast, with exit code 130, 143 and 129. With --once the program reads all existing
/// files and ends; the exit code is 1 if a file could not be read, a forecast could not be written, or there was no forecast.
///
/// With -q only forecasts and warnings are printed: gaps, skipped frames, files that cannot be read and forecasts that cannot be written.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru watch --checkpoint runs/radar --input radar/today --out nowcasts
  convgru watch --checkpoint runs/radar --input archive/20160928 --out nowcasts --once --json")]
pub(crate) struct Watch {
    /// model.safetensors, a checkpoint (*.ckpt) or the folder of a run
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    /// Folder where new frames appear: radar images, arrays (.npy, .npz, .h5, .nc) or pictures, one file for each time; subfolders are included
    #[arg(long, value_name = "DIR")]
    input: PathBuf,
    #[command(flatten)]
    reading: InputArguments,
    /// Folder for the forecasts; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// File format of the forecasts
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    form: FormArgument,
    /// Number of frames in a forecast [default: data.output_frames of the training]
    #[arg(long, value_name = "N", value_parser = super::count)]
    frames: Option<usize>,
    /// Number of frames to read before the first forecast, and after a gap [default: data.input_frames of the training]
    #[arg(long, value_name = "N", value_parser = super::count)]
    warm_up: Option<usize>,
    /// Forecast from the newest --warm-up frames alone, as in training, instead of from a state that is kept
    #[arg(long)]
    window: bool,
    /// Which forecasts of an ensemble to write
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    members: MembersArgument,
    /// Seconds between two listings of the folder
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    poll: f64,
    /// Read all existing files, and end
    #[arg(long)]
    once: bool,
    /// Limit of the memory for reading a file, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = super::mebibytes)]
    memory_mib: usize,
    /// Number of threads; 0: one per core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::threads)]
    threads: usize,
    /// Print a line of JSON for each forecast
    #[arg(long)]
    json: bool,
}

/// How forecasts are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum FormArgument {
    /// netCDF after CF
    #[default]
    Nc,
    /// Zarr stores after CF
    Zarr,
    /// Arrays of NumPy
    Npy,
    /// Animated GIFs
    Gif,
    /// Folders of PNG images
    Png,
}

impl FormArgument {
    /// What names end with.
    fn extension(self) -> &'static str {
        match self {
            Self::Nc => "nc",
            Self::Zarr => "zarr",
            Self::Npy => "npy",
            Self::Gif => "gif",
            Self::Png => "",
        }
    }
}

impl Watch {
    /// Watches until a signal, or until all is worked off.
    pub(crate) fn run(self, interrupt: &Interrupt) -> anyhow::Result<ExitCode> {
        let nothing = "nothing was watched";
        let (trained, hash) =
            interrupt.at_once(nothing, || TrainedModel::read_with_hash(&self.checkpoint))?;
        self.members.expect_of(trained.model.members())?;
        let config = self.config(&trained);
        let mut tell = |event| self.tell(event).map_err(of_output);
        let watched = with_threads(self.threads, || {
            watch::Watch::new(&config, &trained, &hash, &mut tell)?.run(interrupt)
        })?;
        match watched {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => {
                output::warn("the program that reads the output ended; no further file is read");
                Ok(ExitCode::FAILURE)
            }
            watched => self.ended(watched?, config.warm_up),
        }
    }

    fn config(&self, trained: &TrainedModel) -> WatchConfig {
        let data = &trained.config.data;
        WatchConfig {
            input: self.input.clone(),
            out: self.out.clone(),
            extension: self.form.extension().into(),
            frames: self.frames.unwrap_or(data.output_frames),
            warm_up: self.warm_up.unwrap_or(data.input_frames),
            is_window: self.window,
            members: self.members.into(),
            options: self.reading.options(),
            memory_mib: self.memory_mib,
            poll: Duration::from_secs_f64(self.poll),
            once: self.once,
            command: output::arguments(),
        }
    }

    fn tell(&self, event: WatchEvent) -> anyhow::Result<()> {
        match event {
            WatchEvent::Note(text) => output::note(&text),
            WatchEvent::Warning(text) | WatchEvent::Trouble(text) => output::warn(&text),
            WatchEvent::Written(written) if self.json => output::json(&as_json(&written))?,
            WatchEvent::Written(written) => output::result(&described(&written))?,
        }
        Ok(())
    }

    fn ended(&self, watched: Watched, warm_up: usize) -> anyhow::Result<ExitCode> {
        let Watched { written, troubles, signal, .. } = watched;
        let count = counted(written, "forecast");
        if let Some(signal) = signal {
            output::note(&format!("{}: {count} written", signal.name()));
            return Ok(ExitCode::from(signal.exit_code()));
        }
        if written > 0 && troubles == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        output::warn(&format!(
            "{}{}",
            self.why_fewer(&watched, warm_up),
            match troubles {
                0 => String::new(),
                _ => format!("; {} with files or forecasts, see above", counted(troubles, "problem")),
            }
        ));
        Ok(ExitCode::FAILURE)
    }

    /// What was done where not all could be.
    fn why_fewer(&self, watched: &Watched, warm_up: usize) -> String {
        let Watched { written, frames, longest_run, .. } = *watched;
        let input = printable(&self.input);
        match (written, frames) {
            (0, 0) => format!("no forecast was written: no frame could be read in {input}"),
            (0, _) if longest_run < warm_up as u64 => format!(
                "no forecast was written: a forecast needs {} in a row, and of the {} in {input} at most {longest_run} came without a gap; \
                 --warm-up sets how many are needed",
                counted(warm_up as u64, "frame"),
                counted(frames, "frame"),
            ),
            (0, _) => format!("no forecast was written of {} in {input}", counted(frames, "frame")),
            _ => {
                format!("{} written of {} in {input}", counted(written, "forecast"), counted(frames, "frame"))
            }
        }
    }
}

/// An error of writing to stdout as one of the library, which asks whether to go on.
fn of_output(error: anyhow::Error) -> convgru_train::Error {
    let error = error.downcast::<std::io::Error>().unwrap_or_else(std::io::Error::other);
    convgru_train::Error::io("write", "stdout")(error)
}

fn described(written: &Written) -> String {
    let time = written.reference_time.as_ref().map_or(String::new(), |time| format!("{time} "));
    format!(
        "{time}{}: {:.0} ms (reading {:.0}, network {:.0}), {:.1} s after the file changed, state of {}",
        printable(&written.out),
        1e3 * written.latency,
        1e3 * written.reading,
        1e3 * written.network,
        written.since_change,
        counted(written.state_frames, "frame")
    )
}

fn as_json(written: &Written) -> serde_json::Value {
    let milliseconds = |seconds: f64| (seconds * 1e6).round() / 1e3;
    json!({
        "input": written.input.to_string_lossy(),
        "out": written.out.to_string_lossy(),
        "reference_time": written.reference_time,
        "state_frames": written.state_frames,
        "latency_ms": milliseconds(written.latency),
        "reading_ms": milliseconds(written.reading),
        "network_ms": milliseconds(written.network),
        "since_change_ms": milliseconds(written.since_change),
    })
}

/// Seconds above 0, on the command line.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=LONGEST_POLL).contains(&seconds) => Ok(seconds),
        _ => Err(format!("a number of seconds from 0.01 to {LONGEST_POLL} is needed")),
    }
}
