//! A convolution that keeps the size of images, as a matrix product with the columns of its
//! input, and its gradient in the same way. candle's own takes longer: it collects
//! columns number by number, and its gradient of the input is a direct transposed convolution.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

/// A matrix `[O, kh kw I]` and images `[I, N, H, W]`, odd kh and kw.
pub(crate) struct Convolution {
    weights: Tensor,
    kernel: [usize; 2],
    /// `[I, kh kw O]`, each kernel turned by half a turn, where the input has a gradient.
    turned: Option<Tensor>,
}

/// `[O, I, kh, kw]` as a matrix.
pub(crate) fn matrix(weights: &Tensor) -> Result<Tensor> {
    let (outputs, inputs, height, width) = weights.dims4()?;
    weights.permute((0, 2, 3, 1))?.contiguous()?.reshape((outputs, height * width * inputs))
}

/// The matrix as `[O, I, kh, kw]`.
pub(crate) fn kernels(matrix: &Tensor, [height, width]: [usize; 2]) -> Result<Tensor> {
    let (outputs, columns) = matrix.dims2()?;
    matrix.reshape((outputs, height, width, columns / (height * width)))?.permute((0, 3, 1, 2))
}

impl Convolution {
    /// With a gradient of the weights where they are a variable, and one of the input where it
    /// is wanted besides.
    pub(crate) fn new(weights: &Tensor, kernel: [usize; 2], input_has_gradient: bool) -> Result<Self> {
        let turned = || {
            let kernels = kernels(&weights.detach(), kernel)?.transpose(0, 1)?.contiguous()?;
            matrix(&kernels.flip(&[2, 3])?)
        };
        Ok(Self { weights: weights.clone(), kernel, turned: input_has_gradient.then(turned).transpose()? })
    }

    pub(crate) fn of(&self, input: &Tensor) -> Result<Tensor> {
        let output = product(&self.weights.detach(), &input.detach(), self.kernel)?;
        if !self.weights.track_op() {
            return Ok(output);
        }
        let gradient = Gradient { turned: self.turned.clone(), kernel: self.kernel };
        input.apply_op3(&self.weights, &output, gradient)
    }
}

fn product(weights: &Tensor, input: &Tensor, kernel: [usize; 2]) -> Result<Tensor> {
    let (_, images, height, width) = input.dims4()?;
    weights.matmul(&columns(input, kernel)?)?.reshape(((), images, height, width))
}

/// Every pixel's neighbourhood, `[kh kw I, N H W]`.
fn columns(input: &Tensor, [rows, columns]: [usize; 2]) -> Result<Tensor> {
    let (_, images, height, width) = input.dims4()?;
    let border = [rows / 2, columns / 2];
    let padded = input.pad_with_zeros(2, border[0], border[0])?.pad_with_zeros(3, border[1], border[1])?;
    let taps = (0..rows * columns)
        .map(|tap| padded.narrow(2, tap / columns, height)?.narrow(3, tap % columns, width));
    Tensor::cat(&taps.collect::<Result<Vec<_>>>()?, 0)?.reshape(((), images * height * width))
}

/// Gives a finished output its gradients by input and weights.
struct Gradient {
    turned: Option<Tensor>,
    kernel: [usize; 2],
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
            Some(turned) => Some(product(turned, gradient, self.kernel)?),
            None => None,
        };
        let by_weights = gradient.flatten_from(1)?.matmul(&columns(&input.detach(), self.kernel)?.t()?)?;
        Ok((by_input, Some(by_weights), None))
    }
}
