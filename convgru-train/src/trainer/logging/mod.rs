//! The logs of a run: `metrics.jsonl`, and the same numbers for TensorBoard.

mod event_file;
mod metrics_log;

pub(super) use event_file::NAME as EVENT_FILE;
pub(super) use metrics_log::MetricsLog;
