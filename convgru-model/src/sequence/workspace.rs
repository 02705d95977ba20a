//! What a forward pass keeps for the backward pass.

use std::any::Any;
use std::fmt::Debug;
use std::marker::PhantomData;

use crate::error::{Error, Result};
use crate::parameters::Stamp;

/// How much memory a forward pass may keep for the backward pass.
///
/// The gates are three quarters of it. Where they do not fit, the gates of a block of steps are computed
/// again when the backward pass comes to it, with the same bits: less memory for one more forward
/// pass (docs/numerics.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoryBudget {
    /// Everything is kept, but for gates of a forecaster's stacks that take an eighth of the operations of a forward pass together.
    #[default]
    Unlimited,
    /// Gates of all steps are kept where all that is kept fits into so many bytes. A forecaster keeps the gates of as many stacks as fit,
    /// first of those with the most operations.
    Bytes(usize),
}

/// What the forward pass of training keeps for the backward pass. The default is empty.
///
/// It belongs to the network that wrote it last, with its weights as they were: a backward pass of another network, or after a change of weights,
/// is [`Error::Workspace`]. Any network may write it again; one of the same shapes uses its memory.
///
/// A [`ConvGru`](crate::ConvGru) keeps the inputs once and, of each layer, four times its hidden states: for `T`
/// steps of `N` samples `T N H W (in_channels + sum over layers of 4 hidden)` numbers, channels
/// rounded up to a multiple of 16 (`f64`: 8) and a border for the kernels added. What a pass needs besides, packed weights
/// and a few steps of gradients, it takes and gives back, so that the passes do not add up. A
/// [`BidirectionalConvGru`](crate::BidirectionalConvGru) keeps twice as much, a [`Recurrent`](crate::composed::Recurrent) every
/// intermediate result, a [`Forecaster`](crate::Forecaster) at most as much as a [`ConvGru`](crate::ConvGru) for each of its stacks, and its
/// predictions.
#[derive(Debug)]
pub struct Workspace<T> {
    kept: Option<(Stamp, Box<dyn SavedPass>)>,
    numbers: PhantomData<T>,
}

/// What a network keeps in a [`Workspace`].
pub(crate) trait SavedPass: Any + Debug + Send + Sync {
    /// Bytes of its numbers.
    fn bytes(&self) -> usize;
}

impl<T> Default for Workspace<T> {
    fn default() -> Self {
        Self { kept: None, numbers: PhantomData }
    }
}

impl<T> Workspace<T> {
    /// Bytes of the numbers that are kept.
    pub fn bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |(_, kept)| kept.bytes())
    }

    /// Calls `write` with what is kept, if that is a `K`, and keeps what it leaves there. After an error the
    /// workspace is of the network it was of.
    pub(crate) fn write<K: SavedPass, R>(
        &mut self,
        stamp: Stamp,
        write: impl FnOnce(&mut Option<K>) -> Result<R>,
    ) -> Result<R> {
        let of_kind = self.kept.take_if(|(_, kept)| (kept.as_ref() as &dyn Any).is::<K>());
        let (before, mut kept) = match of_kind {
            Some((before, kept)) => (Some(before), (kept as Box<dyn Any>).downcast().ok().map(|kept| *kept)),
            None => (None, None),
        };
        let result = write(&mut kept);
        let stamp = if result.is_ok() { Some(stamp) } else { before };
        if let Some((stamp, kept)) = stamp.zip(kept) {
            self.kept = Some((stamp, Box::new(kept)));
        }
        result
    }

    /// What a forward pass kept.
    ///
    /// # Errors
    /// [`Error::Workspace`] unless that was one of the network with this stamp.
    pub(crate) fn read<K: SavedPass>(&mut self, stamp: Stamp) -> Result<&mut K> {
        let Some((kept_by, kept)) = &mut self.kept else {
            return Err(Error::Workspace { reason: "it is empty; run the forward pass first".into() });
        };
        stamp.expect(*kept_by)?;
        let kept: &mut dyn Any = kept.as_mut();
        Ok(kept.downcast_mut().expect("what a network keeps is of one type"))
    }
}
