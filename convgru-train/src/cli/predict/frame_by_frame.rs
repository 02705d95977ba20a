//! Networks that continue no frames: a result for each frame.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use convgru_model::{Network, Tensor};
use convgru_train::dataset::{Axes, FramesConfig, InputOptions, Quantity, read_numbers};
use convgru_train::forecast::{Form, expect_writable};
use convgru_train::printable::printable;
use convgru_train::trainer::{ModelFile, RunFolder, TrainedModel, with_threads};
use convgru_train::{ReadBudget, apply_to_frames, frame_channels, media, read_file};
use serde_json::json;

use super::super::input::MembersArgument;
use super::super::{exit_codes, out, output};
use super::Predict;

/// The network of a file without a training: a file of `convgru import`, or weights of another program. `None` for a trained model, and where
/// there is no file, which the reader of trained models refuses.
///
/// # Errors
/// If the file cannot be read or holds no network, several networks, or one that continues frames.
pub(super) fn imported(checkpoint: &Path) -> anyhow::Result<Option<Network<f32>>> {
    let path = RunFolder::model_at(checkpoint);
    if !path.is_file() {
        return Ok(None);
    }
    let Some(mut networks) = ModelFile::networks(&read_file(&path)?, &path)? else { return Ok(None) };
    let names: Vec<String> = networks.iter().map(|named| format!("`{}`", named.name)).collect();
    anyhow::ensure!(
        networks.len() == 1,
        "{}: holds {} networks, {}, and one is needed; save the tensors of one of them, and import these",
        printable(&path),
        networks.len(),
        names.join(", ")
    );
    let network = networks.pop().map(|named| named.network);
    anyhow::ensure!(
        !matches!(network, Some(Network::Forecaster(_))),
        "{}: {}",
        printable(&path),
        TrainedModel::NO_TRAINING
    );
    Ok(network)
}

impl Predict {
    /// Runs a network over the frames of the input, and reports the written file.
    pub(super) fn run_frame_by_frame(&self, network: &Network<f32>) -> anyhow::Result<ExitCode> {
        self.run_network(network, None)
    }

    /// As [`run_frame_by_frame`](Self::run_frame_by_frame), with a trained network: the results are in the unit and the range of the training.
    pub(super) fn run_trained(&self, trained: TrainedModel) -> anyhow::Result<ExitCode> {
        let quantity = trained.quantity();
        self.run_network(&Network::Forecaster(trained.model), Some(&quantity))
    }

    fn run_network(&self, network: &Network<f32>, quantity: Option<&Quantity>) -> anyhow::Result<ExitCode> {
        self.expect_fitting_options()?;
        out::expect_free(&self.out, &[&self.input, &RunFolder::model_at(&self.checkpoint)])?;
        expect_writable(&self.out, &self.input)?;
        let frames = self.read_frames(frame_channels(network)?)?;
        let results = with_threads(self.threads, || apply_to_frames(network, &frames))?;
        let results = results.with_context(|| self.name_of_frames())?;
        let results = quantity.map_or(results.clone(), |quantity| quantity.in_units(&results));
        self.write_results(&results, quantity.map_or([0.0, 1.0], Quantity::ends))?;
        self.report_results(&frames, &results)
    }

    /// Refuses options that only forecasts have.
    fn expect_fitting_options(&self) -> anyhow::Result<()> {
        let refuse = |reason: String| Err(exit_codes::wrong_argument(anyhow::anyhow!(reason)));
        if self.frames.is_some() {
            return refuse(
                "--frames: the network continues no frames; it gives a frame for each frame of the input. Leave --frames out".into(),
            );
        }
        let options = self.reading.options();
        let fitting = InputOptions {
            axes: options.axes.clone(),
            variable: options.variable.clone(),
            ..InputOptions::default()
        };
        if options != fitting || !matches!(self.members, MembersArgument::Mean) {
            return refuse(
                "--unit, --range, --missing, --minutes-per-step, --downsample and --members are for networks that continue frames; this \
                 one reads the numbers of the file as they are"
                    .into(),
            );
        }
        let form = Form::of(&self.out).map_err(exit_codes::wrong_argument)?;
        if matches!(form, Form::NetCdf | Form::Zarr) {
            return refuse(format!(
                "--out {}: results of the network have neither unit nor time; write a .npy file, a .gif file or a folder of pictures",
                printable(&self.out)
            ));
        }
        Ok(())
    }

    /// The numbers of the input as they are, `[T, C, H, W]`.
    fn read_frames(&self, channels: usize) -> anyhow::Result<Tensor<f32>> {
        let numbers = self.read_numbers()?;
        let &[sequences, steps, channels_read, height, width] = numbers.shape() else {
            unreachable!("numbers are [N, T, C, H, W]");
        };
        let path = printable(&self.input);
        anyhow::ensure!(
            sequences == 1,
            "{path}: holds {sequences} sequences, and one is needed; the axes of an array are set by --axes, such as --axes tchw"
        );
        anyhow::ensure!(
            channels_read == channels,
            "{path}: has {} with {}, but the network reads {}; a voxel grid has a channel for each bin of time. The axes of an array are set by \
             --axes, such as --axes tchw, or --axes chw for one frame",
            output::counted(steps, "frame"),
            output::counted(channels_read, "channel"),
            output::counted(channels, "channel")
        );
        let kept = self.newest.map_or(steps, |newest| newest.min(steps));
        let frame = channels * height * width;
        let values = numbers.as_slice()[(steps - kept) * frame..].to_vec();
        Ok(Tensor::from_vec(&[kept, channels, height, width], values)?)
    }

    /// The numbers of the input, `[N, T, C, H, W]`. Where no axes are named, four axes are `[T, C, H, W]`, and names and shape tell others.
    fn read_numbers(&self) -> anyhow::Result<Tensor<f32>> {
        let InputOptions { axes, variable, .. } = self.reading.options();
        let read = |axes: Axes| {
            let name = variable.clone().unwrap_or_default();
            let config =
                FramesConfig { axes, member: name.clone(), variable: name, ..FramesConfig::default() };
            read_numbers(&self.input, &config, &ReadBudget::new(self.memory_mib, "--memory-mib"))
        };
        if let Some(axes) = axes {
            return Ok(read(axes)?);
        }
        let usual = "tchw".parse::<Axes>().map_err(anyhow::Error::msg)?;
        Ok(read(usual).or_else(|_| read(Axes::default()))?)
    }

    /// The input for errors that number its frames, with where the numbers begin.
    fn name_of_frames(&self) -> String {
        let path = printable(&self.input);
        match self.newest {
            Some(newest) => format!("{path}, of the newest {}", output::counted(newest, "frame")),
            None => path.to_string(),
        }
    }

    /// Writes results; pictures go from black to white over a range, unless another one is given.
    fn write_results(&self, results: &Tensor<f32>, range: [f64; 2]) -> anyhow::Result<()> {
        if Form::of(&self.out)? == Form::Npy {
            let all = results.clone().reshape(&[&[1], results.shape()].concat())?;
            return Ok(media::write_array(
                &self.out,
                &all,
                &"tchw".parse::<Axes>().map_err(anyhow::Error::msg)?,
            )?);
        }
        let [low, high] = self.picture_range.unwrap_or(range.map(|end| end as f32));
        let mut shades = results.clone();
        shades.as_mut_slice().iter_mut().for_each(|value| *value = (*value - low) / (high - low));
        Ok(media::write_frames(&self.out, &shades)?)
    }

    fn report_results(&self, frames: &Tensor<f32>, results: &Tensor<f32>) -> anyhow::Result<ExitCode> {
        let least = results.as_slice().iter().copied().fold(f32::INFINITY, f32::min);
        let most = results.as_slice().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.json {
            output::json(&json!({
                "out": self.out.to_string_lossy(),
                "input_shape": frames.shape(),
                "shape": results.shape(),
                "minimum": least,
                "maximum": most,
            }))?;
        } else {
            let [read, given] = [frames, results].map(|tensor| output::counted(tensor.shape()[1], "channel"));
            output::result(&format!(
                "read {} of {} x {} pixels and {read}, wrote as many of {given} with numbers from {least:.4} to {most:.4} to {}",
                output::counted(frames.shape()[0], "frame"),
                frames.shape()[2],
                frames.shape()[3],
                printable(&self.out)
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
