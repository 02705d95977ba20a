//! Cells of both directions of time.

use convgru_kernels::Scalar;

use super::description::Layout;
use super::rearrange::ForeignStack;
use crate::error::{Error, Result};
use crate::fused::Directions;
use crate::fused::cell::CellParameters;
use crate::tensor::Tensor;

/// What the names of the backward direction end with, as `torch.nn.GRU` has them: `weight_ih_l0_reverse`.
pub(super) const REVERSE: &str = "_reverse";

impl Layout {
    /// Rearranges the tensors of both directions; names of the backward direction have `_reverse` after the names of
    /// [`read`](Self::read).
    ///
    /// In a `torch.nn.GRU` of several layers each layer reads both directions of the one before: give the tensors of one layer
    /// at a time, for a [`BidirectionalConvGru`](crate::BidirectionalConvGru) each.
    ///
    /// # Shapes
    /// As [`read`](Self::read).
    ///
    /// # Errors
    /// As [`read`](Self::read), for either direction, and [`Error::InvalidConfig`] if the two are not of the same shape.
    ///
    /// ```
    /// use convgru_model::{
    ///     BidirectionalConvGru, BidirectionalConvGruConfig, ConvGruParameters, Directions, Tensor, import::layout::Layout,
    /// };
    ///
    /// // torch.nn.GRU(5, 7, bidirectional=True)
    /// let mut tensors = Vec::new();
    /// for direction in ["", "_reverse"] {
    ///     for (name, shape) in [("weight_ih", &[21, 5][..]), ("weight_hh", &[21, 7]), ("bias_ih", &[21]), ("bias_hh", &[21])] {
    ///         tensors.push((format!("{name}_l0{direction}"), Tensor::<f32>::zeros(shape)));
    ///     }
    /// }
    /// let layout = Layout::of("torch_nn_gru_1x1").expect("a known layout");
    /// let Directions { forward, backward } = layout.read_bidirectional(&tensors)?;
    /// let config = BidirectionalConvGruConfig::new(forward.config);
    /// let parameters = Directions {
    ///     forward: ConvGruParameters { layers: forward.layers },
    ///     backward: ConvGruParameters { layers: backward.layers },
    /// };
    /// let network = BidirectionalConvGru::from_parameters(config, parameters)?;
    /// assert_eq!(network.config().out_channels(0), 14);
    /// # Ok::<(), convgru_model::Error>(())
    /// ```
    pub fn read_bidirectional<T: Scalar>(
        &self,
        tensors: &[(String, Tensor<T>)],
    ) -> Result<Directions<ForeignStack<T>>> {
        let named: Vec<(&str, &Tensor<T>)> =
            tensors.iter().map(|(name, tensor)| (&name[..], tensor)).collect();
        self.read_both(&named)
    }

    /// As [`read_bidirectional`](Self::read_bidirectional), of tensors that lie elsewhere.
    pub(super) fn read_both<T: Scalar>(
        &self,
        tensors: &[(&str, &Tensor<T>)],
    ) -> Result<Directions<ForeignStack<T>>> {
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for &(name, tensor) in tensors {
            match name.strip_suffix(REVERSE) {
                Some(name) => backward.push((name, tensor)),
                None => forward.push((name, tensor)),
            }
        }
        let forward = self.read_named(&forward)?;
        let backward = self.read_named(&backward).map_err(of_backward)?;
        if forward.config != backward.config || forward.prefixes != backward.prefixes {
            let of = |stack: &ForeignStack<T>| {
                let ForeignStack { config, prefixes, .. } = stack;
                format!("{prefixes:?} of {} to {:?} channels", config.in_channels, config.hidden_channels)
            };
            return Err(Error::InvalidConfig {
                field: "cells of the backward direction".into(),
                reason: format!("{}, where the forward direction has {}", of(&backward), of(&forward)),
            });
        }
        Ok(Directions { forward, backward })
    }

    /// Rearranges parameters of both directions into this layout; the inverse of
    /// [`read_bidirectional`](Self::read_bidirectional) as [`write`](Self::write) is that of [`read`](Self::read).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bidirectional<T: Scalar>(
        &self,
        prefixes: &[String],
        layers: Directions<&[CellParameters<T>]>,
    ) -> Result<Vec<(String, Tensor<T>)>> {
        let mut tensors = self.write(prefixes, layers.forward)?;
        let backward = self.write(prefixes, layers.backward)?;
        tensors.extend(backward.into_iter().map(|(name, tensor)| (name + REVERSE, tensor)));
        Ok(tensors)
    }
}

/// The error of the backward direction, whose tensors were read without the end of their names.
fn of_backward(error: Error) -> Error {
    match error {
        Error::MissingTensor { name, found } => Error::MissingTensor { name: name + REVERSE, found },
        Error::UnexpectedTensor { name } => Error::UnexpectedTensor { name: name + REVERSE },
        Error::ShapeMismatch { what, expected, got } => {
            Error::ShapeMismatch { what: format!("{what} of the backward direction"), expected, got }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensors = Vec<(String, Tensor<f64>)>;

    fn gru(inputs: usize, ends: &[&str]) -> Tensors {
        let mut tensors = Vec::new();
        for end in ends {
            for (name, shape) in [("weight_ih", [6, inputs]), ("weight_hh", [6, 2])] {
                let first = 1000.0 * tensors.len() as f64;
                tensors.push((format!("{name}_l0{end}"), Tensor::from_fn(&shape, |i| first + i as f64)));
            }
        }
        tensors
    }

    fn layout() -> &'static Layout {
        Layout::of("torch_nn_gru_1x1").unwrap()
    }

    #[test]
    fn both_directions_are_read_and_written() {
        let tensors = gru(3, &["", REVERSE]);
        let both = layout().read_bidirectional(&tensors).unwrap();
        // Gate 1 (reset) is the first of theirs.
        assert_eq!(both.forward.layers[0].input_weights.slice(2)[0], 0.0);
        assert_eq!(both.backward.layers[0].input_weights.slice(2)[0], 2000.0);
        let Directions { forward, backward } = &both;
        let layers = Directions { forward: &forward.layers[..], backward: &backward.layers[..] };
        assert_eq!(layout().write_bidirectional(&forward.prefixes, layers).unwrap(), tensors);
    }

    #[test]
    fn directions_that_do_not_fit_are_refused_by_name() {
        let message = |tensors: &Tensors| layout().read_bidirectional(tensors).unwrap_err().to_string();
        let error = message(&gru(3, &[""]));
        assert!(error.contains("no tensor `weight_ih_l_reverse`"), "{error}");
        let mut tensors = gru(3, &["", REVERSE]);
        tensors.remove(3);
        assert!(message(&tensors).contains("no tensor `weight_hh_l0_reverse`"), "{}", message(&tensors));
        let mut tensors = gru(3, &["", REVERSE]);
        tensors[3].1 = Tensor::zeros(&[6, 9]);
        assert!(
            message(&tensors).contains("of the backward direction: shape [6, 9]"),
            "{}",
            message(&tensors)
        );
        let tensors = [gru(3, &[""]), gru(5, &[REVERSE])].concat();
        assert!(message(&tensors).contains("of 5 to [2] channels"), "{}", message(&tensors));
    }
}
