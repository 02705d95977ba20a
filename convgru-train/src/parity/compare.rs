//! Errors against recorded values.

use convgru_model::Tensor;

use super::Record;
use crate::Result;

/// The largest errors of one file; none where nothing of the kind is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Errors {
    /// Of outputs, absolute.
    pub output: Option<f64>,
    /// Of gradients, relative to the largest entry of each tensor.
    pub gradient: Option<f64>,
}

impl Errors {
    /// Compares an output with the recorded tensor `name`.
    ///
    /// # Errors
    /// If there is no such tensor or it has another shape.
    pub fn output(&mut self, record: &Record, name: &str, got: &Tensor<f64>) -> Result<()> {
        let (error, _) = largest(record, name, got)?;
        self.output = Some(worse(self.output, error));
        Ok(())
    }

    /// Compares a gradient with the recorded tensor `name`.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn gradient(&mut self, record: &Record, name: &str, got: &Tensor<f64>) -> Result<()> {
        let (error, scale) = largest(record, name, got)?;
        let relative = if scale == 0.0 { error } else { error / scale };
        self.gradient = Some(worse(self.gradient, relative));
        Ok(())
    }

    /// Whether something was compared, and nothing is off by more than allowed.
    pub fn within(&self, output: f64, gradient: f64) -> bool {
        self.output.is_some_and(|error| error <= output)
            && self.gradient.is_none_or(|error| error <= gradient)
    }
}

/// The larger error; a NaN is larger than anything.
fn worse(a: Option<f64>, b: f64) -> f64 {
    a.map_or(b, |a| if a.is_nan() || a >= b { a } else { b })
}

/// The largest difference, and the largest entry of the recorded tensor.
fn largest(record: &Record, name: &str, got: &Tensor<f64>) -> Result<(f64, f64)> {
    let expected = record.tensor(name)?;
    if got.shape() != expected.shape() {
        let (got, expected) = (got.shape(), expected.shape());
        return Err(record.refuse(format!("`{name}` has shape {expected:?} where {got:?} was computed")));
    }
    let pairs = got.as_slice().iter().zip(expected.as_slice());
    let error = pairs.fold(0.0, |worst, (a, b)| worse(Some(worst), (a - b).abs()));
    let scale = expected.as_slice().iter().fold(0.0f64, |scale, b| scale.max(b.abs()));
    Ok((error, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_compared_is_not_within() {
        assert!(!Errors::default().within(1.0, 1.0));
        assert!(Errors { output: Some(0.5), gradient: None }.within(1.0, 1.0));
        assert!(!Errors { output: Some(0.5), gradient: Some(2.0) }.within(1.0, 1.0));
        assert!(!Errors { output: Some(f64::NAN), gradient: None }.within(1.0, 1.0));
    }

    #[test]
    fn a_nan_is_never_forgotten() {
        assert!(worse(Some(f64::NAN), 1.0).is_nan());
        assert!(worse(Some(1.0), f64::NAN).is_nan());
        assert_eq!(worse(None, 0.5), 0.5);
    }
}
