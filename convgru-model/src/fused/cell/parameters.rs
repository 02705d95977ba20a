//! The parameters of a cell.

use convgru_kernels::Scalar;

use super::GATES;
use crate::config::{ConvGruConfig, Initializer, ResetGate};
use crate::error::{Error, Result, expect_count};
use crate::init;
use crate::parameters::{Parameters, Take};
use crate::random::Random;
use crate::tensor::{Tensor, expect_shape};

/// Channels and kernel of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellShape {
    pub(crate) in_channels: usize,
    pub(crate) hidden_channels: usize,
    /// Height and width of the kernels over the state.
    pub(crate) kernel: [usize; 2],
    /// Height and width of the kernels over the input.
    pub(crate) input_kernel: [usize; 2],
    pub(crate) reset: ResetGate,
}

impl CellShape {
    /// The shape of a layer of a stack.
    pub(crate) fn of_layer(config: &ConvGruConfig, layer: usize) -> Self {
        Self {
            in_channels: config.input_of_layer(layer),
            hidden_channels: config.hidden_channels[layer],
            kernel: config.kernel_size.of_layer(layer),
            input_kernel: config.input_kernel_of_layer(layer),
            reset: config.reset,
        }
    }
}

/// The parameters of one cell, or their gradients.
///
/// The first dimension of each tensor holds the gates one after the other, in the
/// order update, reset, candidate. The kernels over input and state may be of different sizes; a joint
/// kernel over `[x, h]` as other codebases keep it is `input_weights` and `hidden_weights` side by side along the second
/// dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct CellParameters<T> {
    /// W: `[3 hidden, in_channels, kh, kw]`
    pub input_weights: Tensor<T>,
    /// U: `[3 hidden, hidden, kh, kw]`
    pub hidden_weights: Tensor<T>,
    /// b: `[3 hidden]`, where the cell has a bias.
    pub bias: Option<Tensor<T>>,
    /// c: `[hidden]`, the bias of the candidate's convolution of the state, where the cell has a bias and
    /// its reset gate acts after that convolution.
    pub hidden_bias: Option<Tensor<T>>,
    /// Where the reset gate acts.
    pub reset: ResetGate,
}

impl<T: Scalar> CellParameters<T> {
    /// Channels and kernel that the tensors imply.
    pub(crate) fn shape(&self) -> CellShape {
        let (w, u) = (self.input_weights.shape(), self.hidden_weights.shape());
        CellShape {
            in_channels: w[1],
            hidden_channels: u[1],
            kernel: [u[2], u[3]],
            input_kernel: [w[2], w[3]],
            reset: self.reset,
        }
    }

    /// Checks the tensors against a shape.
    pub(crate) fn expect(&self, name: &str, shape: CellShape, bias: bool) -> Result<()> {
        let CellShape { in_channels, hidden_channels, kernel: [kh, kw], input_kernel: [ih, iw], reset } =
            shape;
        if self.reset != reset {
            return Err(Error::InvalidConfig {
                field: format!("{name}.reset"),
                reason: format!(
                    "weights of a cell whose reset gate acts {} the convolution of the state are none for \
                     one where it acts {reset} it, and cannot be converted",
                    self.reset
                ),
            });
        }
        let rows = GATES * hidden_channels;
        let what = |tensor: &str| format!("{name}.{tensor}");
        expect_shape(&what("input_weights"), self.input_weights.shape(), &[rows, in_channels, ih, iw])?;
        expect_shape(&what("hidden_weights"), self.hidden_weights.shape(), &[rows, hidden_channels, kh, kw])?;
        let got = self.bias.as_ref().map_or(&[][..], Tensor::shape);
        let expected = [rows];
        expect_shape(&what("bias"), got, if bias { &expected } else { &[] })?;
        let got = self.hidden_bias.as_ref().map_or(&[][..], Tensor::shape);
        let expected = [hidden_channels];
        let of_state = bias && reset == ResetGate::After;
        expect_shape(&what("hidden_bias"), got, if of_state { &expected } else { &[] })
    }
}

impl<T: Scalar> Parameters<T> for CellParameters<T> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<T>)) {
        visit("input_weights", &self.input_weights);
        visit("hidden_weights", &self.hidden_weights);
        if let Some(bias) = &self.bias {
            visit("bias", bias);
        }
        if let Some(bias) = &self.hidden_bias {
            visit("hidden_bias", bias);
        }
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<T>)) {
        visit("input_weights", &mut self.input_weights);
        visit("hidden_weights", &mut self.hidden_weights);
        if let Some(bias) = &mut self.bias {
            visit("bias", bias);
        }
        if let Some(bias) = &mut self.hidden_bias {
            visit("hidden_bias", bias);
        }
    }
}

/// Takes the parameters of a cell.
pub(crate) fn take<T: Scalar>(
    shape: CellShape,
    bias: bool,
    take: &mut Take<'_, T>,
) -> Result<CellParameters<T>> {
    let CellShape { in_channels, hidden_channels, kernel: [kh, kw], input_kernel: [ih, iw], reset } = shape;
    let rows = GATES * hidden_channels;
    let of_state = bias && reset == ResetGate::After;
    Ok(CellParameters {
        input_weights: take("input_weights", &[rows, in_channels, ih, iw])?,
        hidden_weights: take("hidden_weights", &[rows, hidden_channels, kh, kw])?,
        bias: bias.then(|| take("bias", &[rows])).transpose()?,
        hidden_bias: of_state.then(|| take("hidden_bias", &[hidden_channels])).transpose()?,
        reset,
    })
}

/// Fails unless the layers, whose names begin with `prefix`, fit a stack.
pub(crate) fn expect_layers<T: Scalar>(
    prefix: &str,
    config: &ConvGruConfig,
    layers: &[CellParameters<T>],
) -> Result<()> {
    expect_count(&format!("{prefix}layers"), config.layers(), layers.len())?;
    layers.iter().enumerate().try_for_each(|(index, layer)| {
        layer.expect(&format!("{prefix}layers.{index}"), CellShape::of_layer(config, index), config.bias)
    })
}

/// Draws the parameters of a cell: the joint kernel of each gate, then biases.
pub(crate) fn draw<T: Scalar>(
    shape: CellShape,
    bias: bool,
    initializer: Initializer,
    random: &mut Random,
) -> CellParameters<T> {
    let CellShape { in_channels, hidden_channels, kernel: [kh, kw], input_kernel: [ih, iw], reset } = shape;
    let columns = [in_channels * ih * iw, hidden_channels * kh * kw];
    let [input, hidden] = init::draw_joint(initializer, [GATES, hidden_channels], columns, kh * kw, random);
    let rows = GATES * hidden_channels;
    let tensor =
        |shape: &[usize], data| Tensor::from_vec(shape, data).expect("one weight was drawn for each place");
    let fan_in = columns.iter().sum();
    let mut draw_bias = |len| tensor(&[len], init::draw_bias(initializer, fan_in, len, random));
    CellParameters {
        input_weights: tensor(&[rows, in_channels, ih, iw], input),
        hidden_weights: tensor(&[rows, hidden_channels, kh, kw], hidden),
        bias: bias.then(|| draw_bias(rows)),
        hidden_bias: (bias && reset == ResetGate::After).then(|| draw_bias(hidden_channels)),
        reset,
    }
}
