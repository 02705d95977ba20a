//! Tensors that training leaves as they are.

use std::collections::HashSet;

use convgru_model::{Parameters, Tensor};

use crate::{Error, Result};

/// Names that an error lists before it is cut short.
const SHOWN: usize = 12;

/// Which tensors of a network are frozen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Freezing {
    frozen: HashSet<String>,
}

impl Freezing {
    /// The tensors whose names match one of some patterns.
    ///
    /// # Errors
    /// [`Error::Config`] for a pattern that matches no tensor, with the names there are, and if nothing is left to train.
    pub(super) fn new(patterns: &[String], parameters: &impl Parameters<f32>) -> Result<Self> {
        let mut names = Vec::new();
        parameters.for_each(&mut |name, _| names.push(name.to_owned()));
        let refuse = |reason: String| Err(Error::Config { field: "training.freeze".to_owned(), reason });
        let more = if names.len() > SHOWN { ", ..." } else { "" };
        let listed = || format!("{}{more}", names[..names.len().min(SHOWN)].join(", "));
        if let Some(pattern) =
            patterns.iter().find(|pattern| !names.iter().any(|name| matches(pattern, name)))
        {
            return refuse(format!(
                "\"{pattern}\" matches no tensor of the network; its {} tensors are {}",
                names.len(),
                listed()
            ));
        }
        let is_frozen = |name: &&String| patterns.iter().any(|pattern| matches(pattern, name));
        let frozen: HashSet<String> = names.iter().filter(is_frozen).cloned().collect();
        if !names.is_empty() && frozen.len() == names.len() {
            return refuse(format!(
                "{patterns:?} match all {} tensors of the network, and nothing is left to train; leave some of these out: {}",
                names.len(),
                listed()
            ));
        }
        Ok(Self { frozen })
    }

    /// The other tensors of parameters, gradients or averages of the network.
    pub(super) fn trained<'a, P>(&'a self, all: &'a mut P) -> Trained<'a, P> {
        Trained { all, frozen: &self.frozen }
    }

    /// Whether a tensor of a name is trained.
    pub(super) fn trains(&self, name: &str) -> bool {
        !self.frozen.contains(name)
    }

    /// How many tensors are frozen, and how many numbers they hold; `None` if all are trained.
    pub(super) fn count(&self, parameters: &impl Parameters<f32>) -> Option<[usize; 2]> {
        let mut numbers = 0;
        parameters.for_each(&mut |name, tensor| {
            numbers += if self.frozen.contains(name) { tensor.len() } else { 0 };
        });
        (!self.frozen.is_empty()).then_some([self.frozen.len(), numbers])
    }
}

/// The tensors that are trained.
pub(super) struct Trained<'a, P> {
    all: &'a mut P,
    frozen: &'a HashSet<String>,
}

impl<P: Parameters<f32>> Parameters<f32> for Trained<'_, P> {
    fn for_each(&self, visit: &mut dyn FnMut(&str, &Tensor<f32>)) {
        self.all.for_each(&mut |name, tensor| {
            if !self.frozen.contains(name) {
                visit(name, tensor);
            }
        });
    }

    fn for_each_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Tensor<f32>)) {
        self.all.for_each_mut(&mut |name, tensor| {
            if !self.frozen.contains(name) {
                visit(name, tensor);
            }
        });
    }
}

/// Whether a name is that of a pattern, in which `*` stands for any characters, also for none.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place leaves most for the parts that follow.
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use convgru_model::{EncoderForecasterConfig, Forecaster};

    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, fits) in [
            ("encoder.*", "encoder.layers.0.bias", true),
            ("encoder.*", "forecaster.layers.0.bias", false),
            ("*.bias", "encoder.layers.0.bias", true),
            ("*.bias", "encoder.layers.0.bias.x", false),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("encoder", "encoder.0", false),
            ("e*r.*.0.*", "encoder.layers.0.bias", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_that_freeze_nothing_or_everything_are_refused_with_the_names() {
        let config = EncoderForecasterConfig { hidden_channels: vec![2], ..Default::default() };
        let mut model = Forecaster::<f32>::new(config, 0).unwrap();
        let patterns = |patterns: &[&str]| patterns.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let freeze = |given: &[&str]| Freezing::new(&patterns(given), model.parameters());
        let error = freeze(&["encoder.*", "decoder.*"]).unwrap_err().to_string();
        for words in ["training.freeze", "\"decoder.*\" matches no tensor", "encoder.layers.0.input_weights"]
        {
            assert!(error.contains(words), "{error} lacks {words}");
        }
        let error = freeze(&["*"]).unwrap_err().to_string();
        assert!(error.contains("nothing is left to train"), "{error}");
        assert_eq!(freeze(&[]).unwrap().count(model.parameters()), None);
        let freezing = freeze(&["encoder.*", "*.bias"]).unwrap();
        let all = model.parameters().count();
        let trained = freezing.trained(model.parameters_mut());
        trained.for_each(&mut |name, _| {
            assert!(!name.starts_with("encoder.") && !name.ends_with(".bias"), "{name}")
        });
        let left = trained.count();
        assert_eq!(freezing.count(model.parameters()).unwrap()[1], all - left);
    }
}
