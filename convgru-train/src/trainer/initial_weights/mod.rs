//! Weights that a run begins with, out of a file.

mod differences;
mod stacks;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use convgru_model::composed::Recurrent;
use convgru_model::import::NamedNetwork;
use convgru_model::{Forecaster, ForecasterConfig, Network, Parameters, Tensor};

use self::stacks::Stack;
use super::model_file::ModelFile;
use super::run_folder::RunFolder;
use crate::config::{InitConfig, RunConfig};
use crate::counted::counted;
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
}

/// What a file holds.
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
    /// Reads any [`ModelFile`], or that of a run's folder.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Format`] if it holds networks that training has not, and the errors of
    /// [`ModelFile::from_bytes`].
    pub fn read(path: &Path) -> Result<Self> {
        let path = RunFolder::existing_model_at(path)?;
        let bytes = read_file(&path)?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let content = match ModelFile::from_bytes(&bytes, &path)? {
            ModelFile::Trained(trained) => Content::Network(Box::new(trained.model), Some(trained.step)),
            ModelFile::Networks(networks) => Content::of(networks, &path)?,
        };
        Ok(Self { path, hash, content })
    }

    /// The weights that a configuration names, if it names any.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`Error::Config`] if the file has another hash than the configuration says.
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

    /// The network that the weights are those of. Stacks of cells change the fields of `configured` that a stack decides, where
    /// that makes it fit; a network of composed cells becomes one that continues the frames of `configured`, where that is possible.
    pub fn network_for(&self, configured: &ForecasterConfig) -> ForecasterConfig {
        match &self.content {
            Content::Network(network, _) => network.config().clone(),
            Content::Stacks(stacks) => {
                stacks.iter().find_map(|stack| stack.network_for(configured)).unwrap_or(configured.clone())
            }
            Content::Stages(network) => {
                stages::network_for(network.config(), configured).unwrap_or(configured.clone())
            }
        }
    }

    /// Puts the weights into a network, and says which ones they are.
    ///
    /// # Errors
    /// [`Error::Config`] with the tensors, their shapes and the fields in which the networks differ. Nothing is changed then.
    pub(super) fn fill(&self, config: &RunConfig, model: &mut Forecaster<f32>) -> Result<String> {
        let (tensors, what) = match &self.content {
            Content::Network(network, step) => {
                if !config.init.part.is_empty() {
                    let reason = format!(
                        "is \"{}\", but {} holds a whole network; leave it out",
                        config.init.part,
                        printable(&self.path)
                    );
                    return Err(Error::Config { field: "init.part".to_owned(), reason });
                }
                if let Some(reason) = differences::of_networks(network, config, model) {
                    return Err(self.refuse(&format!(
                        "its network is not the configured one: {reason}; set [model] alike, or leave it out to take the \
                         network of the file"
                    )));
                }
                let of_step = step.map(|step| format!(", of step {step}")).unwrap_or_default();
                let what = format!("all {} tensors{of_step}", model.parameters().tensors());
                (named(network.parameters(), ""), what)
            }
            Content::Stacks(stacks) => {
                let places = stacks::places(stacks, &config.model, &config.init.part)
                    .map_err(|reason| self.refuse(&reason))?;
                let mut tensors = HashMap::new();
                for (stack, place) in stacks.iter().zip(&places) {
                    tensors.extend(named(stack.network.parameters(), &format!("{place}.")));
                }
                let all = model.parameters().tensors();
                let what = format!(
                    "{} of {all} tensors, those of {}; the others are drawn",
                    tensors.len(),
                    places.join(" and ")
                );
                (tensors, what)
            }
            Content::Stages(network) => {
                let placed = stages::placed(network, &config.model, &config.init.part)
                    .map_err(|reason| self.refuse(&reason))?;
                let tensors: HashMap<_, _> = stages::tensors(network, placed).into_iter().collect();
                let all = model.parameters().tensors();
                let what = format!(
                    "{} of {all} tensors, those of the first {}; the others are drawn",
                    tensors.len(),
                    counted(placed, "stage")
                );
                (tensors, what)
            }
        };
        let mut tensors = tensors;
        model.parameters_mut().for_each_mut(&mut |name, tensor| {
            if let Some(given) = tensors.remove(name) {
                *tensor = given;
            }
        });
        debug_assert!(tensors.is_empty(), "names and shapes were compared");
        Ok(format!("{} (blake3 {}): {what}", printable(&self.path), &self.hash[..SHOWN_OF_A_HASH]))
    }

    fn refuse(&self, reason: &str) -> Error {
        Error::Config {
            field: "init.from".to_owned(),
            reason: format!("{}: {reason}", printable(&self.path)),
        }
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
