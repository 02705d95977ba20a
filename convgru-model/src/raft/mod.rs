//! The update block of RAFT (Teed and Deng 2020, arXiv 2003.12039): a step of its iteration, with correlations given.

mod config;

use convgru_kernels::Scalar;

use crate::error::{Error, Result};
use crate::layer::{Activation, Conv2d, Conv2dParameters};
use crate::network::Network;
use crate::parameters::{Parameters, Take};
use crate::tensor::{Tensor, expect_shape};

use config::FLOW_CHANNELS;
pub(crate) use config::part;
pub use config::{RaftConvolution, RaftUpdateConfig};

/// The factor of the weights of the mask, so that gradients of both heads are of one size.
pub(crate) const MASK_SCALE: f64 = 0.25;

/// The update block of RAFT: motion encoder, recurrent cell, flow head and, in the larger network, the head of the mask by which flow
/// becomes larger.
///
/// ```text
/// c = f(correlations.1 * f(correlations.0 * corr))    (small: f(correlations.0 * corr))
/// m = f(flow.1 * f(flow.0 * flow))
/// x = [inp, f(joint * [c, m]), flow]
/// net' = GRU(x, net)                  (a ConvGRU; basic: a pair of 1 x 5 and 5 x 1)
/// delta_flow = flow_head.1 * f(flow_head.0 * net')
/// mask = 0.25 (mask.1 * f(mask.0 * net'))
/// ```
/// where `f` is ReLU. The block has a forward pass alone: it does not train.
///
/// As [`Parameters`] it has the names of the equation (`motion_encoder.correlations.0.weight`, `flow_head.1.bias`), and after them the names of
/// the cell's network behind `cell.`.
///
/// ```no_run
/// use convgru_model::{Tensor, import};
///
/// let block = import::read::<f32>(&std::fs::read("raft-small.pth")?)?.into_raft_update()?;
/// let config = block.config();
/// let images = |channels| Tensor::zeros(&[1, channels, 46, 62]);
/// let [hidden, context, correlations] = [config.hidden_channels, config.context_channels, config.correlation_channels];
/// let update = block.update(&images(hidden), &images(context), &images(correlations), &images(2))?;
/// assert_eq!(update.delta_flow.shape(), [1, 2, 46, 62]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RaftUpdateBlock<T> {
    config: RaftUpdateConfig,
    /// With their names.
    convolutions: Vec<(String, Conv2d<T>)>,
    /// A [`Network::ConvGru`] or a [`Network::Recurrent`].
    cell: Network<T>,
}

/// The result of an update.
#[derive(Debug, Clone, PartialEq)]
pub struct RaftUpdate<T> {
    /// The state for the next update, `[N, hidden_channels, H, W]`.
    pub net: Tensor<T>,
    /// The change of the flow, `[N, 2, H, W]`: columns, then rows, in pixels of the correlations.
    pub delta_flow: Tensor<T>,
    /// For each pixel the weights, before a softmax, of the neighbours from which its larger flow is interpolated, `[N, 9 k k, H, W]` for
    /// `k` times the size; of a block that has such a head.
    pub mask: Option<Tensor<T>>,
}

impl<T: Scalar> RaftUpdateBlock<T> {
    /// A block whose weights are asked for one by one, by name and shape, in the order of its [`Parameters`].
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] if a field cannot work, [`Error::ShapeMismatch`] for tensors of another shape, and the errors of `take`.
    pub fn from_tensors(config: RaftUpdateConfig, take: &mut Take<'_, T>) -> Result<Self> {
        config.validate()?;
        let mut convolutions = Vec::new();
        for (name, of_layer) in config.convolutions() {
            let [height, width] = of_layer.kernel_size;
            let sizes = [of_layer.out_channels, of_layer.in_channels, height, width];
            let weight = take(&format!("{name}.weight"), &sizes)?;
            expect_shape(&format!("{name}.weight"), weight.shape(), &sizes)?;
            let bias = take(&format!("{name}.bias"), &sizes[..1])?;
            expect_shape(&format!("{name}.bias"), bias.shape(), &sizes[..1])?;
            let parameters = Conv2dParameters { weight, bias: Some(bias) };
            convolutions.push((name, Conv2d::from_parameters(of_layer, parameters)?));
        }
        let mut of_cell = |name: &str, shape: &[usize]| take(&format!("{}{name}", part::CELL), shape);
        let cell = Network::from_tensors(config.cell(), &mut of_cell)?;
        Ok(Self { config, convolutions, cell })
    }

    /// What the block is.
    pub fn config(&self) -> &RaftUpdateConfig {
        &self.config
    }

    /// The recurrent cell: a [`Network::ConvGru`] for one kernel, a [`Network::Recurrent`] for a pair.
    pub fn cell(&self) -> &Network<T> {
        &self.cell
    }

    /// One update.
    ///
    /// # Shapes
    /// `net`: `[N, hidden_channels, H, W]`, the state, at first the tanh of the first channels of the context network; `inp`:
    /// `[N, context_channels, H, W]`, the ReLU of the other channels of the context network; `corr`: `[N, correlation_channels, H, W]`, correlations around the
    /// places where `flow`, `[N, 2, H, W]`, points
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] for tensors of other shapes.
    pub fn update(
        &self,
        net: &Tensor<T>,
        inp: &Tensor<T>,
        corr: &Tensor<T>,
        flow: &Tensor<T>,
    ) -> Result<RaftUpdate<T>> {
        crate::tensor::expect_rank("net", net.shape(), &["N", "C", "H", "W"])?;
        let [batch, _, height, width] = [0, 1, 2, 3].map(|axis| net.shape()[axis]);
        let given = [
            ("net", net, self.config.hidden_channels),
            ("inp", inp, self.config.context_channels),
            ("corr", corr, self.config.correlation_channels),
            ("flow", flow, FLOW_CHANNELS),
        ];
        for (what, tensor, channels) in given {
            expect_shape(what, tensor.shape(), &[batch, channels, height, width])?;
        }
        let motion = self.motion(corr, flow)?;
        let x = join_channels(&[inp, &motion, flow])?;
        let before = Some(std::slice::from_ref(net));
        let mut states = match &self.cell {
            Network::ConvGru(cell) => cell.step(&x, before)?,
            Network::Recurrent(cell) => cell.step(&x, before)?,
            other => {
                return Err(Error::OtherNetwork { needed: "Recurrent", got: other.description().kind() });
            }
        };
        let net = states.swap_remove(0);
        let delta_flow = self.head(part::FLOW_HEAD, &net)?;
        let mask =
            self.config.mask.is_some().then(|| self.head(part::MASK, &net)).transpose()?.map(|mut mask| {
                mask.as_mut_slice().iter_mut().for_each(|weight| *weight *= T::from_f64(MASK_SCALE));
                mask
            });
        Ok(RaftUpdate { net, delta_flow, mask })
    }

    /// The features of correlations and flow, without the flow itself.
    fn motion(&self, corr: &Tensor<T>, flow: &Tensor<T>) -> Result<Tensor<T>> {
        let [of_correlations, of_flow] =
            [self.rectified(part::CORRELATIONS, corr)?, self.rectified(part::FLOW, flow)?];
        self.rectified(part::JOINT, &join_channels(&[&of_correlations, &of_flow])?)
    }

    /// The convolutions of a part with their names, one after the other.
    pub(crate) fn of_part<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (&'a str, &'a Conv2d<T>)> {
        let of_part = self.convolutions.iter().filter(move |(name, _)| name.starts_with(part));
        of_part.map(|(name, convolution)| (name.as_str(), convolution))
    }

    /// The convolutions of a part, each with a ReLU after it.
    fn rectified(&self, part: &str, x: &Tensor<T>) -> Result<Tensor<T>> {
        self.of_part(part).try_fold(x.clone(), |x, (_, convolution)| {
            let mut y = convolution.forward(&x)?;
            Activation::Relu.apply(y.as_mut_slice());
            Ok(y)
        })
    }

    /// The two convolutions of a part with a ReLU between them.
    fn head(&self, part: &str, x: &Tensor<T>) -> Result<Tensor<T>> {
        let mut y = x.clone();
        for (index, (_, convolution)) in self.of_part(part).enumerate() {
            if index > 0 {
                Activation::Relu.apply(y.as_mut_slice());
            }
            y = convolution.forward(&y)?;
        }
        Ok(y)
    }
}

impl<T: Scalar> Parameters<T> for RaftUpdateBlock<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        for (name, convolution) in &self.convolutions {
            convolution.parameters().for_each(&mut |own, tensor| visit(&format!("{name}.{own}"), tensor));
        }
        self.cell.for_each(&mut |name, tensor| visit(&format!("{}{name}", part::CELL), tensor));
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        for (name, convolution) in &mut self.convolutions {
            let parameters = convolution.parameters_mut();
            parameters.for_each_mut(&mut |own, tensor| visit(&format!("{name}.{own}"), tensor));
        }
        self.cell.for_each_mut(&mut |name, tensor| visit(&format!("{}{name}", part::CELL), tensor));
    }
}

/// Images with the channels of all, one after the other.
fn join_channels<T: Scalar>(parts: &[&Tensor<T>]) -> Result<Tensor<T>> {
    let mut shape = parts[0].shape().to_vec();
    shape[1] = parts.iter().map(|part| part.shape()[1]).sum();
    let images = (0..shape[0]).flat_map(|image| parts.iter().flat_map(move |part| part.slice(image)));
    Tensor::from_vec(&shape, images.copied().collect())
}
