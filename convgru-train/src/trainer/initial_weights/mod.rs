//! Weights that a run begins with, out of a file.

mod differences;
mod doubts;
mod stacks;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use convgru_model::composed::Recurrent;
use convgru_model::import::NamedNetwork;
use convgru_model::{Forecaster, ForecasterConfig, MlcastConfig, Network, Parameters, Tensor};

use self::stacks::Stack;
use super::model_file::ModelFile;
use super::run_folder::RunFolder;
use crate::config::{InitConfig, RunConfig};
use crate::counted::counted;
use crate::dataset::RainScale;
use crate::printable::printable;
use crate::{Error, Result, read_file};

/// The weights of a file: a network that continues frames, trained or imported, stacks of cells, or a network of composed cells.
///
/// ```
/// use convgru_model::{Forecaster, ForecasterConfig};
/// use convgru_train::config::RunConfig;
/// use convgru_train::trainer::{InitialWeights, TrainedModel};
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("model.safetensors");
/// let config = RunConfig::default();
/// TrainedModel { model: Forecaster::new(config.model.clone(), 7)?, config, step: 40 }.write(&path)?;
/// let weights = InitialWeights::read(&path)?;
/// assert_eq!(weights.network_for(&ForecasterConfig::default()), RunConfig::default().model);
/// # Ok::<(), convgru_train::Error>(())
/// ```
pub struct InitialWeights {
    path: PathBuf,
    hash: String,
    content: Content,
    /// The scale of rain of a trained network.
    rain: Option<RainScale>,
}

/// The content of a file.
enum Content {
    /// A network that continues frames, and the step of its training if it has one.
    Network(Box<Forecaster<f32>>, Option<u64>),
    /// Stacks of cells, at least one.
    Stacks(Vec<Stack>),
    /// A network of composed cells.
    Stages(Box<Recurrent<f32>>),
}

impl Content {
    /// A network that continues frames, or stacks of cells; `path` is for errors.
    fn of(mut networks: Vec<NamedNetwork<f32>>, path: &Path) -> Result<Self> {
        let is_single = networks.len() == 1;
        match networks.pop() {
            Some(NamedNetwork { network: Network::Forecaster(network), .. }) if is_single => {
                Ok(Self::Network(Box::new(network), None))
            }
            Some(NamedNetwork { network: Network::Recurrent(network), .. }) if is_single => {
                Ok(Self::Stages(Box::new(network)))
            }
            last => {
                networks.extend(last);
                let stacks = networks.into_iter().map(|named| Stack::of(named, path));
                Ok(Self::Stacks(stacks.collect::<Result<_>>()?))
            }
        }
    }
}

impl InitialWeights {
    /// Reads any [`ModelFile`], or the model file of a run's folder.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it holds networks that do not train, and the errors of
    /// [`ModelFile::from_bytes`].
    pub fn read(path: &Path) -> Result<Self> {
        let path = RunFolder::existing_model_at(path)?;
        let bytes = read_file(&path)?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let (content, rain) = match ModelFile::from_bytes(&bytes, &path)? {
            ModelFile::Trained(trained) => (
                Content::Network(Box::new(trained.model), Some(trained.step)),
                trained.config.data.source.rain(),
            ),
            ModelFile::Networks(networks) => (Content::of(networks, &path)?, None),
        };
        Ok(Self { path, hash, content, rain })
    }

    /// The weights that a configuration names, if it names any.
    ///
    /// # Errors
    /// The errors of [`read`](Self::read), and [`Error::Config`] if the file has another hash than the configuration says.
    pub(super) fn of(config: &InitConfig) -> Result<Option<Self>> {
        let Some(file) = config.file() else { return Ok(None) };
        let weights = Self::read(file)?;
        if config.hash.is_empty() || config.hash == weights.hash {
            return Ok(Some(weights));
        }
        let reason = format!(
            "is {}, but {} has the hash {}; give the file as it was, or leave the hash out to take the file as it is",
            config.hash,
            printable(&weights.path),
            weights.hash
        );
        Err(Error::Config { field: "init.hash".to_owned(), reason })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The blake3 hash of the file in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The network of the weights. Stacks of cells change the fields of `configured` that a stack decides, where
    /// that makes it fit; a network of composed cells becomes one that continues the frames of `configured`, where that is possible.
    pub fn network_for(&self, configured: &ForecasterConfig) -> ForecasterConfig {
        match &self.content {
            Content::Network(network, None) => imported_for(network.config(), configured),
            Content::Network(network, Some(_)) => network.config().clone(),
            Content::Stacks(stacks) => {
                stacks.iter().find_map(|stack| stack.network_for(configured)).unwrap_or(configured.clone())
            }
            Content::Stages(network) => {
                stages::network_for(network.config(), configured).unwrap_or(configured.clone())
            }
        }
    }

    /// The network of the weights for data with input frames ([`FramesConfig::input`](crate::dataset::FramesConfig::input)): as
    /// [`network_for`](Self::network_for), but a network of composed cells becomes one that gives an image for each input frame.
    pub fn network_of_images(&self, configured: &ForecasterConfig) -> ForecasterConfig {
        match &self.content {
            Content::Stages(network) => {
                stages::network_of_images(network.config(), configured).unwrap_or(configured.clone())
            }
            Content::Network(..) | Content::Stacks(_) => self.network_for(configured),
        }
    }

    /// Puts the weights into a network, and says which ones they are.
    ///
    /// # Errors
    /// [`Error::Config`] with the tensors, their shapes and the fields in which the networks differ. Nothing is changed then.
    pub(super) fn fill(&self, config: &RunConfig, model: &mut Forecaster<f32>) -> Result<String> {
        let (mut tensors, what) = match &self.content {
            Content::Network(network, step) => self.of_network((&**network, *step), config, model)?,
            Content::Stacks(stacks) => self.of_stacks(stacks, config, model)?,
            Content::Stages(network) => self.of_stages(network, config, model)?,
        };
        model.parameters_mut().for_each_mut(&mut |name, tensor| {
            if let Some(given) = tensors.remove(name) {
                *tensor = given;
            }
        });
        debug_assert!(tensors.is_empty(), "names and shapes were compared");
        Ok(format!("{} (blake3 {}): {what}", printable(&self.path), &self.hash[..SHOWN_OF_A_HASH]))
    }

    /// The tensors of a whole network that the configured one takes, and which they are.
    fn of_network(
        &self,
        (network, step): (&Forecaster<f32>, Option<u64>),
        config: &RunConfig,
        model: &Forecaster<f32>,
    ) -> Result<Taken> {
        if !config.init.part.is_empty() {
            let reason = format!(
                "is \"{}\", but {} holds a whole network; leave it out",
                config.init.part,
                printable(&self.path)
            );
            return Err(Error::Config { field: "init.part".to_owned(), reason });
        }
        let all = model.parameters().tensors();
        let mut tensors = named(network.parameters(), "");
        let of = step.map_or(", imported".to_owned(), |step| format!(", of step {step}"));
        let Some(reason) = differences::of_networks((network, step.is_some()), config, model) else {
            return Ok((tensors, format!("all {all} tensors{of}")));
        };
        if !config.init.partial {
            return Err(self.refuse(&format!(
                "its network is not the configured one: {reason}; set [model] alike, leave it out to take the \
                 network of the file, or take the tensors that fit with --init-partial"
            )));
        }
        let mut fitting = HashSet::new();
        model.parameters().for_each(&mut |name, tensor| {
            if tensors.get(name).is_some_and(|given| given.shape() == tensor.shape()) {
                fitting.insert(name.to_owned());
            }
        });
        if fitting.is_empty() {
            return Err(self.refuse(&format!("none of its tensors fits the configured network: {reason}")));
        }
        tensors.retain(|name, _| fitting.contains(name));
        if tensors.len() == all {
            return Ok((tensors, format!("all {all} tensors{of}, in a network that is another: {reason}")));
        }
        let what =
            format!("{} of {all} tensors{of}, those that fit; the others are drawn: {reason}", tensors.len());
        Ok((tensors, what))
    }

    /// The tensors of stacks of cells under the names that they have in the configured network, and which they are.
    fn of_stacks(&self, stacks: &[Stack], config: &RunConfig, model: &Forecaster<f32>) -> Result<Taken> {
        if config.init.partial {
            let reason = format!(
                "is true, but {} holds cells, which fill a stack whole; leave it out, and choose the stack with --init-part",
                printable(&self.path)
            );
            return Err(Error::Config { field: "init.partial".to_owned(), reason });
        }
        let places = stacks::places(stacks, &config.model, &config.init.part)
            .map_err(|reason| self.refuse(&reason))?;
        let mut tensors = HashMap::new();
        for (stack, place) in stacks.iter().zip(&places) {
            tensors.extend(named(stack.network.parameters(), &format!("{place}.")));
        }
        let all = model.parameters().tensors();
        let what = format!(
            "{} of {all} tensors, the tensors of {}; the others are drawn",
            tensors.len(),
            places.join(" and ")
        );
        Ok((tensors, what))
    }

    /// The tensors of composed stages under the names that they have in the configured network, and which they are.
    fn of_stages(
        &self,
        network: &Recurrent<f32>,
        config: &RunConfig,
        model: &Forecaster<f32>,
    ) -> Result<Taken> {
        if config.init.partial {
            let reason = format!(
                "is true, but {} holds stages, whose first ones are taken as far as they fit; leave it out",
                printable(&self.path)
            );
            return Err(Error::Config { field: "init.partial".to_owned(), reason });
        }
        let placed = stages::placed(network, &config.model, &config.init.part)
            .map_err(|reason| self.refuse(&reason))?;
        let tensors: HashMap<_, _> = stages::tensors(network, placed).into_iter().collect();
        let what = format!(
            "{} of {} tensors, from the first {}; the others are drawn",
            tensors.len(),
            model.parameters().tensors(),
            counted(placed, "stage")
        );
        Ok((tensors, what))
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::Config {
            field: "init.from".to_owned(),
            reason: format!("{}: {reason}", printable(&self.path)),
        }
    }
}

/// Tensors by their names in a network, and which they are in words.
type Taken = (HashMap<String, Tensor<f32>>, String);

/// The network of a file. A network of mlcast takes the fields that no tensor decides from a configured network of mlcast.
fn imported_for(own: &ForecasterConfig, configured: &ForecasterConfig) -> ForecasterConfig {
    match (own, configured) {
        (ForecasterConfig::Mlcast(own), ForecasterConfig::Mlcast(configured)) => {
            let MlcastConfig { image_channels, blocks, kernel_size, .. } = *own;
            MlcastConfig { image_channels, blocks, kernel_size, ..configured.clone() }.into()
        }
        _ => own.clone(),
    }
}

/// Characters of a hash that messages show.
const SHOWN_OF_A_HASH: usize = 16;

/// Copies of tensors by their names, with something before each.
fn named(parameters: &impl Parameters<f32>, before: &str) -> HashMap<String, Tensor<f32>> {
    let mut tensors = HashMap::new();
    parameters.for_each(&mut |name, tensor| {
        tensors.insert(format!("{before}{name}"), tensor.clone());
    });
    tensors
}

/// The number of tensors of parameters.
trait CountTensors {
    fn tensors(&self) -> usize;
}

impl<P: Parameters<f32>> CountTensors for P {
    fn tensors(&self) -> usize {
        let mut count = 0;
        self.for_each(&mut |_, _| count += 1);
        count
    }
}
