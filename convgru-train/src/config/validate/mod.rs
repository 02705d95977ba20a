//! Whether a configuration can work.

use convgru_model::{ForecasterConfig, OutputActivation};

use super::text_error::one_line;
use super::{RunConfig, TrainingConfig};
use crate::checkpoint::FEWEST_GENERATIONS;
use crate::counted::counted;
use crate::dataset::{Quantity, SourceKind, no_path};
use crate::loss::{Loss, Objective};
use crate::optimizer::NormType;
use crate::schedule::{Monitor, Schedule, ScheduleKind};
use crate::trainer::MOST_THREADS;
use crate::{Error, Result};

/// The most bytes of a name: those that file systems give the name of a folder.
const LONGEST_NAME: usize = 255;

/// The threshold of events in examples.
const EXAMPLE: f64 = 2.0;

impl RunConfig {
    /// Checks every field and that data and model fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field, or the error of the model or data.
    pub fn validate(&self) -> Result<()> {
        let odd = |c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if self.name.len() > LONGEST_NAME {
            let length = self.name.len();
            let reason = format!("has {length} bytes, but names of folders have at most {LONGEST_NAME}");
            return refuse("name", reason);
        }
        if self.name.is_empty() || self.name.starts_with('.') || self.name.contains(odd) {
            return refuse(
                "name",
                format!("`{}` cannot name a folder; use letters, digits, - and _, such as my-run", self.name),
            );
        }
        self.data.validate()?;
        self.model.validate().map_err(|error| match error {
            convgru_model::Error::InvalidConfig { field, reason } => {
                Error::Config { field: format!("model.{field}"), reason }
            }
            other => other.into(),
        })?;
        self.init.validate()?;
        if self.model.has_mask_channel() != self.data.mask_channel {
            let [model, data] = [self.model.has_mask_channel(), self.data.mask_channel];
            if let ForecasterConfig::Mlcast(_) = self.model {
                return refuse(
                    "data.mask_channel",
                    "is true, but a network of the kind mlcast reads no mask; set it to false".to_owned(),
                );
            }
            return refuse(
                "model.mask_channel",
                format!(
                    "is {model}, but data.mask_channel is {data}; set data.mask_channel, which the network follows"
                ),
            );
        }
        if let Some(frame) = self.data.frame_shape() {
            self.expect_frame(frame)?;
        }
        self.expect_input()?;
        self.training.validate()?;
        self.optimizer.validate()?;
        Schedule::new(&self.schedule, self.optimizer.learning_rate, self.training.steps)?;
        if matches!(self.schedule.kind, ScheduleKind::Plateau(_)) && self.training.validate_every == 0 {
            return refuse(
                "schedule.kind",
                "plateau lowers the learning rate after validations, but training.validate_every = 0 leaves none before the end"
                    .to_owned(),
            );
        }
        if self.training.early_stopping.patience > 0 && self.training.validate_every == 0 {
            return refuse(
                "training.early_stopping.patience",
                "it counts validations, but training.validate_every = 0 leaves none before the end"
                    .to_owned(),
            );
        }
        // The text is written with numbers of 64 bits without a sign, and read without them.
        let written = toml::to_string(self).map_err(|error| error.to_string());
        let read = |text: String| text.parse::<toml::Table>().map_err(|error| one_line(error.message()));
        if let Err(error) = written.and_then(read) {
            let reason = format!("cannot be written as TOML, whose numbers are below 2^63: {error}");
            return refuse("training", reason);
        }
        if self.training.loss.on_logits() && self.model.output_activation() == OutputActivation::Identity {
            let loss = &self.training.loss;
            let advice = match self.model {
                ForecasterConfig::Mlcast(_) => {
                    "a network of the kind mlcast predicts none; take mse or another loss"
                }
                _ => "set model.output_activation to \"sigmoid\"",
            };
            return refuse("training.loss", format!("{loss} compares probabilities; {advice}"));
        }
        let own = &self.training.reverse_sampling;
        if (own.start > 0.0 || own.end > 0.0) && self.data.input_frames == 1 {
            return refuse(
                "training.reverse_sampling",
                "replaces frames after the first, but data.input_frames = 1 leaves none; set start and end to 0"
                    .to_owned(),
            );
        }
        self.expect_members()?;
        self.expect_monitors()?;
        match self.data.source.kind() {
            SourceKind::Strokes => {
                no_path(self.data_folder())?;
                self.expect_thresholds(&Quantity::intensity())?;
            }
            SourceKind::Mnist => self.expect_thresholds(&Quantity::intensity())?,
            // What values reach is known with the data.
            SourceKind::Radar | SourceKind::Frames => {}
        }
        self.training.lead_weights.weights(self.data.output_frames)?;
        let has_penalty = self.training.loss.0.iter().any(|term| term.loss == Loss::TemporalPenalty);
        if has_penalty && self.data.output_frames == 1 {
            let reason = "temporal-penalty compares lead times that follow each other, but data.output_frames is 1; set it to 2 \
                          or more, or leave the term out";
            return refuse("training.loss", reason.to_owned());
        }
        if self.training.batch_size > self.data.train_sequences {
            return refuse(
                "training.batch_size",
                format!(
                    "{} per batch, but an epoch has only data.train_sequences = {}",
                    counted(self.training.batch_size, "sequence"),
                    self.data.train_sequences
                ),
            );
        }
        Ok(())
    }

    /// Checks that the network reads the frames that the data have for it: other frames, or those that it continues.
    fn expect_input(&self) -> Result<()> {
        let channels = self.model.input_channels();
        match self.data.input() {
            None if channels > 0 => refuse(
                "data.frames.input",
                format!(
                    "is absent, but model.input_channels is {channels}: the network reads other frames than those it gives; set \
                     data.frames.input.path to their file or folder"
                ),
            ),
            Some(_) if channels == 0 => refuse(
                "model.input_channels",
                format!(
                    "is 0, but data.frames.input has frames for the network to read, and a network of the kind {} continues the frames that it reads; \
                     take model.kind = \"recurrent\" with the channels of the input frames, or begin with a network that reads such frames \
                     (--init-from)",
                    self.model.kind()
                ),
            ),
            Some(_) => self.expect_all_input(),
            None => Ok(()),
        }
    }

    /// Checks that the network reads all input frames, and that gradients flow through all of them.
    fn expect_all_input(&self) -> Result<()> {
        if self.training.truncate > 0 {
            let reason = format!(
                "is {}, but the network gives a frame for each frame of data.frames.input, and gradients flow through all of these; set it to 0, and \
                 take shorter sequences (data.input_frames) or a training.memory_budget",
                self.training.truncate
            );
            return refuse("training.truncate", reason);
        }
        let own = &self.training.reverse_sampling;
        if own.start > 0.0 || own.end > 0.0 {
            let reason = "replaces frames of the input by predictions, but the network reads frames of data.frames.input, which it does not \
                          predict; set start and end to 0";
            return refuse("training.reverse_sampling", reason.to_owned());
        }
        Ok(())
    }

    /// Checks that the network reads input frames of so many channels.
    ///
    /// # Errors
    /// [`Error::Config`] with both numbers.
    pub(crate) fn expect_input_channels(&self, channels: usize) -> Result<()> {
        if self.model.input_channels() == channels {
            return Ok(());
        }
        refuse(
            "model.input_channels",
            format!(
                "is {}, but the frames of data.frames.input have {} (their axes are set by data.frames.input.axes)",
                self.model.input_channels(),
                counted(channels, "channel")
            ),
        )
    }

    /// Checks that the losses are for as many members as the model has.
    fn expect_members(&self) -> Result<()> {
        let (loss, members) = (&self.training.loss, self.model.members());
        let refuse = |reason| refuse("training.loss", reason);
        let scores_members = loss.0.iter().any(|term| matches!(term.loss, Loss::Crps { .. }));
        match members {
            1 if scores_members => refuse(
                "crps scores the members of an ensemble, but model.members is 1; set it to 2 or more, or take the loss l1, \
                 which crps is of one member"
                    .to_owned(),
            ),
            2.. if loss.on_logits() => refuse(format!(
                "{loss} compares logits, but the mean of model.members = {members} has none; take crps, mse or another loss"
            )),
            _ => Ok(()),
        }
    }

    /// Checks that the network has the results that decide something.
    fn expect_monitors(&self) -> Result<()> {
        let members = self.model.members();
        for (field, monitor) in self.monitors() {
            if monitor.is_of_members() && members == 1 {
                let reason = format!(
                    "{monitor} scores the members of an ensemble, but model.members is 1; validations of this network have {}",
                    Monitor::names(members, EXAMPLE)
                );
                return refuse(field, reason);
            }
        }
        Ok(())
    }

    /// Checks that scores of events count some values of the data and not all.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of the score, with what values reach.
    pub(crate) fn expect_thresholds(&self, quantity: &Quantity) -> Result<()> {
        let [low, high] = quantity.ends();
        for (field, monitor) in self.monitors() {
            let Some(threshold) =
                monitor.threshold().filter(|threshold| !(low < *threshold && *threshold <= high))
            else {
                continue;
            };
            let is_reached = |example: &f64| low < *example && *example <= high;
            let example = [EXAMPLE, 0.5].into_iter().find(is_reached).unwrap_or(low + (high - low) / 2.0);
            let unit = if quantity.unit.is_empty() { String::new() } else { format!(" {}", quantity.unit) };
            let reason = format!(
                "{monitor} counts values of {threshold}{unit} or more as events, but values of the data go from {low}{unit} to \
                 {high}{unit}; validations have {}, with T above {low} and at most {high}",
                Monitor::names(self.model.members(), example)
            );
            return refuse(field, reason);
        }
        Ok(())
    }

    /// Checks that the model can read frames of a shape.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field of the model.
    pub(crate) fn expect_frame(&self, [channels, height, width]: [usize; 3]) -> Result<()> {
        let patch = self.model.frame_multiple();
        if !(height.is_multiple_of(patch) && width.is_multiple_of(patch)) {
            let common = common_divisor(height, width);
            return refuse(
                "model.patch",
                format!(
                    "frames of {height} x {width} pixels cannot be cut into patches of {patch}; choose a divisor \
                     of {common}"
                ),
            );
        }
        for term in &self.training.loss.0 {
            let Loss::Ssim { window } = term.loss else { continue };
            let window = window.side();
            if height.min(width) < window {
                return refuse(
                    "training.loss",
                    format!(
                        "ssim compares windows of {window} x {window} pixels, but frames have {height} x {width}; take \
                         larger frames or another loss"
                    ),
                );
            }
        }
        if self.model.image_channels() != channels {
            return refuse(
                "model.image_channels",
                format!(
                    "is {}, but the frames of the data have {}",
                    self.model.image_channels(),
                    counted(channels, "channel")
                ),
            );
        }
        Ok(())
    }
}

/// The greatest common divisor.
fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

impl TrainingConfig {
    fn validate(&self) -> Result<()> {
        at_least_one("training.steps", self.steps)?;
        at_least_one("training.batch_size", self.batch_size as u64)?;
        // As it is written: thresholds in the values of frames may have lost what is wrong with them.
        Objective { terms: self.loss.clone(), lead_weights: self.lead_weights.clone(), clamp: self.clamp }
            .validate()?;
        if self.loss.0.iter().all(|term| term.loss == Loss::TemporalPenalty) {
            let reason = "temporal-penalty compares no forecast with its truth, and one frame for all lead times would be the best; \
                          add a loss that does, such as [{ kind = \"crps\" }, { kind = \"temporal-penalty\", weight = 0.01 }]";
            return refuse("training.loss", reason.to_owned());
        }
        if !(self.clip_norm.is_finite() && self.clip_norm >= 0.0) {
            return refuse(
                "training.clip_norm",
                format!("{} must be above 0, or 0 for no clipping", self.clip_norm),
            );
        }
        if let Err(Error::Data { reason, .. }) = NormType::new(self.clip_norm_type) {
            return refuse("training.clip_norm_type", reason);
        }
        if !(self.clip_value.is_finite() && self.clip_value >= 0.0) {
            return refuse(
                "training.clip_value",
                format!("{} must be above 0, or 0 for no clipping", self.clip_value),
            );
        }
        if i64::try_from(self.seed).is_err() {
            return refuse("training.seed", format!("{} is not below 2^63", self.seed));
        }
        if self.keep_checkpoints < FEWEST_GENERATIONS {
            return refuse(
                "training.keep_checkpoints",
                format!(
                    "{} leaves nothing to fall back on; at least {FEWEST_GENERATIONS} are needed",
                    self.keep_checkpoints
                ),
            );
        }
        at_least_one("training.keep_best", self.keep_best as u64)?;
        if self.threads > MOST_THREADS {
            return refuse(
                "training.threads",
                format!("{} is above {MOST_THREADS}; 0 means one per core", self.threads),
            );
        }
        if !(1..=self.batch_size).contains(&self.accumulate) {
            return refuse(
                "training.accumulate",
                format!(
                    "is {}, but a batch has {}; take 1 to {} micro-batches",
                    self.accumulate,
                    counted(self.batch_size, "sequence"),
                    self.batch_size
                ),
            );
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return refuse("training.ema_decay", format!("{} is not from 0 to below 1", self.ema_decay));
        }
        self.early_stopping.validate()?;
        self.teacher_forcing.validate("training.teacher_forcing")?;
        self.reverse_sampling.validate("training.reverse_sampling")?;
        Ok(())
    }
}

fn at_least_one(field: &str, value: u64) -> Result<()> {
    if value == 0 {
        return refuse(field, "0 is too small; it must be at least 1".to_owned());
    }
    Ok(())
}

fn refuse<T>(field: &str, reason: String) -> Result<T> {
    Err(Error::Config { field: field.to_owned(), reason })
}

#[cfg(test)]
mod tests;
