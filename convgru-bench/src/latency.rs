//! `--latency`: the time from a frame to the state, as a distribution.

use std::io::Write;
use std::time::Instant;

use anyhow::Context;
use convgru_model::{ConvGru, ConvGruConfig, Tensor};

/// Steps that are timed.
const STEPS: usize = 10_000;

/// Steps before them.
const WARM_UP: usize = 200;

/// Prints the distribution of a small step, 16 channels of 16x16 pixels, for 1 and 2 threads.
pub(crate) fn run() -> anyhow::Result<()> {
    let network = ConvGru::<f32>::new(ConvGruConfig::new(16, &[16]), 1)?;
    let frame = Tensor::from_fn(&[1, 16, 16, 16], |i| (i % 13) as f32 / 7.0 - 0.8);
    let mut out = std::io::stdout().lock();
    writeln!(out, "16 -> 16 channels, 3x3, 1x16x16, {STEPS} steps of a prepared stream, microseconds")?;
    writeln!(out, "{:>7} {:>8} {:>8} {:>8}", "threads", "p50", "p99", "max")?;
    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("cannot start threads")?;
        let mut times = pool.install(|| measure(&network, &frame))?;
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        writeln!(out, "{threads:>7} {:>8.1} {:>8.1} {:>8.1}", at(0.5), at(0.99), at(1.0))?;
    }
    Ok(())
}

fn measure(network: &ConvGru<f32>, frame: &Tensor<f32>) -> anyhow::Result<Vec<f64>> {
    let mut stream = network.prepare()?.stream(1, 16, 16)?;
    let mut times = Vec::with_capacity(STEPS);
    for step in 0..WARM_UP + STEPS {
        let start = Instant::now();
        stream.step(frame)?;
        if step >= WARM_UP {
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}
