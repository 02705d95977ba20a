//! Scheduled sampling: which frames a step reads from the truth and which from the network's own predictions.

mod reverse;
mod teacher_forcing;

pub(super) use reverse::PredictedInputs;
pub(super) use teacher_forcing::draw_teacher_forced;
