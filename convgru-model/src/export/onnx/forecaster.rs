//! A network that continues frames as a model: one step of either side, or the whole forecast.

use convgru_kernels::Scalar;

use super::encoder_forecaster::EncoderForecasterGraph;
use super::forecaster_graph::ForecasterGraph;
use super::form::Part;
use super::graph::{Constants, Graph};
use super::mlcast::MlcastGraph;
use super::model::{About, encode};
use super::pyramid::PyramidGraph;
use super::recurrent_forecaster::RecurrentForecasterGraph;
use crate::config::ForecasterConfig;
use crate::error::Result;
use crate::forecaster::{Forecaster, expect_frames};

/// The bytes of the file.
pub(super) fn write<T: Scalar>(network: &Forecaster<T>, part: Part) -> Result<Vec<u8>> {
    if let Part::Forecast { steps } = part {
        expect_frames(steps)?;
    }
    network.check()?;
    let parameters = network.parameters();
    let writer: Box<dyn ForecasterGraph + '_> = match network.config() {
        ForecasterConfig::EncoderForecaster(config) => {
            Box::new(EncoderForecasterGraph::new(config, parameters)?)
        }
        ForecasterConfig::Pyramid(config) => Box::new(PyramidGraph::new(config, parameters)?),
        ForecasterConfig::Mlcast(config) => Box::new(MlcastGraph::new(config, parameters)?),
        ForecasterConfig::Recurrent(config) => Box::new(RecurrentForecasterGraph::new(config, parameters)?),
    };
    let mut constants = Constants::default();
    let mut graph = Graph::new("convgru", &mut constants);
    match part {
        Part::EncoderStep => writer.encoder_step(&mut graph),
        Part::ForecasterStep => writer.forecaster_step(&mut graph),
        Part::Forecast { steps } => writer.forecast(&mut graph, steps),
    }?;
    let about = About {
        network: writer.name(),
        form: part.name(),
        sentence: writer.sentence(part),
        equation: &writer.equation(),
        config: writer.config()?,
    };
    let graph = graph.finish();
    encode(&about, graph, constants)
}
