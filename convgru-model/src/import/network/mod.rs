//! Networks of published cells that are more than a [layout](crate::import::layout) of kernels: as a
//! [`Recurrent`](crate::composed::Recurrent), or as a [`ConvGru`](crate::ConvGru) where that computes them.
//!
//! Where the numbers of such a network lie is a list of blocks: some rows and columns of a published tensor
//! are some of ours, with a sign where the update gate weighs the other side. Weights go along the blocks both ways
//! ([`export::original`](crate::export::original)), gradients back. [`read`] makes the list for a system by the names and shapes of its tensors;
//! what names and shapes do not tell (dilation, functions) it is told.
//!
//! ```
//! use convgru_model::import::network::{Hints, read};
//! use convgru_model::Tensor;
//!
//! // RAFT's pair of cells: 1 x 5, then 5 x 1.
//! let mut tensors = Vec::new();
//! for (pass, kernel) in [(1, [1, 5]), (2, [5, 1])] {
//!     for gate in ["convz", "convr", "convq"] {
//!         tensors.push((format!("gru.{gate}{pass}.weight"), Tensor::<f32>::zeros(&[4, 4 + 6, kernel[0], kernel[1]])));
//!     }
//! }
//! let pair = read("raft_sep", &tensors, &Hints::default())?;
//! let cell = pair.config.cells().next().expect("there is a cell");
//! assert_eq!((cell.in_channels, cell.second_kernel_size), (6, Some([5, 1])));
//! # Ok::<(), convgru_model::Error>(())
//! ```

mod block;
mod cells;
mod containers;
pub(super) mod detect;
mod fire_net;
mod imported;
mod layouts;
mod mapping;
pub(crate) mod raft_update;
mod systems;

pub use self::imported::{Hints, Imported};
pub use self::systems::{SYSTEMS, read};

#[cfg(test)]
mod tests;
