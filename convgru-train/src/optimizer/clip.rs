//! Bounding the length of the gradient.

use convgru_model::{Parameters, Scalar};
use rayon::prelude::*;

/// Elements per partial sum of the norm; fixed, so that the order of the
/// summation does not depend on the number of threads.
const CHUNK: usize = 4096;

/// Added to the norm before dividing by it, as PyTorch does.
const MARGIN: f64 = 1e-6;

/// Shortens the gradients to the length `max_norm` if they are longer, all
/// tensors together, and returns the length they had.
///
/// ```text
/// norm = sqrt(sum over all tensors and elements of g^2)
/// g   *= min(1, max_norm / (norm + 1e-6))
/// ```
///
/// Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural
/// networks", 2013; the 1e-6 is that of `torch.nn.utils.clip_grad_norm_`. The
/// sum is `f64`, in an order that depends on the shapes alone.
///
/// `max_norm` is positive; infinity only measures. Gradients with a NaN or
/// infinite norm are left as they are, so that the caller, who sees the norm,
/// can report them.
///
/// ```
/// use convgru_model::{Parameters, Tensor};
/// use convgru_train::optimizer::clip_global_norm;
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
/// assert_eq!(clip_global_norm(&mut gradients, 1.0), 5.0);
/// assert!((gradients.0.as_slice()[0] - 0.6).abs() < 1e-6);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub fn clip_global_norm<T: Scalar, P: Parameters<T>>(gradients: &mut P, max_norm: f64) -> f64 {
    let norm = global_norm(gradients);
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

/// The Euclidean length of all gradients together, as [`clip_global_norm`]
/// measures it.
pub fn global_norm<T: Scalar, P: Parameters<T>>(gradients: &P) -> f64 {
    let mut sum = 0.0;
    gradients.for_each(&mut |_, tensor| {
        let chunks = tensor.as_slice().par_chunks(CHUNK);
        let sums: Vec<f64> = chunks
            .map(|chunk| chunk.iter().fold(0.0, |sum, value| sum + value.to_f64() * value.to_f64()))
            .collect();
        sum += sums.iter().sum::<f64>();
    });
    sum.sqrt()
}
