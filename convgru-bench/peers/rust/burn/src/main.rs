//! Burn on its backend Flex: update and reset in one convolution. The input is convolved step by
//! step: a convolution of all steps at once is no faster, and its parts have costly gradients.
#![forbid(unsafe_code)]

use anyhow::Context;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use peer_protocol::{Engine, Kind, Layer, Named, Workload};

fn tensor<const D: usize>(named: Named, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(named.numbers, named.shape), device)
}

struct Cell {
    input: Tensor<4>,
    gates: Tensor<4>,
    candidate: Tensor<4>,
    bias: Tensor<1>,
    hidden: usize,
    options: ConvOptions<2>,
}

impl Cell {
    fn of(layer: &Layer, device: &Device, trains: bool) -> Self {
        let hidden = layer.hidden();
        let weights: Tensor<4> = tensor(layer.hidden_weights.clone(), device);
        let part = |start, len| weights.clone().narrow(0, start, len).detach().set_require_grad(trains);
        Self {
            input: tensor(layer.input_weights.clone(), device).set_require_grad(trains),
            gates: part(0, 2 * hidden),
            candidate: part(2 * hidden, hidden),
            bias: tensor(layer.bias.clone(), device).set_require_grad(trains),
            hidden,
            options: ConvOptions::new([1, 1], layer.kernel().map(|size| size / 2), [1, 1], 1),
        }
    }

    fn step(&self, frame: Tensor<4>, state: Tensor<4>) -> Tensor<4> {
        let hidden = self.hidden;
        let sums = conv2d(frame, self.input.clone(), Some(self.bias.clone()), self.options.clone());
        let gates = conv2d(state.clone(), self.gates.clone(), None, self.options.clone());
        let gates = sigmoid(sums.clone().narrow(1, 0, 2 * hidden) + gates);
        let update = gates.clone().narrow(1, 0, hidden);
        let reset = gates.narrow(1, hidden, hidden);
        let candidate = conv2d(state.clone() * reset, self.candidate.clone(), None, self.options.clone());
        let candidate = tanh(sums.narrow(1, 2 * hidden, hidden) + candidate);
        state.clone() + update * (candidate - state)
    }
}

struct Burn {
    cells: Vec<Cell>,
    frames: Vec<Tensor<4>>,
    zeros: Vec<Tensor<4>>,
    trains: bool,
}

impl Burn {
    fn load(workload: &Workload, threads: usize) -> anyhow::Result<Self> {
        let taken = rayon::current_num_threads();
        anyhow::ensure!(taken == threads, "RAYON_NUM_THREADS makes it {taken} threads instead of {threads}");
        let trains = workload.kind == Kind::Training;
        let device = if trains { Device::flex().autodiff() } else { Device::flex() };
        let zeros = (0..workload.layers.len()).map(|layer| tensor(workload.zero_state(layer), &device));
        Ok(Self {
            cells: workload.layers.iter().map(|layer| Cell::of(layer, &device, trains)).collect(),
            frames: (0..workload.steps).map(|step| tensor(workload.frame(step), &device)).collect(),
            zeros: zeros.collect(),
            trains,
        })
    }

    /// The top state of every step.
    fn tops(&self) -> Vec<Tensor<4>> {
        let mut states = self.zeros.clone();
        let mut tops = Vec::with_capacity(self.frames.len());
        for frame in &self.frames {
            let mut below = frame.clone();
            for (cell, state) in self.cells.iter().zip(&mut states) {
                below = cell.step(below, state.clone());
                state.clone_from(&below);
            }
            tops.push(below);
        }
        tops
    }

    /// The last top state and, in training, the gradients of W, U and b of every layer.
    fn work(&self) -> anyhow::Result<Vec<TensorData>> {
        let mut tops = self.tops();
        let last = tops.pop().context("no steps")?;
        if !self.trains {
            return Ok(vec![last.into_data()]);
        }
        let sum = tops.into_iter().fold(last.clone().sum(), |sum, top| sum + top.sum());
        let mut gradients = sum.backward();
        let mut results = vec![last.into_data()];
        for cell in &self.cells {
            let mut of = |weights: &Tensor<4>| {
                weights.grad_remove(&mut gradients).context("a weight without gradient")
            };
            results.push(of(&cell.input)?.into_data());
            results.push(Tensor::cat(vec![of(&cell.gates)?, of(&cell.candidate)?], 0).into_data());
            let bias = cell.bias.grad_remove(&mut gradients).context("a bias without gradient")?;
            results.push(bias.into_data());
        }
        Ok(results)
    }
}

impl Engine for Burn {
    fn iterate(&mut self) -> anyhow::Result<()> {
        std::hint::black_box(self.work()?);
        Ok(())
    }

    fn outputs(&mut self) -> anyhow::Result<Vec<f32>> {
        let mut numbers = Vec::new();
        for data in self.work()? {
            numbers.extend(data.try_into_vec::<f32>()?);
        }
        Ok(numbers)
    }
}

fn main() -> anyhow::Result<()> {
    peer_protocol::serve("Burn", env!("CARGO_PKG_VERSION"), Burn::load)
}
