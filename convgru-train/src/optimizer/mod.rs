//! Optimisers: how gradients change the parameters.
//!
//! | `optimizer.kind` | rule | in the arithmetic of |
//! |---|---|---|
//! | `"adam"` | [`OptimizerKind::Adam`] | `torch.optim.Adam` |
//! | `"adamw"` | [`OptimizerKind::AdamW`] | `torch.optim.AdamW` |
//! | `"sgd"` | [`OptimizerKind::Sgd`] | `torch.optim.SGD` |
//! | `"rmsprop"` | [`OptimizerKind::RmsProp`] | `torch.optim.RMSprop` |
//!
//! [`Optimizer`] is the one seam: it owns the state, checks sizes and goes over the
//! tensors; a rule is a file with its equation, which sees pieces of plain numbers.

mod adam;
mod clip;
mod config;
mod rmsprop;
mod sgd;
mod state;
mod step;
mod update_rule;

pub use clip::{NormType, clip_global_norm, clip_value, global_norm};
pub use config::{OptimizerConfig, OptimizerKind};
pub use state::{Moment, OptimizerState};
pub use step::Optimizer;

#[cfg(test)]
mod tests;
