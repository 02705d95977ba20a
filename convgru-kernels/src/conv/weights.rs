//! Weights of a convolution, packed for its kernels.

use std::sync::OnceLock;

use super::algorithm::Algorithm;
use super::geometry::Geometry;
use super::packed::Packed;
use super::shape::ConvShape;
use crate::error::{Error, Result};
use crate::feature_maps::expect_len;
use crate::isa::Isa;
use crate::real::Real;

/// Weights of a convolution, brought into the order its kernels read them.
///
/// Weights are packed once after each change and then used for any number of images: for
/// [`forward`](super::forward) when it is first called, for
/// [`input_gradient`](super::input_gradient) when that is. `prepare` of a model calls the one
/// ahead of streaming. The weights themselves are borrowed, until
/// [`into_forward_only`](Self::into_forward_only) drops them.
#[derive(Debug, Clone)]
pub struct PackedWeights<'w, T> {
    shape: ConvShape,
    isa: Isa,
    weights: Original<'w, T>,
    /// One number for each lane of each block of output channels.
    bias: Option<Vec<T>>,
    algorithm: Algorithm,
    forward: OnceLock<Packed<T>>,
    backward: OnceLock<Packed<T>>,
}

/// Weights as they were given.
#[derive(Debug, Clone)]
enum Original<'w, T> {
    Borrowed(&'w [T]),
    /// For forward passes by patches, which read the weights as they are.
    Copied(Vec<T>),
    /// Only the weights packed for the forward pass are left.
    Dropped,
}

impl<'w, T: Real> PackedWeights<'w, T> {
    /// Packs weights.
    ///
    /// # Shapes
    /// `weights`: `[out_channels, in_channels, kh, kw]` in memory order.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length, and those of
    /// [`ConvShape::validate`].
    pub fn new(shape: ConvShape, weights: &'w [T]) -> Result<Self> {
        Self::with_isa(shape, weights, Isa::current())
    }

    /// Packs weights for the kernels of an instruction set.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_isa(shape: ConvShape, weights: &'w [T], isa: Isa) -> Result<Self> {
        Self::with_algorithm(shape, weights, isa, Algorithm::of::<T>(&shape))
    }

    /// Packs weights for an algorithm other than the one [`Algorithm::of`] chooses, to
    /// measure or check it.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Algorithm`](crate::Error::Algorithm) if the algorithm cannot compute
    /// the convolution.
    pub fn with_algorithm(
        shape: ConvShape,
        weights: &'w [T],
        isa: Isa,
        algorithm: Algorithm,
    ) -> Result<Self> {
        algorithm.expect_computable::<T>("weights of the convolution", &shape)?;
        expect_len("weights of the convolution", shape.weight_len(), weights.len())?;
        let (forward, backward) = (OnceLock::new(), OnceLock::new());
        let weights = Original::Borrowed(weights);
        Ok(Self { shape, isa, weights, bias: None, algorithm, forward, backward })
    }

    /// Adds a bias to every output of [`forward`](super::forward).
    ///
    /// # Shapes
    /// `bias`: `[out_channels]`.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) if the slice has another length.
    pub fn with_bias(mut self, bias: Option<&[T]>) -> Result<Self> {
        let Some(bias) = bias else { return Ok(Self { bias: None, ..self }) };
        expect_len("bias of the convolution", self.shape.out_channels, bias.len())?;
        let channels = Geometry::forward::<T>(&self.shape).output;
        let mut lanes = vec![T::ZERO; channels.blocks() * T::BLOCK];
        for block in 0..channels.blocks() {
            for (lane, channel) in channels.of_block(block).enumerate() {
                lanes[block * T::BLOCK + lane] = bias[channel];
            }
        }
        self.bias = Some(lanes);
        Ok(self)
    }

    /// Packs the weights for [`forward`](super::forward) and stops borrowing them, so that the tensor they came from can be
    /// dropped: an inference then holds one copy of its weights instead of two. The results have the same bits.
    ///
    /// ```
    /// use convgru_kernels::conv::{self, ConvShape, PackedWeights, WriteMode};
    /// use convgru_kernels::{Extent, FeatureMaps, Scratchpad};
    ///
    /// let weights = vec![3.0f32];
    /// let packed = PackedWeights::new(ConvShape::same(1, 1, [1, 1]), &weights)?.into_forward_only()?;
    /// drop(weights);
    /// let input = FeatureMaps::from_nchw(Extent { batch: 1, channels: 1, height: 1, width: 2 }, &[5.0, -1.0])?;
    /// let (mut output, scratch) = (FeatureMaps::zeros(input.extent())?, &mut Scratchpad::new());
    /// conv::forward(&packed, input.as_ref(), output.as_mut(), WriteMode::Overwrite, scratch)?;
    /// let mut numbers = [0.0; 2];
    /// output.as_ref().write_nchw(&mut numbers)?;
    /// assert_eq!(numbers, [15.0, -3.0]);
    /// # Ok::<(), convgru_kernels::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if the system does not give the memory. Afterwards
    /// [`input_gradient`](super::input_gradient) is refused by [`Error::ForwardOnly`](crate::Error::ForwardOnly).
    pub fn into_forward_only(self) -> Result<PackedWeights<'static, T>> {
        if self.shape.in_channels > 0 {
            self.forward()?;
        }
        let weights = match self.weights {
            Original::Borrowed(weights) if self.algorithm == Algorithm::Patches => {
                Original::Copied(weights.to_vec())
            }
            Original::Copied(weights) => Original::Copied(weights),
            Original::Borrowed(_) | Original::Dropped => Original::Dropped,
        };
        let Self { shape, isa, bias, algorithm, forward, .. } = self;
        Ok(PackedWeights { shape, isa, weights, bias, algorithm, forward, backward: OnceLock::new() })
    }

    /// Gives the memory of packed weights back. They are packed again if they are used again. Weights that are
    /// [packed for the forward pass only](Self::into_forward_only) stay.
    pub fn release(&mut self) {
        if let Original::Borrowed(_) = self.weights {
            (self.forward, self.backward) = (OnceLock::new(), OnceLock::new());
        }
    }

    /// The convolution the weights belong to.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// The instruction set the weights are packed for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The algorithm of the convolution.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The weights as a matrix `[out_channels, in_channels * kh * kw]`, row-major.
    ///
    /// # Errors
    /// [`Error::ForwardOnly`] if they were dropped.
    pub(super) fn matrix(&self) -> Result<&[T]> {
        match &self.weights {
            Original::Borrowed(weights) => Ok(weights),
            Original::Copied(weights) => Ok(weights),
            Original::Dropped => Err(Error::ForwardOnly { convolution: self.dims() }),
        }
    }

    /// `[out_channels, in_channels, kh, kw]`
    fn dims(&self) -> [usize; 4] {
        let ConvShape { in_channels, out_channels, kernel: [height, width], .. } = self.shape;
        [out_channels, in_channels, height, width]
    }

    /// The bias, one number for each lane of each block of output channels.
    pub(crate) fn bias(&self) -> Option<&[T]> {
        self.bias.as_deref()
    }

    /// The weights of the convolution; `None` where it goes by patches.
    pub(crate) fn forward(&self) -> Result<Option<&Packed<T>>> {
        self.packed(&self.forward, false)
    }

    /// The weights of the gradient of the input; `None` where the convolution goes by patches.
    ///
    /// # Errors
    /// [`Error::ForwardOnly`] for weights that are packed for the forward pass only.
    pub(crate) fn backward(&self) -> Result<Option<&Packed<T>>> {
        match self.weights {
            Original::Borrowed(_) => self.packed(&self.backward, true),
            _ => Err(Error::ForwardOnly { convolution: self.dims() }),
        }
    }

    fn packed<'a>(&'a self, place: &'a OnceLock<Packed<T>>, turned: bool) -> Result<Option<&'a Packed<T>>> {
        if self.algorithm == Algorithm::Patches {
            return Ok(None);
        }
        if let Some(packed) = place.get() {
            return Ok(Some(packed));
        }
        // Outside the lock: a thread that waits for its share of the packing may take up another task, which waits
        // for the lock. Threads that pack at the same time pack the same, and one result stays.
        let packed = pack(&self.shape, self.matrix()?, self.isa, self.algorithm, turned)?;
        Ok(Some(place.get_or_init(|| packed)))
    }
}

/// Packs weights for the convolution, or turned for the gradient of its input.
fn pack<T: Real>(
    shape: &ConvShape,
    weights: &[T],
    isa: Isa,
    algorithm: Algorithm,
    turned: bool,
) -> Result<Packed<T>> {
    algorithm.expect_computable::<T>("weights of the convolution", shape)?;
    expect_len("weights of the convolution", shape.weight_len(), weights.len())?;
    let (inputs, taps) = (shape.in_channels, shape.taps());
    if turned {
        Packed::new(Geometry::backward::<T>(shape), algorithm, isa, &|i, o, tap| {
            weights[(o * inputs + i) * taps + taps - 1 - tap]
        })
    } else {
        Packed::new(Geometry::forward::<T>(shape), algorithm, isa, &|o, i, tap| {
            weights[(o * inputs + i) * taps + tap]
        })
    }
}
