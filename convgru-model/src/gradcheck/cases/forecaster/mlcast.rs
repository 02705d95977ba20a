//! mlcast's network.

use proptest::prelude::*;

use super::Forecasting;
use crate::config::MlcastConfig;
use crate::error::Result;
use crate::forecaster::{Forecaster, Noise};
use crate::gradcheck::draw::{self, Values};
use crate::gradcheck::{Case, probed};
use crate::parameters::Parameters;
use crate::sequence::MemoryBudget;

pub(super) fn cases() -> Vec<Case> {
    let plain =
        Kind { members: 1, noise: None, given: false, signed: false, budget: MemoryBudget::Unlimited };
    [
        ("mlcast", plain),
        ("mlcast, noise", Kind { noise: Some(3), ..plain }),
        ("mlcast, signed", Kind { signed: true, ..plain }),
        ("mlcast, signed, two members", Kind { members: 2, noise: Some(6), signed: true, ..plain }),
        ("mlcast, three members", Kind { members: 3, noise: Some(4), ..plain }),
        ("mlcast, two members, noise that is given", Kind { members: 2, given: true, ..plain }),
        (
            "mlcast, two members, gates recomputed",
            Kind { members: 2, noise: Some(5), budget: MemoryBudget::Bytes(0), ..plain },
        ),
    ]
    .map(|(name, kind)| case(name, kind))
    .into()
}

/// What a case fixes; shapes are drawn.
#[derive(Debug, Clone, Copy)]
struct Kind {
    members: usize,
    /// The seed of the noise, where it has one.
    noise: Option<u64>,
    /// Whether noise is given as numbers.
    given: bool,
    /// Whether frames are 0 to 1.
    signed: bool,
    budget: MemoryBudget,
}

fn case(name: &str, kind: Kind) -> Case {
    // Two blocks of one channel end in sixteen channels, which are many weights: of kernels of one pixel.
    let network = prop::sample::select(vec![
        (1usize, 1usize, [3usize, 3usize]),
        (1, 1, [3, 1]),
        (1, 2, [1, 3]),
        (1, 2, [1, 1]),
        (2, 1, [1, 1]),
    ]);
    let size = (1usize..=3, 1usize..=5).prop_filter("H != W", |(h, w)| h != w);
    let frames = (1usize..=3, 1usize..=3).prop_filter("T_in != T_out", |(inputs, outputs)| inputs != outputs);
    let drawn = (network, size, 1usize..=2, frames, draw::seed());
    Case::new(
        name,
        drawn,
        move |((blocks, image_channels, kernel_size), (h, w), batch, (inputs, steps), seed)| {
            let Kind { members, signed, .. } = kind;
            let noise = kind.noise.is_some();
            let config = MlcastConfig {
                image_channels,
                blocks,
                kernel_size,
                members,
                noise,
                signed,
                ..Default::default()
            };
            let frame = [batch, image_channels, h, w];
            probed(forecasting(kind, config, [inputs, steps], frame, seed)?, seed ^ 1)
        },
    )
}

fn forecasting(
    kind: Kind,
    config: MlcastConfig,
    [frames, steps]: [usize; 2],
    [n, c, h, w]: [usize; 4],
    seed: u64,
) -> Result<Forecasting> {
    let mut values = Values::new(seed);
    let [rows, columns] = [h, w].map(|size| size.div_ceil(1 << config.blocks));
    let coarsest = [kind.members, steps, n, config.decoder(config.blocks - 1).in_channels, rows, columns];
    let mut network = Forecaster::new(config, seed)?;
    network.set_memory_budget(kind.budget);
    match kind.noise {
        Some(seed) => network.set_noise(Noise::Seed(seed)),
        None if kind.given => network.set_noise(Noise::Given(values.tensor(&coarsest))),
        None => {}
    }
    let mut inputs = vec![("x".to_owned(), values.tensor(&[frames, n, c, h, w]))];
    for (name, parameter) in network.parameters().to_named() {
        let mut drawn = values.tensor(parameter.shape());
        // Sums over many channels are too steep for differences.
        drawn.as_mut_slice().iter_mut().for_each(|weight| *weight *= 0.5);
        inputs.push((name, drawn));
    }
    Ok(Forecasting { network, inputs, fixed: None, steps, logits: false, teacher: None })
}

pub(super) fn describe(config: &MlcastConfig) -> String {
    let [height, width] = config.kernel_size;
    format!("{} blocks, kernel {height}x{width}, {} members", config.blocks, config.members)
}
