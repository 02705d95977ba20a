//! What is measured.

use convgru_model::{
    ConvGru, ConvGruConfig, Error, Forecaster, MlcastConfig, Parameters, ReturnLayers, Sequence,
    StateGradient, Tensor, Workspace,
};
use serde::{Deserialize, Serialize};

/// The files of `workloads/`, in the order they are measured in.
const FILES: [&str; 17] = [
    include_str!("../workloads/seed_step.toml"),
    include_str!("../workloads/seed_seq.toml"),
    include_str!("../workloads/stream_hd.toml"),
    include_str!("../workloads/raft.toml"),
    include_str!("../workloads/grurcn_fwd.toml"),
    include_str!("../workloads/equal_256.toml"),
    include_str!("../workloads/kernel_5x5.toml"),
    include_str!("../workloads/kernel_7x7.toml"),
    include_str!("../workloads/odd_batch.toml"),
    include_str!("../workloads/pair_1x5_5x1.toml"),
    include_str!("../workloads/grurcn_train.toml"),
    include_str!("../workloads/mnist_train.toml"),
    include_str!("../workloads/mnist64_train.toml"),
    include_str!("../workloads/nowcast_train.toml"),
    include_str!("../workloads/mlcast_forecast.toml"),
    include_str!("../workloads/mlcast_ensemble.toml"),
    include_str!("../workloads/mlcast_train.toml"),
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
    /// Frames that are continued.
    Forecast,
    /// Forward and backward of the sum of the frames that are predicted, without the gradient of the frames
    /// that are read and without the optimiser.
    ForecastTraining,
}

impl Kind {
    /// Whether gradients are computed.
    pub fn trains(self) -> bool {
        matches!(self, Self::Training | Self::ForecastTraining)
    }

    /// Whether frames are continued, by another network than a stack of cells.
    pub fn forecasts(self) -> bool {
        matches!(self, Self::Forecast | Self::ForecastTraining)
    }
}

/// The network of a workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A stack of cells.
    ConvGru(ConvGruConfig),
    /// The network of mlcast, which continues frames.
    Mlcast(MlcastConfig),
}

impl Network {
    fn validate(&self) -> Result<(), Error> {
        match self {
            Self::ConvGru(config) => config.validate(),
            Self::Mlcast(config) => config.validate(),
        }
    }

    /// Channels of a frame.
    pub fn in_channels(&self) -> usize {
        match self {
            Self::ConvGru(config) => config.in_channels,
            Self::Mlcast(config) => config.image_channels,
        }
    }
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
    /// Frames that a forecast predicts; none of other work.
    #[serde(default)]
    pub predicted: usize,
    /// Operations of the convolutions in 10^9, two for each multiplication and addition.
    pub gflop: f64,
    /// The network.
    pub network: Network,
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
        if (self.predicted > 0) != self.kind.forecasts() {
            return invalid(
                "predicted",
                format!("{} where a forecast has 1 or more and other work none", self.predicted),
            );
        }
        if matches!(self.network, Network::Mlcast(_)) != self.kind.forecasts() {
            return invalid(
                "network",
                "forecasts need the network mlcast, and other work needs a stack of cells".into(),
            );
        }
        if !(self.gflop > 0.0 && self.gflop.is_finite()) {
            return invalid("gflop", format!("{} where more than 0 is needed", self.gflop));
        }
        self.network.validate()
    }

    /// The stack of cells with drawn weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if the file describes none.
    pub fn cells(&self) -> Result<ConvGru<f32>, Error> {
        match &self.network {
            Network::ConvGru(config) => ConvGru::new(config.clone(), 1),
            Network::Mlcast(_) => Err(self.other_network("a stack of cells")),
        }
    }

    /// The network that continues frames, with drawn weights.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if the file describes none.
    pub fn forecaster(&self) -> Result<Forecaster<f32>, Error> {
        match &self.network {
            Network::Mlcast(config) => Forecaster::new(config.clone(), 1),
            Network::ConvGru(_) => Err(self.other_network("a network that continues frames")),
        }
    }

    fn other_network(&self, needed: &str) -> Error {
        let reason = format!("{needed} is needed for {:?}", self.kind);
        Error::InvalidConfig { field: "network".into(), reason }
    }

    /// Frames `[T, N, C, H, W]` between -1 and 1.
    pub fn frames(&self) -> Tensor<f32> {
        numbers(&[self.steps, self.batch, self.network.in_channels(), self.height, self.width], 0)
    }

    /// The noise that a forecast reads, `[members, steps, N, C', H', W']`; `None` where it reads none.
    pub fn noise(&self) -> Option<Tensor<f32>> {
        let Network::Mlcast(config) = &self.network else { return None };
        let size = |pixels: usize| pixels.div_ceil(1 << config.blocks);
        let channels = config.decoder(config.blocks - 1).in_channels;
        let shape =
            [config.members, self.predicted, self.batch, channels, size(self.height), size(self.width)];
        config.reads_noise().then(|| numbers(&shape, 1))
    }

    /// Does the work of a stack of cells once and returns a number that depends on all of it.
    ///
    /// # Errors
    /// The errors of the network, for a file that does not fit together.
    pub fn run(&self, network: &ConvGru<f32>, frames: &Tensor<f32>) -> Result<f32, Error> {
        match self.kind {
            Kind::Step => {
                let mut stream = network.prepare()?.stream(self.batch, self.height, self.width)?;
                Ok(sum(stream.step(&frames.index(0))?))
            }
            Kind::Sequence => Ok(sum(&network.forward(frames)?.outputs[0])),
            Kind::Training => self.train(network, frames),
            Kind::Forecast | Kind::ForecastTraining => {
                Err(self.other_network("a network that continues frames"))
            }
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

/// Numbers between -1 and 1 that follow no pattern, the same for the same `start`.
fn numbers(shape: &[usize], start: usize) -> Tensor<f32> {
    let scattered = |i: usize| i.wrapping_add(start * 7_919_001).wrapping_mul(2_654_435_761) >> 9;
    Tensor::from_fn(shape, |i| scattered(i) as f32 % 2001.0 / 1000.0 - 1.0)
}

fn sum(tensor: &Tensor<f32>) -> f32 {
    tensor.as_slice().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations by the formula: three gates over input and state, three times as many in
    /// training less the gradient of the network's input.
    fn of_cells(workload: &Workload, config: &ConvGruConfig) -> f64 {
        let pixels = workload.batch * workload.height * workload.width * workload.steps;
        let products = |layer: usize, channels: usize| {
            let [kh, kw] = config.kernel_size.of_layer(layer);
            (pixels * kh * kw * channels * 3 * config.hidden_channels[layer]) as f64 * 2e-9
        };
        let forward: f64 = (0..config.layers())
            .map(|layer| products(layer, config.input_of_layer(layer) + config.hidden_channels[layer]))
            .sum();
        if workload.kind.trains() { 3.0 * forward - products(0, config.in_channels) } else { forward }
    }

    /// Operations of the cells of the encoder and of the decoder, the coarsest of which reads noise or nothing.
    fn of_mlcast(workload: &Workload, config: &MlcastConfig) -> f64 {
        let pixels = workload.batch * workload.height * workload.width;
        let half = |cell: &ConvGruConfig, images: usize, scale: usize| {
            let [kh, kw] = config.kernel_size;
            let pixels = images * pixels / 4usize.pow(scale as u32);
            (pixels * kh * kw * 3 * cell.in_channels.pow(2)) as f64 * 2e-9
        };
        let predicted = workload.predicted * config.members;
        let encoder = |block: usize| half(&config.encoder(block), workload.steps, block);
        let decoder = |block: usize| half(&config.decoder(block), predicted, block + 1);
        let both: f64 = (0..config.blocks).map(|block| 2.0 * (encoder(block) + decoder(block))).sum();
        let noise = decoder(config.blocks - 1);
        let forward = if config.reads_noise() { both } else { both - noise };
        if workload.kind.trains() { 3.0 * forward - encoder(0) - noise } else { forward }
    }

    fn gflop(workload: &Workload) -> f64 {
        match &workload.network {
            Network::ConvGru(config) => of_cells(workload, config),
            Network::Mlcast(config) => of_mlcast(workload, config),
        }
    }

    #[test]
    fn the_files_state_the_operations_they_need() {
        for workload in Workload::all().unwrap() {
            workload.check().unwrap();
            let exact = gflop(&workload);
            assert!((workload.gflop / exact - 1.0).abs() < 0.01, "{}: {exact}", workload.name);
        }
    }

    #[test]
    fn a_network_that_does_not_fit_the_work_is_refused() {
        let text = include_str!("../tests/workloads/tiny_forecast.toml");
        Workload::from_toml(text).unwrap().check().unwrap();
        let refused = |text: &str, says: &str| {
            let error = Workload::from_toml(text).unwrap().check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        refused(&text.replace("predicted = 3", ""), "predicted: 0 where a forecast");
        let training = text.replace("forecast-training", "training");
        refused(&training, "predicted: 3 where a forecast");
        refused(&training.replace("predicted = 3", ""), "forecasts need the network mlcast");
    }
}
