//! Networks of mlcast under its names.

use convgru_kernels::Scalar;

use crate::config::{MlcastConfig, NetworkConfig};
use crate::error::Result;
use crate::forecaster::ForecasterParameters;
use crate::import::NamedTensors;
use crate::import::mlcast::{cells_of, inverse, layout, order, reordered, reordered_noise};
use crate::tensor::Tensor;

/// The name of the system.
pub(crate) const SYSTEM: &str = "mlcast";

/// The `state_dict` of mlcast's `ConvGruModel`: the weights of a network, or their gradients, under its names and in its order of
/// channels. [`import::mlcast::read`](crate::import::mlcast::read) gives the same weights back, bit for bit.
///
/// # Errors
/// [`Error::Count`](crate::Error::Count), [`Error::TensorOrder`](crate::Error::TensorOrder) or
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) if the parameters do not fit the configuration.
pub fn mlcast<T: Scalar>(
    config: &MlcastConfig,
    parameters: &ForecasterParameters<T>,
) -> Result<NamedTensors<T>> {
    config.validate()?;
    parameters.expect(&config.components())?;
    let mut tensors = Vec::new();
    for cell in cells_of(config.blocks) {
        let back = inverse(&order(config.image_channels, cell.scale));
        let [layer] = parameters.cells(&cell.component) else {
            unreachable!("each block has one cell");
        };
        tensors.extend(layout().write(&[cell.theirs], &[reordered(layer, &back)])?);
    }
    Ok(NamedTensors { tensors, skipped: Vec::new() })
}

/// Noise with its channels in mlcast's order: the inverse of [`import::mlcast::noise`](crate::import::mlcast::noise).
///
/// # Shapes
/// `noise`: `[members, steps, N, C', H', W']`, and so the result
///
/// # Errors
/// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for other dimensions or channels than the coarsest states have.
///
/// ```
/// use convgru_model::{MlcastConfig, Noise, export, import};
///
/// let config = MlcastConfig { blocks: 2, members: 2, ..Default::default() };
/// let noise = Noise::<f32>::Seed(3).to_tensor(config.noise_shape(1, [8, 8], 4))?;
/// let theirs = export::mlcast_noise(&config, &noise)?;
/// assert_ne!(theirs, noise);
/// assert_eq!(import::mlcast::noise(&config, &theirs)?, Noise::Given(noise));
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn mlcast_noise<T: Scalar>(config: &MlcastConfig, noise: &Tensor<T>) -> Result<Tensor<T>> {
    reordered_noise(noise, &inverse(&order(config.image_channels, config.blocks)))
}
