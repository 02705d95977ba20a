//! Which parts of frames are worth learning from: importance sampling by the rain in them.

use std::path::Path;

use rayon::prelude::*;

use super::frames::listable_whole;
use super::random::{Purpose, SampleKey, generator, unit};
use super::rates::RateScale;
use super::{DataConfig, FramesConfig, SequenceMut, Source, Split};
use crate::printable::{escaped, printable};
use crate::read_budget::bytes_of;
use crate::{Error, Result};

/// Frames of the shortest part: of one input and one output.
const LEAST_DEPTH: usize = 2;

/// Importance sampling of parts of frames by their rain.
///
/// The probability that a part `n` of `data.frames.crop` pixels and `data.frames.time_depth` frames is taken is
///
/// ```text
/// q_n = min(1, q_min + m mean_c (1 - exp(-x_c / s)))
/// ```
/// with the mean over its measured pixels `c`, whose rain rates are `x_c` in mm/h: Ravuri et al. 2021, Skilful precipitation nowcasting using deep
/// generative models of radar, Nature 597. `q_min`, `m` and `s` have the defaults of the sampler of datasets for mlcast.
#[derive(Clone, Debug, PartialEq)]
pub struct CropSampling {
    /// `q_min`, the probability of a part without rain, 0 to 1.
    pub least_probability: f64,
    /// `m`, the weight of rain in the probability, 0 or more.
    pub rain_weight: f64,
    /// `s`, the rain rate in mm/h above which more rain hardly raises the probability, above 0.
    pub rate_scale: f64,
    /// The largest share of missing pixels of a part, 0 to 1.
    pub most_missing: f64,
    /// Frames from the first frame of a part to the first frame of the next part, at least 1.
    pub frame_stride: usize,
    /// Pixels from a part to the next part below it and beside it, at least 1.
    pub pixel_stride: usize,
    /// The seed of the random numbers. The place of a part decides which number it gets.
    pub seed: u64,
}

impl Default for CropSampling {
    fn default() -> Self {
        Self {
            least_probability: 1e-4,
            rain_weight: 0.1,
            rate_scale: 1.0,
            most_missing: 0.1,
            frame_stride: 3,
            pixel_stride: 16,
            seed: 0,
        }
    }
}

/// A list of parts of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledCrops {
    /// The number of the first frame, the column and the row of the first pixel of each: `t`, `x` and `y`.
    pub crops: Vec<[usize; 3]>,
    /// How many parts with enough measured pixels were looked at.
    pub looked_at: usize,
}

impl SampledCrops {
    /// The list as a file for `data.frames.crop_list`.
    ///
    /// ```
    /// use convgru_train::dataset::SampledCrops;
    ///
    /// let sampled = SampledCrops { crops: vec![[12, 30, 4]], looked_at: 100 };
    /// assert_eq!(sampled.to_csv(), "t,x,y\n12,30,4\n");
    /// ```
    pub fn to_csv(&self) -> String {
        let rows = self.crops.iter().map(|[t, x, y]| format!("{t},{x},{y}\n"));
        std::iter::once("t,x,y\n".to_owned()).chain(rows).collect()
    }
}

impl CropSampling {
    fn validate(&self) -> Result<()> {
        let refuse = |what: &str, reason: String| Err(Error::Config { field: what.into(), reason });
        for (what, share) in
            [("least_probability", self.least_probability), ("most_missing", self.most_missing)]
        {
            if !(0.0..=1.0).contains(&share) {
                return refuse(what, format!("is {share}, but must be 0 to 1"));
            }
        }
        if !(self.rain_weight >= 0.0 && self.rain_weight.is_finite()) {
            return refuse("rain_weight", format!("is {}, but must be 0 or more", self.rain_weight));
        }
        if !(self.rate_scale > 0.0 && self.rate_scale.is_finite()) {
            return refuse("rate_scale", format!("is {}, but must be above 0", self.rate_scale));
        }
        if self.frame_stride == 0 || self.pixel_stride == 0 {
            return refuse("frame_stride and pixel_stride", "must each be at least 1".into());
        }
        Ok(())
    }

    /// Draws parts of the frames of one file of rain, and holds `data.frames.time_depth` frames in memory at a time. The arguments of `progress` are
    /// the number of finished windows in time and the number of all windows.
    ///
    /// # Errors
    /// [`Error::Config`] for fields out of their ranges, and for frames that are smaller than the parts; [`Error::Data`], [`Error::Io`],
    /// [`Error::Format`] and [`Error::Memory`] if the file cannot be read as rain.
    ///
    /// # Example
    /// ```no_run
    /// use convgru_train::config::{Preset, RunConfig};
    /// use convgru_train::dataset::CropSampling;
    ///
    /// let data = RunConfig::preset(Preset::Mlcast).data;
    /// let sampled = CropSampling::default().sample(&data, "rain.zarr".as_ref(), &mut |_, _| {})?;
    /// std::fs::write("crops.csv", sampled.to_csv())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sample(
        &self,
        data: &DataConfig,
        path: &Path,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<SampledCrops> {
        self.validate()?;
        let Source::Frames(frames) = &data.source else {
            return Err(Error::Config {
                field: "data.source".into(),
                reason: format!(
                    "is \"{}\", but parts are listed of frames alone (.nc, .zarr, .h5, .npy)",
                    data.source.name()
                ),
            });
        };
        expect_listable(frames)?;
        let (crop, depth) = (frames.crop, frames.time_depth);
        // Windows are as long as parts.
        let data = DataConfig { input_frames: 1, output_frames: depth - 1, ..data.clone() };
        data.validate()?;
        let (windows, spans) = listable_whole(&data, frames, path)?;
        let [_, height, width] = windows.frame_shape();
        if crop == [0, 0] || crop[0] > height || crop[1] > width {
            let reason =
                format!("is {crop:?}, but the frames of {} have {height} x {width} pixels", printable(path));
            return Err(Error::Config { field: "data.frames.crop".into(), reason });
        }
        let scale = RateScale::of_frames(frames, windows.found(), windows.name())?;
        let highest = scale.map(|scale| scale.highest).ok_or_else(|| Error::Config {
            field: "data.frames.rain".into(),
            reason: "is not set, but parts are chosen by rain rates".into(),
        })?;
        let steps = windows.steps();
        let starts: Vec<(usize, usize)> = spans
            .iter()
            .flat_map(|span| {
                let end = (span.frames.end + 1).saturating_sub(steps);
                (span.frames.start..end)
                    .step_by(self.frame_stride)
                    .map(|t| (t, span.first_window + t - span.frames.start))
            })
            .collect();
        let budget = data.budget();
        let _working = budget.work(path, bytes_of(2 * size_of::<f32>(), &[steps, height, width]))?;
        let mut values = vec![0.0; steps * height * width];
        let mut valid = vec![1.0; values.len()];
        let mut sampled = SampledCrops { crops: Vec::new(), looked_at: 0 };
        for (done, &(t, window)) in starts.iter().enumerate() {
            let mask = windows.has_missing().then_some(&mut valid[..]);
            windows.sequence(0, window, &mut SequenceMut { frames: &mut values, valid: mask })?;
            let sums = Sums::new(&values, &valid, [height, width], highest / self.rate_scale);
            self.draw(t, &sums, crop, steps, &mut sampled);
            progress(done + 1, starts.len());
        }
        Ok(sampled)
    }

    /// Draws among the parts of a window.
    fn draw(
        &self,
        t: usize,
        sums: &Sums,
        [rows, columns]: [usize; 2],
        steps: usize,
        sampled: &mut SampledCrops,
    ) {
        for y in (0..=sums.size[0] - rows).step_by(self.pixel_stride) {
            for x in (0..=sums.size[1] - columns).step_by(self.pixel_stride) {
                let [rain, measured] = sums.of([y, x], [rows, columns]);
                let all = (steps * rows * columns) as f64;
                if measured <= 0.0 || all - measured > self.most_missing * all {
                    continue;
                }
                sampled.looked_at += 1;
                let place = (y * sums.size[1] + x) as u64;
                let key = SampleKey { seed: self.seed, split: Split::Train, epoch: t as u64, index: place };
                let chance = (self.least_probability + self.rain_weight * rain / measured).min(1.0);
                if unit(&mut generator(Purpose::Listing, key)) < chance {
                    sampled.crops.push([t, x, y]);
                }
            }
        }
    }
}

/// Refuses settings of frames with which a list would count other frames or pixels than the file has, and those that a list cannot follow.
fn expect_listable(frames: &FramesConfig) -> Result<()> {
    let refuse =
        |field: &str, reason: String| Err(Error::Config { field: format!("data.frames.{field}"), reason });
    if !frames.crop_list.is_empty() {
        let reason = format!(
            "is \"{}\", but a list is written of all frames, whatever another list says; leave it out",
            escaped(&frames.crop_list)
        );
        return refuse("crop_list", reason);
    }
    if frames.resize != [0, 0] {
        let reason = format!(
            "is {:?}, but a list counts pixels of the file, and a training with a list reads frames as large as they are; leave it out",
            frames.resize
        );
        return refuse("resize", reason);
    }
    if frames.stride != 1 {
        let reason = format!(
            "is {}, but a list counts all frames of the file, and a training with a list reads each of them; leave it out, or set \
             --frame-stride for fewer parts",
            frames.stride
        );
        return refuse("stride", reason);
    }
    if frames.time_depth < LEAST_DEPTH {
        let reason = format!(
            "is {}, but a part has {LEAST_DEPTH} frames at least, because a sequence of a training has an input and an output; take as many \
             as data.input_frames + data.output_frames of the training, or more",
            frames.time_depth
        );
        return refuse("time_depth", reason);
    }
    Ok(())
}

/// Sums over all frames of a window and over the pixels above and to the left of a place.
struct Sums {
    /// Height and width of frames.
    size: [usize; 2],
    /// `1 - exp(-x / s)` of measured pixels and their number, one row and one column longer than frames.
    table: Vec<[f64; 2]>,
}

impl Sums {
    /// The sums of values, of which 1 is `highest` times the rate scale.
    fn new(values: &[f32], valid: &[f32], size: [usize; 2], highest: f64) -> Self {
        let [height, width] = size;
        let plane = height * width;
        let of_pixel = |pixel: usize| {
            let along = (pixel..values.len()).step_by(plane).filter(|&at| valid[at] > 0.0);
            along.fold([0.0, 0.0], |[rain, count], at| {
                [rain - (-f64::from(values[at]) * highest).exp_m1(), count + 1.0]
            })
        };
        let pixels: Vec<[f64; 2]> = (0..plane).into_par_iter().map(of_pixel).collect();
        let mut table = vec![[0.0; 2]; (height + 1) * (width + 1)];
        for (row, pixels) in pixels.chunks_exact(width).enumerate() {
            let mut sum = [0.0; 2];
            for (column, pixel) in pixels.iter().enumerate() {
                let at = row * (width + 1) + column + 1;
                let above = table[at];
                sum = [sum[0] + pixel[0], sum[1] + pixel[1]];
                table[at + width + 1] = [above[0] + sum[0], above[1] + sum[1]];
            }
        }
        Self { size, table }
    }

    /// Of a part.
    fn of(&self, [top, left]: [usize; 2], [rows, columns]: [usize; 2]) -> [f64; 2] {
        let at = |row: usize, column: usize| self.table[row * (self.size[1] + 1) + column];
        let (bottom, right) = (top + rows, left + columns);
        [0, 1].map(|number| {
            at(bottom, right)[number] - at(top, right)[number] - at(bottom, left)[number]
                + at(top, left)[number]
        })
    }
}

#[cfg(test)]
mod tests;
