//! Parts of a record whose memory is bounded by the bytes that are there, whatever lengths stand in them.
//!
//! A list grows by a quarter as its elements are read, so that it and the list it grew from take at most 2.25 times
//! the memory of the elements. Texts are read as lists of bytes, and lists of which an empty element takes more memory
//! than bytes have a greatest length.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::record::NamedTensor;
use crate::dataset::{FileFingerprint, MOST_FILES};
use crate::optimizer::OptimizerState;

/// Tensors of a model, of one moment.
const MOST_TENSORS: usize = 1 << 16;
/// Moments of an optimiser.
const MOST_MOMENTS: usize = 16;
/// Elements by which a list grows at least.
const LEAST_GROWTH: usize = 16;
/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;

/// A text.
pub(crate) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::from_utf8(long(from)?).map_err(D::Error::custom)
}

/// A list of any length, of elements that take hardly more memory than bytes.
pub(crate) fn long<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    Ok(List::<T, { usize::MAX }>::deserialize(from)?.0)
}

/// A list of any length of which there may be many, with no room for more elements.
pub(crate) fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let mut elements = long(from)?;
    elements.shrink_to_fit();
    Ok(elements)
}

/// Files of a fingerprint.
pub(crate) fn files<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<FileFingerprint>, D::Error> {
    Ok(List::<FileFingerprint, MOST_FILES>::deserialize(from)?.0)
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

/// The state of an optimiser.
pub(super) fn state<'de, D: Deserializer<'de>>(from: D) -> Result<OptimizerState<f32>, D::Error> {
    #[derive(serde::Deserialize)]
    struct State {
        step: u64,
        moments: List<List<Values, MOST_TENSORS>, MOST_MOMENTS>,
    }
    let State { step, moments } = State::deserialize(from)?;
    Ok(OptimizerState { step, moments: moments.0.into_iter().map(values).collect() })
}

/// The elements of a tensor.
type Values = List<f32, { usize::MAX }>;

fn values(tensors: List<Values, MOST_TENSORS>) -> Vec<Vec<f32>> {
    tensors.0.into_iter().map(|tensor| tensor.0).collect()
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
            return Err(A::Error::custom(format!(
                "a list has {length} elements, at most {MOST} are possible"
            )));
        }
        let mut elements = Vec::new();
        while let Some(element) = from.next_element()? {
            if elements.len() == elements.capacity() {
                elements.reserve_exact((elements.len() / 4).max(LEAST_GROWTH));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}
