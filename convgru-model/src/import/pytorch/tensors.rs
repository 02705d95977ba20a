//! Tensors from the arguments of the calls that would have rebuilt them.

use convgru_kernels::Scalar;

use super::archive::Archive;
use super::pickle::Id;
use super::storage::{StorageRef, StorageType};
use crate::error::{Error, Result};
use crate::import::float::Float;
use crate::tensor::Tensor;

/// The most dimensions of a tensor; PyTorch has the same limit.
const MAX_RANK: usize = 64;

/// A tensor, or why there is none.
pub(super) enum Rebuilt<T> {
    Tensor(Tensor<T>),
    Skipped(String),
}

/// How numbers of a storage make a tensor.
struct View {
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
    /// The number of elements.
    count: usize,
}

/// Rebuilds the tensor that `_rebuild_tensor(storage, offset, shape, strides, ...)` stands for.
///
/// `room` is how many elements there may be at most.
///
/// # Errors
/// [`Error::WeightFile`] if the arguments do not fit the call, or go beyond the storage.
pub(super) fn rebuild<T: Scalar>(
    archive: &Archive<'_>,
    arguments: Id,
    name: &str,
    room: usize,
) -> Result<Rebuilt<T>> {
    let refuse = |what: String| Error::WeightFile { reason: format!("tensor `{name}`: {what}") };
    let Some((storage, view)) = parse(archive, arguments) else {
        return Err(refuse("its storage, offset, shape and strides are not what PyTorch writes".into()));
    };
    let float = match storage.number {
        Some(StorageType::Float(float)) => float,
        Some(StorageType::Other(_)) => {
            return Ok(Rebuilt::Skipped(format!(
                "a `{}` has no floating point numbers of 16 to 64 bits",
                storage.class.join(".")
            )));
        }
        None => {
            return Ok(Rebuilt::Skipped(format!(
                "`{}` is no storage that is known here",
                storage.class.join(".")
            )));
        }
    };
    let Some(bytes) = archive.storages.get(storage.key) else {
        return Err(refuse(format!("its storage `{}` is not in the file", storage.key)));
    };
    if view.count > room {
        let (count, shape) = (view.count, &view.shape);
        return Err(refuse(format!(
            "shape {shape:?} has {count} elements where the size of the file leaves room for {room}"
        )));
    }
    let held = bytes.len() / float.size();
    let elements = storage.elements.unwrap_or(held.saturating_sub(storage.offset));
    let end = view.end();
    if end.is_none_or(|end| end > elements)
        || elements.checked_add(storage.offset).is_none_or(|end| end > held)
    {
        return Err(refuse(format!(
            "shape {:?} with strides {:?} from element {} goes beyond storage `{}` of {held} elements",
            view.shape, view.strides, view.offset, storage.key
        )));
    }
    match view.read(float, &bytes[storage.offset * float.size()..], archive.big_endian) {
        Ok(data) => Ok(Rebuilt::Tensor(Tensor::from_vec(&view.shape, data)?)),
        Err(reason) => Ok(Rebuilt::Skipped(reason)),
    }
}

fn parse<'p>(archive: &'p Archive<'_>, arguments: Id) -> Option<(StorageRef<'p>, View)> {
    let pickle = &archive.pickle;
    let (&[storage, offset, shape, strides], _) = pickle.sequence(arguments)?.split_first_chunk::<4>()?;
    let storage = StorageRef::of(pickle, pickle.persistent(storage)?)?;
    let sizes = |id| pickle.sequence(id)?.iter().map(|&id| pickle.size(id)).collect::<Option<Vec<_>>>();
    if pickle.sequence(shape)?.len() > MAX_RANK || pickle.sequence(strides)?.len() > MAX_RANK {
        return None;
    }
    let (shape, strides) = (sizes(shape)?, sizes(strides)?);
    let count = shape.iter().try_fold(1usize, |count, &dimension| count.checked_mul(dimension))?;
    let same_rank = shape.len() == strides.len();
    same_rank.then_some((storage, View { offset: pickle.size(offset)?, shape, strides, count }))
}

impl View {
    /// One more than the largest element; `None` if that is no number.
    fn end(&self) -> Option<usize> {
        if self.count == 0 {
            return Some(0);
        }
        let mut end = self.offset.checked_add(1)?;
        for (&dimension, &stride) in self.shape.iter().zip(&self.strides) {
            end = end.checked_add((dimension - 1).checked_mul(stride)?)?;
        }
        Some(end)
    }

    /// Whether elements lie one after the other.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(&dimension, &stride)| {
            let fits = dimension == 1 || stride == expected;
            expected *= dimension;
            fits
        })
    }

    /// The elements in row-major order. The view lies within the storage.
    fn read<T: Scalar>(
        &self,
        float: Float,
        storage: &[u8],
        big_endian: bool,
    ) -> std::result::Result<Vec<T>, String> {
        if self.count == 0 {
            return Ok(Vec::new());
        }
        if self.is_contiguous() {
            return float.gather(storage, big_endian, self.count, self.offset..self.offset + self.count);
        }
        // Dimensions of one element lead nowhere, and there may be many.
        let dimensions = self.shape.iter().copied().zip(self.strides.iter().copied());
        let dimensions: Vec<(usize, usize)> = dimensions.filter(|(dimension, _)| *dimension > 1).collect();
        let place = |mut element: usize| {
            let mut place = self.offset;
            for &(dimension, stride) in dimensions.iter().rev() {
                place += element % dimension * stride;
                element /= dimension;
            }
            place
        };
        float.gather(storage, big_endian, self.count, (0..self.count).map(place))
    }
}
