//! How far an engine is from the same network computed in f64.

use anyhow::Context;

use crate::engines::OURS;
use crate::inputs::Output;

/// The largest error of another engine that rounding explains; an engine with a larger one computes something else.
///
/// Winograd's algorithm with the tiles that MNN takes stays below in 32 bits; an engine that forgets a bias does not.
const TOLERANCE: f64 = 2e-3;

/// The largest error of convgru itself.
const OUR_TOLERANCE: f64 = 2e-5;

/// The largest error of an engine that counts as close to f64.
pub(crate) const CLOSE: f64 = 1e-5;

/// How far an engine is from convgru in f64: of all tensors the worst.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Accuracy {
    /// The 2-norm of the difference over the 2-norm of the tensor in f64. Verdicts go by it.
    pub(crate) error: f64,
    /// The largest difference of a number over the largest magnitude in the tensor in f64.
    pub(crate) largest: f64,
}

/// What one engine wrote.
#[derive(Debug)]
pub(crate) struct Written {
    /// The name of the engine.
    pub(crate) engine: String,
    /// All outputs, one after the other.
    pub(crate) numbers: Vec<f32>,
}

/// The accuracy of all outputs beside `exact`.
///
/// # Errors
/// With the name of the output, if there are more or fewer numbers than needed, or if an error is NaN or above [`TOLERANCE`], of convgru
/// above [`OUR_TOLERANCE`].
pub(crate) fn measure(written: &Written, exact: &[f64], outputs: &[Output]) -> anyhow::Result<Accuracy> {
    let expected: usize = outputs.iter().map(|output| output.len).sum();
    let names = || outputs.iter().map(|output| format!("{} {}", output.len, output.name)).collect::<Vec<_>>();
    for (whose, count) in [(written.engine.as_str(), written.numbers.len()), ("convgru in f64", exact.len())]
    {
        anyhow::ensure!(
            count == expected,
            "{whose} gives {count} numbers where {expected} are needed: {}",
            names().join(", ")
        );
    }
    let allowed = if written.engine == OURS { OUR_TOLERANCE } else { TOLERANCE };
    let mut worst = Accuracy::default();
    let mut start = 0;
    for output in outputs {
        let range = start..start + output.len;
        start += output.len;
        let Accuracy { error, largest } = of_tensor(&written.numbers[range.clone()], &exact[range])
            .with_context(|| format!("{}: {}", written.engine, output.name))?;
        anyhow::ensure!(
            error <= allowed,
            "{} and convgru in f64 do not compute the same: {} differs by {error:.2e} in the relative 2-norm, \
             {allowed:.0e} are allowed; nothing was compared",
            written.engine,
            output.name
        );
        worst = Accuracy { error: worst.error.max(error), largest: worst.largest.max(largest) };
    }
    Ok(worst)
}

fn of_tensor(numbers: &[f32], exact: &[f64]) -> anyhow::Result<Accuracy> {
    // Sums of squares and maxima, of the difference and of the tensor.
    let (mut squares, mut maxima) = ([0.0f64; 2], [0.0f64; 2]);
    for (number, exact) in numbers.iter().zip(exact) {
        anyhow::ensure!(
            number.is_finite() && exact.is_finite(),
            "{number} where {exact} is right; every number must be finite"
        );
        for (index, value) in [f64::from(*number) - exact, *exact].into_iter().enumerate() {
            squares[index] += value * value;
            maxima[index] = maxima[index].max(value.abs());
        }
    }
    let over = |[difference, whole]: [f64; 2]| if difference == 0.0 { 0.0 } else { difference / whole };
    Ok(Accuracy { error: over(squares.map(f64::sqrt)), largest: over(maxima) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: [f64; 3] = [3.0, 4.0, 1.0];

    fn written(numbers: &[f32]) -> Written {
        Written { engine: "theirs".into(), numbers: numbers.to_vec() }
    }

    fn outputs() -> Vec<Output> {
        vec![Output { name: "top state".into(), len: 2 }, Output { name: "gradient of b".into(), len: 1 }]
    }

    #[test]
    fn errors_are_relative_to_the_tensor() {
        let worst = measure(&written(&[3.0, 4.002, 1.0]), &EXACT, &outputs()).unwrap();
        assert!((worst.error - 4e-4).abs() < 1e-7 && (worst.largest - 5e-4).abs() < 1e-7, "{worst:?}");
        let none = Accuracy { error: 0.0, largest: 0.0 };
        assert_eq!(measure(&written(&[3.0, 4.0, 1.0]), &EXACT, &outputs()).unwrap(), none);
        // A difference where all numbers are zero is no rounding.
        assert!(measure(&written(&[3.0, 4.0, 1e-9]), &[3.0, 4.0, 0.0], &outputs()).is_err());
    }

    #[test]
    fn our_own_error_has_a_limit_of_its_own() {
        let of = |engine: &str| {
            measure(&Written { engine: engine.into(), ..written(&[3.0, 4.0005, 1.0]) }, &EXACT, &outputs())
        };
        assert!(of("theirs").is_ok());
        let error = of(OURS).unwrap_err().to_string();
        assert!(
            error.contains("top state differs by 1.00e-4 in the relative 2-norm, 2e-5 are allowed"),
            "{error}"
        );
    }

    #[test]
    fn a_small_tensor_is_not_hidden_by_a_large_one() {
        let error =
            measure(&written(&[3e6, 4e6, 1.1]), &[3e6, 4e6, 1.0], &outputs()).unwrap_err().to_string();
        assert!(
            error.contains("theirs and convgru in f64") && error.contains("gradient of b differs by 1.00e-1"),
            "{error}"
        );
    }

    #[test]
    fn nan_and_missing_numbers_are_errors() {
        let said = |numbers: &[f32], exact: &[f64]| {
            format!("{:#}", measure(&written(numbers), exact, &outputs()).unwrap_err())
        };
        let text = said(&[f32::NAN, 4.0, 1.0], &EXACT);
        assert!(text.contains("theirs: top state: NaN where 3 is right"), "{text}");
        let text = said(&[3.0, 4.0, 1.0], &[3.0, f64::INFINITY, 1.0]);
        assert!(text.contains("4 where inf is right"), "{text}");
        let text = said(&[3.0, 4.0], &EXACT);
        assert!(text.contains("theirs gives 2 numbers where 3 are needed"), "{text}");
        let text = said(&[3.0, 4.0, 1.0], &EXACT[..2]);
        assert!(text.contains("convgru in f64 gives 2 numbers"), "{text}");
    }
}
