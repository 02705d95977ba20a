//! The calls of the kernels: the signature of each stands here, once.
//!
//! Generic functions are compiled in every crate that calls them, for every call again. What takes long to
//! compile is therefore reached through methods of [`Compiled`], which are not generic: the kernels are compiled with
//! this crate, and callers link to them.

use crate::activation::apply;
use crate::conv::algorithm::Algorithm;
use crate::conv::entry;
use crate::conv::epilogue::WriteMode;
use crate::conv::shape::ConvShape;
use crate::conv::weights::PackedWeights;
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef};
use crate::gates::backward::{self, CandidateBackward, ResetBackward};
use crate::gates::first_step::{self, FirstStep};
use crate::gates::reset_after::{self, ResetAfterBackward, ResetAfterStep};
use crate::gates::step::{self, Step};
use crate::isa::Isa;
use crate::real::Real;
use crate::scratchpad::Scratchpad;

/// `f32` or `f64`: the number type of every call.
///
/// The trait is sealed. Training and inference run in `f32`; gradient checks and parity tests run the very same
/// generic code in `f64`.
pub trait Scalar: Real + Compiled<Self> {}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// Makes three things of each signature: a method of `Compiled`, its implementations for `f32` and `f64` by the generic
/// function behind `=`, and the public function that calls the method.
macro_rules! kernels {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)? = $kernel:path;)*) => {
        /// The kernels of a number type `T`, which implements the trait itself.
        #[doc(hidden)]
        pub trait Compiled<T>: Sized {
            $(fn $name($($argument: $kind),*) $(-> $result)?;)*
        }

        const _: () = {
            type T = f32;
            impl Compiled<T> for T {
                $(fn $name($($argument: $kind),*) $(-> $result)? {
                    $kernel($($argument),*)
                })*
            }
        };

        const _: () = {
            type T = f64;
            impl Compiled<T> for T {
                $(fn $name($($argument: $kind),*) $(-> $result)? {
                    $kernel($($argument),*)
                })*
            }
        };

        $($(#[$doc])*
        pub fn $name<T: Scalar>($($argument: $kind),*) $(-> $result)? {
            <T as Compiled<T>>::$name($($argument),*)
        })*
    };
}

kernels! {
    /// Convolves a batch of images: `y = w * x + b`, or `y += w * x + b`, where the bias is zero
    /// unless the weights have one ([`PackedWeights::with_bias`]).
    ///
    /// # Shapes
    /// `input`: `[N, in_channels, H, W]`; `output`: `[N, out_channels, H', W']` as
    /// [`ConvShape::output_size`] gives, in [`ConvShape::out_sections`] sections.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit, and
    /// the errors of [`ConvShape::output_size`].
    ///
    /// ```
    /// use convgru_kernels::{Extent, FeatureMaps, Scratchpad, conv::{self, ConvShape, WriteMode, PackedWeights}};
    ///
    /// let shape = ConvShape::same(1, 1, [3, 3]);
    /// let weights = PackedWeights::new(shape, &[1.0f32; 9])?;
    /// let extent = Extent { batch: 1, channels: 1, height: 4, width: 5 };
    /// let mut input = FeatureMaps::with_halo(extent, [1, 1])?;
    /// input.as_mut().read_nchw(&[1.0; 20])?;
    /// let mut output = FeatureMaps::zeros(extent)?;
    /// conv::forward(&weights, input.as_ref(), output.as_mut(), WriteMode::Overwrite, &mut Scratchpad::new())?;
    /// let mut sums = [0.0; 20];
    /// output.as_ref().write_nchw(&mut sums)?;
    /// assert_eq!(sums[..5], [4.0, 6.0, 6.0, 6.0, 4.0]);
    /// # Ok::<(), convgru_kernels::Error>(())
    /// ```
    fn forward(
        weights: &PackedWeights<'_, T>,
        input: FeatureMapsRef<'_, T>,
        output: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        scratch: &mut Scratchpad<T>
    ) -> Result<()> = entry::forward;

    /// Convolves a batch of images and applies the leaky rectifier: `y = f(w * x + b + a)` with `f(v) = v` for `v >= 0` and
    /// `slope v` for `v < 0`, in one pass over `y`. The addend `a` is zero without `addend`; `slope` is finite and not negative.
    ///
    /// With `a = x` this ends a residual block (He et al. 2016, CVPR).
    ///
    /// # Shapes
    /// `input` and `output` as in [`forward`]; `addend`: the extent and the sections of `output`.
    ///
    /// # Errors
    /// The errors of [`forward`]; [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if
    /// `addend` does not fit; [`Error::Slope`](crate::Error::Slope) for a slope that is negative, infinite or NaN.
    ///
    /// ```
    /// use convgru_kernels::{Extent, FeatureMaps, Scratchpad, conv::{self, ConvShape, PackedWeights}};
    ///
    /// let weights = PackedWeights::new(ConvShape::same(1, 1, [1, 1]), &[2.0f32])?;
    /// let extent = Extent { batch: 1, channels: 1, height: 1, width: 3 };
    /// let input = FeatureMaps::from_nchw(extent, &[1.0, -1.0, -4.0])?;
    /// let mut output = FeatureMaps::zeros(extent)?;
    /// let addend = Some(input.as_ref());
    /// conv::forward_rectified(&weights, input.as_ref(), addend, output.as_mut(), 0.5, &mut Scratchpad::new())?;
    /// let mut numbers = [0.0; 3];
    /// output.as_ref().write_nchw(&mut numbers)?;
    /// assert_eq!(numbers, [3.0, -1.5, -6.0]);
    /// # Ok::<(), convgru_kernels::Error>(())
    /// ```
    fn forward_rectified(
        weights: &PackedWeights<'_, T>,
        input: FeatureMapsRef<'_, T>,
        addend: Option<FeatureMapsRef<'_, T>>,
        output: FeatureMapsMut<'_, T>,
        slope: T,
        scratch: &mut Scratchpad<T>
    ) -> Result<()> = entry::forward_rectified;

    /// Brings the gradient of the output back to the input: `dx = w^T * dy`, or `dx += w^T * dy`.
    ///
    /// The adjoint of [`forward`]: `<w * x, dy> = <x, w^T * dy>`.
    ///
    /// # Shapes
    /// `d_output`: `[N, out_channels, H', W']` in [`ConvShape::out_sections`] sections; `d_input`:
    /// `[N, in_channels, H, W]`.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit, and
    /// the errors of [`ConvShape::output_size`].
    fn input_gradient(
        weights: &PackedWeights<'_, T>,
        d_output: FeatureMapsRef<'_, T>,
        d_input: FeatureMapsMut<'_, T>,
        mode: WriteMode,
        scratch: &mut Scratchpad<T>
    ) -> Result<()> = entry::input_gradient;

    /// Adds the gradient of the weights: `dw += dy (x) x`, summed over images and pixels.
    ///
    /// # Shapes
    /// `input`: `[N, in_channels, H, W]`; `d_output`: `[N, out_channels, H', W']` in
    /// [`ConvShape::out_sections`] sections; `d_weights`: `[out_channels, in_channels, kh, kw]` in memory order.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent), [`Error::Sections`](crate::Error::Sections) or
    /// [`Error::Length`](crate::Error::Length) if an argument does not fit, and the errors of
    /// [`ConvShape::output_size`].
    fn weight_gradient(
        shape: &ConvShape,
        input: FeatureMapsRef<'_, T>,
        d_output: FeatureMapsRef<'_, T>,
        d_weights: &mut [T],
        scratch: &mut Scratchpad<T>
    ) -> Result<()> = entry::weight_gradient;

    /// [`weight_gradient`] by an algorithm other than the one [`Algorithm::of_weight_gradient`]
    /// chooses, to measure or check it.
    ///
    /// # Errors
    /// As [`weight_gradient`], and [`Error::Algorithm`](crate::Error::Algorithm) if the algorithm cannot compute
    /// the convolution.
    fn weight_gradient_by(
        algorithm: Algorithm,
        shape: &ConvShape,
        input: FeatureMapsRef<'_, T>,
        d_output: FeatureMapsRef<'_, T>,
        d_weights: &mut [T],
        scratch: &mut Scratchpad<T>
    ) -> Result<()> = entry::weight_gradient_by;

    /// Adds the gradient of the bias: `db += dy`, summed over images and pixels.
    ///
    /// # Shapes
    /// `d_output`: `[N, out_channels, H', W']`, in any sections; `d_bias`: `[out_channels]`.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if `d_bias` has another length.
    fn bias_gradient(d_output: FeatureMapsRef<'_, T>, d_bias: &mut [T]) -> Result<()> = entry::bias_gradient;

    /// A step with a state:
    ///
    /// ```text
    /// z = sigmoid(Wz*x + bz + Uz*h)     r = sigmoid(Wr*x + br + Ur*h)
    /// n = tanh(Wn*x + bn + Un*(r.h))    h' = h + z.(n - h)
    /// ```
    /// with the [`Activations`](crate::gates::Activations) of the weights in the place of `sigmoid` and `tanh`.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps or weights do not
    /// fit, [`Error::Algorithm`](crate::Error::Algorithm) if the weights of the state are packed for patches,
    /// [`Error::Slope`](crate::Error::Slope) if the activations cannot be.
    fn step(arguments: Step<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> = step::step;

    /// A step from a zero state: `z = sigmoid(Wz*x + bz)`, `n = tanh(Wn*x + bn)`, `h' = z.n`. The reset
    /// gate has nothing to reset, and where the input is given it is not computed.
    ///
    /// # Errors
    /// As [`step`].
    fn first_step(arguments: FirstStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()> = first_step::first_step;

    /// Computes the product `r.h` again from finished gates, for the weight gradient of the candidate:
    /// cheaper to compute twice than to keep for every step.
    ///
    /// # Shapes
    /// `gates`: `[N, 3 hidden, H, W]`; `hidden`, `reset_hidden`: `[N, hidden, H, W]`.
    ///
    /// # Errors
    /// [`Error::Extent`](crate::Error::Extent) or [`Error::Sections`](crate::Error::Sections) if maps do not fit.
    fn reset_hidden(
        gates: FeatureMapsRef<'_, T>,
        hidden: FeatureMapsRef<'_, T>,
        reset_hidden: FeatureMapsMut<'_, T>,
        isa: Isa
    ) -> Result<()> = backward::reset_hidden;

    /// Pass 1: through the blend, the candidate and the update gate.
    ///
    /// `a_n = dh'.z.(1 - n^2)`, `a_z = dh'.(n - h).z.(1 - z)`, `dh = dh'.(1 - z)`, or with the derivatives of
    /// other [`Activations`](crate::gates::Activations) where their values are `n` and `z`.
    ///
    /// # Errors
    /// As [`step`].
    fn candidate_backward(arguments: CandidateBackward<'_, T>, isa: Isa) -> Result<()> = backward::candidate_backward;

    /// Pass 2: through the convolution of the candidate and the reset gate.
    ///
    /// `d(rh) = Un^T * a_n`, `a_r = d(rh).h.r.(1 - r)`, `dh += d(rh).r`, or with the derivative of another
    /// function of the gates where its value is `r`.
    ///
    /// # Errors
    /// As [`step`].
    fn reset_backward(arguments: ResetBackward<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()>
        = backward::reset_backward;

    /// A step whose reset gate acts after the convolution of the state, which has a bias of its own:
    ///
    /// ```text
    /// z = sigmoid(Wz*x + bz + Uz*h)     r = sigmoid(Wr*x + br + Ur*h)     u = Un*h + cn
    /// n = tanh(Wn*x + bn + r.u)         h' = h + z.(n - h)
    /// ```
    /// or with other [`Activations`](crate::gates::Activations). From a zero state nothing is convolved.
    ///
    /// # Errors
    /// As [`step`].
    fn step_reset_after(arguments: ResetAfterStep<'_, T>, scratch: &mut Scratchpad<T>) -> Result<()>
        = reset_after::step;

    /// Pass 2 of the way back through [`step_reset_after`], after [`candidate_backward`]: through the reset gate.
    ///
    /// `du = a_n.r`, `a_r = a_n.u.r.(1 - r)`, or with the derivative of another function of the gates. What remains
    /// are convolutions: `dh += [Uz Ur]^T * [a_z a_r] + Un^T * du`.
    ///
    /// # Errors
    /// As [`step`].
    fn reset_after_backward(arguments: ResetAfterBackward<'_, T>, isa: Isa) -> Result<()> = reset_after::backward;

    /// Applies [`sigmoid`](crate::activation::sigmoid) to every element.
    fn sigmoid_in_place(values: &mut [T]) = apply::sigmoid;

    /// Applies [`tanh`](crate::activation::tanh) to every element.
    fn tanh_in_place(values: &mut [T]) = apply::tanh;

    /// Replaces every element by `clamp(x / 6 + 1 / 2, 0, 1)`: exactly 0 up to -3 and 1 from 3 on, the error
    /// is at most two units in the last place of the value before that. NaN stays NaN.
    ///
    /// ```
    /// let mut values = [-4.0f32, 0.0, 1.5, 3.0];
    /// convgru_kernels::activation::hard_sigmoid_in_place(&mut values);
    /// assert_eq!(values, [0.0, 0.5, 0.75, 1.0]);
    /// ```
    fn hard_sigmoid_in_place(values: &mut [T]) = apply::hard_sigmoid;
}

/// The logistic sigmoid `1 / (1 + e^-x)`, error at most [`SIGMOID_ULP`](crate::activation::SIGMOID_ULP). NaN stays NaN.
///
/// ```
/// assert_eq!(convgru_kernels::activation::sigmoid(0.0f32), 0.5);
/// ```
pub fn sigmoid<T: Scalar>(x: T) -> T {
    let mut value = [x];
    sigmoid_in_place(&mut value);
    value[0]
}

/// The hyperbolic tangent, error at most [`TANH_ULP`](crate::activation::TANH_ULP). NaN stays NaN.
///
/// ```
/// assert_eq!(convgru_kernels::activation::tanh(0.0f32), 0.0);
/// ```
pub fn tanh<T: Scalar>(x: T) -> T {
    let mut value = [x];
    tanh_in_place(&mut value);
    value[0]
}
