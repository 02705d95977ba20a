//! What training hides at random: dropout that is the same over time, and zoneout.

use super::cell_config::CellConfig;
use super::config::RecurrentConfig;
use super::run::Noise;
use super::sequence_shape::SequenceShape;
use crate::composed::graph::Operations;
use crate::random::Random;
use crate::tensor::Tensor;

/// Where the noise of a part of a sequence comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
    /// Steps of the sequence before the part.
    pub(crate) before: usize,
}

impl RecurrentConfig {
    /// The noise of training of each cell, or without a seed its stand-in outside of training; none if no cell has noise. `sizes` are the
    /// sizes of the images that each cell reads, and of its states.
    pub(crate) fn noises<O: Operations>(
        &self,
        ops: &mut O,
        dims: &SequenceShape,
        sizes: &[[[usize; 2]; 2]],
        seed: Option<Seed>,
    ) -> Vec<Noise<O::Value>> {
        if self.cells().all(|cell| cell.zoneout == 0.0 && cell.dropout == 0.0) {
            return Vec::new();
        }
        let cells = self.cells().zip(sizes).enumerate();
        cells
            .map(|(index, (cell, &sizes))| {
                let masks = match seed {
                    Some(seed) => Masks::draw(cell, dims, sizes, (seed, index)),
                    None => Masks::expected(cell, dims, sizes[1]),
                };
                Noise {
                    input: masks.input.map(|mask| ops.constant(&mask)),
                    state: masks.state.map(|mask| ops.constant(&mask)),
                    renewed: masks.renewed.iter().map(|mask| ops.constant(mask)).collect(),
                }
            })
            .collect()
    }
}

/// The masks of a cell over a sequence.
#[derive(Debug, Clone, Default)]
pub(crate) struct Masks {
    /// `[N, in_channels, H, W]` of input pixels, in every step.
    pub(crate) input: Option<Tensor<f64>>,
    /// `[N, hidden, H, W]`, in every step.
    pub(crate) state: Option<Tensor<f64>>,
    /// The part of the state that is renewed, of each step.
    pub(crate) renewed: Vec<Tensor<f64>>,
}

impl Masks {
    /// The masks of training, of the cell at a place among others.
    pub(crate) fn draw(
        config: &CellConfig,
        dims: &SequenceShape,
        [input, state]: [[usize; 2]; 2],
        (seed, cell): (Seed, usize),
    ) -> Self {
        let mut random = Random::new(seed.seed, cell as u64);
        let images = dims.batch * dims.depth;
        let mut mask = |channels: usize, [height, width]: [usize; 2], hidden: f64, kept: f64| {
            Tensor::from_fn(&[images, channels, height, width], |_| {
                if random.uniform() < hidden { 0.0 } else { kept }
            })
        };
        let mut masks = Self::default();
        if config.dropout > 0.0 {
            let kept = 1.0 / (1.0 - config.dropout);
            masks.input = Some(mask(config.in_channels, input, config.dropout, kept));
            masks.state = Some(mask(config.hidden_channels, state, config.dropout, kept));
        }
        if config.zoneout > 0.0 {
            let of_step = |_| mask(config.hidden_channels, state, config.zoneout, 1.0);
            // Those before are drawn too, so that a step has its own whatever part it belongs to.
            masks.renewed = (0..seed.before + dims.steps).map(of_step).skip(seed.before).collect();
        }
        masks
    }

    /// What takes their place in use: nothing is hidden, and as much of the state is renewed as on average.
    pub(crate) fn expected(config: &CellConfig, dims: &SequenceShape, [height, width]: [usize; 2]) -> Self {
        let mut masks = Self::default();
        if config.zoneout > 0.0 {
            let shape = [dims.batch * dims.depth, config.hidden_channels, height, width];
            let part = Tensor::from_fn(&shape, |_| 1.0 - config.zoneout);
            masks.renewed = vec![part; dims.steps];
        }
        masks
    }
}
