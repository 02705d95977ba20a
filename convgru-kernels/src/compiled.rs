//! The entry points of the kernels, compiled once for each number type.
//!
//! Generic functions are compiled in every crate that calls them, for every call again. What
//! takes long to compile is therefore reached through the methods of this trait, which are not
//! generic: the kernels are compiled with this crate, and callers link to them.

use crate::conv::{self, Algorithm, ConvShape, Output, Packed, PackedWeights};
use crate::error::Result;
use crate::feature_maps::{FeatureMapsMut, FeatureMapsRef};
use crate::gates::{
    self, CandidateBackward, FirstStep, ResetAfterBackward, ResetAfterStep, ResetBackward, Step,
};
use crate::isa::Isa;
use crate::scratchpad::Scratchpad;
use crate::{activation, feature_maps};

/// Declares the methods and implements them for each number type by the generic functions.
macro_rules! entry_points {
    ($($name:ident by $path:path: ($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        /// The kernels of a number type.
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "the trait is a part of a sealed one")]
        pub trait Compiled: Sized + 'static {
            $(fn $name($($argument: $kind),*) $(-> $result)?;)*
        }

        entry_points!(@ f32, $($name by $path: ($($argument: $kind),*) $(-> $result)?;)*);
        entry_points!(@ f64, $($name by $path: ($($argument: $kind),*) $(-> $result)?;)*);
    };
    (@ $type:ident, $($name:ident by $path:path: ($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        #[expect(private_interfaces, reason = "the trait is a part of a sealed one")]
        impl Compiled for $type {
            $(fn $name($($argument: $kind),*) $(-> $result)? {
                $path($($argument),*)
            })*
        }
    };
}

entry_points! {
    pack by conv::pack: (shape: &ConvShape, weights: &[Self], isa: Isa, algorithm: Algorithm, turned: bool) -> Result<Packed<Self>>;
    forward by conv::entry::forward: (weights: &PackedWeights<'_, Self>, input: FeatureMapsRef<'_, Self>, output: FeatureMapsMut<'_, Self>, mode: Output, scratch: &mut Scratchpad<Self>) -> Result<()>;
    input_gradient by conv::entry::input_gradient: (weights: &PackedWeights<'_, Self>, d_output: FeatureMapsRef<'_, Self>, d_input: FeatureMapsMut<'_, Self>, mode: Output, scratch: &mut Scratchpad<Self>) -> Result<()>;
    weight_gradient by conv::entry::weight_gradient: (algorithm: Algorithm, shape: &ConvShape, input: FeatureMapsRef<'_, Self>, d_output: FeatureMapsRef<'_, Self>, d_weights: &mut [Self], scratch: &mut Scratchpad<Self>) -> Result<()>;
    bias_gradient by conv::entry::bias_gradient: (d_output: FeatureMapsRef<'_, Self>, d_bias: &mut [Self]) -> Result<()>;
    step by gates::step::step: (arguments: Step<'_, Self>, scratch: &mut Scratchpad<Self>) -> Result<()>;
    first_step by gates::first_step::first_step: (arguments: FirstStep<'_, Self>, scratch: &mut Scratchpad<Self>) -> Result<()>;
    reset_hidden by gates::backward::reset_hidden: (gates: FeatureMapsRef<'_, Self>, hidden: FeatureMapsRef<'_, Self>, reset_hidden: FeatureMapsMut<'_, Self>, isa: Isa) -> Result<()>;
    candidate_backward by gates::backward::candidate_backward: (arguments: CandidateBackward<'_, Self>, isa: Isa) -> Result<()>;
    reset_backward by gates::backward::reset_backward: (arguments: ResetBackward<'_, Self>, scratch: &mut Scratchpad<Self>) -> Result<()>;
    step_reset_after by gates::reset_after::step: (arguments: ResetAfterStep<'_, Self>, scratch: &mut Scratchpad<Self>) -> Result<()>;
    reset_after_backward by gates::reset_after::backward: (arguments: ResetAfterBackward<'_, Self>, isa: Isa) -> Result<()>;
    sigmoid_in_place by activation::apply_sigmoid: (values: &mut [Self]);
    tanh_in_place by activation::apply_tanh: (values: &mut [Self]);
    hard_sigmoid_in_place by activation::apply_hard_sigmoid: (values: &mut [Self]);
    write_nchw by feature_maps::border::write: (maps: &FeatureMapsRef<'_, Self>, images: &mut [Self]) -> Result<()>;
    read_nchw by feature_maps::border::read: (maps: &mut FeatureMapsMut<'_, Self>, images: &[Self]) -> Result<()>;
    add_nchw by feature_maps::border::add: (maps: &mut FeatureMapsMut<'_, Self>, images: &[Self]) -> Result<()>;
    copy_maps by feature_maps::view::copy: (maps: &mut FeatureMapsMut<'_, Self>, other: FeatureMapsRef<'_, Self>) -> Result<()>;
    add_maps by feature_maps::view::add: (maps: &mut FeatureMapsMut<'_, Self>, other: FeatureMapsRef<'_, Self>) -> Result<()>;
    space_to_depth by feature_maps::depth::space_to_depth: (deep: &mut FeatureMapsMut<'_, Self>, flat: FeatureMapsRef<'_, Self>, factor: usize) -> Result<()>;
    depth_to_space by feature_maps::depth::depth_to_space: (flat: &mut FeatureMapsMut<'_, Self>, deep: FeatureMapsRef<'_, Self>, factor: usize) -> Result<()>;
    leaky_relu by feature_maps::rectifier::leaky_relu: (maps: &mut FeatureMapsMut<'_, Self>, slope: Self);
    leaky_relu_backward by feature_maps::rectifier::leaky_relu_backward: (gradient: &mut FeatureMapsMut<'_, Self>, output: FeatureMapsRef<'_, Self>, slope: Self) -> Result<()>;
}
