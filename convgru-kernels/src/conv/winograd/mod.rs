//! Winograd's minimal filtering: convolutions of transformed tiles are products of matrices,
//! one for each element of a tile, with two to six times fewer multiplications.

mod back;
mod by_panel;
mod forward;
mod plane;
mod tiles;
mod transform;
mod weight_gradient;
mod weights;

pub(super) use by_panel::PanelConvolution;
pub(super) use forward::WinogradConvolution;
pub(super) use weight_gradient::WinogradWeightGradient;
pub(super) use weights::pack_panel;
