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
    /// A call would need more memory than the machine has.
    #[error("{what} would need {bytes} bytes of memory; {most} are the most that this machine has")]
    TooLarge {
        /// What the memory is for.
        what: String,
        /// Bytes needed.
        bytes: u128,
        /// Bytes a call may ask for: the memory of the machine with what it swaps to, or 1 TiB where the system does
        /// not tell it.
        most: u128,
    },
    /// Numbers that must be finite are not.
    #[error(
        "{what}: {count} of {of} numbers are NaN or infinite, the first at {first:?}; leave the frame out or fill it in"
    )]
    NotFinite {
        /// Which argument.
        what: String,
        /// How many are not finite.
        count: usize,
        /// How many there are.
        of: usize,
        /// Where the first of them is, along each dimension.
        first: Vec<usize>,
    },
    /// What a forward pass kept is not of this network with the weights that it has.
    #[error("the workspace is not of this network with its weights as they are: {reason}")]
    Workspace {
        /// What differs, and what to do.
        reason: String,
    },
    /// Tensors come in another order than in the network.
    #[error(
        "tensor {place} of the {what} is `{got}` where `{expected}` is needed; `zeros_like` of the parameters has the order"
    )]
    TensorOrder {
        /// Of what they are.
        what: String,
        /// The place in the order, counted from zero.
        place: usize,
        /// The name needed there.
        expected: String,
        /// The name given there.
        got: String,
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
    /// A network is of another kind than is needed.
    #[error("the network is a {got}, and a {needed} is needed")]
    OtherNetwork {
        /// The kind needed.
        needed: &'static str,
        /// The kind given.
        got: &'static str,
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
