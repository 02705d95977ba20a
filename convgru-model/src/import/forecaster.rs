//! Trained networks that say what they are.

use convgru_kernels::Scalar;
use serde::Deserialize;

use super::safetensors::SafetensorsWeights;
use crate::config::ForecasterConfig;
use crate::error::{Error, Result};
use crate::forecaster::Forecaster;

/// The entry of the metadata of a `model.safetensors` that describes the network: JSON with the field `model`, a
/// [`ForecasterConfig`], beside others that training needs.
pub const FORECASTER_ENTRY: &str = "convgru";

/// The part of the entry that makes a network.
#[derive(Deserialize)]
struct Description {
    model: Option<ForecasterConfig>,
}

/// The trained network in the bytes of a `model.safetensors`, with its weights.
///
/// # Errors
/// [`Error::WeightFile`] for bytes that are no such file, and the errors of [`SafetensorsWeights`] where weights and
/// description do not belong together.
///
/// ```
/// use convgru_model::{Forecaster, ForecasterConfig, export, import};
///
/// let network = Forecaster::<f32>::new(ForecasterConfig::default(), 1)?;
/// let description = serde_json::json!({ "model": network.config() }).to_string();
/// let metadata = [(import::FORECASTER_ENTRY.to_owned(), description)];
/// let bytes = export::to_safetensors(network.parameters(), &metadata)?;
/// let read: Forecaster<f32> = import::forecaster(&bytes)?;
/// assert_eq!(read.config(), network.config());
/// # Ok::<(), convgru_model::Error>(())
/// ```
pub fn forecaster<T: Scalar>(bytes: &[u8]) -> Result<Forecaster<T>> {
    let refuse = |reason: String| Error::WeightFile { reason };
    let mut file = SafetensorsWeights::open(bytes)?;
    let entry = file.metadata().get(FORECASTER_ENTRY).ok_or_else(|| {
        refuse(format!("the metadata have no entry `{FORECASTER_ENTRY}`, which says what the network is"))
    })?;
    let description: Description = serde_json::from_str(entry)
        .map_err(|error| refuse(format!("the entry `{FORECASTER_ENTRY}` of the metadata: {error}")))?;
    let config = description.model.ok_or_else(|| {
        refuse(format!(
            "the entry `{FORECASTER_ENTRY}` of the metadata has no field `model`; `convgru export` writes the file anew with it"
        ))
    })?;
    let network = Forecaster::from_tensors(config, &mut |name, shape| file.take(name, shape))?;
    file.expect_all_taken()?;
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MlcastConfig;
    use crate::export::to_safetensors;

    #[test]
    fn networks_of_every_kind_come_back() {
        for kind in ForecasterConfig::KINDS {
            let config = match ForecasterConfig::of_kind(kind).unwrap() {
                // The default has 64 million parameters.
                ForecasterConfig::Mlcast(config) => MlcastConfig { blocks: 2, ..config }.into(),
                config => config,
            };
            let network = Forecaster::<f32>::new(config, 5).unwrap();
            let description = serde_json::json!({ "version": 1, "model": network.config() }).to_string();
            let bytes =
                to_safetensors(network.parameters(), &[(FORECASTER_ENTRY.into(), description)]).unwrap();
            let read: Forecaster<f32> = forecaster(&bytes).unwrap();
            assert_eq!(read.config(), network.config());
            assert_eq!(read.parameters(), network.parameters());
        }
    }

    #[test]
    fn files_that_do_not_say_what_they_are_are_refused() {
        let network = Forecaster::<f32>::new(ForecasterConfig::default(), 5).unwrap();
        let with = |entry: &str, text: &str| {
            let bytes = to_safetensors(network.parameters(), &[(entry.into(), text.into())]).unwrap();
            forecaster::<f32>(&bytes).unwrap_err().to_string()
        };
        assert!(with("other", "{}").contains("no entry `convgru`"));
        assert!(with(FORECASTER_ENTRY, "{}").contains("no field `model`"));
        assert!(with(FORECASTER_ENTRY, "[").contains("the entry `convgru` of the metadata"));
        assert!(
            with(FORECASTER_ENTRY, r#"{"model": {"kind": "pyramid"}}"#).contains("encoder.0.down.weight")
        );
    }
}
