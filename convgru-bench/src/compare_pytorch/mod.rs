//! A training of ours repeated by PyTorch: `cargo xtask compare-pytorch`.

mod comparison;
mod configuration;
mod package;
mod peer;
mod plan;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use convgru_train::config::RunConfig;
use convgru_train::dataset::{Split, open};
use convgru_train::interrupt::Interrupt;
use convgru_train::trainer::{
    DataLoader, Evaluator, Learner, Silent, StepOutcome, TrainedModel, with_threads,
};

use crate::progress::{Progress, note, print};
use crate::python;
use comparison::{Comparison, Step};
use configuration::ConfigurationOptions;
use peer::Peer;
use plan::Plan;

const EXAMPLES: &str = "\
Examples:
  cargo xtask compare-pytorch --install  once: a Python environment with PyTorch
  cargo xtask compare-pytorch --preset digits --steps 20
  cargo xtask compare-pytorch --preset digits --data ../shared/data/mnist --steps 300 --threads 1
  cargo xtask compare-pytorch --preset digits --set model.skip=true --set model.residual=last-frame
  cargo xtask train --preset quick
  cargo xtask compare-pytorch --config runs/quick/config.toml --steps 1000 --json
  cargo xtask compare-pytorch --config runs/mlcast/config.toml --steps 100

`config.toml` in the folder of a run has every field of its training. A network of mlcast is trained by
its own package with its own losses, and reads the same noise. An error names each field that PyTorch's side does not have, such as model.residual = \"motion\" or several members by heads.
The comparison ends where one of the first ten steps differs: in the loss by more than 1e-4 of it,
in the norm of the gradient by more than 1e-2.";

/// Trains a network twice, by convgru and by PyTorch in turn, step by step: the same first weights,
/// the same batches; losses side by side, the time of a step, and both results on validation sequences
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES, override_usage = "cargo xtask compare-pytorch <--preset NAME|--config FILE.toml> [OPTIONS]")]
pub(crate) struct ComparePytorchOptions {
    #[command(flatten)]
    configuration: ConfigurationOptions,
    /// Optimiser steps of each, at most those of the configuration
    #[arg(long, value_name = "N", default_value_t = 200)]
    steps: u64,
    /// Threads of each, 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Compile PyTorch's network before it is trained
    #[arg(long)]
    compile: bool,
    /// Install PyTorch (some GB); nothing is compared
    #[arg(long, exclusive = true)]
    install: bool,
    /// An interpreter that has PyTorch and safetensors, in place of our environment
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,
    /// Print {steps: [{step, loss, loss_pytorch, ms, ms_pytorch}], ...} and nothing else
    #[arg(long)]
    json: bool,
}

/// Trains both and compares.
pub(crate) fn run(options: &ComparePytorchOptions) -> anyhow::Result<()> {
    if options.install {
        python::install(python::PYTORCH)?;
        python::install(python::MLCAST)?;
        note("installed; `cargo xtask compare-pytorch --preset digits` compares");
        return Ok(());
    }
    let config = options.configuration.read()?;
    anyhow::ensure!(
        (1..=config.training.steps).contains(&options.steps),
        "--steps {}: the configuration trains {} steps, and its schedule is made for them; give 1 to {1}",
        options.steps,
        config.training.steps
    );
    anyhow::ensure!(
        !config.data.mask_channel,
        "PyTorch's training knows no mask of missing pixels; set data.mask_channel = false"
    );
    let comparison = with_threads(options.threads, || compare(options, &config))??;
    print(&if options.json { serde_json::to_string(&comparison)? } else { comparison.table() });
    Ok(())
}

fn compare(options: &ComparePytorchOptions, config: &RunConfig) -> anyhow::Result<Comparison> {
    let mut plan = Plan::new(config, options.compile)?;
    let training = open(&config.data, config.data_folder(), Split::Train, config.training.seed)?;
    let mut learner = Learner::new(config, &training.quantity().transform)?;
    let mut loader = DataLoader::new(training, config);
    let first = loader.batch(loader.cursor(0))?;
    plan.of_batch(config, &first)?;
    let first = TrainedModel { model: learner.evaluated().clone(), config: config.clone(), step: 0 };
    let python = python::interpreter(options.python.as_deref(), plan.packages())?;
    let mut peer = Peer::start(&python, &plan, &package::weights(&first)?)?;

    let mut steps = Vec::new();
    let mut progress = Progress::new(usize::try_from(options.steps)?);
    for step in 0..options.steps {
        let cursor = loader.cursor(step);
        let batch = loader.batch(cursor)?;
        let noise = package::noise(&learner, cursor, plan.noise)?;
        let begun = Instant::now();
        let taken = learner.step(&batch, cursor)?;
        let seconds = begun.elapsed().as_secs_f64();
        let StepOutcome::Taken(ours) = taken else {
            anyhow::bail!(
                "loss or gradient of step {} is no number; lower optimizer.learning_rate",
                step + 1
            );
        };
        let valid = batch.valid.as_ref().map_or(&[][..], |valid| valid.as_slice());
        let theirs = peer.step(ours.learning_rate, [batch.frames.as_slice(), &noise, valid])?;
        let both = Step {
            step: step + 1,
            loss: ours.loss,
            loss_pytorch: theirs.loss,
            gradient_norm: ours.gradient_norm,
            gradient_norm_pytorch: theirs.gradient_norm,
            ms: seconds * 1e3,
            ms_pytorch: theirs.seconds * 1e3,
        };
        both.expect_agreement()?;
        steps.push(both);
        progress.advance(1);
        if (step + 1).is_multiple_of(50) {
            progress.say(&format!("step {}: loss {:.6} and {:.6}", step + 1, ours.loss, theirs.loss));
        }
    }
    note("both on the validation sequences");
    let ours =
        TrainedModel { model: learner.evaluated().clone(), config: config.clone(), step: options.steps };
    let theirs = peer.finish(&ours)?;
    Ok(Comparison {
        threads: rayon::current_num_threads(),
        steps,
        validation_mse: validation_mse(&ours)?,
        validation_mse_pytorch: validation_mse(&theirs)?,
    })
}

/// Of frames whose pixels lie between 0 and 1, summed over a frame as tables of the field do.
fn validation_mse(trained: &TrainedModel) -> anyhow::Result<f64> {
    let config = &trained.config;
    let dataset = open(&config.data, config.data_folder(), Split::Validation, config.training.seed)?;
    let interrupt = Interrupt::manual();
    let evaluator = Evaluator {
        dataset: dataset.as_ref(),
        split: Split::Validation,
        input_frames: config.data.input_frames,
        batch_size: config.training.batch_size,
        mean_frame: None,
        loss: None,
        nowcasts: None,
        interrupt: &interrupt,
    };
    let evaluation = evaluator.evaluate(&trained.model, &mut Silent)?.context("nothing interrupts this")?;
    Ok(evaluation.model.overall.mse)
}
