//! Bounding the gradient: its length, or each of its elements.

use convgru_model::{Parameters, Scalar};

use crate::{Error, Result, parallel};

/// Elements per partial sum of the norm; fixed, so that the order of the
/// summation does not depend on the number of threads.
const CHUNK: usize = 4096;

/// Added to the norm before dividing by it, as PyTorch does.
const MARGIN: f64 = 1e-6;

/// Which length of the gradient is meant: `p` of the norm `(sum |g|^p)^(1/p)`.
///
/// ```
/// use convgru_train::optimizer::NormType;
///
/// assert_eq!(NormType::new(2.0)?, NormType::EUCLIDEAN);
/// assert_eq!(NormType::new(f64::INFINITY)?, NormType::LARGEST);
/// let error = NormType::new(0.5).unwrap_err().to_string();
/// assert!(error.contains("0.5 is no norm"));
/// # Ok::<(), convgru_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormType(f64);

impl NormType {
    /// The root of the sum of squares.
    pub const EUCLIDEAN: Self = Self(2.0);
    /// The sum of the absolute values.
    pub const SUM: Self = Self(1.0);
    /// The largest absolute value.
    pub const LARGEST: Self = Self(f64::INFINITY);

    /// The norm of the power `p`, from 1 to infinity.
    ///
    /// # Errors
    /// [`Error::Data`] if `p` is below 1 or no number.
    pub fn new(p: f64) -> Result<Self> {
        if p >= 1.0 {
            return Ok(Self(p));
        }
        let reason = format!("{p} is no norm; from 1 to infinity (inf) are possible, such as 2");
        Err(Error::Data { what: "the power of a norm".into(), reason })
    }

    /// The power `p`.
    pub fn power(self) -> f64 {
        self.0
    }
}

/// Shortens the gradients to the length `max_norm` if they are longer, all
/// tensors together, and returns the length they had.
///
/// ```text
/// norm = (sum over all tensors and elements of |g|^p)^(1/p)
/// g   *= min(1, max_norm / (norm + 1e-6))
/// ```
///
/// Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
/// networks", 2013; the 1e-6 comes from `torch.nn.utils.clip_grad_norm_`. The
/// sum is `f64`, in an order that depends on the shapes alone.
///
/// `max_norm` is positive; infinity only measures. Gradients with a NaN or
/// infinite norm are left as they are, so that the caller, who sees the norm,
/// can report them.
///
/// ```
/// use convgru_model::{Parameters, Tensor};
/// use convgru_train::optimizer::{NormType, clip_global_norm};
///
/// struct Weights(Tensor<f64>);
/// impl Parameters<f64> for Weights {
///     fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f64>)) {
///         visit("weights", &self.0);
///     }
///     fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f64>)) {
///         visit("weights", &mut self.0);
///     }
/// }
///
/// let mut gradients = Weights(Tensor::from_vec(&[2], vec![3.0, 4.0])?);
/// assert_eq!(clip_global_norm(&mut gradients, 1.0, NormType::EUCLIDEAN), 5.0);
/// assert!((gradients.0.as_slice()[0] - 0.6).abs() < 1e-6);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn clip_global_norm<T: Scalar, P: Parameters<T>>(
    gradients: &mut P,
    max_norm: f64,
    norm_type: NormType,
) -> f64 {
    let norm = global_norm(gradients, norm_type);
    let factor = max_norm / (norm + MARGIN);
    if norm.is_finite() && factor < 1.0 {
        let factor = T::from_f64(factor);
        gradients.for_each_mut(&mut |_, tensor| {
            for value in tensor.as_mut_slice() {
                *value *= factor;
            }
        });
    }
    norm
}

/// The length of all gradients together, as [`clip_global_norm`] measures it.
pub fn global_norm<T: Scalar, P: Parameters<T>>(gradients: &P, norm_type: NormType) -> f64 {
    match norm_type.power() {
        1.0 => total(gradients, f64::abs),
        2.0 => total(gradients, |g| g * g).sqrt(),
        f64::INFINITY => largest(gradients),
        power => {
            // In units of the largest element no power overflows.
            let unit = largest(gradients);
            if unit == 0.0 || !unit.is_finite() {
                return unit;
            }
            unit * total(gradients, |g| (g.abs() / unit).powf(power)).powf(power.recip())
        }
    }
}

/// Bounds each element of the gradients to `-limit..=limit`, as
/// `torch.nn.utils.clip_grad_value_` does. NaN stays.
///
/// ```
/// use convgru_model::{Parameters, Tensor};
/// use convgru_train::optimizer::clip_value;
///
/// struct Weights(Tensor<f32>);
/// impl Parameters<f32> for Weights {
///     fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f32>)) {
///         visit("weights", &self.0);
///     }
///     fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f32>)) {
///         visit("weights", &mut self.0);
///     }
/// }
///
/// let mut gradients = Weights(Tensor::from_vec(&[3], vec![-3.0, 0.25, 4.0])?);
/// clip_value(&mut gradients, 0.5);
/// assert_eq!(gradients.0.as_slice(), [-0.5, 0.25, 0.5]);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn clip_value<T: Scalar, P: Parameters<T>>(gradients: &mut P, limit: f64) {
    let (low, high) = (T::from_f64(-limit), T::from_f64(limit));
    gradients.for_each_mut(&mut |_, tensor| {
        for value in tensor.as_mut_slice() {
            if *value > high {
                *value = high;
            } else if *value < low {
                *value = low;
            }
        }
    });
}

/// The sum of `f` over all elements, in an order that depends on the shapes alone.
fn total<T: Scalar, P: Parameters<T>>(gradients: &P, f: impl Fn(f64) -> f64 + Sync) -> f64 {
    let mut sum = 0.0;
    gradients.for_each(&mut |_, tensor| {
        let values = tensor.as_slice();
        sum += parallel::sum(values.len().div_ceil(CHUNK), &|index| {
            let chunk = &values[index * CHUNK..values.len().min((index + 1) * CHUNK)];
            chunk.iter().fold(0.0, |sum, value| sum + f(value.to_f64()))
        });
    });
    sum
}

/// The largest absolute value; NaN if there is one.
fn largest<T: Scalar, P: Parameters<T>>(gradients: &P) -> f64 {
    let mut most = 0.0;
    gradients.for_each(&mut |_, tensor| {
        for value in tensor.as_slice() {
            let value = value.to_f64().abs();
            // Not `max`, which would lose a NaN.
            if value > most || value.is_nan() {
                most = value;
            }
        }
    });
    most
}
