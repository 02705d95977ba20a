//! Errors against recorded values.

use convgru_model::Tensor;

use super::Record;
use convgru_train::Result;

/// The largest errors of one file; none where nothing of the kind is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Errors {
    /// Of outputs, absolute.
    pub output: Option<f64>,
    /// Of gradients, relative to the largest entry of each tensor.
    pub gradient: Option<f64>,
    /// Of what was computed in 32 bits, relative to the largest entry of each tensor, of outputs where that is above 1.
    pub single: Option<f64>,
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

    /// Compares an output computed in 32 bits with the recorded tensor `name`.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn single(&mut self, record: &Record, name: &str, got: &Tensor<f32>) -> Result<()> {
        let (error, scale) = largest(record, name, &got.cast())?;
        self.single = Some(worse(self.single, error / scale.max(1.0)));
        Ok(())
    }

    /// Compares a gradient computed in 32 bits with the recorded tensor `name`, relative to its largest entry.
    ///
    /// # Errors
    /// As [`output`](Self::output).
    pub fn single_gradient(&mut self, record: &Record, name: &str, got: &Tensor<f32>) -> Result<()> {
        let (error, scale) = largest(record, name, &got.cast())?;
        self.single = Some(worse(self.single, if scale == 0.0 { error } else { error / scale }));
        Ok(())
    }

    /// Whether something was compared, and nothing is off by more than allowed.
    pub fn within(&self, allowed: Tolerances) -> bool {
        self.output.is_some_and(|error| error <= allowed.output)
            && self.gradient.is_none_or(|error| error <= allowed.gradient)
            && self.single.is_none_or(|error| error <= allowed.single)
    }
}

/// The largest errors that are allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Of outputs, absolute.
    pub output: f64,
    /// Of gradients, relative.
    pub gradient: f64,
    /// Of outputs in 32 bits.
    pub single: f64,
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
        let allowed = Tolerances { output: 1.0, gradient: 1.0, single: 1.0 };
        let within = |output, gradient, single| Errors { output, gradient, single }.within(allowed);
        assert!(!within(None, None, None));
        assert!(within(Some(0.5), None, None));
        assert!(!within(Some(0.5), Some(2.0), None));
        assert!(!within(Some(0.5), None, Some(2.0)));
        assert!(!within(Some(f64::NAN), None, None));
    }

    #[test]
    fn a_nan_is_never_forgotten() {
        assert!(worse(Some(f64::NAN), 1.0).is_nan());
        assert!(worse(Some(1.0), f64::NAN).is_nan());
        assert_eq!(worse(None, 0.5), 0.5);
    }
}
