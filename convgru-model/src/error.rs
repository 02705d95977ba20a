//! What can be wrong with a model, its inputs or its weights.

/// An error of this crate. It carries the names and numbers a user needs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor has another shape than the call needs.
    #[error("{what}: shape {got:?} where {expected} is needed")]
    ShapeMismatch {
        /// Which argument.
        what: String,
        /// The shape needed, in words: numbers where fixed, letters where free.
        expected: String,
        /// The shape given.
        got: Vec<usize>,
    },
    /// Data of the wrong length for a shape.
    #[error("shape {shape:?} has {expected} elements, but {got} were given")]
    ElementCount {
        /// The shape asked for.
        shape: Vec<usize>,
        /// Its number of elements.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// A field of a configuration has a value that cannot work.
    #[error("{field}: {reason}")]
    InvalidConfig {
        /// The field, as written in TOML.
        field: String,
        /// What is wrong, with the value, and what would be right.
        reason: String,
    },
    /// A call got another number of things than it needs.
    #[error("{what}: {got} given where {expected} are needed")]
    Count {
        /// What is counted.
        what: String,
        /// How many are needed.
        expected: usize,
        /// How many were given.
        got: usize,
    },
    /// A number is larger than it can be.
    #[error("{what}: {got} given where 0 to {most} is possible")]
    OutOfRange {
        /// What the number is.
        what: String,
        /// The number given.
        got: usize,
        /// The largest that is possible.
        most: usize,
    },
    /// A file of weights lacks a tensor.
    #[error("the weights have no tensor `{name}`; they hold: {found}")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
        /// The names that are there, shortened.
        found: String,
    },
    /// A file of weights has a tensor the model does not know.
    #[error("the weights hold a tensor `{name}` that the model has no place for")]
    UnexpectedTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A file of weights is not what its format demands.
    #[error("not a readable weight file: {reason}")]
    WeightFile {
        /// What the reader found.
        reason: String,
    },
    /// A network is larger than a file of some format can be.
    #[error("the {format} file would have {bytes} bytes; the format holds at most {most}")]
    FileTooLarge {
        /// The format.
        format: String,
        /// Bytes the file would have.
        bytes: usize,
        /// Bytes it may have.
        most: usize,
    },
    /// A kernel refused its arguments.
    #[error(transparent)]
    Kernel(#[from] convgru_kernels::Error),
}

/// The result of a call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Fails unless a call got as many things as it needs.
pub(crate) fn expect_count(what: &str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::Count { what: what.into(), expected, got }) }
}
