//! What a run would take, measured without writing anything.

use std::time::{Duration, Instant};

use convgru_model::Parameters;
use serde::Serialize;

use super::StepOutcome;
use super::evaluation::Evaluator;
use super::memory;
use super::observer::Silent;
use super::setup::Setup;
use crate::checkpoint::SkippedRecord;
use crate::config::RunConfig;
use crate::counted::counted;
use crate::dataset::{Quantity, SequenceDataset, SequenceMut, Split};
use crate::interrupt::Interrupt;
use crate::{Error, Result};

/// Steps that are measured at most, after one that is not.
const MOST_STEPS: usize = 8;
/// Steps that are measured at least.
const LEAST_STEPS: usize = 3;
/// No further step is begun after this time.
const ENOUGH: Duration = Duration::from_secs(10);

/// A loss that is so many times the loss of the first step has diverged.
const GROWN: f64 = 1e3;

/// What a run would take. Nothing of it is written anywhere.
///
/// ```
/// use convgru_train::config::RunConfig;
/// use convgru_train::interrupt::Interrupt;
/// use convgru_train::trainer::DryRun;
///
/// let small = ["data.size=16", "data.digit_size=8", "model.hidden_channels=[4]", "training.steps=1000"];
/// let dry = DryRun::measure(RunConfig::default().with_all(&small)?, &Interrupt::manual())?;
/// assert!(dry.parameters > 0 && dry.seconds > 999.0 * dry.seconds_per_step);
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DryRun {
    /// The kind of the network.
    pub network: &'static str,
    /// Its parameters.
    pub parameters: usize,
    /// Tensors that are frozen and their parameters; none where all are trained.
    pub frozen: Option<[usize; 2]>,
    /// Which weights of a file it begins with, in words; none where they are drawn.
    pub begun_with: Option<String>,
    /// What the data are.
    pub data: String,
    /// The shape of a frame, `[C, H, W]`.
    pub frame: [usize; 3],
    /// Sequences of an epoch of training, of the validation and of the test set.
    pub sequences: [usize; 3],
    /// What the user should know although a training would begin: about the data, and about steps that were tried.
    pub warnings: Vec<String>,
    /// Steps of the run.
    pub steps: u64,
    /// Sequences of a step.
    pub batch_size: usize,
    /// Validations of the run.
    pub validations: u64,
    /// Bytes of memory that a training needs, about.
    pub memory: u64,
    /// Bytes of memory of this machine, where the system says.
    pub memory_of_machine: Option<u64>,
    /// The most bytes of memory that this process has had, where the system says.
    pub peak_memory: Option<u64>,
    /// Steps that were measured.
    pub measured_steps: usize,
    /// Steps that a training would leave out, because their loss or gradient was not finite.
    pub not_finite_steps: usize,
    /// Steps that a training would leave out, because no pixel of their truth was measured.
    pub unmeasured_steps: usize,
    /// The loss of the first step.
    pub first_loss: Option<f64>,
    /// Their median time in seconds.
    pub seconds_per_step: f64,
    /// The share of their time in which they waited for data, 0 to 1.
    pub data_wait: f64,
    /// A validation, about.
    pub seconds_per_validation: f64,
    /// All steps, validations and the test, about: without the time for checkpoints and the report.
    pub seconds: f64,
}

impl DryRun {
    /// Opens the data, makes the network and takes a few steps.
    ///
    /// # Errors
    /// The errors of [`Trainer::start`](super::Trainer::start), except the errors of the folder of a run.
    pub fn measure(mut config: RunConfig, interrupt: &Interrupt) -> Result<Self> {
        interrupt.at_once("nothing was trained or written", || {
            let setup = Setup::begin(&mut config)?;
            Self::of(&config, setup)
        })
    }

    fn of(config: &RunConfig, mut setup: Setup) -> Result<Self> {
        let training = &config.training;
        let sets = [setup.loader.dataset(), setup.validation.as_ref(), setup.test.as_ref()];
        let (sequences, frame) = (sets.map(SequenceDataset::len), sets[0].frame_shape());
        let mut warnings: Vec<String> =
            sets.iter().flat_map(|data| data.warnings().iter().cloned()).collect();
        warnings.extend(setup.data_doubt.clone());
        let data = sets[0].name().to_owned();
        let per_sequence = seconds_per_sequence(config, &setup)?;
        let steps = Steps::take(&mut setup, training.steps)?;
        // Validations refuse forecasts that are not finite.
        let validated = match seconds_per_sequence(config, &setup) {
            Err(error @ Error::Io { .. }) => return Err(error),
            validated => validated.map(drop),
        };
        warnings.extend(setup.doubts.iter().cloned());
        warnings.extend(steps.doubt(config, validated));
        warnings.extend(steps.doubt_of_pixels());
        let bytes = |count: f64| count as u64;
        let validations = match training.validate_every {
            0 => 1,
            every => training.steps.div_ceil(every),
        };
        let seconds_per_validation = per_sequence * sequences[1] as f64;
        let seconds = training.steps as f64 * steps.median
            + validations as f64 * seconds_per_validation
            + per_sequence * sequences[2] as f64;
        Ok(Self {
            network: config.model.kind(),
            parameters: setup.learner.model.parameters().count(),
            frozen: setup.learner.frozen(),
            begun_with: setup.begun_with,
            data,
            frame,
            sequences,
            warnings,
            steps: training.steps,
            batch_size: training.batch_size,
            validations,
            memory: bytes(memory::needed(config, frame)),
            memory_of_machine: memory::machine().map(bytes),
            peak_memory: memory::peak().map(bytes),
            measured_steps: steps.measured,
            not_finite_steps: steps.not_finite.len(),
            unmeasured_steps: steps.unmeasured,
            first_loss: steps.first_loss,
            seconds_per_step: steps.median,
            data_wait: setup.loader.waiting.of_all_steps(),
            seconds_per_validation,
            seconds,
        })
    }
}

/// Steps that were taken to be measured.
struct Steps {
    measured: usize,
    taken: usize,
    /// Those whose loss or gradient was not finite.
    not_finite: Vec<SkippedRecord>,
    /// How many had no measured pixel.
    unmeasured: usize,
    first_loss: Option<f64>,
    largest_loss: f64,
    /// Seconds of a step.
    median: f64,
}

impl Steps {
    /// Takes the first steps of a run of `steps`; the very first, which makes everything ready, is not measured if there are others.
    fn take(setup: &mut Setup, steps: u64) -> Result<Self> {
        let (began, mut seconds, mut first_loss) = (Instant::now(), Vec::new(), None);
        let (mut taken, mut not_finite, mut largest_loss) = (0, Vec::new(), f64::NEG_INFINITY);
        let mut unmeasured = 0;
        let most = steps.min(1 + MOST_STEPS as u64);
        for step in 0..most {
            if step > LEAST_STEPS as u64 && began.elapsed() > ENOUGH {
                break;
            }
            let begin = Instant::now();
            let cursor = setup.loader.cursor(step);
            let batch = setup.loader.batch(cursor)?;
            let ready = Instant::now();
            let outcome = setup.learner.step(&batch, cursor)?;
            taken += 1;
            match outcome {
                StepOutcome::Taken(record) => {
                    first_loss = first_loss.or((step == 0).then_some(record.loss));
                    largest_loss = largest_loss.max(record.loss);
                }
                StepOutcome::Skipped(skipped) if skipped.reason.is_not_finite() => not_finite.push(skipped),
                StepOutcome::Skipped(_) => unmeasured += 1,
            }
            if step > 0 || most == 1 {
                setup.loader.waiting.count(begin, ready);
                seconds.push(begin.elapsed().as_secs_f64());
            }
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        Ok(Self { measured: seconds.len(), taken, not_finite, unmeasured, first_loss, largest_loss, median })
    }

    /// What to say about steps that had no measured pixel.
    fn doubt_of_pixels(&self) -> Option<String> {
        let (count, taken) = (self.unmeasured, counted(self.taken, "tried step"));
        (count > 0).then(|| {
            format!(
                "{count} of {taken} had no measured pixel to learn from: a training skips such steps, and ends after a whole epoch of them; take \
                 larger parts (data.frames.crop, data.radar.crop), or a list of measured parts (`convgru crops`)"
            )
        })
    }

    /// What to say about steps that were not finite, after which a validation fails, or whose loss grew without measure.
    fn doubt(&self, config: &RunConfig, validated: Result<()>) -> Option<String> {
        let rate = config.optimizer.learning_rate;
        let advice = format!("lower optimizer.learning_rate ({rate:e}) or training.clip_norm");
        if let Some(first) = self.not_finite.first() {
            return Some(format!(
                "{} of {} were not finite, first the {} of step {}: a training skips such steps, and ends after \
                 {} in a row; {advice}",
                self.not_finite.len(),
                counted(self.taken, "tried step"),
                first.reason.name(),
                first.step,
                config.training.stop_after_nonfinite + 1
            ));
        }
        let after = counted(self.taken, "step");
        if let Err(error) = validated {
            return Some(format!("after {after} a validation fails ({error}); {advice}"));
        }
        let first = self.first_loss.filter(|first| self.largest_loss > GROWN * first.abs())?;
        let largest = self.largest_loss;
        Some(format!(
            "the loss grew from {first:.4e} to {largest:.4e} in {}; {advice}",
            counted(self.taken, "tried step")
        ))
    }
}

/// How long measuring a sequence takes, of a batch of validation sequences.
fn seconds_per_sequence(config: &RunConfig, setup: &Setup) -> Result<f64> {
    let batch_size = config.training.micro_batch_size();
    let some =
        FirstSequences { dataset: setup.validation.as_ref(), count: batch_size.min(setup.validation.len()) };
    let evaluator = Evaluator {
        dataset: &some,
        split: Split::Validation,
        input_frames: config.data.input_frames,
        batch_size,
        mean_frame: Some(&setup.mean_frame),
        loss: Some(&setup.learner.objective),
        nowcasts: None,
        interrupt: &Interrupt::manual(),
    };
    let began = Instant::now();
    evaluator.evaluate(setup.learner.evaluated(), &mut Silent)?;
    Ok(began.elapsed().as_secs_f64() / some.count as f64)
}

/// The first sequences of a data set.
struct FirstSequences<'a> {
    dataset: &'a dyn SequenceDataset,
    count: usize,
}

impl SequenceDataset for FirstSequences<'_> {
    fn name(&self) -> &str {
        self.dataset.name()
    }

    fn len(&self) -> usize {
        self.count
    }

    fn frame_shape(&self) -> [usize; 3] {
        self.dataset.frame_shape()
    }

    fn steps(&self) -> usize {
        self.dataset.steps()
    }

    fn inputs(&self) -> Option<&dyn SequenceDataset> {
        self.dataset.inputs()
    }

    fn quantity(&self) -> Quantity {
        self.dataset.quantity()
    }

    fn has_missing(&self) -> bool {
        self.dataset.has_missing()
    }

    fn sequence(&self, epoch: u64, index: usize, into: &mut SequenceMut<'_>) -> Result<()> {
        self.dataset.sequence(epoch, index, into)
    }
}
