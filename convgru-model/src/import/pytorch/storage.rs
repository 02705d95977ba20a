//! What a tensor says about the storage that its numbers are in.

use super::pickle::{Id, Pickle, PickleValue};
use crate::import::float::Float;

/// The type of numbers in a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StorageType {
    /// One that weights are kept in.
    Float(Float),
    /// One that is not read, of so many bytes.
    Other(usize),
}

impl StorageType {
    /// The type of a class of storages, `torch.FloatStorage` and so on.
    fn of([module, name]: [&str; 2]) -> Option<Self> {
        (module == "torch" || module.starts_with("torch.")).then_some(())?;
        let name = name.rsplit('.').next()?;
        Some(match name {
            "HalfStorage" => Self::Float(Float::F16),
            "BFloat16Storage" => Self::Float(Float::Bf16),
            "FloatStorage" => Self::Float(Float::F32),
            "DoubleStorage" => Self::Float(Float::F64),
            "BoolStorage" | "ByteStorage" | "CharStorage" | "QInt8Storage" | "QUInt8Storage"
            | "UntypedStorage" => Self::Other(1),
            "QUInt4x2Storage" | "QUInt2x4Storage" => Self::Other(1),
            "ShortStorage" => Self::Other(2),
            "IntStorage" | "QInt32Storage" => Self::Other(4),
            "LongStorage" | "ComplexFloatStorage" => Self::Other(8),
            "ComplexDoubleStorage" => Self::Other(16),
            _ => return None,
        })
    }

    /// The bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Float(float) => float.size(),
            Self::Other(size) => size,
        }
    }
}

/// The longest name of a storage, in bytes: it is looked up for each tensor.
const MAX_KEY: usize = 256;

/// A storage as it is named in a pickle: `("storage", class, key, place, number of elements)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct StorageRef<'p> {
    /// The class of the storage.
    pub(super) class: [&'p str; 2],
    /// The type of its numbers, if the class is known.
    pub(super) number: Option<StorageType>,
    /// Its name in the file.
    pub(super) key: &'p str,
    /// The elements of the file's storage before the first of this one. Old files have storages within others.
    pub(super) offset: usize,
    /// The number of its elements, where it is within another.
    pub(super) elements: Option<usize>,
}

impl<'p> StorageRef<'p> {
    /// Reads the identifier of a persistent value; `None` if it names no storage.
    pub(super) fn of(pickle: &'p Pickle<'_>, id: Id) -> Option<Self> {
        let parts = pickle.sequence(id)?;
        let (&[kind, class, key, _, _], rest) = parts.split_first_chunk::<5>()?;
        if pickle.text(kind) != Some("storage") {
            return None;
        }
        let class = pickle.global(class)?;
        let key = pickle.text(key).filter(|key| key.len() <= MAX_KEY)?;
        let (offset, elements) = match rest.first().map(|&view| pickle.get(view)) {
            None | Some(PickleValue::None) => (0, None),
            Some(PickleValue::Tuple(view)) => {
                let &[_, offset, elements] = view.as_slice() else {
                    return None;
                };
                (pickle.size(offset)?, Some(pickle.size(elements)?))
            }
            Some(_) => return None,
        };
        Some(Self { class, number: StorageType::of(class), key, offset, elements })
    }
}
