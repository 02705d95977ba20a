//! Extrapolation along the optical flow by convgru and by pysteps: `cargo xtask compare-pysteps`.

mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use clap::Args;
use convgru_model::Tensor;
use convgru_model::motion::OpticalFlow;
use convgru_train::dataset::{DataConfig, RadarConfig, Source, batch, open_whole};
use convgru_train::metric::{EventDefinition, ForecastScores, copy_last};
use serde_json::json;

use crate::progress::{Progress, note, print};
use crate::python;
use table::Comparison;

const EXAMPLES: &str = "\
Examples:
  cargo xtask compare-pysteps --install     once: a Python environment with pysteps
  cargo xtask compare-pysteps --data ../shared/data/radar-fmi/20160928
  cargo xtask compare-pysteps --data ../shared/data/radar-fmi --downsample 2 --json

The packages are installed into target/peers/python, or into the folder python of CONVGRU_PEERS.";

/// Compares two optical-flow extrapolations of rain, that of `eval --baselines` and pysteps' (Lucas-Kanade and
/// semi-Lagrangian extrapolation), and persistence: same whole frames, an hour in and an hour ahead
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask compare-pysteps [OPTIONS]")]
pub(crate) struct ComparePystepsOptions {
    /// Make the Python environment; goes on where it was stopped
    #[arg(long)]
    install: bool,
    /// Folder with radar images; all events in it are used
    #[arg(long, value_name = "DIR", required_unless_present = "install")]
    data: Option<PathBuf>,
    /// Pixels along each axis that become one
    #[arg(long, value_name = "N", default_value_t = 4)]
    downsample: usize,
    /// At most so many sequences, evenly over time
    #[arg(long, value_name = "N", default_value_t = 10)]
    sequences: usize,
    /// An interpreter that has pysteps already, in place of our environment
    #[arg(long, value_name = "PROGRAM", conflicts_with = "install")]
    python: Option<PathBuf>,
    /// Print {thresholds, lead_minutes, sequences, models} and nothing else
    #[arg(long)]
    json: bool,
}

/// Frames that are read, and as many that are predicted.
const HOUR: usize = 12;

/// Side in pixels of the window of the fractions skill score.
const WINDOW: usize = 5;

/// Installs or compares.
pub(crate) fn run(options: &ComparePystepsOptions) -> anyhow::Result<()> {
    if options.install {
        python::install(python::PYSTEPS)?;
        note("installed; `cargo xtask compare-pysteps --data DIR` compares");
        return Ok(());
    }
    let folder = options.data.as_deref().context("--data DIR is needed")?;
    let comparison = compare(options, folder)?;
    print(&if options.json { comparison.json().to_string() } else { comparison.table() });
    Ok(())
}

fn compare(options: &ComparePystepsOptions, folder: &Path) -> anyhow::Result<Comparison> {
    let radar = RadarConfig { downsample: options.downsample, crop: [0, 0], ..RadarConfig::default() };
    let z_r = radar.z_r;
    let config = DataConfig {
        source: Source::Radar(radar),
        input_frames: HOUR,
        output_frames: HOUR,
        test_sequences: options.sequences,
        ..DataConfig::default()
    };
    let dataset = open_whole(&config, folder, 0)?;
    note(dataset.name());
    let quantity = dataset.quantity();
    let events = EventDefinition { thresholds: vec![0.5, 2.0, 5.0], window: WINDOW };
    let empty = ForecastScores::new(&events, HOUR)?;
    let mut comparison = Comparison {
        thresholds: events.thresholds.clone(),
        lead_minutes: (1..=HOUR).map(|lead| lead as f64 * quantity.minutes_per_step.unwrap_or(1.0)).collect(),
        sequences: dataset.len(),
        models: ["convgru's optical flow", "pysteps", "persistence"].map(|name| (name, empty.clone())).into(),
    };
    let python = python::interpreter(options.python.as_deref(), python::PYSTEPS)?;
    let mut progress = Progress::new(dataset.len());
    for index in 0..dataset.len() {
        let (input, truth) = batch(dataset.as_ref(), 0, &[index])?.split(HOUR)?;
        let observed = truth.in_units(&quantity);
        let rain = quantity.in_units(&input.frames);
        let flow = OpticalFlow::default();
        let ours = flow.extrapolate_values(&input.frames, &rain, input.valid.as_ref(), HOUR)?;
        let theirs = pysteps(&python, &input.in_units(&quantity), flow.frames, z_r)?;
        let forecasts = [ours, theirs, copy_last(&rain, HOUR)?];
        for ((_, scores), forecast) in comparison.models.iter_mut().zip(&forecasts) {
            scores.add(forecast, &observed)?;
        }
        progress.advance(1);
        progress.say(&format!("{} is done", dataset.label(index)));
    }
    Ok(comparison)
}

/// The forecast of pysteps: `[T, 1, 1, H, W]` to `[HOUR, 1, 1, H, W]`.
fn pysteps(python: &Path, rain: &Tensor<f32>, frames: usize, z_r: [f64; 2]) -> anyhow::Result<Tensor<f32>> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let &[steps, _, _, height, width] = rain.shape() else {
        anyhow::bail!("frames of shape {:?}", rain.shape());
    };
    let plan = json!({
        "shape": [steps, 1, height, width], "frames": frames, "steps": HOUR, "a": z_r[0], "b": z_r[1],
    });
    fs::write(folder.path().join("plan.json"), plan.to_string())?;
    let bytes: Vec<u8> = rain.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(folder.path().join("rain.f32"), bytes)?;
    let mut command = python::command(python, "compare_pysteps.py", folder.path());
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {}", python.display()))?;
    anyhow::ensure!(
        status.success(),
        "compare_pysteps.py failed ({status}); pysteps is installed by --install"
    );
    let bytes = fs::read(folder.path().join("pysteps.f32"))?;
    let (numbers, _) = bytes.as_chunks::<4>();
    let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Tensor::from_vec(&[HOUR, 1, 1, height, width], values)?)
}
