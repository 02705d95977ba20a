//! Sample sequences with predictions, and charts of scores, for reports.

use convgru_model::{Forecaster, Tensor, mean_of_members};

use crate::Result;
use crate::dataset::{Batch, SequenceDataset, batch};
use crate::metric::{ForecastScores, copy_last};
use crate::report::{ScoreChart, SequencePanel, Shades};
use crate::trainer::evaluation::{NowcastOptions, NowcastScores};

/// Draws sequences of a data set with the predictions of a model.
#[derive(Clone, Copy)]
pub(crate) struct SamplePanels<'a> {
    pub(crate) model: &'a Forecaster<f32>,
    pub(crate) dataset: &'a dyn SequenceDataset,
    pub(crate) input_frames: usize,
}

impl SamplePanels<'_> {
    /// Some sequences with the model's predictions; rain in mm/h, of an ensemble the mean of its members in mm/h, and beside its baselines.
    ///
    /// # Errors
    /// The errors of the data set and the model.
    pub(crate) fn panels(&self, indices: &[usize]) -> Result<Vec<SequencePanel>> {
        let quantity = self.dataset.quantity();
        let (input, truth) = batch(self.dataset, 0, indices)?.split(self.input_frames)?;
        let leads = truth.frames.shape()[0];
        let predicted = self.model.forward(&*input.as_read_by(self.model.config()), leads)?;
        let members = self.model.members();
        let is_continuing = self.dataset.inputs().is_none();
        let is_rain = quantity.is_rain() && self.dataset.frame_shape()[0] == 1 && is_continuing;
        let (observed, truth, mut prediction) = match is_rain {
            true => (
                input.in_units(&quantity),
                truth.in_units(&quantity),
                quantity.mean_of_members(predicted, members)?,
            ),
            false => (shown_input(self.dataset, &input)?, truth.frames, mean_of_members(predicted, members)?),
        };
        let mut baselines = Vec::new();
        if is_rain {
            let moved = NowcastOptions::suited_to(&quantity).extrapolate(&input, &quantity, leads)?;
            baselines.push(("optical flow", moved));
            baselines.push(("persistence", copy_last(&quantity.in_units(&input.frames), leads)?));
            // What was not measured is grey everywhere: nothing is scored there.
            let forecasts = baselines.iter_mut().map(|(_, frames)| frames);
            forecasts.chain([&mut prediction]).for_each(|frames| hide_missing(frames, &truth));
        }
        let panel = |(at, &index): (usize, &usize)| {
            let baseline =
                |(name, frames): &(&str, Tensor<f32>)| Ok(((*name).to_owned(), sequence(frames, at)?));
            Ok(SequencePanel {
                name: if is_rain { self.dataset.label(index) } else { String::new() },
                shades: if is_rain { Shades::Rain } else { Shades::Intensity },
                minutes_per_step: quantity.minutes_per_step,
                times: if is_continuing { self.dataset.times(index) } else { Vec::new() },
                input: sequence(&observed, at)?,
                same_times: !is_continuing,
                truth: sequence(&truth, at)?,
                prediction: sequence(&prediction, at)?,
                baselines: baselines.iter().map(baseline).collect::<Result<_>>()?,
            })
        };
        indices.iter().enumerate().map(panel).collect()
    }
}

/// Frames that were read as they are drawn: frames of a data set as they are, and other frames as their mean over channels, with grey for 0 and black
/// and white for the largest size of a mean below and above it.
pub(crate) fn shown_input(dataset: &dyn SequenceDataset, input: &Batch) -> Result<Tensor<f32>> {
    let &[steps, batch, channels, height, width] = input.frames.shape() else {
        return Ok(input.frames.clone());
    };
    if dataset.inputs().is_none() {
        return Ok(input.frames.clone());
    }
    let (area, drawn) = (height * width, dataset.frame_shape()[0]);
    let mean = |image: &[f32], pixel: usize| {
        (0..channels).map(|channel| image[channel * area + pixel]).sum::<f32>() / channels as f32
    };
    let images = input.frames.as_slice().chunks_exact(channels * area);
    let means: Vec<f32> = images.flat_map(|image| (0..area).map(move |pixel| mean(image, pixel))).collect();
    let most = means.iter().fold(0.0f32, |most, mean| most.max(mean.abs())).max(f32::MIN_POSITIVE);
    let shades = means.iter().map(|mean| 0.5 + 0.5 * (mean / most)).collect::<Vec<f32>>();
    let planes = shades.chunks_exact(area).flat_map(|plane| plane.repeat(drawn)).collect();
    Ok(Tensor::from_vec(&[steps, batch, drawn, height, width], planes)?)
}

/// CSI and FSS for each threshold, and the mean absolute error.
pub(crate) fn score_charts(nowcasts: &NowcastScores) -> Vec<ScoreChart> {
    let known = nowcasts.quantity.minutes_per_step.is_some();
    let chart = |name: String, value_name: &str, of: &dyn Fn(&ForecastScores) -> Vec<f64>| ScoreChart {
        name,
        value_name: value_name.to_owned(),
        lead_name: if known { "minutes ahead" } else { "frames ahead" }.to_owned(),
        leads: nowcasts.lead_minutes.clone(),
        series: nowcasts.models().map(|(name, scores)| (name.replace('_', " "), of(scores))).into(),
    };
    let unit = &nowcasts.quantity.unit;
    let mut charts = Vec::new();
    for (at, threshold) in nowcasts.thresholds.iter().enumerate() {
        let from = |score| format!("{score} from {threshold} {unit}").trim_end().to_owned();
        charts.push(chart(from("CSI"), "CSI", &|scores| scores.csi().swap_remove(at)));
        charts.push(chart(from("FSS"), "FSS", &|scores| scores.fss().swap_remove(at)));
    }
    let name = format!("Mean absolute error, {unit}");
    charts.push(chart(name.trim_end_matches([',', ' ']).to_owned(), "MAE", &ForecastScores::mae));
    charts
}

/// Makes a forecast NaN where the truth is.
fn hide_missing(forecast: &mut Tensor<f32>, truth: &Tensor<f32>) {
    for (value, &truth) in forecast.as_mut_slice().iter_mut().zip(truth.as_slice()) {
        *value = if truth.is_nan() { f32::NAN } else { *value };
    }
}

/// Sequence `index` of `[T, N, C, H, W]` as `[T, C, H, W]`.
pub(crate) fn sequence(frames: &Tensor<f32>, index: usize) -> Result<Tensor<f32>> {
    let (steps, shape) = (frames.shape()[0], &frames.shape()[2..]);
    let size: usize = shape.iter().product();
    let data = (0..steps).flat_map(|step| &frames.slice(step)[index * size..][..size]).copied().collect();
    let shape = [&[steps], shape].concat();
    Ok(Tensor::from_vec(&shape, data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_shown_where_the_truth_is_missing() {
        let one = |values: [f32; 3]| Tensor::from_vec(&[1, 1, 1, 1, 3], values.to_vec()).unwrap();
        let mut forecast = one([1.0, 2.0, 3.0]);
        hide_missing(&mut forecast, &one([0.0, f32::NAN, 9.0]));
        assert_eq!(forecast.as_slice()[0], 1.0);
        assert!(forecast.as_slice()[1].is_nan());
        assert_eq!(forecast.as_slice()[2], 3.0);
    }

    #[test]
    fn a_sequence_is_cut_out_of_its_batch() {
        let frames = Tensor::from_fn(&[2, 3, 1, 1, 2], |i| i as f32);
        let cut = sequence(&frames, 1).unwrap();
        assert_eq!(cut.shape(), [2, 1, 1, 2]);
        assert_eq!(cut.as_slice(), [2.0, 3.0, 8.0, 9.0]);
    }
}
