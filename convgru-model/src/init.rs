//! Weights before training.

use convgru_kernels::Scalar;

use crate::config::Initializer;
use crate::random::Random;

/// Draws a matrix `[rows, columns]`, row-major.
///
/// `fan_out` is what [`Initializer::Xavier`] takes for the number of outputs an input reaches.
pub(crate) fn draw<T: Scalar>(
    initializer: Initializer,
    [rows, columns]: [usize; 2],
    fan_out: usize,
    random: &mut Random,
) -> Vec<T> {
    let values = match initializer {
        Initializer::Orthogonal => orthogonal(rows, columns, random),
        Initializer::Xavier => uniform((6.0 / (columns + fan_out) as f64).sqrt(), rows * columns, random),
        Initializer::PyTorch => uniform((1.0 / columns as f64).sqrt(), rows * columns, random),
    };
    values.into_iter().map(T::from_f64).collect()
}

/// Draws a bias of `len` numbers, beside kernels of `fan_in` numbers for each output.
pub(crate) fn draw_bias<T: Scalar>(
    initializer: Initializer,
    fan_in: usize,
    len: usize,
    random: &mut Random,
) -> Vec<T> {
    match initializer {
        Initializer::Orthogonal | Initializer::Xavier => vec![T::ZERO; len],
        Initializer::PyTorch => {
            uniform((1.0 / fan_in as f64).sqrt(), len, random).into_iter().map(T::from_f64).collect()
        }
    }
}

/// Numbers within `bound` of zero.
fn uniform(bound: f64, len: usize, random: &mut Random) -> Vec<f64> {
    (0..len).map(|_| bound * (2.0 * random.uniform() - 1.0)).collect()
}

/// Draws the kernels of some gates over input and state, row-major with `hidden` rows for each gate: those of a gate as one matrix,
/// whose columns are the numbers of a kernel over the input and then over the state. An input reaches `taps` pixels of each output.
pub(crate) fn draw_joint<T: Scalar>(
    initializer: Initializer,
    [gates, hidden]: [usize; 2],
    columns: [usize; 2],
    taps: usize,
    random: &mut Random,
) -> [Vec<T>; 2] {
    let [of_input, of_state] = columns;
    let mut kernels = [Vec::new(), Vec::new()];
    for _gate in 0..gates {
        let joint: Vec<T> = draw(initializer, [hidden, of_input + of_state], hidden * taps, random);
        for row in joint.chunks_exact((of_input + of_state).max(1)) {
            kernels[0].extend_from_slice(&row[..of_input]);
            kernels[1].extend_from_slice(&row[of_input..]);
        }
    }
    kernels
}

/// A matrix whose rows (or, if there are more rows than columns, whose columns) are
/// orthonormal and whose directions are uniformly distributed.
fn orthogonal(rows: usize, columns: usize, random: &mut Random) -> Vec<f64> {
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..len).map(|_| random.normal()).collect();
        // Gram-Schmidt; twice is enough to be orthogonal to the last bit (Giraud et al. 2005).
        for _ in 0..2 {
            for other in &vectors {
                let overlap: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
            }
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|a| *a /= norm);
            vectors.push(vector);
        }
    }
    let at = |row: usize, column: usize| {
        if rows <= columns { vectors[row][column] } else { vectors[column][row] }
    };
    (0..rows * columns).map(|i| at(i / columns, i % columns)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composed::{Recurrent, RecurrentConfig};
    use crate::{ConvGru, ConvGruConfig, Parameters, ResetGate};

    #[test]
    fn orthogonal_rows_are_orthonormal() {
        for [rows, columns] in [[6, 20], [20, 6], [7, 7], [1, 1]] {
            let w: Vec<f64> = draw(Initializer::Orthogonal, [rows, columns], 0, &mut Random::new(3, 0));
            let transposed = rows > columns;
            let (count, len) = (rows.min(columns), rows.max(columns));
            let at = |v: usize, i: usize| {
                if transposed { w[i * columns + v] } else { w[v * columns + i] }
            };
            for a in 0..count {
                for b in 0..count {
                    let dot: f64 = (0..len).map(|i| at(a, i) * at(b, i)).sum();
                    assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-13, "{a} {b} {dot}");
                }
            }
        }
    }

    #[test]
    fn xavier_stays_within_its_bound_and_fills_it() {
        let w: Vec<f64> = draw(Initializer::Xavier, [50, 40], 20, &mut Random::new(3, 0));
        let bound = (6.0f64 / 60.0).sqrt();
        let largest = w.iter().fold(0.0f64, |a, &b| a.max(b.abs()));
        assert!(largest <= bound && largest > 0.99 * bound);
    }

    /// `kaiming_uniform_(weight, a=sqrt(5))`: a gain of sqrt(2 / (1 + 5)) and a bound of sqrt(3) gain / sqrt(fan_in).
    #[test]
    fn weights_and_biases_of_pytorch_fill_their_bound() {
        let bound = 3.0f64.sqrt() * (2.0f64 / 6.0).sqrt() / 40.0f64.sqrt();
        let random = &mut Random::new(3, 0);
        let w: Vec<f64> = draw(Initializer::PyTorch, [50, 40], 20, random);
        let b: Vec<f64> = draw_bias(Initializer::PyTorch, 40, 2000, random);
        for drawn in [w, b] {
            let [low, high] = drawn.iter().fold([0.0f64; 2], |[low, high], &x| [low.min(x), high.max(x)]);
            assert!(
                low >= -bound && low < -0.99 * bound && high <= bound && high > 0.99 * bound,
                "{low} {high}"
            );
            let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 2000.0;
            assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.1, "{variance}");
        }
        assert_eq!(draw_bias::<f64>(Initializer::Xavier, 40, 2, random), [0.0; 2]);
    }

    /// Both engines draw the same numbers, biases among them.
    #[test]
    fn stacks_of_both_engines_begin_as_pytorch_does() {
        for reset in [ResetGate::Before, ResetGate::After] {
            let initializer = Initializer::PyTorch;
            let stack = ConvGruConfig { initializer, reset, ..ConvGruConfig::new(2, &[3, 4]) };
            let composed = Recurrent::<f64>::new(RecurrentConfig::from(&stack), 7).unwrap();
            let fused = ConvGru::<f64>::new(stack, 7).unwrap();
            assert_eq!(composed.to_conv_gru().unwrap().parameters(), fused.parameters());
            fused.parameters().for_each(&mut |name, tensor| {
                // Of the first layer, whose kernels of 3 x 3 read 2 channels and the 3 of the state.
                if name.starts_with("layers.0.") {
                    let bound = 1.0 / (9.0f64 * 5.0).sqrt();
                    let largest = tensor.as_slice().iter().fold(0.0f64, |a, &b| a.max(b.abs()));
                    assert!(largest <= bound && largest > 0.1 * bound, "{name}: {largest}");
                }
            });
        }
    }
}
