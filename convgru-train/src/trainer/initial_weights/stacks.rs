//! Stacks of cells of a file, and where they belong in a network.

use std::path::Path;

use convgru_model::import::NamedNetwork;
use convgru_model::{ConvGru, ConvGruConfig, ForecasterConfig, Network};

use super::differences::of_tensors;
use crate::{Error, Result};

/// A stack of cells with its name in the file.
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) network: ConvGru<f32>,
}

impl Stack {
    /// The stack that a network of a file is; `path` is for errors.
    pub(super) fn of(NamedNetwork { name, network, .. }: NamedNetwork<f32>, path: &Path) -> Result<Self> {
        let refuse = |reason: &str| Error::Format { path: path.into(), reason: format!("`{name}` {reason}") };
        match network {
            Network::ConvGru(network) => Ok(Self { name, network }),
            Network::Recurrent(_) => {
                Err(refuse("is a network of composed cells beside others; write it into a file of its own"))
            }
            Network::RaftUpdate(_) => Err(refuse(
                "is an update block of RAFT, whose inputs are correlations of two pictures: it does not train. `convgru export --part cell` writes \
                 its recurrent cell, which a training can begin with",
            )),
            Network::Forecaster(_) => {
                Err(refuse("is a whole network beside others; write it into a file of its own"))
            }
        }
    }

    /// An encoder-forecaster like `configured` that has the stack, if its fields can say so.
    pub(super) fn network_for(&self, configured: &ForecasterConfig) -> Option<ForecasterConfig> {
        let ForecasterConfig::EncoderForecaster(configured) = configured else { return None };
        let (stack, channels) = (self.network.config(), configured.image_channels);
        // The largest patch of a configuration is 32.
        let patch = (1..=32).find(|patch| channels.checked_mul(patch * patch) == Some(stack.in_channels));
        let mut network = configured.clone();
        network.patch = patch.unwrap_or(configured.patch);
        network.hidden_channels.clone_from(&stack.hidden_channels);
        network.kernel_size.clone_from(&stack.kernel_size);
        network.bias = stack.bias;
        let network = ForecasterConfig::from(network);
        network.stacks().iter().any(|(_, place)| place.computes_the_same_as(stack)).then_some(network)
    }

    /// Whether the name ends with the name of a stack of a network, as `module.encoder.` with `encoder`.
    fn is_named(&self, place: &str) -> bool {
        let name = self.name.trim_end_matches('.');
        name == place || name.strip_suffix(place).is_some_and(|before| before.ends_with('.'))
    }
}

/// Which stack of a network each stack of a file fills: `part` for a single one if it is given, otherwise the one of its name, or
/// the only one that computes the same.
///
/// # Errors
/// What differs, or which stacks there are to choose from.
pub(super) fn places(
    stacks: &[Stack],
    network: &ForecasterConfig,
    part: &str,
) -> std::result::Result<Vec<String>, String> {
    let all = network.stacks();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    if !part.is_empty() && !names.contains(&part) {
        return Err(format!(
            "the network has no part `{part}`; its stacks of cells are {}",
            names.join(", ")
        ));
    }
    if !part.is_empty() && stacks.len() > 1 {
        let held: Vec<_> = stacks.iter().map(|stack| format!("`{}`", stack.name)).collect();
        return Err(format!(
            "--init-part places one stack, and the file holds {}; write the one out with `convgru export --stack`",
            held.join(", ")
        ));
    }
    let mut taken: Vec<String> = Vec::new();
    for stack in stacks {
        let fits = |config: &ConvGruConfig| config.computes_the_same_as(stack.network.config());
        let of_name = |place: &str| if part.is_empty() { stack.is_named(place) } else { place == part };
        let place = match all.iter().find(|(name, _)| of_name(name)) {
            Some((name, config)) if fits(config) => name,
            Some((name, config)) => return Err(misfit(stack, name, config)),
            None => {
                let fitting: Vec<_> = all.iter().filter(|(_, config)| fits(config)).collect();
                match fitting[..] {
                    [(name, _)] => name,
                    [] => {
                        let each: Vec<_> =
                            all.iter().map(|(name, config)| misfit(stack, name, config)).collect();
                        return Err(each.join(". "));
                    }
                    _ => {
                        let names: Vec<_> = fitting.iter().map(|(name, _)| name.as_str()).collect();
                        return Err(format!(
                            "the cells `{}` fit {} alike; choose one with --init-part",
                            stack.name,
                            names.join(" and ")
                        ));
                    }
                }
            }
        };
        if taken.contains(place) {
            return Err(format!(
                "two stacks of the file belong to {place}; write the one out with `convgru export --stack`"
            ));
        }
        taken.push(place.clone());
    }
    Ok(taken)
}

/// Why a stack of a file is none of a network.
fn misfit(stack: &Stack, place: &str, config: &ConvGruConfig) -> String {
    let tensors = ConvGru::<f32>::new(config.clone(), 0).map_or_else(
        |error| Some(error.to_string()),
        |wanted| of_tensors(stack.network.parameters(), wanted.parameters()),
    );
    let reason = tensors.unwrap_or_else(|| {
        let functions = |config: &ConvGruConfig| {
            format!(
                "dilation {:?} (input {:?}), gates {}, candidate {}, reset {} the convolution",
                config.dilation,
                config.dilation_of_input(),
                config.gate_activation,
                config.candidate_activation,
                config.reset
            )
        };
        let theirs = stack.network.config();
        format!(
            "the cells compute otherwise: {} in the file, {} in the network",
            functions(theirs),
            functions(config)
        )
    });
    format!("the cells `{}` differ from the {place} of the configured network: {reason}", stack.name)
}
