//! Weights as safetensors, no larger than they need to be.

use convgru_model::export::to_safetensors;
use convgru_model::{Parameters, Tensor};

/// The bytes of a file, in 32 bits where these hold every number and in 64 where not.
pub(crate) fn safetensors<P: Parameters<f64>>(
    parameters: &P,
    metadata: &[(String, String)],
) -> anyhow::Result<Vec<u8>> {
    let fits = |&number: &f64| number.is_nan() || f64::from(number as f32) == number;
    let (mut all_fit, mut tensors) = (true, Vec::new());
    parameters.for_each(&mut |name, tensor| {
        all_fit = all_fit && tensor.as_slice().iter().all(fits);
        if all_fit {
            tensors.push((name.to_owned(), tensor.cast()));
        }
    });
    let bytes = if all_fit {
        to_safetensors(&Named(tensors), metadata)
    } else {
        to_safetensors(parameters, metadata)
    };
    Ok(bytes?)
}

/// Tensors under any names.
struct Named(Vec<(String, Tensor<f32>)>);

impl Parameters<f32> for Named {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f32>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f32>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}
