//! A network over a sequence, on whatever computes it.

use std::ops::Range;

use super::cell::{AnyCell, Beside, Cell, Layer};
use super::config::{ConvStageConfig, RecurrentConfig, Stage, Wiring};
use super::parameter_spec::ParameterSpec;
use crate::composed::graph::{Convolution, Op, Operations, Pooling};
use crate::error::Result;
use crate::tensor::Tensor;

/// What a run is given; images of all steps lie one after the other.
#[derive(Debug, Clone)]
pub(crate) struct RunInput<V> {
    pub(crate) steps: usize,
    /// Samples.
    pub(crate) batch: usize,
    /// Planes of a volume; 1 for images.
    pub(crate) depth: usize,
    pub(crate) inputs: Vec<V>,
    /// All states of each cell.
    pub(crate) states: Option<Vec<Vec<V>>>,
    /// One for each cell, where it sees one.
    pub(crate) contexts: Vec<Option<V>>,
    /// Steps of each sample.
    pub(crate) lengths: Option<Vec<usize>>,
    /// One for each cell.
    pub(crate) noises: Vec<Noise<V>>,
}

/// What training hides from a cell, and keeps from being renewed.
#[derive(Debug, Clone)]
pub(crate) struct Noise<V> {
    /// What the input is multiplied with in every step.
    pub(crate) input: Option<V>,
    /// What the state that gates see is multiplied with in every step.
    pub(crate) state: Option<V>,
    /// The part of the state that is renewed, in each step.
    pub(crate) renewed: Vec<V>,
}

impl<V: Clone> Noise<V> {
    /// The noise of some of the steps.
    pub(crate) fn of_steps(&self, steps: Range<usize>) -> Self {
        let renewed = self.renewed.get(steps).unwrap_or_default().to_vec();
        Self { renewed, ..self.clone() }
    }
}

impl<V> Default for Noise<V> {
    fn default() -> Self {
        Self { input: None, state: None, renewed: Vec::new() }
    }
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Run<V> {
    /// The hidden state of each cell after each step.
    pub(crate) outputs: Vec<Vec<V>>,
    /// All states of each cell after the last step.
    pub(crate) last: Vec<Vec<V>>,
    /// What the topmost stage gives, images of all steps one after the other.
    pub(crate) top: V,
}

/// A network whose cells have their weights at hand.
#[derive(Debug)]
pub(crate) struct Runner<'c, V> {
    config: &'c RecurrentConfig,
    specs: &'c [Vec<ParameterSpec>],
    workers: Vec<Worker<'c, V>>,
}

/// A cell at work.
#[derive(Debug)]
struct Worker<'c, V> {
    layer: Layer<'c>,
    cell: AnyCell<'c, V>,
    /// Which of the cells it is.
    index: usize,
}

impl<'c, V: Clone> Runner<'c, V> {
    /// Takes the weights of all cells, for volumes of some planes (images: 1).
    pub(crate) fn new<O: Operations<Value = V>>(
        ops: &mut O,
        config: &'c RecurrentConfig,
        specs: &'c [Vec<ParameterSpec>],
        depth: usize,
    ) -> Result<Self> {
        let mut workers = Vec::new();
        for (stage, of_stage) in config.stages.iter().enumerate() {
            let Stage::Cell(config) = of_stage else { continue };
            let layer = Layer { config, specs: &specs[stage], first: first(specs, stage), depth };
            workers.push(Worker { layer, cell: layer.cell(ops)?, index: workers.len() });
        }
        Ok(Self { config, specs, workers })
    }

    /// The number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.workers.len()
    }

    /// Runs the network.
    pub(crate) fn run<O: Operations<Value = V>>(&self, ops: &mut O, given: &RunInput<V>) -> Result<Run<V>> {
        match self.config.wiring {
            Wiring::Chain | Wiring::Residual => self.run_chain(ops, given),
            Wiring::GruRcn { pool } => self.run_gru_rcn(ops, given, pool),
            Wiring::Levels => self.run_levels(ops, given),
        }
    }

    fn run_chain<O: Operations<Value = V>>(&self, ops: &mut O, given: &RunInput<V>) -> Result<Run<V>> {
        let mut run = Run { outputs: Vec::new(), last: Vec::new(), top: given.inputs[0].clone() };
        for (stage, config) in self.config.stages.iter().enumerate() {
            let first = first(self.specs, stage);
            match config {
                Stage::Cell(_) => {
                    let index = run.outputs.len();
                    let worker = &self.workers[index];
                    let below = run.top.clone();
                    let parts = worker.input_parts(ops, &below, given)?;
                    let outputs = worker.run(ops, &parts, given, &mut run)?;
                    run.top = ops.join_images(&outputs)?;
                    if self.config.wiring == Wiring::Residual && index > 0 {
                        run.top = ops.add(&run.top, &below)?;
                    }
                }
                Stage::Convolution(config) => {
                    let sum = convolve(ops, config, first, &run.top)?;
                    run.top = ops.activate(config.activation, &sum)?;
                }
                Stage::Residual(config) => {
                    let inner = convolve(ops, config, first, &run.top)?;
                    let inner = ops.activate(config.activation, &inner)?;
                    let second = first + 1 + usize::from(config.bias);
                    let sum = convolve(ops, config, second, &inner)?;
                    let sum = ops.add(&sum, &run.top)?;
                    run.top = ops.activate(config.activation, &sum)?;
                }
            }
        }
        Ok(run)
    }

    fn run_gru_rcn<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        given: &RunInput<V>,
        pool: bool,
    ) -> Result<Run<V>> {
        let mut run = Run { outputs: Vec::new(), last: Vec::new(), top: given.inputs[0].clone() };
        for (index, worker) in self.workers.iter().enumerate() {
            let mut parts = worker.input_parts(ops, &given.inputs[index], given)?;
            if index > 0 {
                let lower = match pool {
                    true => ops.apply(Op::Pool(Pooling::Max2), &[run.top.clone()])?,
                    false => run.top.clone(),
                };
                parts[0] = worker.layer.add_lower(ops, &parts[0], &lower)?;
            }
            let outputs = worker.run(ops, &parts, given, &mut run)?;
            run.top = ops.join_images(&outputs)?;
        }
        Ok(run)
    }

    fn run_levels<O: Operations<Value = V>>(&self, ops: &mut O, given: &RunInput<V>) -> Result<Run<V>> {
        let images = given.batch * given.depth;
        let mut states = self.states_of_levels(ops, given)?;
        let mut outputs: Vec<Vec<V>> = self.workers.iter().map(|_| Vec::new()).collect();
        for t in 0..given.steps {
            for worker in self.workers.iter().rev() {
                let index = worker.index;
                let mut reads = match index {
                    0 => vec![ops.images(&given.inputs[0], t * images..(t + 1) * images)?],
                    _ => vec![ops.apply(Op::Pool(Pooling::Average3), &states[index - 1][..1])?],
                };
                if let Some(coarser) = states.get(index + 1) {
                    let like = states[index][0].clone();
                    reads.push(ops.apply(Op::Resize, &[coarser[0].clone(), like])?);
                }
                let x = ops.join_channels(&reads)?;
                let parts = worker.cell.input_parts(ops, &x)?;
                let beside = worker.beside(given, t);
                let new = worker.cell.step(ops, &parts, Some(&states[index]), &beside)?;
                states[index] = worker.freeze(ops, new, Some(&states[index]), given, t)?;
                outputs[index].push(states[index][0].clone());
            }
        }
        let top = ops.join_images(&outputs[0])?;
        Ok(Run { outputs, last: states, top })
    }

    /// The states that levels begin with: those given, or zeros at sizes halved from one to the next.
    fn states_of_levels<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        given: &RunInput<V>,
    ) -> Result<Vec<Vec<V>>> {
        if let Some(states) = &given.states {
            return Ok(states.clone());
        }
        let shape = ops.shape(&given.inputs[0]);
        let mut size = [shape[2], shape[3]];
        let mut states = Vec::new();
        for config in self.config.cells() {
            let shape = [given.batch * given.depth, config.hidden_channels, size[0], size[1]];
            states.push((0..config.states()).map(|_| ops.constant(&Tensor::zeros(&shape))).collect());
            size = Pooling::Average3.pooled(size);
        }
        Ok(states)
    }
}

impl<V: Clone> Worker<'_, V> {
    /// What depends on the inputs of all steps alone.
    fn input_parts<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        x: &V,
        given: &RunInput<V>,
    ) -> Result<Vec<V>> {
        match given.noises.get(self.index).and_then(|noise| noise.input.as_ref()) {
            Some(part) => {
                let parts = vec![part.clone(); given.steps];
                let part = ops.join_images(&parts)?;
                let seen = ops.multiply(&part, x)?;
                self.cell.input_parts(ops, &seen)
            }
            None => self.cell.input_parts(ops, x),
        }
    }

    fn beside(&self, given: &RunInput<V>, t: usize) -> Beside<V> {
        let noise = given.noises.get(self.index);
        Beside {
            context: given.contexts.get(self.index).cloned().flatten(),
            seen: noise.and_then(|noise| noise.state.clone()),
            renewed: noise.and_then(|noise| noise.renewed.get(t).cloned()),
        }
    }

    /// All steps; the states after each of them.
    fn run<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        parts: &[V],
        given: &RunInput<V>,
        run: &mut Run<V>,
    ) -> Result<Vec<V>> {
        let images = given.batch * given.depth;
        let mut states = given.states.as_ref().map(|states| states[self.index].clone());
        let mut outputs = Vec::with_capacity(given.steps);
        for t in 0..given.steps {
            let of_step = parts.iter().map(|part| ops.images(part, t * images..(t + 1) * images));
            let of_step = of_step.collect::<Result<Vec<_>>>()?;
            let new = self.cell.step(ops, &of_step, states.as_deref(), &self.beside(given, t))?;
            let new = self.freeze(ops, new, states.as_deref(), given, t)?;
            outputs.push(new[0].clone());
            states = Some(new);
        }
        run.outputs.push(outputs.clone());
        run.last.push(states.unwrap_or_default());
        Ok(outputs)
    }

    /// The new states, but the old ones of samples that have ended.
    fn freeze<O: Operations<Value = V>>(
        &self,
        ops: &mut O,
        new: Vec<V>,
        old: Option<&[V]>,
        given: &RunInput<V>,
        t: usize,
    ) -> Result<Vec<V>> {
        let Some(lengths) = given.lengths.as_ref().filter(|lengths| lengths.iter().any(|&len| len <= t))
        else {
            return Ok(new);
        };
        let goes_on: Vec<bool> =
            lengths.iter().flat_map(|&len| std::iter::repeat_n(t < len, given.depth)).collect();
        let mut states = Vec::with_capacity(new.len());
        for (index, new) in new.into_iter().enumerate() {
            let old = match old {
                Some(old) => old[index].clone(),
                None => {
                    let zeros = Tensor::zeros(&ops.shape(&new));
                    ops.constant(&zeros)
                }
            };
            states.push(ops.apply(Op::Choose(goes_on.clone()), &[new, old])?);
        }
        Ok(states)
    }
}

/// The place of the first parameter of a stage.
fn first(specs: &[Vec<ParameterSpec>], stage: usize) -> usize {
    specs[..stage].iter().map(Vec::len).sum()
}

/// The convolution of a stage whose first parameter is at a place.
fn convolve<O: Operations>(
    ops: &mut O,
    config: &ConvStageConfig,
    first: usize,
    x: &O::Value,
) -> Result<O::Value> {
    let weight = ops.parameter(first);
    let mut convolution = Convolution::same(&ops.shape(&weight), config.precision.into());
    convolution.stride = config.stride;
    let mut operands = vec![x.clone(), weight];
    if config.bias {
        operands.push(ops.parameter(first + 1));
    }
    ops.apply(Op::Convolve(convolution), &operands)
}
