//! Whether engines computed the same.

use crate::inputs::Output;

/// How far two engines may be apart: the relative 2-norm of a tensor's difference.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// What one engine wrote.
#[derive(Debug)]
pub(crate) struct Written {
    /// The name of the engine.
    pub(crate) engine: String,
    /// All outputs, one after the other.
    pub(crate) numbers: Vec<f32>,
}

/// The largest relative difference over all outputs, or what is wrong with `written`.
pub(crate) fn difference(written: &Written, reference: &Written, outputs: &[Output]) -> anyhow::Result<f64> {
    let expected: usize = outputs.iter().map(|output| output.len).sum();
    anyhow::ensure!(
        written.numbers.len() == expected,
        "{} gives {} numbers where {expected} are needed: {}",
        written.engine,
        written.numbers.len(),
        outputs.iter().map(|output| format!("{} {}", output.len, output.name)).collect::<Vec<_>>().join(", ")
    );
    let mut worst: f64 = 0.0;
    let mut start = 0;
    for output in outputs {
        let range = start..start + output.len;
        start += output.len;
        let apart = relative(&written.numbers[range.clone()], &reference.numbers[range]);
        // Written so that NaN is no agreement.
        let agrees = apart <= TOLERANCE;
        anyhow::ensure!(
            agrees,
            "{} and {} do not compute the same: {} differs by {apart:.2e} in the relative 2-norm, {TOLERANCE:.0e} \
             are allowed; nothing was compared",
            written.engine,
            reference.engine,
            output.name
        );
        worst = worst.max(apart);
    }
    Ok(worst)
}

/// `|a - b| / |b|` in the 2-norm.
fn relative(a: &[f32], b: &[f32]) -> f64 {
    let norm = |squares: &mut dyn Iterator<Item = f64>| squares.sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)));
    let base = norm(&mut b.iter().map(|b| f64::from(*b).powi(2)));
    if difference == 0.0 { 0.0 } else { difference / base }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(engine: &str, numbers: &[f32]) -> Written {
        Written { engine: engine.into(), numbers: numbers.to_vec() }
    }

    fn outputs() -> Vec<Output> {
        vec![Output { name: "top state".into(), len: 2 }, Output { name: "gradient of b".into(), len: 1 }]
    }

    #[test]
    fn a_small_difference_passes_and_is_told() {
        let worst = difference(
            &written("theirs", &[3.0, 4.0002, 1.0]),
            &written("ours", &[3.0, 4.0, 1.0]),
            &outputs(),
        );
        assert!((worst.unwrap() - 4e-5).abs() < 1e-6);
    }

    #[test]
    fn a_small_tensor_is_not_hidden_by_a_large_one() {
        let (ours, theirs) = (written("ours", &[3e6, 4e6, 1.0]), written("theirs", &[3e6, 4e6, 1.1]));
        let error = difference(&theirs, &ours, &outputs()).unwrap_err().to_string();
        assert!(
            error.contains("theirs and ours") && error.contains("gradient of b differs by 1.00e-1"),
            "{error}"
        );
    }

    #[test]
    fn nan_and_missing_numbers_are_no_agreement() {
        let ours = written("ours", &[3.0, 4.0, 1.0]);
        assert!(difference(&written("theirs", &[f32::NAN, 4.0, 1.0]), &ours, &outputs()).is_err());
        let error = difference(&written("theirs", &[3.0, 4.0]), &ours, &outputs()).unwrap_err().to_string();
        assert!(error.contains("theirs gives 2 numbers where 3 are needed"), "{error}");
    }
}
