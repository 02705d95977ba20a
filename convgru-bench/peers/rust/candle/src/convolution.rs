//! A convolution that keeps the size of images, with a gradient made of candle's convolutions.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

/// Weights `[O, I, k, k]`, odd k.
pub(crate) struct Convolution {
    weights: Tensor,
    padding: usize,
    /// `[I, O, k, k]`, each kernel turned by half a turn, where the input has a gradient.
    turned: Option<Tensor>,
}

impl Convolution {
    /// With a gradient of the weights where they are a variable, and one of the input where it
    /// is wanted besides.
    pub(crate) fn new(weights: &Tensor, input_has_gradient: bool) -> Result<Self> {
        let turned = || weights.detach().transpose(0, 1)?.contiguous()?.flip(&[2, 3]);
        Ok(Self {
            weights: weights.clone(),
            padding: weights.dim(2)? / 2,
            turned: input_has_gradient.then(turned).transpose()?,
        })
    }

    pub(crate) fn of(&self, input: &Tensor) -> Result<Tensor> {
        let output = input.detach().conv2d(&self.weights.detach(), self.padding, 1, 1, 1)?;
        if !self.weights.track_op() {
            return Ok(output);
        }
        let gradient = Gradient { turned: self.turned.clone(), padding: self.padding };
        input.apply_op3(&self.weights, &output, gradient)
    }
}

/// Gives a finished output its gradients by input and weights. candle's own gradient of the
/// input is a direct transposed convolution, and is computed for constants too.
struct Gradient {
    turned: Option<Tensor>,
    padding: usize,
}

impl CustomOp3 for Gradient {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        _input: &CpuStorage,
        _input_layout: &Layout,
        _weights: &CpuStorage,
        _weights_layout: &Layout,
        output: &CpuStorage,
        output_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok((output.clone(), output_layout.shape().clone()))
    }

    fn bwd(
        &self,
        input: &Tensor,
        _weights: &Tensor,
        _output: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let by_input = match &self.turned {
            Some(turned) => Some(gradient.conv2d(turned, self.padding, 1, 1, 1)?),
            None => None,
        };
        let input = input.detach().transpose(0, 1)?;
        let by_weights = input.conv2d(&gradient.transpose(0, 1)?, self.padding, 1, 1, 1)?.transpose(0, 1)?;
        Ok((by_input, Some(by_weights), None))
    }
}
