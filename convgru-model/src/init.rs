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
        Initializer::Xavier => {
            let bound = (6.0 / (columns + fan_out) as f64).sqrt();
            (0..rows * columns).map(|_| bound * (2.0 * random.uniform() - 1.0)).collect()
        }
    };
    values.into_iter().map(T::from_f64).collect()
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
}
