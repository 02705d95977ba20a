//! What can be wrong with a call of a kernel.

use crate::conv::algorithm::Algorithm;

/// An error of a kernel call. Nothing has been written when one is returned, except by [`Error::Memory`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice has not the number of elements its extent asks for.
    #[error("{what}: {got} elements where {expected} are needed")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Elements needed; `usize::MAX` where it cannot count them.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// Two extents that must agree do not.
    #[error("{what}: [N, C, H, W] is {got:?} where {expected:?} is needed")]
    Extent {
        /// Which argument.
        what: &'static str,
        /// The extent needed, `[N, C, H, W]`.
        expected: [usize; 4],
        /// The extent given, `[N, C, H, W]`.
        got: [usize; 4],
    },
    /// The channels of feature maps are in other sections than a call needs.
    #[error(
        "{what}: {channels} channels in {got} sections where {expected} are needed; \
         `FeatureMaps::sectioned` makes maps in sections"
    )]
    Sections {
        /// Which argument.
        what: &'static str,
        /// Channels of the argument.
        channels: usize,
        /// Sections needed.
        expected: usize,
        /// Sections given.
        got: usize,
    },
    /// Channels cannot be divided into as many equal sections.
    #[error("{what}: {channels} channels cannot be {sections} equal sections; give a divisor of at least 1")]
    Division {
        /// Which argument.
        what: &'static str,
        /// The channels.
        channels: usize,
        /// The sections asked for.
        sections: usize,
    },
    /// A convolution that cannot be: a kernel size, stride, dilation or padding out of its range.
    #[error("{field} of a convolution is {got:?}; both values must be from {least} to {most}")]
    Geometry {
        /// The field of [`ConvShape`](crate::conv::ConvShape).
        field: &'static str,
        /// Its values.
        got: [usize; 2],
        /// The least that is possible.
        least: usize,
        /// The most that is possible.
        most: usize,
    },
    /// A convolution without an output.
    #[error(
        "a convolution from {in_channels} to {out_channels} channels; at least 1 output channel is needed"
    )]
    Channels {
        /// Channels of the input.
        in_channels: usize,
        /// Channels of the output.
        out_channels: usize,
    },
    /// The kernel is larger than the padded input.
    #[error("the kernel reaches over {kernel:?} pixels but the padded input has only {input:?}")]
    KernelTooLarge {
        /// Extent of the dilated kernel, `[height, width]`.
        kernel: [usize; 2],
        /// Extent of the padded input, `[height, width]`.
        input: [usize; 2],
    },
    /// An algorithm cannot compute what is asked of it.
    #[error(
        "{what}: here the algorithm {algorithm} cannot compute a kernel of {kernel:?}, stride {stride:?}, dilation \
         {dilation:?} in {number}; `Algorithm::of` chooses one for each convolution, and the steps of a cell need \
         stride 1 and kernels that reach over at most 256 pixels"
    )]
    Algorithm {
        /// Which argument.
        what: &'static str,
        /// The algorithm.
        algorithm: Algorithm,
        /// Height and width of the kernel.
        kernel: [usize; 2],
        /// The stride.
        stride: [usize; 2],
        /// The dilation.
        dilation: [usize; 2],
        /// The number type.
        number: &'static str,
    },
    /// A backward pass with weights that are packed for the forward pass only.
    #[error(
        "the weights {convolution:?} were packed for the forward pass only (`PackedWeights::into_forward_only`); \
         pack them by `PackedWeights::new` for the gradient of the input"
    )]
    ForwardOnly {
        /// The extent of the weights, `[out, in, kh, kw]`.
        convolution: [usize; 4],
    },
    /// The values of a leaky rectifier do not tell its derivative.
    #[error("slope {got} of a leaky rectifier; a number from 0 to 3e38 is needed")]
    Slope {
        /// The slope given.
        got: f64,
    },
    /// A number of pixels on a side of a patch that cannot be.
    #[error(
        "patches of {factor} x {factor} pixels; at least 1 is needed, and {channels} channels times its square"
    )]
    Factor {
        /// Pixels on a side.
        factor: usize,
        /// Channels of the images.
        channels: usize,
    },
    /// The number of elements does not fit into memory addresses.
    #[error("{what}: the number of elements of {extent:?} overflows")]
    Overflow {
        /// Which argument.
        what: &'static str,
        /// Its extent: `[N, C, H, W]` of maps, `[out, in, kh, kw]` of weights.
        extent: [usize; 4],
    },
    /// The system has not as much memory.
    #[error("{what}: the system does not give {bytes} bytes of memory")]
    Memory {
        /// What the memory is for.
        what: &'static str,
        /// Bytes that were asked for.
        bytes: usize,
    },
}

/// The result of a kernel call.
pub type Result<T> = std::result::Result<T, Error>;
