//! The leaky rectifier on maps.

use super::view::{FeatureMapsMut, FeatureMapsRef};
use crate::error::{Error, Result};
use crate::real::Real;

/// Whether a slope is zero or a positive number.
pub(crate) fn expect_slope<T: Real>(slope: T) -> Result<()> {
    if !slope.is_finite() || slope < T::ZERO {
        return Err(Error::Slope { got: slope.to_f64() });
    }
    Ok(())
}

impl<T: Real> FeatureMapsMut<'_, T> {
    /// Applies the leaky rectifier to every number: `x` above zero, `slope x` elsewhere.
    pub fn leaky_relu(&mut self, slope: T) {
        self.write_rows(|_, row| {
            for x in row {
                *x = if *x > T::ZERO { *x } else { slope * *x };
            }
        });
    }

    /// Turns gradients of the outputs of [`leaky_relu`](Self::leaky_relu) into gradients of its inputs: the derivative is
    /// 1 where the output is above zero and `slope` elsewhere.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if those of the
    /// maps differ, [`Error::Slope`](crate::Error::Slope) for a slope that is negative, infinite or no number:
    /// outputs do not tell the derivative then.
    pub fn leaky_relu_backward(&mut self, output: FeatureMapsRef<'_, T>, slope: T) -> Result<()> {
        expect_slope(slope)?;
        self.combine("output of the rectifier", output.rows(), |gradient, output| {
            for (d, &y) in gradient.iter_mut().zip(output) {
                *d *= if y > T::ZERO { T::ONE } else { slope };
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Extent, FeatureMaps};

    #[test]
    fn both_sides_of_zero_are_scaled_as_they_should() {
        let extent = Extent { batch: 1, channels: 3, height: 1, width: 2 };
        let mut maps = FeatureMaps::from_nchw(extent, &[1.0, -2.0, 0.0, 4.0, -8.0, 0.5]).unwrap();
        maps.as_mut().leaky_relu(0.25);
        let mut gradient = FeatureMaps::with_halo(extent, [1, 1]).unwrap();
        gradient.as_mut().read_nchw(&[3.0; 6]).unwrap();
        gradient.as_mut().leaky_relu_backward(maps.as_ref(), 0.25).unwrap();
        let mut out = [0.0; 6];
        maps.as_ref().write_nchw(&mut out).unwrap();
        assert_eq!(out, [1.0, -0.5, 0.0, 4.0, -2.0, 0.5]);
        gradient.as_ref().write_nchw(&mut out).unwrap();
        assert_eq!(out, [3.0, 0.75, 0.75, 3.0, 0.75, 3.0]);
        let other = FeatureMaps::zeros(extent.with_channels(2)).unwrap();
        assert!(gradient.as_mut().leaky_relu_backward(other.as_ref(), 0.25).is_err());
        let apart = FeatureMaps::sectioned(extent, 3, [0, 0]).unwrap();
        let error = gradient.as_mut().leaky_relu_backward(apart.as_ref(), 0.25).unwrap_err();
        assert!(
            error.to_string().starts_with("output of the rectifier: 3 channels in 3 sections"),
            "{error}"
        );
        for slope in [-0.5, f64::NAN, f64::INFINITY] {
            let error = gradient.as_mut().leaky_relu_backward(maps.as_ref(), slope).unwrap_err();
            assert!(matches!(error, crate::Error::Slope { .. }), "{error}");
        }
    }
}
