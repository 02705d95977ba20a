//! A forecast of the radar images of the Finnish Meteorological Institute beside what was observed, as xarray opens both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use convgru_model::Forecaster;
use convgru_train::ReadBudget;
use convgru_train::config::RunConfig;
use convgru_train::dataset::InputOptions;
use convgru_train::forecast::{About, Forecast, ForecastTimes, LastFrame, Members, Provenance};
use convgru_train::trainer::TrainedModel;

use crate::python;

/// Frames that are read, and that are forecast.
const INPUT: usize = 6;
const STEPS: usize = 12;
/// MiB for reading.
const BUDGET: usize = 2048;

/// A network that is optical flow before it learns: rain moves on as it moved.
const FLOW: &str = r#"
name = "optical flow"
[data]
source = "radar"
input_frames = 6
output_frames = 12
[data.radar]
scale = "log-rate"
downsample = 4
crop = [0, 0]
[model]
kind = "pyramid"
head_channels = 0
residual = "motion"
carried_exponent = 5.3033
output_activation = "identity"
[[model.scales]]
channels = 8
down = 4
"#;

/// The folder with the images of an event, beside the project or where `CONVGRU_DATA` says; `None` if there is none.
pub(super) fn event() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = std::env::var_os("CONVGRU_DATA").map_or_else(beside, PathBuf::from);
    Some(data.join("radar-fmi/20160928")).filter(|folder| folder.is_dir())
}

/// Writes the forecast and the observations of an event into a folder, lets the script draw them, and gives what xarray prints of the forecast.
pub(super) fn draw(
    python: &Path,
    event: &Path,
    checkpoint: Option<&Path>,
    picture: &Path,
) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let trained = match checkpoint {
        Some(path) => TrainedModel::read(path)?,
        None => {
            let config = RunConfig::from_toml(FLOW).map_err(anyhow::Error::msg)?;
            TrainedModel { model: Forecaster::new(config.model.clone(), 0)?, config, step: 0 }
        }
    };
    let mut images: Vec<PathBuf> = fs::read_dir(event)
        .with_context(|| format!("cannot read {}", event.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    images.retain(|path| path.to_string_lossy().contains(".pgm"));
    images.sort();
    let needed = INPUT + STEPS;
    anyhow::ensure!(images.len() >= needed, "{} holds {} images of {needed}", event.display(), images.len());
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    for (into, images) in [(&before, &images[..INPUT]), (&after, &images[INPUT..needed])] {
        fs::create_dir(into).context("cannot make a temporary folder")?;
        for image in images {
            fs::copy(image, into.join(image.file_name().unwrap_or_default()))
                .with_context(|| format!("cannot read {}", image.display()))?;
        }
    }
    let budget = ReadBudget::new(BUDGET, "memory");
    let read = |from: &Path, newest| {
        trained.read_input(from, &InputOptions { newest: Some(newest), ..InputOptions::default() }, &budget)
    };
    let input = read(&before, INPUT)?;
    let provenance = Provenance::now("check-forecasts --plot", &trained.config.name, "");
    let forecast = Forecast::of_input(&trained, &input, STEPS, Members::Mean, provenance.clone())?;
    forecast.write(&folder.path().join("forecast.nc"))?;
    let observed = read(&after, STEPS)?;
    let last = LastFrame::of(&input);
    let times = ForecastTimes { reference: last.time, minutes_per_step: observed.quantity.minutes_per_step };
    let about = About {
        quantity: observed.quantity.clone(),
        description: observed.description.clone(),
        axes: observed.axes.clone(),
        times,
        provenance,
        is_mean: false,
    };
    let valid = LastFrame::of(&observed).valid;
    Forecast::new(&observed.frames, 1, valid.as_deref(), about)?.write(&folder.path().join("observed.nc"))?;
    let mut command = python::command(python, "plot_forecast.py", folder.path());
    command.arg(picture).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot start {}", python.display()))?;
    anyhow::ensure!(output.status.success(), "plot_forecast.py failed ({})", output.status);
    String::from_utf8(output.stdout).context("plot_forecast.py writes no UTF-8")
}
