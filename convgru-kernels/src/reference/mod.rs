//! Obvious loops: the specification every kernel is compared with.
//!
//! Nothing here is fast, and nothing here may become clever. Every function is
//! generic over [`Number`], so that it also runs on dual numbers.

mod activation;
mod convolution;
mod gates;
pub(crate) mod number;

pub use activation::{
    hard_sigmoid, hard_sigmoid_derivative, leaky_relu, leaky_relu_derivative, sigmoid, sigmoid_derivative,
    tanh, tanh_derivative,
};
pub use convolution::{
    add_bias, bias_gradient, convolution, convolution_input_gradient, convolution_weight_gradient,
};
pub use gates::{
    Blend, BlendGradients, Gates, ResetGradients, blend_backward, blend_forward, gates_backward,
    gates_forward,
};
pub use number::Number;
