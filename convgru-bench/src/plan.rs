//! `--plan`: which algorithm a convolution gets, beside what each of them takes here.

use std::io::Write;
use std::time::Instant;

use anyhow::Context;
use convgru_kernels::conv::{self, Algorithm, ConvShape, PackedWeights, Precision, Tile, WriteMode};
use convgru_kernels::{Extent, FeatureMaps, Isa, Scratchpad, peak};

use crate::statistics::median;

/// Rounds, in each of which every algorithm has a turn.
const ROUNDS: usize = 15;

/// Seconds of a turn.
const TURN: f64 = 0.03;

/// A convolution in the form `64x128x3@16x16x16`: channels in and out, kernel, batch, height, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    conv: ConvShape,
    input: Extent,
}

impl std::str::FromStr for Shape {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers = |part: &str| part.split('x').map(str::parse).collect::<Result<Vec<usize>, _>>();
        let parts =
            text.split_once('@').and_then(|(conv, image)| Some((numbers(conv).ok()?, numbers(image).ok()?)));
        let Some((conv, image)) = parts else { anyhow::bail!(usage(text)) };
        let ([channels, outputs, kernel], [batch, height, width]) = (&conv[..], &image[..]) else {
            anyhow::bail!(usage(text))
        };
        let most = [
            (*channels, 4096),
            (*outputs, 4096),
            (*kernel, 15),
            (*batch, 4096),
            (*height, 8192),
            (*width, 8192),
        ];
        anyhow::ensure!(
            most.iter().all(|(value, most)| (1..=*most).contains(value)) && kernel % 2 == 1,
            usage(text)
        );
        let conv =
            ConvShape { precision: Precision::Fast, ..ConvShape::same(*channels, *outputs, [*kernel; 2]) };
        Ok(Self {
            conv,
            input: Extent { batch: *batch, channels: *channels, height: *height, width: *width },
        })
    }
}

fn usage(text: &str) -> String {
    format!(
        "--plan {text}: INxOUTxKERNEL@BATCHxHEIGHTxWIDTH is needed, such as 64x128x3@16x16x16, the kernel odd"
    )
}

/// Prints the choice and the measured alternatives for one thread.
pub(crate) fn run(text: &str) -> anyhow::Result<()> {
    let shape: Shape = text.parse()?;
    let isa = Isa::from_environment()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().context("cannot start a thread")?;
    let lines = pool.install(|| measure(&shape, isa))?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{text} on {isa}, 1 thread: GFLOP/s as the direct algorithm counts them, and parts of the FMA peak"
    )?;
    writeln!(out, "{:20} {:>15} {:>17} {:>17}", "", "forward", "input gradient", "weight gradient")?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "* chosen, by a fixed function of the shape: convgru-kernels/src/conv/plan.rs")?;
    writeln!(
        out,
        "Medians of {ROUNDS} turns, of each turn the fastest call; the peak is measured before each turn, the same way."
    )?;
    Ok(())
}

fn measure(shape: &Shape, isa: Isa) -> anyhow::Result<Vec<String>> {
    let Shape { conv, input } = shape;
    let output = input.with_channels(conv.out_channels);
    let halo = conv.kernel.map(|size| size / 2);
    let noise = |len: usize| -> Vec<f32> {
        (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as f32 % 2001.0 / 1000.0 - 1.0).collect()
    };
    let mut x = FeatureMaps::with_halo(*input, halo)?;
    x.as_mut().read_nchw(&noise(input.len()))?;
    let mut dy = FeatureMaps::with_halo(output, halo)?;
    dy.as_mut().read_nchw(&noise(output.len()))?;
    let (mut y, mut dx) = (FeatureMaps::zeros(output)?, FeatureMaps::zeros(*input)?);
    let weights = noise(conv.weight_len());
    let mut dw = vec![0.0f32; weights.len()];
    let mut scratch = Scratchpad::with_isa(isa);
    let tiles = Tile::ALL.into_iter().filter(|tile| conv.kernel == [tile.kernel; 2]);
    let in_tiles = tiles.flat_map(|tile| [Algorithm::Winograd(tile), Algorithm::WinogradByPanel(tile)]);
    let algorithms: Vec<Algorithm> = std::iter::once(Algorithm::Direct).chain(in_tiles).collect();
    let packed =
        algorithms.iter().map(|&algorithm| PackedWeights::with_algorithm(*conv, &weights, isa, algorithm));
    let packed: Vec<_> = packed.collect::<Result<_, _>>()?;
    let gflop = 2e-9 * (output.len() * conv.reduction()) as f64;
    // Rates, and parts of the peak as it was at that time: the clock changes with what else the machine does.
    let mut rates = vec![[const { (Vec::new(), Vec::new()) }; 3]; algorithms.len()];
    let mut push = |(index, pass): (usize, usize), call: &mut dyn FnMut() -> convgru_kernels::Result<()>| {
        let peak = peak::fma_gflops(1);
        let rate = gflop / fastest(call)?;
        rates[index][pass].0.push(rate);
        rates[index][pass].1.push(rate / peak);
        anyhow::Ok(())
    };
    for _ in 0..ROUNDS {
        for (index, weights) in packed.iter().enumerate() {
            let mode = WriteMode::Overwrite;
            push((index, 0), &mut || conv::forward(weights, x.as_ref(), y.as_mut(), mode, &mut scratch))?;
            push((index, 1), &mut || {
                conv::input_gradient(weights, dy.as_ref(), dx.as_mut(), mode, &mut scratch)
            })?;
            let (x, dy, algorithm) = (x.as_ref(), dy.as_ref(), algorithms[index]);
            push((index, 2), &mut || {
                conv::weight_gradient_by(algorithm, conv, x, dy, &mut dw, &mut scratch)
            })?;
        }
    }
    let chosen =
        [Algorithm::of::<f32>(conv), Algorithm::of::<f32>(conv), Algorithm::of_weight_gradient::<f32>(conv)];
    Ok(algorithms
        .iter()
        .zip(rates)
        .map(|(algorithm, rates)| {
            let cell = |pass: usize| {
                let mark = if chosen[pass] == *algorithm { "*" } else { " " };
                let (rates, parts) = &rates[pass];
                let [rate, part] = [rates, parts].map(|values| median(values).unwrap_or(f64::NAN));
                format!("{rate:.0} ({:.0} %){mark}", 100.0 * part)
            };
            format!("{:20} {:>16} {:>17} {:>17}", algorithm.to_string(), cell(0), cell(1), cell(2))
        })
        .collect())
}

/// Seconds of the fastest call of a turn.
fn fastest(call: &mut dyn FnMut() -> convgru_kernels::Result<()>) -> convgru_kernels::Result<f64> {
    let turn = Instant::now();
    let mut fastest = f64::INFINITY;
    while fastest.is_infinite() || turn.elapsed().as_secs_f64() < TURN {
        let start = Instant::now();
        call()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_others_refused_with_an_example() {
        let shape: Shape = "64x128x3@16x8x9".parse().unwrap();
        assert_eq!((shape.conv.in_channels, shape.conv.out_channels, shape.conv.kernel), (64, 128, [3, 3]));
        assert_eq!(shape.input.dims(), [16, 64, 8, 9]);
        for wrong in ["", "64x128x3", "64x128x4@1x1x1", "0x1x3@1x1x1", "1x1x3@1x1", "axbxc@1x1x1"] {
            assert!(wrong.parse::<Shape>().unwrap_err().to_string().contains("64x128x3@16x16x16"), "{wrong}");
        }
    }
}
