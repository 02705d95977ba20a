//! Two stacks that read a sequence from both ends, by their definition.

use convgru_kernels::reference::Number;

use super::array::Array;
use super::cell::{CellParameters, stack_forward_of_lengths};
use crate::config::Merge;
use crate::error::{Error, Result, expect_count};
use crate::tensor::expect_rank;

/// What two stacks that read a sequence from both ends compute.
#[derive(Debug, Clone)]
pub(crate) struct BothWays<N> {
    /// The merged states of each layer at every step, `[T, N, merged channels, H, W]`.
    pub(crate) outputs: Vec<Array<N>>,
    /// The last states of each layer, `[N, hidden, H, W]`, of the forward and of the backward direction.
    pub(crate) last: [Vec<Array<N>>; 2],
}

/// Two stacks over a sequence, one sample at a time: the first reads its frames in their order, the second those up to
/// its length from the last to the first.
///
/// Past the end of a sample the merged states are the merged last states.
///
/// # Shapes
/// `input`: `[T, N, in_channels, H, W]`; `states`: one `[N, hidden, H, W]` per layer and direction;
/// `lengths`: one for each sample.
///
/// # Errors
/// As [`stack_forward_of_lengths`], and [`Error::OutOfRange`] for a length of more steps than there are.
pub(crate) fn bidirectional<N: Number>(
    layers: &[Vec<CellParameters<'_, N>>; 2],
    input: &Array<N>,
    states: &[Vec<Array<N>>; 2],
    lengths: &[usize],
    merge: Merge,
) -> Result<BothWays<N>> {
    expect_rank("input", input.shape(), &["T", "N", "C", "H", "W"])?;
    let [steps, batch] = [0, 1].map(|axis| input.shape()[axis]);
    expect_count("lengths", batch, lengths.len())?;
    if let Some(&got) = lengths.iter().find(|&&length| length > steps) {
        return Err(Error::OutOfRange { what: "length".into(), got, most: steps });
    }
    let frames = (0..steps).map(|t| input.index(t)).collect::<Result<Vec<_>>>()?;
    let depth = layers[0].len();
    // Of each layer: samples, each with its steps.
    let mut outputs = vec![Vec::new(); depth];
    let mut last = [vec![Vec::new(); depth], vec![Vec::new(); depth]];
    for (n, &length) in lengths.iter().enumerate() {
        let sample = |array: &Array<N>| array.range(n, 1);
        let frames = frames.iter().map(sample).collect::<Result<Vec<_>>>()?;
        let of = |direction: usize, frames: &[Array<N>]| -> Result<Vec<Vec<Array<N>>>> {
            let initial = states[direction].iter().map(sample).collect::<Result<Vec<_>>>()?;
            let mut steps = vec![initial.clone()];
            steps.extend(stack_forward_of_lengths(
                &layers[direction],
                &Array::stack(frames)?,
                &initial,
                &[frames.len()],
            )?);
            Ok(steps)
        };
        let own = &frames[..length];
        let turned: Vec<Array<N>> = own.iter().rev().cloned().collect();
        // States before the first frame, and after each of them.
        let (forward, backward) = (of(0, own)?, of(1, &turned)?);
        for layer in 0..depth {
            let at = |t: usize| match t < length {
                true => (&forward[t + 1][layer], &backward[length - t][layer]),
                false => (&forward[length][layer], &backward[length][layer]),
            };
            let merged = (0..frames.len()).map(|t| merged(at(t), merge)).collect::<Result<Vec<_>>>()?;
            outputs[layer].push(Array::stack(&merged)?);
            let (forward, backward) = at(length);
            last[0][layer].push(forward.index(0)?);
            last[1][layer].push(backward.index(0)?);
        }
    }
    let batch = |samples: Vec<Array<N>>| -> Result<Array<N>> {
        // [N, T, 1, ...] to [T, N, ...]
        let steps = (0..frames.len()).map(|t| {
            let of_step =
                samples.iter().map(|sample| sample.index(t)?.index(0)).collect::<Result<Vec<_>>>()?;
            Array::stack(&of_step)
        });
        Array::stack(&steps.collect::<Result<Vec<_>>>()?)
    };
    let stacked = |layers: &[Vec<Array<N>>]| -> Result<Vec<Array<N>>> {
        layers.iter().map(|samples| Array::stack(samples)).collect()
    };
    Ok(BothWays {
        outputs: outputs.into_iter().map(batch).collect::<Result<_>>()?,
        last: [stacked(&last[0])?, stacked(&last[1])?],
    })
}

/// The states of both directions of one sample, `[1, hidden, H, W]` each, as one.
fn merged<N: Number>((forward, backward): (&Array<N>, &Array<N>), merge: Merge) -> Result<Array<N>> {
    match merge {
        Merge::Sum => {
            let (a, b) = (forward.as_slice(), backward.as_slice());
            Ok(Array::from_fn(forward.shape(), |i| a[i] + b[i]))
        }
        Merge::Concatenate => {
            let both = [forward.as_slice(), backward.as_slice()].concat();
            let extent = forward.extent()?;
            let shape = [1, 2 * extent.channels, extent.height, extent.width];
            Ok(Array::from_fn(&shape, |i| both[i]))
        }
    }
}
