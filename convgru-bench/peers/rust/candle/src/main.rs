//! candle: update and reset in one convolution, convolutions as matrix products. The input is
//! convolved step by step: parts of a convolution of all steps at once have costly gradients.
#![forbid(unsafe_code)]

mod convolution;

use anyhow::Context;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use candle_nn::ops::sigmoid;
use peer_protocol::{Engine, Kind, Layer, Named, Workload};

use convolution::{Convolution, kernels, matrix};

fn tensor(named: Named) -> candle_core::Result<Tensor> {
    Tensor::from_vec(named.numbers, named.shape, &Device::Cpu)
}

/// Channels before images, so that gates lie one after the other.
fn by_channel(named: Named) -> candle_core::Result<Tensor> {
    tensor(named)?.transpose(0, 1)?.contiguous()
}

/// The weights of a layer.
struct Weights {
    kernel: [usize; 2],
    input: Var,
    gates: Var,
    candidate: Var,
    /// `[3 hidden, 1, 1, 1]`
    bias: Var,
}

impl Weights {
    fn of(layer: &Layer) -> candle_core::Result<Self> {
        let hidden = layer.hidden();
        let hidden_weights = matrix(&tensor(layer.hidden_weights.clone())?)?;
        let bias = tensor(layer.bias.clone())?.reshape((3 * hidden, 1, 1, 1))?;
        Ok(Self {
            kernel: layer.kernel(),
            input: Var::from_tensor(&matrix(&tensor(layer.input_weights.clone())?)?)?,
            gates: Var::from_tensor(&hidden_weights.narrow(0, 0, 2 * hidden)?.contiguous()?)?,
            candidate: Var::from_tensor(&hidden_weights.narrow(0, 2 * hidden, hidden)?.contiguous()?)?,
            bias: Var::from_tensor(&bias)?,
        })
    }

    /// The gradients of W, U and b.
    fn gradients(&self, gradients: &GradStore) -> anyhow::Result<[Tensor; 3]> {
        let of = |var: &Var| gradients.get(var).context("a weight without gradient");
        let hidden = Tensor::cat(&[of(&self.gates)?, of(&self.candidate)?], 0)?;
        Ok([kernels(of(&self.input)?, self.kernel)?, kernels(&hidden, self.kernel)?, of(&self.bias)?.clone()])
    }
}

/// A layer that is ready for a sequence.
struct Cell {
    input: Convolution,
    gates: Convolution,
    candidate: Convolution,
    bias: Tensor,
    hidden: usize,
}

impl Cell {
    fn new(weights: &Weights, trains: bool, input_has_gradient: bool) -> candle_core::Result<Self> {
        let of = |var: &Var| if trains { var.as_tensor().clone() } else { var.as_detached_tensor() };
        Ok(Self {
            input: Convolution::new(&of(&weights.input), weights.kernel, input_has_gradient)?,
            gates: Convolution::new(&of(&weights.gates), weights.kernel, trains)?,
            candidate: Convolution::new(&of(&weights.candidate), weights.kernel, trains)?,
            bias: of(&weights.bias),
            hidden: weights.candidate.dim(0)?,
        })
    }

    fn step(&self, frame: &Tensor, state: &Tensor) -> candle_core::Result<Tensor> {
        let hidden = self.hidden;
        let sums = self.input.of(frame)?.broadcast_add(&self.bias)?;
        let gates = sigmoid(&(sums.narrow(0, 0, 2 * hidden)? + self.gates.of(state)?)?)?;
        let (update, reset) = (gates.narrow(0, 0, hidden)?, gates.narrow(0, hidden, hidden)?);
        let candidate = self.candidate.of(&(state * reset)?)?;
        let candidate = (sums.narrow(0, 2 * hidden, hidden)? + candidate)?.tanh()?;
        state + (update * (candidate - state)?)?
    }
}

struct Candle {
    weights: Vec<Weights>,
    /// Ready once and for all where weights do not change.
    cells: Option<Vec<Cell>>,
    frames: Vec<Tensor>,
    zeros: Vec<Tensor>,
}

impl Candle {
    fn load(workload: &Workload, threads: usize) -> anyhow::Result<Self> {
        let taken = candle_core::utils::get_num_threads();
        anyhow::ensure!(taken == threads, "RAYON_NUM_THREADS makes it {taken} threads instead of {threads}");
        let weights: Vec<_> = workload.layers.iter().map(Weights::of).collect::<Result<_, _>>()?;
        let trains = workload.kind == Kind::Training;
        let cells = if trains { None } else { Some(cells(&weights, false)?) };
        let frames = (0..workload.steps).map(|step| by_channel(workload.frame(step)));
        let zeros = (0..workload.layers.len()).map(|layer| by_channel(workload.zero_state(layer)));
        Ok(Self {
            cells,
            weights,
            frames: frames.collect::<Result<_, _>>()?,
            zeros: zeros.collect::<Result<_, _>>()?,
        })
    }

    /// The last top state and, in training, the gradients.
    fn work(&self) -> anyhow::Result<Vec<Tensor>> {
        if let Some(cells) = &self.cells {
            return Ok(vec![self.tops(cells)?.pop().context("no steps")?.transpose(0, 1)?]);
        }
        let mut tops = self.tops(&cells(&self.weights, true)?)?;
        let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?;
        for top in &tops {
            sum = (sum + top.sum_all()?)?;
        }
        let mut results = vec![tops.pop().context("no steps")?.transpose(0, 1)?];
        let gradients = sum.backward()?;
        for weights in &self.weights {
            results.extend(weights.gradients(&gradients)?);
        }
        Ok(results)
    }

    /// The top state of every step.
    fn tops(&self, cells: &[Cell]) -> candle_core::Result<Vec<Tensor>> {
        let mut states = self.zeros.clone();
        let mut tops = Vec::with_capacity(self.frames.len());
        for frame in &self.frames {
            let mut below = frame.clone();
            for (cell, state) in cells.iter().zip(&mut states) {
                *state = cell.step(&below, state)?;
                below = state.clone();
            }
            tops.push(below);
        }
        Ok(tops)
    }
}

fn cells(weights: &[Weights], trains: bool) -> candle_core::Result<Vec<Cell>> {
    weights
        .iter()
        .enumerate()
        .map(|(layer, weights)| Cell::new(weights, trains, trains && layer > 0))
        .collect()
}

impl Engine for Candle {
    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.work()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        let mut numbers = Vec::new();
        for tensor in self.work()? {
            numbers.extend(tensor.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(numbers)
    }
}

fn main() -> anyhow::Result<()> {
    peer_protocol::serve("candle", env!("CARGO_PKG_VERSION"), Candle::load)
}
