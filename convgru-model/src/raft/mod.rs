//! The update block of RAFT (Teed and Deng 2020, arXiv 2003.12039): a step of its iteration, with correlations given.

mod read;

use convgru_kernels::Scalar;

use crate::composed::Recurrent;
use crate::error::Result;
use crate::fused::ConvGru;
use crate::layer::{Activation, Conv2d};
use crate::tensor::{Tensor, expect_shape};

/// The factor of the weights of the mask, so that gradients of both heads are of one size.
const MASK_SCALE: f64 = 0.25;

/// The update block of RAFT: motion encoder, recurrent cell, flow head and, in the larger network, the head of the mask by which flow
/// becomes larger.
///
/// ```text
/// c = f(convc2 * f(convc1 * corr))    (small: f(convc1 * corr))
/// m = f(convf2 * f(convf1 * flow))
/// x = [inp, f(conv * [c, m]), flow]
/// net' = GRU(x, net)                  (a ConvGRU; basic: a pair of 1 x 5 and 5 x 1)
/// delta_flow = conv2 * f(conv1 * net')
/// mask = 0.25 (mask.2 * f(mask.0 * net'))
/// ```
/// where `f` is ReLU. The block has no training pass.
///
/// ```no_run
/// use convgru_model::import::named_tensors;
/// use convgru_model::{RaftUpdateBlock, Tensor};
///
/// let weights = named_tensors(&std::fs::read("raft-small.pth")?)?;
/// let block = RaftUpdateBlock::from_named_tensors(&weights.tensors)?;
/// let [hidden, context, correlations] = [block.hidden_channels(), block.context_channels(), block.correlation_channels()];
/// let images = |channels| Tensor::zeros(&[1, channels, 46, 62]);
/// let update = block.update(&images(hidden), &images(context), &images(correlations), &images(2))?;
/// assert_eq!(update.delta_flow.shape(), [1, 2, 46, 62]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RaftUpdateBlock<T> {
    /// Of correlations: one convolution or two.
    correlations: Vec<Conv2d<T>>,
    flow: [Conv2d<T>; 2],
    joint: Conv2d<T>,
    cell: Cell<T>,
    flow_head: [Conv2d<T>; 2],
    mask: Option<[Conv2d<T>; 2]>,
    context_channels: usize,
}

/// The recurrent cell, on the engine that computes it.
#[derive(Debug, Clone)]
enum Cell<T> {
    Single(ConvGru<T>),
    Pair(Recurrent<T>),
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
    /// Channels of the state.
    pub fn hidden_channels(&self) -> usize {
        self.flow_head[0].config().in_channels
    }

    /// Channels of the context features.
    pub fn context_channels(&self) -> usize {
        self.context_channels
    }

    /// Channels of the correlations that are looked up: levels times places around each pixel.
    pub fn correlation_channels(&self) -> usize {
        self.correlations[0].config().in_channels
    }

    /// One update.
    ///
    /// # Shapes
    /// `net`: `[N, hidden_channels, H, W]`, the state, at first the tanh of the first channels of the context network; `inp`:
    /// `[N, context_channels, H, W]`, the ReLU of the other channels of the context network; `corr`: `[N, correlation_channels, H, W]`, correlations around the
    /// places where `flow`, `[N, 2, H, W]`, points
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`](crate::Error::ShapeMismatch) for tensors of other shapes.
    pub fn update(
        &self,
        net: &Tensor<T>,
        inp: &Tensor<T>,
        corr: &Tensor<T>,
        flow: &Tensor<T>,
    ) -> Result<RaftUpdate<T>> {
        let hidden = self.hidden_channels();
        crate::tensor::expect_rank("net", net.shape(), &["N", "C", "H", "W"])?;
        let [batch, _, height, width] = [0, 1, 2, 3].map(|axis| net.shape()[axis]);
        let given = [
            ("net", net, hidden),
            ("inp", inp, self.context_channels),
            ("corr", corr, self.correlation_channels()),
            ("flow", flow, 2),
        ];
        for (what, tensor, channels) in given {
            expect_shape(what, tensor.shape(), &[batch, channels, height, width])?;
        }
        let motion = self.motion(corr, flow)?;
        let x = join_channels(&[inp, &motion, flow])?;
        let mut states = match &self.cell {
            Cell::Single(cell) => cell.step(&x, Some(std::slice::from_ref(net)))?,
            Cell::Pair(cell) => cell.step(&x, Some(std::slice::from_ref(net)))?,
        };
        let net = states.swap_remove(0);
        let delta_flow = head(&self.flow_head, &net)?;
        let mask = self.mask.as_ref().map(|mask| head(mask, &net)).transpose()?.map(|mut mask| {
            mask.as_mut_slice().iter_mut().for_each(|weight| *weight *= T::from_f64(MASK_SCALE));
            mask
        });
        Ok(RaftUpdate { net, delta_flow, mask })
    }

    /// The features of correlations and flow, without the flow itself.
    fn motion(&self, corr: &Tensor<T>, flow: &Tensor<T>) -> Result<Tensor<T>> {
        let mut of_correlations = corr.clone();
        for convolution in &self.correlations {
            of_correlations = rectified(convolution, &of_correlations)?;
        }
        let of_flow = rectified(&self.flow[1], &rectified(&self.flow[0], flow)?)?;
        rectified(&self.joint, &join_channels(&[&of_correlations, &of_flow])?)
    }
}

fn rectified<T: Scalar>(convolution: &Conv2d<T>, x: &Tensor<T>) -> Result<Tensor<T>> {
    let mut y = convolution.forward(x)?;
    Activation::Relu.apply(y.as_mut_slice());
    Ok(y)
}

/// Two convolutions with a ReLU between them.
fn head<T: Scalar>([first, second]: &[Conv2d<T>; 2], x: &Tensor<T>) -> Result<Tensor<T>> {
    second.forward(&rectified(first, x)?)
}

/// Images with the channels of all, one after the other.
fn join_channels<T: Scalar>(parts: &[&Tensor<T>]) -> Result<Tensor<T>> {
    let mut shape = parts[0].shape().to_vec();
    shape[1] = parts.iter().map(|part| part.shape()[1]).sum();
    let images = (0..shape[0]).flat_map(|image| parts.iter().flat_map(move |part| part.slice(image)));
    Tensor::from_vec(&shape, images.copied().collect())
}
