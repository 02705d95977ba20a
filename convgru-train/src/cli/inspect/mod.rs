//! `convgru inspect`: what data hold, and how they would be read.

mod terminal;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use convgru_train::config::{Preset, RunConfig};
use convgru_train::dataset::{Inspection, SourceKind, Splits, detect, inspect};
use convgru_train::printable::printable;
use convgru_train::write_atomically;

use super::display::has_colour;
use super::output::{self, Stream};
use super::{exit_codes, out, own_files};

/// Numbers up to which the proposed configuration is tried: opening the data takes a second or two.
const TRIED: usize = 1 << 24;

/// Reads the headers of all files and the numbers of some frames, and trains nothing. Shows the content of a file (names,
/// shapes, types, axes, units), how frames would be read (axes, sequences, the range of numbers, missing pixels, times and gaps, windows
/// of each split), warnings before a training, a picture, and a configuration to copy.
///
/// If the data leave something open, such as the axes of an array or the dataset in a file, the command shows the possible values.
/// Choose one with --set, and inspect again.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru inspect rain.nc
  convgru inspect video.npy --set data.frames.axes=thwc --out look.gif
  convgru inspect radar/ --json")]
pub(crate) struct Inspect {
    /// A file or folder of data: .npy, .npz, .h5, .nc, .gif, a folder of these or of pictures, radar images, MNIST's idx files
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// TOML file with a configuration for reading the data
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// Change a field of the configuration, such as data.frames.axes=thwc. Can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where to write a picture: .png for some frames side by side, .gif for an animation
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(Picture::new))]
    out: Option<Picture>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// A picture that is written.
#[derive(Clone)]
struct Picture {
    path: PathBuf,
    is_animated: bool,
}

impl Picture {
    fn new(path: PathBuf) -> Result<Self, &'static str> {
        let is = |extension: &str| path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
        match (is("png"), is("gif")) {
            (false, false) => Err("a name that ends with .png or .gif is needed"),
            (_, is_animated) => Ok(Self { path, is_animated }),
        }
    }
}

impl Inspect {
    /// Looks, and tells what it saw.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        own_files::expect_data(&self.path)?;
        if let Some(Picture { path, .. }) = &self.out {
            out::expect_free(path, &[&self.path])?;
            expect_outside(path, &self.path)?;
        }
        let config = self.configuration()?;
        let mut found = inspect(&self.path, &config.data)?;
        try_out(&mut found);
        let written = match (&self.out, &found.preview) {
            (Some(Picture { path, is_animated }), Some(preview)) => {
                let bytes = if *is_animated { preview.to_gif()? } else { preview.to_png()? };
                write_atomically(path, &bytes)?;
                Some(path)
            }
            (Some(Picture { path, .. }), None) => {
                output::warn(&format!("there is no picture to write to {}", printable(path)));
                None
            }
            (None, _) => None,
        };
        if self.json {
            output::json(&found)?;
            return Ok(ExitCode::SUCCESS);
        }
        output::result(&text::report(&found))?;
        if let Some(preview) = &found.preview {
            // Its own escapes are its colours; names in it are printable.
            output::highlighted(Stream::Stdout, &terminal::picture(preview, has_colour(Stream::Stdout)))?;
        }
        if let Some(path) = written {
            output::result(&format!("wrote the picture to {}", printable(path)))?;
        }
        if found.can_train() {
            output::result(&text::configuration(&found))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// How the data are read: by their kind, unless the command line says another.
    fn configuration(&self) -> anyhow::Result<RunConfig> {
        let kind = detect(&self.path)?;
        let preset = if kind == SourceKind::Radar { Preset::Radar } else { Preset::Quick };
        let mut config = RunConfig::preset(preset);
        config.data.source = config.data.source.of_kind(kind);
        if let Some(path) = &self.config {
            config = config.overlaid_by_file(path)?;
        }
        if !self.set.is_empty() {
            let given = || format!("--set {}", self.set.join(" --set "));
            let changed = config.with_all(&self.set).with_context(given);
            config = changed.map_err(exit_codes::wrong_argument)?;
        }
        Ok(config)
    }
}

/// Refuses a picture in a folder of data, where it would be read as data.
fn expect_outside(picture: &Path, data: &Path) -> anyhow::Result<()> {
    let folder = picture.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(data)) = (folder.canonicalize(), data.canonicalize()) else { return Ok(()) };
    match folder.starts_with(&data) {
        false => Ok(()),
        true => Err(exit_codes::wrong_argument(anyhow::anyhow!(
            "--out {}: lies in the folder {}, where the picture would be read as data; give a path outside of it",
            printable(picture),
            printable(&data)
        ))),
    }
}

/// Opens the data with the configuration that is proposed, where that is soon done.
fn try_out(found: &mut Inspection) {
    let numbers = found.frames.as_ref().map(|frames| {
        let frame: usize = frames.shape.iter().product();
        frame.saturating_mul(found.numbers.as_ref().map_or(0, |numbers| numbers.of))
    });
    let is_decided = found.open.is_none() && found.source == SourceKind::Frames.name();
    if !is_decided || numbers.is_none_or(|numbers| numbers > TRIED) {
        return;
    }
    let opened = RunConfig::from_toml(&found.configuration).map_err(anyhow::Error::msg).and_then(|config| {
        Splits::open(&config.data, config.data_folder().or(Some(Path::new(&found.path))), 0)?;
        Ok(())
    });
    if let Err(error) = opened
        && found.splits.iter().all(|split| split.windows > 0)
    {
        found.warnings.push(format!("The configuration below does not read the data yet: {error:#}"));
    }
}
