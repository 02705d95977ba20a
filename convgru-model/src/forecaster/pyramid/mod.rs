//! An encoder-forecaster with cells at several scales.

mod backward;
mod carried;
mod forward;
mod frames;
mod limits;
mod link;
mod parameters;
mod stream;

use convgru_kernels::{Extent, FeatureMaps, FeatureMapsMut, FeatureMapsRef, Scalar, Scratchpad};

pub use forward::PyramidWorkspace;
pub(crate) use frames::NEAREST_TO_ZERO;
use frames::{Addition, Frames};
use link::Link;
pub use parameters::{EncoderScaleParameters, ForecasterScaleParameters, HeadParameters, PyramidParameters};
pub(super) use stream::PyramidStream;

use super::limits::Limits;
use crate::config::PyramidConfig;
use crate::error::Result;
use crate::fused::stack::PreparedStack;
use crate::layer::Activation;
use crate::parameters::{Stamp, Take};
use crate::tensor::Tensor;

/// An encoder-forecaster that sees and predicts movement at several scales: see [`PyramidConfig`] for the equations.
///
/// The numbers of frames and the size of the images are those of the call. Of an ensemble of `K` members predictions have
/// `K C` channels, those of the first member first; `K` is 1 unless [`members`](PyramidConfig::members) says otherwise.
///
/// ```
/// use convgru_model::{Pyramid, PyramidConfig, PyramidScale, Tensor};
///
/// let scales = vec![PyramidScale::new(8, 4), PyramidScale::new(16, 2)];
/// let network = Pyramid::<f32>::new(PyramidConfig { scales, ..Default::default() }, 0)?;
/// let frames = Tensor::zeros(&[5, 2, 1, 30, 41]); // five frames of two samples
/// assert_eq!(network.forward(&frames, 3)?.shape(), [3, 2, 1, 30, 41]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pyramid<T> {
    config: PyramidConfig,
    parameters: PyramidParameters<T>,
    limits: Limits,
    stamp: Stamp,
}

impl<T: Scalar> Pyramid<T> {
    /// A network with weights drawn as the configuration says, the same for the same seed on every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work.
    pub fn new(config: PyramidConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let parameters = PyramidParameters::draw(&config, seed)?;
        Ok(Self { parameters, config, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its
    /// [`Parameters`](crate::Parameters).
    ///
    /// # Errors
    /// [`Error::InvalidConfig`](crate::Error::InvalidConfig) if a field cannot work,
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: PyramidConfig, take: &mut Take<'_, T>) -> Result<Self> {
        config.validate()?;
        let parameters = PyramidParameters::take(&config, take)?;
        Ok(Self { parameters, config, limits: Limits::default(), stamp: Stamp::new() })
    }

    /// What the network is.
    pub fn config(&self) -> &PyramidConfig {
        &self.config
    }

    /// Its weights.
    pub fn parameters(&self) -> &PyramidParameters<T> {
        &self.parameters
    }

    /// Its weights, to be changed. Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut PyramidParameters<T> {
        self.stamp = Stamp::new();
        &mut self.parameters
    }

    fn activation(&self) -> Activation {
        self.config.output_activation.into()
    }

    fn addition(&self) -> Option<Addition> {
        Addition::of(&self.config, self.activation())
    }

    /// Fails unless the weights are those of the configuration.
    pub(crate) fn check(&self) -> Result<()> {
        self.parameters.expect(&self.config)
    }

    fn prepared(&self) -> Result<Prepared<'_, T>> {
        self.check()?;
        let (config, parameters) = (&self.config, &self.parameters);
        let precision = config.precision;
        let encoder = parameters.encoder.iter().enumerate().map(|(scale, part)| {
            Ok(EncoderScale {
                down: Link::new(config.down(scale), &part.down, 1, precision)?,
                cells: PreparedStack::new("", &part.cells.layers, &config.encoder(scale))?,
            })
        });
        let forecaster = parameters.forecaster.iter().enumerate().map(|(scale, part)| {
            let patch = config.scales[scale].down.pow(2);
            let up = part.up.as_ref().map(|up| Link::new(config.up(scale), up, patch, precision));
            Ok(ForecasterScale {
                up: up.transpose()?,
                cells: PreparedStack::new("", &part.cells.layers, &config.forecaster(scale))?,
            })
        });
        let hidden = match (config.head_hidden(), &parameters.head.hidden) {
            (Some(config), Some(hidden)) => Some(Link::new(config, hidden, 1, precision)?),
            _ => None,
        };
        Ok(Prepared {
            config,
            encoder: encoder.collect::<Result<_>>()?,
            forecaster: forecaster.collect::<Result<_>>()?,
            hidden,
            output: Link::new(config.head_output(), &parameters.head.output, 1, precision)?,
        })
    }
}

/// The network with its weights packed.
#[derive(Debug)]
struct Prepared<'w, T> {
    config: &'w PyramidConfig,
    encoder: Vec<EncoderScale<'w, T>>,
    forecaster: Vec<ForecasterScale<'w, T>>,
    hidden: Option<Link<'w, T>>,
    output: Link<'w, T>,
}

/// The encoder at one scale.
#[derive(Debug)]
struct EncoderScale<'w, T> {
    down: Link<'w, T>,
    cells: PreparedStack<'w, T>,
}

/// The forecaster at one scale.
#[derive(Debug)]
struct ForecasterScale<'w, T> {
    /// To the scale below; none at the finest.
    up: Option<Link<'w, T>>,
    cells: PreparedStack<'w, T>,
}

impl<T: Scalar> Prepared<'_, T> {
    fn slope(&self) -> T {
        T::from_f64(self.config.slope)
    }

    /// One step of what the cells of a scale read; the coarsest forecaster reads nothing.
    fn step_of_encoder(&self, frames: &Frames, scale: usize) -> Extent {
        frames.of_scale(scale, self.config.scales[scale].features(), 1)
    }

    fn step_of_forecaster(&self, frames: &Frames, scale: usize) -> Extent {
        frames.of_scale(scale, self.config.forecaster(scale).in_channels, 1)
    }

    /// What the cells of the encoder read at a scale, from the patches below.
    fn descend(
        &self,
        scale: usize,
        patches: &FeatureMaps<T>,
        inputs: &mut FeatureMaps<T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        self.encoder[scale].down.forward(patches.as_ref(), inputs.as_mut(), scratch)?;
        inputs.as_mut().leaky_relu(self.slope());
        Ok(())
    }

    /// The patches of states of the scale below `scale`.
    fn patches_below(&self, scale: usize, states: &FeatureMaps<T>) -> Result<FeatureMaps<T>> {
        let down = self.config.scales[scale].down;
        let below = states.extent();
        let (height, width) = (below.height / down, below.width / down);
        let extent = Extent { channels: below.channels * down * down, height, width, ..below };
        let mut patches = FeatureMaps::with_halo(extent, self.encoder[scale].down.halo())?;
        patches.as_mut().space_to_depth(states.as_ref(), down)?;
        Ok(patches)
    }

    /// What the cells of the forecaster read at the scale below `scale`: from the states above and, where it is given,
    /// what the encoder read of the last frame.
    fn ascend(
        &self,
        scale: usize,
        states: FeatureMapsRef<'_, T>,
        skip: Option<FeatureMapsRef<'_, T>>,
        mut inputs: FeatureMapsMut<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<()> {
        let Some(up) = &self.forecaster[scale].up else { return Ok(()) };
        let deep = up.convolve(states, [0, 0], scratch)?;
        inputs.depth_to_space(deep.as_ref(), self.config.scales[scale].down)?;
        if let Some(skip) = skip {
            let batch = skip.extent().batch;
            for step in 0..inputs.extent().batch / batch {
                inputs.reborrow().into_images(step * batch..(step + 1) * batch).add(skip)?;
            }
        }
        inputs.leaky_relu(self.slope());
        Ok(())
    }

    /// What lies between the two convolutions of the output, and the patches of the output.
    fn head(
        &self,
        states: FeatureMapsRef<'_, T>,
        scratch: &mut Scratchpad<T>,
    ) -> Result<(Option<FeatureMaps<T>>, FeatureMaps<T>)> {
        let hidden = match &self.hidden {
            Some(link) => {
                let mut maps = link.convolve(states, self.output.halo(), scratch)?;
                maps.as_mut().leaky_relu(self.slope());
                Some(maps)
            }
            None => None,
        };
        let read = hidden.as_ref().map_or(states, FeatureMaps::as_ref);
        let patches = self.output.convolve(read, [0, 0], scratch)?;
        Ok((hidden, patches))
    }
}

/// A tensor of predicted frames from the patches of an output, with what is added to it, before the activation.
fn outputs<T: Scalar>(
    frames: &Frames,
    patches: &FeatureMaps<T>,
    steps: usize,
    added: Option<(Addition, &[T])>,
) -> Result<Tensor<T>> {
    let mut outputs = Tensor::zeros(&frames.shape(steps));
    frames.to_frames(patches, outputs.as_mut_slice())?;
    if let Some((addition, frame)) = added {
        addition.add(frame, &mut outputs);
    }
    Ok(outputs)
}
