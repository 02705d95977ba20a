//! What a user should know about weights that a run can begin with.

use convgru_model::Forecaster;

use super::{Content, InitialWeights, differences};
use crate::config::RunConfig;
use crate::dataset::{RainScale, ScaleKind, Source};
use crate::printable::printable;

impl InitialWeights {
    /// What the user should know although a run can begin with the weights: numbers of rain that mean something else, and a network that computes
    /// something else of the same tensors.
    pub(in crate::trainer) fn doubts(&self, config: &RunConfig, model: &Forecaster<f32>) -> Vec<String> {
        self.other_scale(config).into_iter().chain(self.other_network(config, model)).collect()
    }

    /// How the scale of rain of the training of the file differs from the one of a run on radar images or frames.
    fn other_scale(&self, config: &RunConfig) -> Option<String> {
        let theirs = self.rain.as_ref()?;
        let own = match &config.data.source {
            Source::Strokes(_) | Source::Mnist(_) => return None,
            source => source.rain(),
        };
        let transform = |scale: &RainScale| scale.quantity(None).transform;
        if own.as_ref().map(transform) == Some(transform(theirs)) {
            return None;
        }
        Some(format!(
            "the network of {} reads rain as {}, but this run reads {}; weights bring no scale along: name the preset with that scale, such as \
             --preset mlcast, or set data.frames.rain (of radar images data.radar) as in the training of the file",
            printable(&self.path),
            described(theirs),
            own.as_ref().map_or("numbers without a scale of rain".to_owned(), described)
        ))
    }

    /// In which fields a network whose tensors all fit differs from the configured one.
    fn other_network(&self, config: &RunConfig, model: &Forecaster<f32>) -> Option<String> {
        let Content::Network(network, step) = &self.content else { return None };
        if differences::of_tensors(network.parameters(), model.parameters()).is_some() {
            return None;
        }
        let differences = differences::of_fields(network.config(), step.is_some(), config)?;
        Some(format!(
            "the network of {} is another than the configured one: {differences}; the same weights give other forecasts in it",
            printable(&self.path)
        ))
    }
}

/// A scale in words.
fn described(scale: &RainScale) -> String {
    let RainScale { lowest_dbz, highest_dbz, highest_rate, knee_rate, z_r: [a, b], .. } = scale;
    match scale.scale {
        ScaleKind::Dbz => format!("dBZ from {lowest_dbz} to {highest_dbz} by Z = {a} R^{b}"),
        ScaleKind::LogRate => {
            format!("the logarithm of rates up to {highest_rate} mm/h, linear below {knee_rate} mm/h")
        }
        ScaleKind::Rate => format!("rates up to {highest_rate} mm/h"),
    }
}
