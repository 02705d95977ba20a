//! The parameters of a network that continues frames.

use convgru_kernels::Scalar;

use crate::composed::{Recurrent, RecurrentParameters};
use crate::config::{ComponentConfig, ConvolutionStart};
use crate::error::{Error, Result};
use crate::fused::cell::{CellParameters, expect_layers};
use crate::fused::conv_gru::{ConvGru, ConvGruParameters};
use crate::layer::{Conv2dConfig, Conv2dParameters, draw_conv2d, take_conv2d};
use crate::parameters::{Parameters, Take, expect_names};
use crate::random::Random;
use crate::tensor::Tensor;

/// The parameters of a [`Forecaster`](super::Forecaster), or their gradients: stacks of cells and convolutions, each with a name.
///
/// Names of tensors are `encoder.layers.0.input_weights` and `head.weight` in an encoder-forecaster, `encoder.0.down.weight`,
/// `encoder.0.layers.0.input_weights`, `forecaster.1.up.weight` and `head.output.weight` in a pyramid, `encoder.0.layers.0.input_weights` and
/// `forecaster.0.layers.0.input_weights` in a network of mlcast; scales and blocks are counted from the finest on. The names of composed cells begin
/// with `body.`: `body.stages.0.input_weights`.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecasterParameters<T> {
    components: Vec<(String, Component<T>)>,
}

/// A part of a network with weights of its own.
#[derive(Debug, Clone, PartialEq)]
enum Component<T> {
    Cells(ConvGruParameters<T>),
    Convolution(Conv2dParameters<T>),
    Stages(RecurrentParameters<T>),
}

impl<T: Scalar> ForecasterParameters<T> {
    /// Weights drawn as a configuration says; `seed` gives the seed of the component of an index.
    pub(super) fn draw(
        components: Vec<(String, ComponentConfig)>,
        seed: impl Fn(u64) -> u64,
    ) -> Result<Self> {
        let draw = |(index, (name, config)): (usize, (String, ComponentConfig))| {
            let seed = seed(index as u64);
            let component = match config {
                ComponentConfig::Cells(config) => {
                    Component::Cells(ConvGru::new(config, seed)?.into_parameters())
                }
                ComponentConfig::Convolution(config, start) => {
                    Component::Convolution(draw_convolution(config, start, seed))
                }
                ComponentConfig::Stages(config) => {
                    Component::Stages(Recurrent::new(config, seed)?.into_parameters())
                }
            };
            Ok((name, component))
        };
        Ok(Self { components: components.into_iter().enumerate().map(draw).collect::<Result<_>>()? })
    }

    /// Weights that are given one by one.
    pub(super) fn take(components: Vec<(String, ComponentConfig)>, take: &mut Take<'_, T>) -> Result<Self> {
        let mut taken = Vec::with_capacity(components.len());
        for (component, config) in components {
            let mut under = |name: &str, shape: &[usize]| take(&format!("{component}.{name}"), shape);
            let parameters = match config {
                ComponentConfig::Cells(config) => {
                    Component::Cells(ConvGru::from_tensors(config, &mut under)?.into_parameters())
                }
                ComponentConfig::Convolution(config, _) => {
                    Component::Convolution(take_conv2d(&config, &mut under)?)
                }
                ComponentConfig::Stages(config) => {
                    Component::Stages(Recurrent::from_tensors(config, &mut under)?.into_parameters())
                }
            };
            taken.push((component, parameters));
        }
        Ok(Self { components: taken })
    }

    /// Fails unless the tensors fit a configuration.
    pub(crate) fn expect(&self, components: &[(String, ComponentConfig)]) -> Result<()> {
        let names = components.iter().map(|(name, _)| name.clone()).collect();
        expect_names("weights", names, self.components.iter().map(|(name, _)| name.clone()).collect())?;
        for ((name, config), (_, parameters)) in components.iter().zip(&self.components) {
            match (config, parameters) {
                (ComponentConfig::Cells(config), Component::Cells(cells)) => {
                    expect_layers(&format!("{name}."), config, &cells.layers)?;
                }
                (ComponentConfig::Convolution(config, _), Component::Convolution(convolution)) => {
                    convolution.expect(name, config)?;
                }
                (ComponentConfig::Stages(config), Component::Stages(stages)) => {
                    stages.expect(&format!("{name}."), config)?;
                }
                _ => return Err(Error::UnexpectedTensor { name: name.clone() }),
            }
        }
        Ok(())
    }

    /// The layers of a stack of cells, which the network has.
    pub(crate) fn cells(&self, name: &str) -> &[CellParameters<T>] {
        match self.find(name) {
            Some(Component::Cells(cells)) => &cells.layers,
            _ => unreachable!("the network has cells `{name}`"),
        }
    }

    /// Takes the layers of a stack of cells out, which the network has.
    pub(super) fn take_cells(&mut self, name: &str) -> Vec<CellParameters<T>> {
        match self.find_mut(name) {
            Some(Component::Cells(cells)) => std::mem::take(&mut cells.layers),
            _ => unreachable!("the network has cells `{name}`"),
        }
    }

    /// The layers of a stack of cells, to be changed.
    pub(super) fn cells_mut(&mut self, name: &str) -> &mut [CellParameters<T>] {
        match self.find_mut(name) {
            Some(Component::Cells(cells)) => &mut cells.layers,
            _ => unreachable!("the network has cells `{name}`"),
        }
    }

    /// A convolution, which the network has.
    pub(crate) fn convolution(&self, name: &str) -> &Conv2dParameters<T> {
        match self.find(name) {
            Some(Component::Convolution(convolution)) => convolution,
            _ => unreachable!("the network has a convolution `{name}`"),
        }
    }

    /// A convolution, to be changed.
    pub(super) fn convolution_mut(&mut self, name: &str) -> &mut Conv2dParameters<T> {
        match self.find_mut(name) {
            Some(Component::Convolution(convolution)) => convolution,
            _ => unreachable!("the network has a convolution `{name}`"),
        }
    }

    /// The tensors of composed stages, which the network has.
    pub(crate) fn stages(&self, name: &str) -> &RecurrentParameters<T> {
        match self.find(name) {
            Some(Component::Stages(stages)) => stages,
            _ => unreachable!("the network has stages `{name}`"),
        }
    }

    /// Takes the tensors of composed stages out, which the network has.
    pub(super) fn take_stages(&mut self, name: &str) -> Vec<(String, Tensor<T>)> {
        self.stages_mut(name).take_named()
    }

    /// The tensors of composed stages, to be changed.
    pub(super) fn stages_mut(&mut self, name: &str) -> &mut RecurrentParameters<T> {
        match self.find_mut(name) {
            Some(Component::Stages(stages)) => stages,
            _ => unreachable!("the network has stages `{name}`"),
        }
    }

    fn find(&self, name: &str) -> Option<&Component<T>> {
        self.components.iter().find(|(other, _)| other == name).map(|(_, component)| component)
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Component<T>> {
        self.components.iter_mut().find(|(other, _)| other == name).map(|(_, component)| component)
    }
}

/// Weights of a convolution to begin with; all pixels of a patch have the same weights, so that an image made of patches shows
/// no pattern of them (Aitken et al. 2017, arXiv 1707.02937).
fn draw_convolution<T: Scalar>(
    config: Conv2dConfig,
    ConvolutionStart { taps, scale }: ConvolutionStart,
    seed: u64,
) -> Conv2dParameters<T> {
    let of_pixel = Conv2dConfig { out_channels: config.out_channels / taps, ..config };
    let Conv2dParameters { weight, .. } = draw_conv2d::<T>(&of_pixel, &mut Random::new(seed, 0));
    let [kh, kw] = config.kernel_size;
    let mut weight =
        Tensor::from_vec(&[config.out_channels, config.in_channels, kh, kw], weight.as_slice().repeat(taps))
            .expect("weights were drawn for one pixel of a patch and repeated for each");
    if scale == 0.0 {
        weight.fill(T::ZERO);
    } else if scale != 1.0 {
        weight.as_mut_slice().iter_mut().for_each(|w| *w *= T::from_f64(scale));
    }
    Conv2dParameters { weight, bias: config.bias.then(|| Tensor::zeros(&[config.out_channels])) }
}

impl<T: Scalar> Parameters<T> for ForecasterParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        for (component, parameters) in &self.components {
            let mut under = |name: &str, tensor: &Tensor<T>| visit(&format!("{component}.{name}"), tensor);
            match parameters {
                Component::Cells(cells) => cells.for_each(&mut under),
                Component::Convolution(convolution) => convolution.for_each(&mut under),
                Component::Stages(stages) => stages.for_each(&mut under),
            }
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        for (component, parameters) in &mut self.components {
            let mut under =
                |name: &str, tensor: &mut Tensor<T>| visit(&format!("{component}.{name}"), tensor);
            match parameters {
                Component::Cells(cells) => cells.for_each_mut(&mut under),
                Component::Convolution(convolution) => convolution.for_each_mut(&mut under),
                Component::Stages(stages) => stages.for_each_mut(&mut under),
            }
        }
    }
}
