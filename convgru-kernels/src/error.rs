//! What can be wrong with a call of a kernel.

/// An error of a kernel call. Nothing has been written when one is returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A slice has not the number of elements its extent asks for.
    #[error("{what}: {got} elements where {expected} are needed")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Elements needed.
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
    /// A convolution that cannot be: a zero kernel size, stride or dilation.
    #[error("{field} of a convolution is {got:?}; both values must be at least 1")]
    Geometry {
        /// The field of [`ConvShape`](crate::conv::ConvShape).
        field: &'static str,
        /// Its value, `[vertical, horizontal]`.
        got: [usize; 2],
    },
    /// The kernel is larger than the padded input.
    #[error("the kernel reaches over {kernel:?} pixels but the padded input has only {input:?}")]
    KernelTooLarge {
        /// Extent of the dilated kernel, `[height, width]`.
        kernel: [usize; 2],
        /// Extent of the padded input, `[height, width]`.
        input: [usize; 2],
    },
    /// The values of a leaky rectifier do not tell its derivative.
    #[error("slope {got} of a leaky rectifier; a finite number of at least 0 is needed")]
    Slope {
        /// The slope given.
        got: f64,
    },
    /// The number of elements does not fit into memory addresses.
    #[error("{what}: the number of elements of {extent:?} overflows")]
    Overflow {
        /// Which argument.
        what: &'static str,
        /// Its extent, `[N, C, H, W]`.
        extent: [usize; 4],
    },
}

/// The result of a kernel call.
pub type Result<T> = std::result::Result<T, Error>;
