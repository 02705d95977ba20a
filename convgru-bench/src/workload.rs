//! What is measured.

use convgru_model::{
    ConvGru, ConvGruConfig, Error, Parameters, ReturnLayers, Sequence, StateGradient, Tensor, Workspace,
};
use serde::{Deserialize, Serialize};

/// The files of `workloads/`, in the order they are measured in.
const FILES: [&str; 9] = [
    include_str!("../workloads/seed_step.toml"),
    include_str!("../workloads/seed_seq.toml"),
    include_str!("../workloads/stream_hd.toml"),
    include_str!("../workloads/raft.toml"),
    include_str!("../workloads/grurcn_fwd.toml"),
    include_str!("../workloads/grurcn_train.toml"),
    include_str!("../workloads/mnist_train.toml"),
    include_str!("../workloads/mnist64_train.toml"),
    include_str!("../workloads/nowcast_train.toml"),
];

/// What a workload does with its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One frame from no state, weights prepared.
    Step,
    /// A sequence of frames, all states of the top layer.
    Sequence,
    /// Forward and backward of the sum of the top layer's states, without the gradient
    /// of the network's input and without the optimiser.
    Training,
}

/// A network, a size of images and what is done with them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The name, that of its file.
    pub name: String,
    /// What is done.
    pub kind: Kind,
    /// Samples at a time.
    pub batch: usize,
    /// Rows of a frame.
    pub height: usize,
    /// Columns of a frame.
    pub width: usize,
    /// Frames of a sequence.
    pub steps: usize,
    /// Operations of the convolutions in 10^9, two for each multiplication and addition.
    pub gflop: f64,
    /// The network.
    pub network: ConvGruConfig,
}

/// A workload file that cannot be read.
#[derive(Debug)]
pub struct WorkloadError(toml::de::Error);

impl std::fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "workload file: {}", self.0)
    }
}

impl std::error::Error for WorkloadError {}

impl Workload {
    /// Every workload.
    ///
    /// # Errors
    /// [`WorkloadError`] if a file of `workloads/` is not one.
    pub fn all() -> Result<Vec<Self>, WorkloadError> {
        FILES.iter().map(|text| Self::from_toml(text)).collect()
    }

    /// A workload from the text of its file.
    ///
    /// # Errors
    /// [`WorkloadError`] if a field is missing, unknown or of the wrong kind.
    pub fn from_toml(text: &str) -> Result<Self, WorkloadError> {
        toml::from_str(text).map_err(WorkloadError)
    }

    /// Checks a file of one's own.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if sizes, steps or operations cannot be or if the network cannot.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |field: &str, reason: String| Err(Error::InvalidConfig { field: field.into(), reason });
        for (field, value) in [("batch", self.batch), ("height", self.height), ("width", self.width)] {
            if value == 0 {
                return invalid(field, "0 where 1 or more is needed".into());
            }
        }
        if self.steps == 0 || (self.kind == Kind::Step && self.steps != 1) {
            return invalid("steps", format!("{} where a step has 1 and a sequence 1 or more", self.steps));
        }
        if !(self.gflop > 0.0 && self.gflop.is_finite()) {
            return invalid("gflop", format!("{} where more than 0 is needed", self.gflop));
        }
        self.network.validate()
    }

    /// The network with drawn weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if the file describes no network.
    pub fn network(&self) -> Result<ConvGru<f32>, Error> {
        ConvGru::new(self.network.clone(), 1)
    }

    /// Frames `[T, N, C, H, W]` between -1 and 1.
    pub fn frames(&self) -> Tensor<f32> {
        let shape = [self.steps, self.batch, self.network.in_channels, self.height, self.width];
        Tensor::from_fn(&shape, |i| (i.wrapping_mul(2_654_435_761) >> 9) as f32 % 2001.0 / 1000.0 - 1.0)
    }

    /// Does the work once and returns a number that depends on all of it.
    ///
    /// # Errors
    /// Those of the network, for a file that does not fit together.
    pub fn run(&self, network: &ConvGru<f32>, frames: &Tensor<f32>) -> Result<f32, Error> {
        match self.kind {
            Kind::Step => {
                let mut stream = network.prepare()?.stream(self.batch, self.height, self.width)?;
                Ok(sum(stream.step(&frames.index(0))?))
            }
            Kind::Sequence => Ok(sum(&network.forward(frames)?.outputs[0])),
            Kind::Training => self.train(network, frames),
        }
    }

    fn train(&self, network: &ConvGru<f32>, frames: &Tensor<f32>) -> Result<f32, Error> {
        let mut workspace = Workspace::default();
        let sequence = Sequence { return_layers: ReturnLayers::None, ..Sequence::from(frames) };
        let mut output = network.forward_train(sequence, &mut workspace)?;
        let Some(mut state) = output.last.pop() else { return Ok(0.0) };
        let layer = output.last.len();
        let mut ones = state.clone();
        ones.fill(1.0);
        let (mut gradients, mut total) = (network.parameters().zeros_like(), 0.0);
        let mut enter = |mut entry: StateGradient<'_, f32>| {
            if entry.layer() == layer {
                entry.read_state(&mut state)?;
                total += sum(&state);
                entry.add(&ones)?;
            }
            Ok(())
        };
        network.backward(&mut workspace, &mut enter, &mut gradients)?;
        gradients.for_each(&mut |_, tensor| total += sum(tensor));
        Ok(total)
    }
}

fn sum(tensor: &Tensor<f32>) -> f32 {
    tensor.as_slice().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations by the formula: three gates over input and state, three times that in
    /// training less the gradient of the network's input.
    fn gflop(workload: &Workload) -> f64 {
        let config = &workload.network;
        let pixels = workload.batch * workload.height * workload.width * workload.steps;
        let products = |layer: usize, channels: usize| {
            let [kh, kw] = config.kernel_size.of_layer(layer);
            (pixels * kh * kw * channels * 3 * config.hidden_channels[layer]) as f64 * 2e-9
        };
        let forward: f64 = (0..config.layers())
            .map(|layer| products(layer, config.input_of_layer(layer) + config.hidden_channels[layer]))
            .sum();
        match workload.kind {
            Kind::Training => 3.0 * forward - products(0, config.in_channels),
            _ => forward,
        }
    }

    #[test]
    fn the_files_state_the_operations_they_need() {
        for workload in Workload::all().unwrap() {
            workload.network.validate().unwrap();
            let exact = gflop(&workload);
            assert!((workload.gflop / exact - 1.0).abs() < 0.01, "{}: {exact}", workload.name);
        }
    }
}
