//! Networks of other programs as trained models.

use convgru_model::{Forecaster, ForecasterConfig, MlcastConfig, Parameters, Scalar, Tensor};

use super::TrainedModel;
use crate::config::{Preset, RunConfig};
use crate::dataset::FoundData;
use crate::loss::Loss;
use crate::{Error, Result};

impl TrainedModel {
    /// A network that the package mlcast trained on its own scale of rain, with the configuration of [`Preset::Mlcast`]: rain in any unit that the
    /// preset reads becomes dBZ of Marshall and Palmer, and forecasts are rain rates in mm/h. `members` is the number of members
    /// of the ensemble, by default the number of the preset; a single member reads no noise. Numbers of 64 bits are rounded to 32.
    ///
    /// # Errors
    /// [`Error::Data`] for a network of another kind, with frames of several channels or with numbers that are too large for 32 bits; [`Error::Config`] for a number of members out of its range.
    ///
    /// ```
    /// use convgru_model::{Forecaster, MlcastConfig};
    /// use convgru_train::trainer::TrainedModel;
    ///
    /// let imported = Forecaster::<f32>::new(MlcastConfig { blocks: 2, ..MlcastConfig::default() }, 0)?;
    /// let trained = TrainedModel::of_mlcast(&imported, Some(3))?;
    /// assert_eq!((trained.model.members(), trained.quantity().unit.as_str()), (3, "mm/h"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_mlcast<T: Scalar>(network: &Forecaster<T>, members: Option<usize>) -> Result<Self> {
        let refuse = |reason: String| Err(Error::Data { what: "the network".into(), reason });
        let of_network = match network.config() {
            ForecasterConfig::Mlcast(config) => config.clone(),
            other => {
                return refuse(format!(
                    "is of the kind {}, but one of the kind mlcast is needed",
                    other.kind()
                ));
            }
        };
        if of_network.image_channels != 1 {
            return refuse(format!(
                "has frames of {} channels, but frames of rain have one",
                of_network.image_channels
            ));
        }
        let mut config = RunConfig::preset(Preset::Mlcast);
        let members = members.unwrap_or(config.model.members());
        if members == 1 {
            // The score of a single member.
            config.training.loss = Loss::L1.into();
        }
        config.data.found = Some(FoundData::of_rain());
        config.model = MlcastConfig { members, signed: true, ..of_network }.into();
        config.validate()?;
        let mut named = network.parameters().to_named().into_iter();
        let model = Forecaster::from_tensors(config.model.clone(), &mut |_, shape| {
            let rounded =
                |tensor: &Tensor<T>| tensor.as_slice().iter().map(|own| own.to_f64() as f32).collect();
            Tensor::from_vec(shape, named.next().map_or(Vec::new(), |(_, tensor)| rounded(&tensor)))
        })?;
        let mut too_large = None;
        model.parameters().for_each(&mut |name, tensor| {
            if !tensor.is_finite() {
                too_large.get_or_insert_with(|| name.to_owned());
            }
        });
        if let Some(name) = too_large {
            return refuse(format!("has weights `{name}` with numbers that are too large for 32 bits"));
        }
        Ok(Self { model, config, step: 0 })
    }
}
