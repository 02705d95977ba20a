//! The network: configuration and parameters.

use std::collections::HashMap;

use convgru_kernels::Scalar;

use super::config::RecurrentConfig;
use super::parameter_spec::{ParameterSpec, draw};
use crate::error::{Error, Result};
use crate::memory;
use crate::parameters::{Parameters, Stamp, Take, expect_names};
use crate::random::Random;
use crate::sequence::MemoryBudget;
use crate::tensor::{Tensor, expect_shape};

/// Steps of the power iteration that spectral norms begin with, as in torch.
const FIRST_ITERATIONS: usize = 15;

/// The parameters of a [`Recurrent`], or their gradients: tensors with names, `stages.0.input_weights` and so on.
///
/// The vectors of spectral norms are among them, whose gradients stay zero.
#[derive(Debug, Clone, PartialEq)]
pub struct RecurrentParameters<T>(Vec<(String, Tensor<T>)>);

impl<T: Scalar> RecurrentParameters<T> {
    /// Tensors in any order: [`Recurrent::from_parameters`] brings them into the order of the configuration. Gradients are written by
    /// place: take the result of [`zeros_like`](Parameters::zeros_like) of a network's parameters, others are refused.
    pub fn new(named: Vec<(String, Tensor<T>)>) -> Self {
        Self(named)
    }

    /// Names and tensors, in order.
    pub fn named(&self) -> &[(String, Tensor<T>)] {
        &self.0
    }

    /// The tensor of a name.
    pub fn find(&self, name: &str) -> Option<&Tensor<T>> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
    }

    /// Fails unless they have the names and shapes of a configuration, in its order; `prefix` begins the names of tensors in errors.
    pub(crate) fn expect(&self, prefix: &str, config: &RecurrentConfig) -> Result<()> {
        self.expect_specs(prefix, &config.parameter_specs())
    }

    fn expect_specs(&self, prefix: &str, specs: &[Vec<ParameterSpec>]) -> Result<()> {
        let stages = specs.iter().enumerate();
        let specs: Vec<_> = stages
            .flat_map(|(stage, specs)| specs.iter().map(move |spec| (name_of(stage, spec), spec)))
            .collect();
        let names = specs.iter().map(|(name, _)| name.clone()).collect();
        expect_names("weights", names, self.0.iter().map(|(name, _)| name.clone()).collect())?;
        specs.iter().zip(&self.0).try_for_each(|((name, spec), (_, tensor))| {
            expect_shape(&format!("{prefix}{name}"), tensor.shape(), &spec.shape)
        })
    }

    /// Takes all tensors out.
    pub(crate) fn take_named(&mut self) -> Vec<(String, Tensor<T>)> {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn named_mut(&mut self) -> &mut [(String, Tensor<T>)] {
        &mut self.0
    }
}

impl<T: Scalar> Parameters<T> for RecurrentParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        self.0.iter().for_each(|(name, tensor)| visit(name, tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        self.0.iter_mut().for_each(|(name, tensor)| visit(name, tensor));
    }
}

/// A network of recurrent layers of any kind.
///
/// ```
/// use convgru_model::composed::{CellConfig, PaddingMode, Recurrent, RecurrentConfig};
/// use convgru_model::Tensor;
///
/// // A grid around the globe: west of the first column lies the last.
/// let cell = CellConfig { padding_mode: [PaddingMode::Replicate, PaddingMode::Circular], ..CellConfig::new(2, 4) };
/// let network = Recurrent::<f32>::new(RecurrentConfig::chain([cell]), 0)?;
/// let weather = Tensor::zeros(&[3, 1, 2, 9, 18]);
/// assert_eq!(network.forward(&weather)?.outputs[0].shape(), [3, 1, 4, 9, 18]);
/// # Ok::<(), convgru_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Recurrent<T> {
    pub(super) config: RecurrentConfig,
    pub(super) specs: Vec<Vec<ParameterSpec>>,
    pub(super) parameters: RecurrentParameters<T>,
    pub(super) memory_budget: MemoryBudget,
    /// Of the weights.
    pub(super) stamp: Stamp,
}

impl<T: Scalar> Recurrent<T> {
    /// A network with weights drawn as the configuration says, the same for the same seed on every machine.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub fn new(config: RecurrentConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let specs = config.parameter_specs();
        let bytes = specs.iter().flatten().map(|spec| memory::bytes_of::<T>(&spec.shape));
        memory::expect_bytes("the weights", bytes.fold(0, u128::saturating_add))?;
        let mut named = Vec::new();
        for (index, (stage, specs)) in config.stages.iter().zip(&specs).enumerate() {
            let drawn = draw(specs, &stage.drawing(), &mut Random::new(seed, index as u64));
            named.extend(specs.iter().zip(drawn).map(|(spec, tensor)| (name_of(index, spec), tensor)));
        }
        let parameters = RecurrentParameters(named);
        let mut network = Self::with(config, specs, parameters);
        (0..FIRST_ITERATIONS).try_for_each(|_| network.iterate_spectral_norms())?;
        Ok(network)
    }

    /// A network around existing weights, in any order.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work; [`Error::MissingTensor`],
    /// [`Error::UnexpectedTensor`] or [`Error::ShapeMismatch`] if the weights do not fit the configuration.
    pub fn from_parameters(config: RecurrentConfig, parameters: RecurrentParameters<T>) -> Result<Self> {
        config.validate()?;
        let specs = config.parameter_specs();
        let found: Vec<&str> = parameters.0.iter().map(|(name, _)| name.as_str()).take(6).collect();
        let found = found.join(", ");
        let mut given: HashMap<String, Tensor<T>> = HashMap::with_capacity(parameters.0.len());
        for (name, tensor) in parameters.0 {
            // One of two tensors of one name has no place.
            if let Some((name, _)) = given.get_key_value(&name) {
                return Err(Error::UnexpectedTensor { name: name.clone() });
            }
            given.insert(name, tensor);
        }
        let mut named = Vec::with_capacity(given.len());
        for (index, specs) in specs.iter().enumerate() {
            for spec in specs {
                let name = name_of(index, spec);
                let Some(tensor) = given.remove(&name) else {
                    return Err(Error::MissingTensor { name, found });
                };
                expect_shape(&name, tensor.shape(), &spec.shape)?;
                named.push((name, tensor));
            }
        }
        if let Some(name) = given.into_keys().next() {
            return Err(Error::UnexpectedTensor { name });
        }
        Ok(Self::with(config, specs, RecurrentParameters(named)))
    }

    /// A network whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work, [`Error::ShapeMismatch`] for tensors of another shape, and the errors of
    /// `take`.
    pub fn from_tensors(config: RecurrentConfig, take: &mut Take<'_, T>) -> Result<Self> {
        let taken = config.parameter_shapes()?.into_iter().map(|(name, shape)| {
            let tensor = take(&name, &shape)?;
            expect_shape(&name, tensor.shape(), &shape)?;
            Ok((name, tensor))
        });
        let parameters = RecurrentParameters(taken.collect::<Result<_>>()?);
        let specs = config.parameter_specs();
        Ok(Self::with(config, specs, parameters))
    }

    fn with(
        config: RecurrentConfig,
        specs: Vec<Vec<ParameterSpec>>,
        parameters: RecurrentParameters<T>,
    ) -> Self {
        Self { config, specs, parameters, memory_budget: MemoryBudget::default(), stamp: Stamp::new() }
    }

    /// What the network is.
    pub fn config(&self) -> &RecurrentConfig {
        &self.config
    }

    /// Channels of what the topmost stage gives.
    pub fn top_channels(&self) -> usize {
        self.config.top_channels()
    }

    /// Its weights.
    pub fn parameters(&self) -> &RecurrentParameters<T> {
        &self.parameters
    }

    /// Its weights, without the network.
    pub(crate) fn into_parameters(self) -> RecurrentParameters<T> {
        self.parameters
    }

    /// Its weights, to be changed. Their names, order and shapes stay: a network whose weights have others is refused by every call.
    /// Workspaces of forward passes before are no longer this network's.
    pub fn parameters_mut(&mut self) -> &mut RecurrentParameters<T> {
        self.stamp = Stamp::new();
        &mut self.parameters
    }

    /// Fails unless the weights fit the configuration, in its order.
    pub(crate) fn check(&self) -> Result<()> {
        self.parameters.expect_specs("", &self.specs)
    }

    /// Brings the vectors of spectral norms nearer to the singular vectors of the kernels as they are: one step of the
    /// power iteration, `v = W^T u / |W^T u|`, `u = W v / |W v|` (Miyato et al. 2018). Training calls it before each
    /// forward pass; use takes the vectors as they are.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`], [`Error::Count`] or [`Error::TensorOrder`] if the weights do not fit the configuration.
    pub fn iterate_spectral_norms(&mut self) -> Result<()> {
        self.check()?;
        self.stamp = Stamp::new();
        self.parameters.iterate_spectral_norms(&self.config, &|_| true);
        Ok(())
    }
}

impl RecurrentConfig {
    /// Names and shapes of the parameters, in their order.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work.
    pub(crate) fn parameter_shapes(&self) -> Result<Vec<(String, Vec<usize>)>> {
        self.validate()?;
        let specs = self.parameter_specs();
        let named = specs.into_iter().enumerate().flat_map(|(stage, specs)| {
            specs.into_iter().map(move |spec| (name_of(stage, &spec), spec.shape))
        });
        Ok(named.collect())
    }
}

fn name_of(stage: usize, spec: &ParameterSpec) -> String {
    format!("stages.{stage}.{}", spec.name)
}
