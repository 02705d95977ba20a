//! The update block of RAFT (Teed and Deng 2020) at work: twelve updates of a flow, with correlations given.
//!
//! ```text
//! cargo run --release -p convgru-model --example raft_update -- raft-small.pth
//! ```
//! The file holds RAFT's weights as its authors published them, or is the file that `convgru import` wrote of them; the example uses only the weights
//! of the update block. State, context and correlations, which the rest of RAFT computes from two pictures, are drawn here, so the flow belongs to no pictures. The example shows the shapes of inputs and outputs,
//! and how long an update takes.

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use convgru_model::{Tensor, import};

/// Updates, as RAFT makes them in training.
const UPDATES: usize = 12;
/// An eighth of 440 x 1024 pixels.
const SIZE: [usize; 2] = [55, 128];

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let path = std::env::args().nth(1).ok_or("usage: raft_update WEIGHTS")?;
    let block = import::read::<f32>(&std::fs::read(path)?)?.into_raft_update()?;
    let config = block.config();
    let [hidden, context, correlations] =
        [config.hidden_channels, config.context_channels, config.correlation_channels];
    writeln!(out, "state of {hidden} channels, context of {context}, {correlations} correlations")?;

    let images = |channels: usize, low: f32, high: f32| {
        let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 9) % 2001;
        Tensor::from_fn(&[1, channels, SIZE[0], SIZE[1]], |i| low + (high - low) * number(i) as f32 / 2000.0)
    };
    let mut net = images(hidden, -1.0, 1.0);
    let (inp, corr) = (images(context, 0.0, 1.0), images(correlations, -1.0, 1.0));
    let mut flow = Tensor::zeros(&[1, 2, SIZE[0], SIZE[1]]);
    writeln!(out, "update  mean change of the flow (pixels)      ms")?;
    for update in 1..=UPDATES {
        let start = Instant::now();
        let step = block.update(&net, &inp, &corr, &flow)?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        net = step.net;
        // The rest of RAFT looks up other correlations here, around the places where the new flow points.
        flow.add_assign(&step.delta_flow)?;
        let change: f32 = step.delta_flow.as_slice().iter().map(|change| change.abs()).sum();
        let mean = change / step.delta_flow.len() as f32;
        writeln!(out, "{update:6}  {mean:32.4}  {milliseconds:6.1}")?;
    }
    let weights = block.update(&net, &inp, &corr, &flow)?.mask;
    writeln!(
        out,
        "{}",
        match weights {
            Some(mask) => format!("mask {:?}", mask.shape()),
            None => "no mask: this is the block of RAFT-small".to_owned(),
        }
    )?;
    Ok(())
}
