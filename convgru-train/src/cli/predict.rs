//! `convgru predict`: continue a video.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use convgru_model::Tensor;
use convgru_train::ReadBudget;
use convgru_train::dataset::{Axes, read_frames};
use convgru_train::media::write_frames;
use convgru_train::printable::printable;
use convgru_train::trainer::{TrainedModel, with_threads};
use serde_json::json;

use super::output;

/// Reads all frames of the input as the training read its data (range, axes, channels and size are those of
/// data.frames where it was trained on frames) and writes the frames that the model expects to follow. Height and width may differ
/// from those of the training; they must be multiples of the model's patch. Of an
/// ensemble the mean over its members is written. A .npy file has the numbers of the data where data.frames.range names them, otherwise
/// 0 to 1; pictures go from black to white.
#[derive(Args)]
#[command(after_help = "Examples:
  convgru predict --checkpoint runs/quick/model.safetensors --input rain.gif --frames 10 --out next.gif
  convgru predict --checkpoint runs/quick/model.safetensors --input rain.npy --frames 5 --out frames/")]
pub(crate) struct Predict {
    /// model.safetensors, a checkpoint (*.ckpt) or the folder of a run
    #[arg(long, value_name = "FILE|RUN")]
    checkpoint: PathBuf,
    /// Frames to continue, one sequence: .npy, .npz, .h5, .nc ([T, H, W] unless --axes says otherwise), .gif, animated .png or a folder of .png or .jpg
    #[arg(long, value_name = "FILE|DIR")]
    input: PathBuf,
    /// What the axes of an array are, such as tchw [default: data.frames.axes of the training]
    #[arg(long, value_name = "AXES")]
    axes: Option<Axes>,
    /// Frames to predict, at least 1
    #[arg(long, value_name = "N", value_parser = super::count)]
    frames: usize,
    /// Where to write them: .npy, .gif or a folder for .png
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
    /// MiB of memory that reading the frames may take
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = super::mebibytes)]
    memory_mib: usize,
    /// Threads, 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

impl Predict {
    /// Predicts, and says what was written.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let trained = TrainedModel::read(&self.checkpoint)?;
        let mut config = trained.frames_config();
        config.axes = self.axes.clone().unwrap_or(config.axes);
        let holds_pictures =
            self.input.is_dir() || self.input.extension().is_some_and(|end| end == "gif" || end == "png");
        anyhow::ensure!(
            self.axes.is_none() || !holds_pictures,
            "--axes names the axes of an array, and {} holds pictures; leave it out",
            printable(&self.input)
        );
        let budget = ReadBudget::new(self.memory_mib, "--memory-mib");
        let mut input = read_frames(&self.input, &config, &budget)?;
        // A missing pixel is 0 for a network.
        input.as_mut_slice().iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = 0.0);
        let read = input.shape().to_vec();
        let mut prediction = with_threads(self.threads, || self.predict(&trained, input))??;
        // Pictures go from black to white; numbers are in the unit of the data.
        if self.out.extension().is_some_and(|end| end.eq_ignore_ascii_case("npy")) {
            let to_units = config.meaning().transform;
            for value in prediction.as_mut_slice() {
                *value = to_units.to_units(f64::from(*value)) as f32;
            }
        }
        write_frames(&self.out, &prediction)?;
        if self.json {
            let value = json!({ "out": self.out.to_string_lossy(), "input_shape": read, "shape": prediction.shape() });
            output::json(&value)?;
        } else {
            output::result(&format!(
                "read {} frames of {} x {} pixels, wrote the next {} to {}",
                read[0],
                read[2],
                read[3],
                self.frames,
                printable(&self.out)
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// `[T, C, H, W]` to `[frames, C, H, W]`, as pictures: clamped to 0..=1.
    fn predict(&self, trained: &TrainedModel, input: Tensor<f32>) -> anyhow::Result<Tensor<f32>> {
        let &[steps, c, h, w] = input.shape() else {
            anyhow::bail!(
                "{}: frames of shape {:?} where [T, C, H, W] is needed",
                printable(&self.input),
                input.shape()
            );
        };
        let sequence = input.reshape(&[steps, 1, c, h, w])?;
        let mut prediction = trained.model.forward_mean(&sequence, self.frames)?;
        for value in prediction.as_mut_slice() {
            *value = value.clamp(0.0, 1.0);
        }
        Ok(prediction.reshape(&[self.frames, c, h, w])?)
    }
}
