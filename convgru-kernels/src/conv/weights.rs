//! Weights of a convolution, packed for its kernels.

use std::sync::OnceLock;

use super::algorithm::Algorithm;
use super::geometry::Geometry;
use super::packed::Packed;
use super::shape::ConvShape;
use crate::error::Result;
use crate::feature_maps::expect_len;
use crate::isa::Isa;
use crate::real::Real;

/// Weights of a convolution, brought into the order its kernels read them.
///
/// Weights are packed once after each change and then used for any number of images: for
/// [`forward`](super::forward) when it is first called, for
/// [`input_gradient`](super::input_gradient) when that is. `prepare` of a model calls the one
/// ahead of streaming. The weights themselves are borrowed.
#[derive(Debug, Clone)]
pub struct PackedWeights<'w, T> {
    shape: ConvShape,
    isa: Isa,
    weights: &'w [T],
    /// One number for each lane of each block of output channels.
    bias: Option<Vec<T>>,
    algorithm: Algorithm,
    forward: OnceLock<Packed<T>>,
    backward: OnceLock<Packed<T>>,
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

    /// Gives the memory of packed weights back. They are packed again if they are used again.
    pub fn release(&mut self) {
        (self.forward, self.backward) = (OnceLock::new(), OnceLock::new());
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
    pub(super) fn matrix(&self) -> &[T] {
        self.weights
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
    pub(crate) fn backward(&self) -> Result<Option<&Packed<T>>> {
        self.packed(&self.backward, true)
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
        let packed = pack(&self.shape, self.weights, self.isa, self.algorithm, turned)?;
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
