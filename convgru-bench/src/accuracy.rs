//! How far an engine is from the same network computed in f64.

use anyhow::Context;

use crate::inputs::Output;

/// The largest error that rounding explains; an engine with a larger one computes something else.
///
/// Winograd's F(6x6, 3x3) in 32 bits, as MNN computes it, stays below; a bias that is forgotten does not.
pub(crate) const TOLERANCE: f64 = 1e-2;

/// The largest error of an engine that counts as close to f64.
pub(crate) const CLOSE: f64 = 1e-5;

/// What one engine wrote.
#[derive(Debug)]
pub(crate) struct Written {
    /// The name of the engine.
    pub(crate) engine: String,
    /// All outputs, one after the other.
    pub(crate) numbers: Vec<f32>,
}

/// The largest error of all outputs: the largest difference from `exact` in a tensor, over the largest magnitude in that tensor.
///
/// # Errors
/// With the name of the output, if there are more or fewer numbers than needed, or if an error is NaN or above [`TOLERANCE`].
pub(crate) fn error(written: &Written, exact: &[f64], outputs: &[Output]) -> anyhow::Result<f64> {
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
    let mut worst: f64 = 0.0;
    let mut start = 0;
    for output in outputs {
        let range = start..start + output.len;
        start += output.len;
        let error = of_tensor(&written.numbers[range.clone()], &exact[range])
            .with_context(|| format!("{}: {}", written.engine, output.name))?;
        anyhow::ensure!(
            error <= TOLERANCE,
            "{} and convgru in f64 do not compute the same: {} differs by {error:.2e} of its largest magnitude, \
             {TOLERANCE:.0e} are allowed; nothing was compared",
            written.engine,
            output.name
        );
        worst = worst.max(error);
    }
    Ok(worst)
}

/// The largest difference over the largest magnitude.
fn of_tensor(numbers: &[f32], exact: &[f64]) -> anyhow::Result<f64> {
    let (mut difference, mut magnitude): (f64, f64) = (0.0, 0.0);
    for (number, exact) in numbers.iter().zip(exact) {
        anyhow::ensure!(
            number.is_finite() && exact.is_finite(),
            "{number} where {exact} is right; every number must be finite"
        );
        difference = difference.max((f64::from(*number) - exact).abs());
        magnitude = magnitude.max(exact.abs());
    }
    Ok(if difference == 0.0 { 0.0 } else { difference / magnitude })
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
    fn the_error_is_the_largest_difference_over_the_largest_magnitude() {
        let worst = error(&written(&[3.0002, 4.0, 1.0]), &EXACT, &outputs()).unwrap();
        assert!((worst - 5e-5).abs() < 1e-7, "{worst}");
        assert_eq!(error(&written(&[3.0, 4.0, 1.0]), &EXACT, &outputs()).unwrap(), 0.0);
        // A difference where all numbers are zero is no rounding.
        assert!(error(&written(&[3.0, 4.0, 1e-9]), &[3.0, 4.0, 0.0], &outputs()).is_err());
    }

    #[test]
    fn a_small_tensor_is_not_hidden_by_a_large_one() {
        let error = error(&written(&[3e6, 4e6, 1.1]), &[3e6, 4e6, 1.0], &outputs()).unwrap_err().to_string();
        assert!(
            error.contains("theirs and convgru in f64") && error.contains("gradient of b differs by 1.00e-1"),
            "{error}"
        );
    }

    #[test]
    fn nan_and_missing_numbers_are_errors() {
        let said = |numbers: &[f32], exact: &[f64]| {
            format!("{:#}", error(&written(numbers), exact, &outputs()).unwrap_err())
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
