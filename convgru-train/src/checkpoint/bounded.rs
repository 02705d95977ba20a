//! Parts of a record whose memory is bounded by the bytes that are there, whatever lengths stand in them.
//!
//! A list takes memory as its elements are read: serde reserves at most 1 MiB ahead. Texts are read as lists of
//! bytes for that reason, and lists of which an empty element takes more memory than bytes have a greatest length.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::record::NamedTensor;
use crate::optimizer::OptimizerState;

/// Tensors of a model, of one moment.
const MOST_TENSORS: usize = 1 << 16;
/// Moments of an optimiser.
const MOST_MOMENTS: usize = 16;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;

/// A text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::from_utf8(Vec::<u8>::deserialize(from)?).map_err(D::Error::custom)
}

/// The tensors of a model.
pub(super) fn tensors<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NamedTensor>, D::Error> {
    Ok(List::<NamedTensor, MOST_TENSORS>::deserialize(from)?.0)
}

/// The tensors of an average, if there is one.
pub(super) fn average<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<NamedTensor>>, D::Error> {
    Ok(Option::<List<NamedTensor, MOST_TENSORS>>::deserialize(from)?.map(|list| list.0))
}

/// The dimensions of a tensor.
pub(super) fn shape<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
    Ok(List::<u64, MOST_DIMENSIONS>::deserialize(from)?.0)
}

/// One moment of an optimiser.
pub(super) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<f32>>, D::Error> {
    Ok(List::<Vec<f32>, MOST_TENSORS>::deserialize(from)?.0)
}

/// The state of an optimiser.
pub(super) fn state<'de, D: Deserializer<'de>>(from: D) -> Result<OptimizerState<f32>, D::Error> {
    #[derive(serde::Deserialize)]
    struct State {
        step: u64,
        moments: List<List<Vec<f32>, MOST_TENSORS>, MOST_MOMENTS>,
    }
    let State { step, moments } = State::deserialize(from)?;
    Ok(OptimizerState { step, moments: moments.0.into_iter().map(|moment| moment.0).collect() })
}

/// A list of at most `MOST` elements.
struct List<T, const MOST: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Elements::<T, MOST>(PhantomData)).map(Self)
    }
}

struct Elements<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Elements<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<T>, A::Error> {
        if let Some(length) = from.size_hint().filter(|&length| length > MOST) {
            return Err(A::Error::custom(format!("a list has {length} elements, at most {MOST} are possible")));
        }
        let mut elements = Vec::new();
        while let Some(element) = from.next_element()? {
            elements.push(element);
        }
        Ok(elements)
    }
}
