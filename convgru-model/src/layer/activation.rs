//! Elementwise functions.

use std::fmt;

use convgru_kernels::{Scalar, activation};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::{Tensor, expect_shape};

/// An elementwise function and its derivative.
///
/// ```
/// use convgru_model::{Tensor, layer::Activation};
///
/// let x = Tensor::from_vec(&[3], vec![-2.0f32, 0.0, 2.0])?;
/// assert_eq!(Activation::LeakyRelu(0.5).forward(&x).as_slice(), [-1.0, 0.0, 2.0]);
/// assert_eq!(Activation::HardSigmoid.forward(&x).as_slice()[1], 0.5);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `x / 6 + 1 / 2`, 0 where that is less and 1 where it is more (torch.nn.Hardsigmoid); the derivative is
    /// 0 at both ends.
    HardSigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`; the derivative at zero is zero.
    Relu,
    /// `x` for `x > 0` and `slope * x` elsewhere. A slope of zero or more has a
    /// [`backward`](Activation::backward) pass, which tells the sides apart by the output.
    LeakyRelu(f64),
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Sigmoid => f.write_str("sigmoid"),
            Self::HardSigmoid => f.write_str("hard-sigmoid"),
            Self::Tanh => f.write_str("tanh"),
            Self::Relu => f.write_str("relu"),
            Self::LeakyRelu(slope) => write!(f, "leaky-relu of slope {slope}"),
        }
    }
}

impl Activation {
    /// Slopes of a leaky ReLU that has a backward pass: with a negative one the value would be positive on both sides.
    pub(crate) const SLOPES: std::ops::RangeInclusive<f64> = 0.0..=f32::MAX as f64;

    /// Applies the function to every element.
    pub fn forward<T: Scalar>(self, input: &Tensor<T>) -> Tensor<T> {
        let mut output = input.clone();
        self.apply(output.as_mut_slice());
        output
    }

    /// Applies the function to every element of a slice.
    pub fn apply<T: Scalar>(self, values: &mut [T]) {
        match self {
            Self::Identity => {}
            Self::Sigmoid => activation::sigmoid_in_place(values),
            Self::HardSigmoid => activation::hard_sigmoid_in_place(values),
            Self::Tanh => activation::tanh_in_place(values),
            // A NaN is not below zero, and stays.
            Self::Relu => values.iter_mut().for_each(|v| *v = if *v <= T::ZERO { T::ZERO } else { *v }),
            Self::LeakyRelu(slope) => {
                let slope = T::from_f64(slope);
                values.iter_mut().for_each(|v| *v = if *v > T::ZERO { *v } else { slope * *v });
            }
        }
    }

    /// The gradient of the input from the gradient of the output, `dx = dy.f'(x)`, with the
    /// derivative taken from the output `y` itself.
    ///
    /// # Shapes
    /// `output`, `d_output` and the result have the same shape.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] if the shapes differ, [`Error::InvalidConfig`] for a slope that is
    /// negative, infinite in `f32` or no number: its outputs do not tell which side they came from.
    pub fn backward<T: Scalar>(self, output: &Tensor<T>, d_output: &Tensor<T>) -> Result<Tensor<T>> {
        expect_shape("gradient of the output of an activation", d_output.shape(), output.shape())?;
        if let Self::LeakyRelu(slope) = self
            && !Self::SLOPES.contains(&slope)
        {
            let reason = format!("{slope} has no backward pass; take a number from 0 to {:e}", f32::MAX);
            return Err(Error::InvalidConfig { field: "leaky-relu".into(), reason });
        }
        let mut d_input = d_output.clone();
        self.scale_by_derivative(output.as_slice(), d_input.as_mut_slice());
        Ok(d_input)
    }

    /// Multiplies each gradient by the derivative at the element with output `y`.
    pub(crate) fn scale_by_derivative<T: Scalar>(self, output: &[T], gradient: &mut [T]) {
        let one = T::ONE;
        let pairs = gradient.iter_mut().zip(output);
        match self {
            Self::Identity => {}
            Self::Sigmoid => pairs.for_each(|(g, &y)| *g *= y * (one - y)),
            Self::HardSigmoid => {
                let sixth = T::from_f64(1.0 / 6.0);
                pairs.for_each(|(g, &y)| *g *= if y > T::ZERO && y < one { sixth } else { T::ZERO });
            }
            Self::Tanh => pairs.for_each(|(g, &y)| *g *= one - y * y),
            Self::Relu => pairs.for_each(|(g, &y)| *g *= if y > T::ZERO { one } else { T::ZERO }),
            Self::LeakyRelu(slope) => {
                let slope = T::from_f64(slope);
                pairs.for_each(|(g, &y)| *g *= if y > T::ZERO { one } else { slope });
            }
        }
    }
}
