//! What tests of data sets share.

use super::{DataConfig, FramesConfig, RadarConfig, Source};

/// Enough memory for every file of these tests.
pub(in crate::dataset) fn budget() -> crate::ReadBudget {
    crate::ReadBudget::new(512, "a test")
}

/// The settings of frames of one's own.
pub(in crate::dataset) fn frames_config(config: &mut DataConfig) -> &mut FramesConfig {
    match &mut config.source {
        Source::Frames(frames) => frames,
        other => panic!("{other:?}"),
    }
}

/// The settings of radar images.
pub(in crate::dataset) fn radar_config(config: &mut DataConfig) -> &mut RadarConfig {
    match &mut config.source {
        Source::Radar(radar) => radar,
        other => panic!("{other:?}"),
    }
}
