//! `convgru crops`: a list of parts of frames with rain.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use convgru_train::config::{Preset, RunConfig};
use convgru_train::dataset::CropSampling;
use convgru_train::printable::printable;
use convgru_train::{read_file, write_atomically};
use serde_json::json;

use super::display::shows_notes;
use super::{exit_codes, out, output};

/// Time between two lines about the progress.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Reads one file of rain once and writes a list of parts of its frames for data.frames.crop_list of a training. The command takes a part
/// with the probability min(1, q_min + m mean(1 - exp(-R / s))), where R are the rain rates of its measured pixels in mm/h (Ravuri et al. 2021). The list
/// is a CSV file with the columns t, x and y, which the package mlcast reads too. The preset mlcast sets the size and the number of frames of a part
/// (data.frames.crop, data.frames.time_depth); --set changes them.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru crops --data rain.zarr --out crops.csv
  convgru train --preset mlcast --data rain.zarr --set data.frames.crop_list=crops.csv
  convgru crops --data rain.nc --out small.csv --set data.frames.crop=[64,64] --pixel-stride 8")]
pub(crate) struct Crops {
    /// One file or store of rain: .nc, .zarr, .h5, .npy
    #[arg(long, value_name = "FILE|STORE")]
    data: PathBuf,
    /// File for the list: .csv; an existing file is replaced only if it is such a list
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Change a field of the preset mlcast, such as data.frames.variable=RR. Can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// q_min: probability of a part without rain
    #[arg(long, value_name = "SHARE", default_value_t = CropSampling::default().least_probability)]
    q_min: f64,
    /// m: weight of rain in the probability
    #[arg(long, value_name = "NUMBER", default_value_t = CropSampling::default().rain_weight)]
    rain_weight: f64,
    /// s: rain rate in mm/h above which more rain hardly raises the probability
    #[arg(long, value_name = "RATE", default_value_t = CropSampling::default().rate_scale)]
    rate_scale: f64,
    /// Largest share of missing pixels in a part, 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = CropSampling::default().most_missing)]
    most_missing: f64,
    /// Frames from the first frame of a part to the first frame of the next
    #[arg(long, value_name = "N", default_value_t = CropSampling::default().frame_stride, value_parser = super::count)]
    frame_stride: usize,
    /// Pixels from a part to the next part below it and beside it
    #[arg(long, value_name = "N", default_value_t = CropSampling::default().pixel_stride, value_parser = super::count)]
    pixel_stride: usize,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::whole)]
    seed: u64,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Crops {
    /// Draws, and says how many were taken.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        out::expect_free(&self.out, &[&self.data])?;
        expect_list(&self.out)?;
        let config = RunConfig::preset(Preset::Mlcast).with_all(&self.set);
        let config = config.with_context(|| format!("--set {}", self.set.join(" --set ")));
        let config = config.map_err(exit_codes::wrong_argument)?;
        let sampling = CropSampling {
            least_probability: self.q_min,
            rain_weight: self.rain_weight,
            rate_scale: self.rate_scale,
            most_missing: self.most_missing,
            frame_stride: self.frame_stride,
            pixel_stride: self.pixel_stride,
            seed: self.seed,
        };
        let mut last = Instant::now();
        let mut progress = |done: usize, all: usize| {
            if shows_notes() && last.elapsed() >= BETWEEN_LINES {
                last = Instant::now();
                output::note(&format!("{done} of {all} windows in time"));
            }
        };
        let sampled = sampling.sample(&config.data, &self.data, &mut progress)?;
        let taken = sampled.crops.len();
        anyhow::ensure!(
            taken > 0,
            "the draw took none of {}; raise --q-min or --rain-weight, lower --pixel-stride or --frame-stride, or raise --most-missing",
            output::counted(sampled.looked_at, "part")
        );
        write_atomically(&self.out, sampled.to_csv().as_bytes())?;
        if self.json {
            output::json(&json!({
                "out": self.out.to_string_lossy(),
                "crops": taken,
                "looked_at": sampled.looked_at,
            }))?;
        } else {
            output::result(&format!(
                "wrote {taken} of {} to {}",
                output::counted(sampled.looked_at, "part"),
                printable(&self.out)
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Refuses a name without .csv, and an existing file that is not a list.
fn expect_list(out: &Path) -> anyhow::Result<()> {
    let is_named = out.extension().is_some_and(|own| own.eq_ignore_ascii_case("csv"));
    if !is_named {
        return Err(exit_codes::wrong_argument(anyhow::anyhow!(
            "--out {}: a name that ends with .csv is needed",
            printable(out)
        )));
    }
    if !out.is_file() {
        return Ok(());
    }
    let old = read_file(out)?;
    anyhow::ensure!(
        old.is_empty() || old.starts_with(b"t,x,y\n"),
        "--out {}: the file is not a list of parts, so it is not replaced; give another path, or remove the file",
        printable(out)
    );
    Ok(())
}
