//! `convgru predict`: continue a video, or run another network over it.

mod frame_by_frame;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use convgru_train::ReadBudget;
use convgru_train::dataset::{Input, InputOptions};
use convgru_train::forecast::{Forecast, Form, Provenance, expect_writable};
use convgru_train::printable::printable;
use convgru_train::trainer::{RunFolder, TrainedModel, with_threads};
use serde_json::json;

use super::input::{InputArguments, MembersArgument};
use super::{exit_codes, out, output};

/// Reads the input as the training read its data (range, unit, axes, channels, size and radar scale) and writes the frames that the model
/// predicts. The command refuses numbers in another unit, pictures and number types that cannot hold the numbers of the training, and frames at another
/// time step; the error names the option to set. Height and width may differ from the training; they must be multiples of the model's patch. Of an
/// ensemble, the mean or all members are written. Numbers are in the unit of the training (0 to 255 after a training on uint8
/// without a range, 0 to 1 after pictures). A .nc file also has the times, coordinates and projection of the input. Pixels that are missing in
/// the last frame are missing in the whole forecast; a last frame without a measured pixel is refused. Pictures go from black to white.
///
/// A network that continues no frames, such as FireNet (of `import`, or trained with data.frames.input), gives a frame for each frame of the input and keeps its
/// states between frames. The input is an array of [T, C, H, W], such as voxel grids of events. The command scales no numbers of the input. A .npy file
/// holds the results, of a trained network in the unit and the range of the training. Pictures show 0 as black and 1 as white, or the ends of that range, or
/// the numbers of --picture-range.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru predict --checkpoint runs/quick/model.safetensors --input rain.gif --frames 10 --out next.gif
  convgru predict --checkpoint runs/quick/model.safetensors --input rain.npy --frames 5 --out frames/
  convgru predict --checkpoint runs/radar --input radar/today --frames 12 --out nowcast.nc
  convgru predict --checkpoint firenet.safetensors --input voxels.npy --out pictures/
  convgru predict --checkpoint runs/events --input voxels.npy --out images.npy")]
pub(crate) struct Predict {
    /// model.safetensors, a checkpoint (*.ckpt), the folder of a run, or a file of import
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    /// Frames to continue, one sequence: .npy, .npz, .h5, .nc ([T, H, W] unless --axes is set), .zarr, .grib2, .gif, animated .png, a
    /// folder of .png or .jpg or of files of one frame each, or a folder of radar images, of which the newest are read
    #[arg(long, value_name = "FILE|DIR")]
    input: PathBuf,
    #[command(flatten)]
    reading: InputArguments,
    /// Read only the newest N frames [default: all frames of a file or folder; of radar images data.input_frames of the training]
    #[arg(long, value_name = "N", value_parser = super::count)]
    newest: Option<usize>,
    /// Number of frames to predict, at least 1; needed by networks that continue frames
    #[arg(long, value_name = "N", value_parser = super::count)]
    frames: Option<usize>,
    /// Which forecasts of an ensemble to write
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    members: MembersArgument,
    /// Where to write the forecast: .nc (netCDF with CF attributes), .zarr (a store with the same content), .npy, .gif or a folder for .png; the
    /// input and netCDF files of other programs are never replaced
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// Numbers that are black and white in pictures of a network that continues no frames [default: 0,1]
    #[arg(long, value_name = "LOW,HIGH", value_parser = picture_range, allow_hyphen_values = true)]
    picture_range: Option<[f32; 2]>,
    /// Limit of the memory for reading the frames, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = super::mebibytes)]
    memory_mib: usize,
    /// Number of threads; 0: one per core
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::threads)]
    threads: usize,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Predicts, and says what was written.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // What cannot or must not be written is refused before anything is computed.
        Form::of(&self.out).map_err(exit_codes::wrong_argument)?;
        if let Some(network) = frame_by_frame::imported(&self.checkpoint)? {
            return self.run_frame_by_frame(&network);
        }
        let frames = match self.expect_forecast_options() {
            Ok(frames) => frames,
            // A network that gives a frame for each frame has these options.
            Err(error) => match TrainedModel::read(&self.checkpoint) {
                Ok(trained) if trained.config.data.input().is_some() => return self.run_trained(trained),
                _ => return Err(error),
            },
        };
        out::expect_free(&self.out, &[&self.input, &RunFolder::model_at(&self.checkpoint)])?;
        expect_writable(&self.out, &self.input)?;
        let (trained, hash) = TrainedModel::read_with_hash(&self.checkpoint)?;
        if trained.config.data.input().is_some() {
            return self.run_trained(trained);
        }
        self.members.expect_of(trained.model.members())?;
        Form::of(&self.out)?.expect_members(self.members.into(), trained.model.members())?;
        let budget = ReadBudget::new(self.memory_mib, "--memory-mib");
        let options = InputOptions { newest: self.newest, ..self.reading.options() };
        let input = trained.read_input(&self.input, &options, &budget)?;
        input.warnings.iter().for_each(|warning| output::warn(warning));
        let provenance = Provenance::now(&output::arguments(), &trained.config.name, &hash);
        let members = self.members.into();
        let predict = || Forecast::of_input(&trained, &input, frames, members, provenance);
        let forecast = with_threads(self.threads, predict)??;
        forecast.write(&self.out)?;
        self.report(&input, &forecast)
    }

    /// The frames to predict; refuses options for other networks.
    fn expect_forecast_options(&self) -> anyhow::Result<usize> {
        let refuse = |reason: &str| exit_codes::wrong_argument(anyhow::anyhow!("{reason}"));
        if self.picture_range.is_some() {
            return Err(refuse(
                "--picture-range is for networks that continue no frames; pictures of a forecast have the range of the training",
            ));
        }
        self.frames.ok_or_else(|| refuse("--frames N is needed: the number of frames to predict"))
    }

    fn report(&self, input: &Input, forecast: &Forecast) -> anyhow::Result<ExitCode> {
        let read = input.frames.shape();
        let shape = forecast.values.shape();
        let (members, unit) = (shape[0], forecast.unit());
        let begins = forecast.times.reference_text();
        if self.json {
            // Of one member its frames alone.
            let shape = if members == 1 { &shape[1..] } else { shape };
            output::json(&json!({
                "out": self.out.to_string_lossy(),
                "input_shape": read,
                "shape": shape,
                "unit": unit,
                "reference_time": begins,
            }))?;
        } else {
            let after = begins.map_or(String::new(), |begins| format!(" after {begins}"));
            let of = if members == 1 { String::new() } else { format!(" of {members} members") };
            output::result(&format!(
                "read {} of {} x {} pixels, wrote the next {}{of}{after} to {}",
                output::counted(read[0], "frame"),
                read[2],
                read[3],
                forecast.values.shape()[1],
                printable(&self.out)
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Two numbers of 32 bits with a comma between them, the second one larger.
fn picture_range(text: &str) -> Result<[f32; 2], String> {
    let [low, high] = super::input::range(text)?.map(|number| number as f32);
    if low < high && (high - low).is_finite() {
        return Ok([low, high]);
    }
    Err(format!(
        "the numbers are {low:e} and {high:e} in 32 bits; the second one must be larger, and the range at most 3.4e38"
    ))
}
