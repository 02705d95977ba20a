//! A network over a sequence, on whatever computes it.

use super::cell::{Beside, Cell, Layer};
use super::config::CellConfig;
use super::network_config::{ConvolutionConfig, RecurrentConfig, Stage, Wiring};
use super::slots::Slot;
use crate::error::Result;
use crate::graph::{Convolution, Op, Operations, Pooling};
use crate::tensor::Tensor;

/// What a run is given; images of all steps lie one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Given<V> {
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

/// A network and where its parameters are.
pub(crate) struct Runner<'c> {
    pub(crate) config: &'c RecurrentConfig,
    pub(crate) slots: &'c [Vec<Slot>],
}

/// A cell at work.
struct Worker<'c, O: Operations> {
    layer: Layer<'c>,
    cell: Box<dyn Cell<O> + 'c>,
    /// Which of the cells it is.
    index: usize,
}

impl<'c> Runner<'c> {
    /// Runs the network.
    pub(crate) fn run<O: Operations>(&self, ops: &mut O, given: &Given<O::Value>) -> Result<Run<O::Value>>
    where
        O::Value: 'c,
    {
        match self.config.wiring {
            Wiring::Chain | Wiring::Residual => self.run_chain(ops, given),
            Wiring::GruRcn { pool } => self.run_gru_rcn(ops, given, pool),
            Wiring::Levels => self.run_levels(ops, given),
        }
    }

    /// The place of the first parameter of a stage.
    fn first(&self, stage: usize) -> usize {
        self.slots[..stage].iter().map(Vec::len).sum()
    }

    fn worker<O: Operations>(
        &self,
        ops: &mut O,
        config: &'c CellConfig,
        stage: usize,
        index: usize,
        depth: usize,
    ) -> Result<Worker<'c, O>>
    where
        O::Value: 'c,
    {
        let layer = Layer { config, slots: &self.slots[stage], first: self.first(stage), depth };
        Ok(Worker { layer, cell: layer.cell(ops)?, index })
    }

    fn run_chain<O: Operations>(&self, ops: &mut O, given: &Given<O::Value>) -> Result<Run<O::Value>>
    where
        O::Value: 'c,
    {
        let mut run = Run { outputs: Vec::new(), last: Vec::new(), top: given.inputs[0].clone() };
        for (stage, config) in self.config.stages.iter().enumerate() {
            let first = self.first(stage);
            match config {
                Stage::Cell(config) => {
                    let index = run.outputs.len();
                    let worker = self.worker(ops, config, stage, index, given.depth)?;
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

    fn run_gru_rcn<O: Operations>(
        &self,
        ops: &mut O,
        given: &Given<O::Value>,
        pool: bool,
    ) -> Result<Run<O::Value>>
    where
        O::Value: 'c,
    {
        let mut run = Run { outputs: Vec::new(), last: Vec::new(), top: given.inputs[0].clone() };
        for (index, config) in self.config.cells().enumerate() {
            let worker = self.worker(ops, config, index, index, given.depth)?;
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

    fn run_levels<O: Operations>(&self, ops: &mut O, given: &Given<O::Value>) -> Result<Run<O::Value>>
    where
        O::Value: 'c,
    {
        let configs = self.config.cells().enumerate();
        let workers: Vec<Worker<'c, O>> = configs
            .map(|(index, config)| self.worker(ops, config, index, index, given.depth))
            .collect::<Result<_>>()?;
        let images = given.batch * given.depth;
        let mut states = self.states_of_levels(ops, given)?;
        let mut outputs: Vec<Vec<O::Value>> = workers.iter().map(|_| Vec::new()).collect();
        for t in 0..given.steps {
            for worker in workers.iter().rev() {
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
    fn states_of_levels<O: Operations>(
        &self,
        ops: &mut O,
        given: &Given<O::Value>,
    ) -> Result<Vec<Vec<O::Value>>> {
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

impl<'c, O: Operations> Worker<'c, O> {
    /// What depends on the inputs of all steps alone.
    fn input_parts(&self, ops: &mut O, x: &O::Value, given: &Given<O::Value>) -> Result<Vec<O::Value>> {
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

    fn beside(&self, given: &Given<O::Value>, t: usize) -> Beside<O::Value> {
        let noise = given.noises.get(self.index);
        Beside {
            context: given.contexts.get(self.index).cloned().flatten(),
            seen: noise.and_then(|noise| noise.state.clone()),
            renewed: noise.and_then(|noise| noise.renewed.get(t).cloned()),
        }
    }

    /// All steps; the states after each of them.
    fn run(
        &self,
        ops: &mut O,
        parts: &[O::Value],
        given: &Given<O::Value>,
        run: &mut Run<O::Value>,
    ) -> Result<Vec<O::Value>> {
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
    fn freeze(
        &self,
        ops: &mut O,
        new: Vec<O::Value>,
        old: Option<&[O::Value]>,
        given: &Given<O::Value>,
        t: usize,
    ) -> Result<Vec<O::Value>> {
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

/// The convolution of a stage whose first parameter is at a place.
fn convolve<O: Operations>(
    ops: &mut O,
    config: &ConvolutionConfig,
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
