//! Where a trained network comes from: the file that its training began with.

use anyhow::Context;
use convgru_model::composed::{Recurrent, Stage};
use convgru_model::import::{NamedNetwork, Origin};
use convgru_model::{Error, ForecasterConfig, Network, Parameters, Tensor};
use convgru_train::printable::printable;
use convgru_train::read_file;
use convgru_train::trainer::{ModelFile, TrainedModel};

use super::super::output::counted;
use super::source::part_of;
use super::{MLCAST, ORIGINAL, Part};

/// A trained network, or a part of one, with the origin of the network that its training began with.
pub(super) fn trained_original(
    trained: &TrainedModel,
    part: Option<Part>,
) -> anyhow::Result<NamedNetwork<f64>> {
    let began_with = network_of_init(trained, part)?;
    let origin = began_with.origin;
    if let Some(part) = part {
        return Ok(NamedNetwork { origin, ..part_of(trained, part)? });
    }
    let network = match &trained.config.model {
        ForecasterConfig::Recurrent(config) => {
            expect_no_more_stages(&config.stages, &began_with.network, origin.as_ref())?;
            let mut tensors = tensors_under(trained, "body.");
            Network::from(Recurrent::from_tensors(config.body(), &mut |name, _| take(&mut tensors, name))?)
        }
        ForecasterConfig::Mlcast(_) => {
            anyhow::bail!("--layout {ORIGINAL}: a trained network of mlcast is written by --layout {MLCAST}")
        }
        config => anyhow::bail!(
            "--layout {ORIGINAL}: no other program has a whole network of the kind {}; choose one of its stacks with --part",
            config.kind()
        ),
    };
    Ok(NamedNetwork { name: String::new(), network, origin })
}

type Named = Vec<(String, Tensor<f64>)>;

/// The tensors whose names begin with a prefix, without it.
pub(super) fn tensors_under(trained: &TrainedModel, prefix: &str) -> Named {
    let mut tensors = Vec::new();
    trained.model.parameters().for_each(&mut |name, tensor| {
        tensors.extend(name.strip_prefix(prefix).map(|name| (name.to_owned(), tensor.cast())));
    });
    tensors
}

/// Takes the tensor of a name.
pub(super) fn take(tensors: &mut Named, name: &str) -> convgru_model::Result<Tensor<f64>> {
    let at = tensors.iter().position(|(own, _)| own == name);
    let missing = || Error::MissingTensor { name: name.to_owned(), found: "others".to_owned() };
    at.map(|at| tensors.swap_remove(at).1).ok_or_else(missing)
}

/// Fails where a training has more stages than the network that it began with.
fn expect_no_more_stages(
    stages: &[Stage],
    began_with: &Network<f32>,
    origin: Option<&Origin>,
) -> anyhow::Result<()> {
    let Network::Recurrent(file) = began_with else { return Ok(()) };
    let count = file.config().stages.len();
    let Some(added) = stages.get(count..).filter(|added| !added.is_empty()) else { return Ok(()) };
    let kinds: Vec<String> = added.iter().enumerate().map(|(at, stage)| line_of(count + at, stage)).collect();
    anyhow::bail!(
        "--layout {ORIGINAL}: the training added {}, so that the network predicts frames, and {} has no place for more than the {} that the \
         file had; leave --layout out to write all weights under the names of convgru",
        kinds.join(" and "),
        origin.map_or("the program that it comes from", |origin| &origin.system),
        counted(count, "stage")
    )
}

/// A stage with its number and its channels.
fn line_of(index: usize, stage: &Stage) -> String {
    let (kind, [reads, gives]) = match stage {
        Stage::Cell(cell) => ("a cell", [cell.in_channels, cell.hidden_channels]),
        Stage::Convolution(config) => ("a convolution", [config.in_channels, config.out_channels]),
        Stage::Residual(config) => ("a residual block", [config.in_channels, config.out_channels]),
    };
    format!("stage {index}, {kind} from {reads} to {}", counted(gives, "channel"))
}

/// The network that a training began with, of a file that says which program it comes from.
fn network_of_init(trained: &TrainedModel, part: Option<Part>) -> anyhow::Result<NamedNetwork<f32>> {
    let init = &trained.config.init;
    let file = init.file().with_context(|| {
        format!(
            "--layout {ORIGINAL}: the training began with drawn weights, which come from no other program"
        )
    })?;
    let what = || format!("--layout {ORIGINAL}: the training began with {}", printable(file));
    let bytes = read_file(file).with_context(what)?;
    let hash = blake3::hash(&bytes).to_hex().to_string();
    anyhow::ensure!(
        init.hash.is_empty() || init.hash == hash,
        "{}, and the file is another now: its hash is {hash} in place of {}",
        what(),
        init.hash
    );
    let ModelFile::Networks(networks) = ModelFile::<f32>::from_bytes(&bytes, file).with_context(what)? else {
        anyhow::bail!("{}, a model of this program, which comes from no other one", what())
    };
    let single = networks.len() == 1;
    let is_of_part = |name: &str| {
        part.is_some_and(|part| name.trim_end_matches('.').rsplit('.').next() == Some(part.name()))
    };
    let named = networks.into_iter().find(|named| single || is_of_part(&named.name));
    named
        .filter(|named| named.origin.is_some())
        .with_context(|| format!("{}, in which no network says which program it comes from", what()))
}
