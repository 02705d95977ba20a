//! The block among the tensors of a file.

use convgru_kernels::Scalar;

use super::{Cell, RaftUpdateBlock};
use crate::composed::Recurrent;
use crate::error::{Error, Result};
use crate::import::network::{Hints, read};
use crate::import::wrappers;
use crate::layer::{Conv2d, Conv2dConfig, Conv2dParameters};
use crate::tensor::Tensor;

/// A tensor that every block has once; the text before its name is the prefix of the block.
const ANCHOR: &str = "encoder.convc1.weight";

/// The parts of a block.
const PARTS: [&str; 4] = ["encoder.", "gru.", "flow_head.", "mask."];

/// The tensors of a block without their prefix.
struct Own<'t, T> {
    prefix: &'t str,
    tensors: Vec<(&'t str, &'t Tensor<T>)>,
}

impl<T: Scalar> RaftUpdateBlock<T> {
    /// The prefix of the tensors of an update block, such as `module.update_block.`, if
    /// [`from_named_tensors`](Self::from_named_tensors) reads a block from the tensors of a file. Names are without the modules that
    /// `DataParallel` and other wrappers put within them.
    pub fn prefix_among(tensors: &[(String, Tensor<T>)]) -> Option<String> {
        let names = wrappers::names(tensors);
        let prefix = Own::among(&names, tensors).ok()?.prefix.to_owned();
        Self::from_named_tensors(tensors).is_ok().then_some(prefix)
    }

    /// The block among the tensors of a file of RAFT's weights, which have the names of its own program (`update_block.encoder.convc1.weight`
    /// and so on, whatever stands before them): the small one with a ConvGRU, or the larger one with a pair of them and a mask.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] if a tensor is missing, [`Error::UnexpectedTensor`] for one more in a part of the block,
    /// [`Error::ShapeMismatch`] or [`Error::InvalidConfig`] for shapes that do not fit together, [`Error::WeightFile`] for the tensors of
    /// several blocks.
    pub fn from_named_tensors(tensors: &[(String, Tensor<T>)]) -> Result<Self> {
        let names = wrappers::names(tensors);
        let mut own = Own::among(&names, tensors)?;
        let mut correlations = vec![own.convolution("encoder.convc1")?];
        if own.find("encoder.convc2.weight").is_some() {
            correlations.push(own.convolution("encoder.convc2")?);
        }
        let flow = [own.convolution("encoder.convf1")?, own.convolution("encoder.convf2")?];
        let joint = own.convolution("encoder.conv")?;
        let cell = own.cell()?;
        let flow_head = [own.convolution("flow_head.conv1")?, own.convolution("flow_head.conv2")?];
        let mask = match own.find("mask.0.weight") {
            Some(_) => Some([own.convolution("mask.0")?, own.convolution("mask.2")?]),
            None => None,
        };
        if let Some((name, _)) = own.tensors.first() {
            return Err(Error::UnexpectedTensor { name: format!("{}{name}", own.prefix) });
        }
        let of_correlations = correlations[correlations.len() - 1].config().out_channels;
        let both = of_correlations + flow[1].config().out_channels;
        let features = joint.config().out_channels + 2;
        let [inputs, hidden] = match &cell {
            Cell::Single(cell) => [cell.config().in_channels, cell.config().hidden_channels[0]],
            Cell::Pair(cell) => [cell.config().in_channels(0), cell.top_channels()],
        };
        let read = |convolution: &Conv2d<T>| convolution.config().in_channels;
        let given = |convolution: &Conv2d<T>| convolution.config().out_channels;
        let mut fitting = vec![
            ("encoder.convf1", read(&flow[0]), 2),
            ("encoder.convf2", read(&flow[1]), given(&flow[0])),
            ("encoder.conv", read(&joint), both),
            ("flow_head.conv1", read(&flow_head[0]), hidden),
            ("flow_head.conv2", read(&flow_head[1]), given(&flow_head[0])),
        ];
        if let [first, second] = &correlations[..] {
            fitting.push(("encoder.convc2", read(second), given(first)));
        }
        if let Some([first, second]) = &mask {
            fitting.extend([("mask.0", read(first), hidden), ("mask.2", read(second), given(first))]);
        }
        for (name, reads, expected) in fitting {
            if reads != expected {
                let reason =
                    format!("`{}{name}` reads {reads} channels, and is given {expected}", own.prefix);
                return Err(Error::InvalidConfig { field: "in_channels".into(), reason });
            }
        }
        if given(&flow_head[1]) != 2 {
            let reason = format!(
                "`{}flow_head.conv2` gives {} channels, and a flow has 2",
                own.prefix,
                given(&flow_head[1])
            );
            return Err(Error::InvalidConfig { field: "out_channels".into(), reason });
        }
        let Some(context_channels) = inputs.checked_sub(features).filter(|&channels| channels > 0) else {
            let reason = format!(
                "the cell reads {inputs} channels, of which {features} are features of movement and none is left for the context"
            );
            return Err(Error::InvalidConfig { field: "in_channels".into(), reason });
        };
        Ok(Self { correlations, flow, joint, cell, flow_head, mask, context_channels })
    }
}

impl<'t, T: Scalar> Own<'t, T> {
    /// The tensors by their names without wrappers.
    fn among(names: &'t [String], tensors: &'t [(String, Tensor<T>)]) -> Result<Self> {
        let mut prefixes = names.iter().filter_map(|name| name.strip_suffix(ANCHOR));
        let found = || names.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
        let prefix =
            prefixes.next().ok_or_else(|| Error::MissingTensor { name: ANCHOR.into(), found: found() })?;
        if let Some(other) = prefixes.next() {
            let reason =
                format!("it holds two update blocks, `{prefix}` and `{other}`; give the tensors of one");
            return Err(Error::WeightFile { reason });
        }
        let named = names.iter().zip(tensors);
        let own = named.filter_map(|(name, (_, tensor))| Some((name.strip_prefix(prefix)?, tensor)));
        let tensors = own.filter(|(name, _)| PARTS.iter().any(|part| name.starts_with(part))).collect();
        Ok(Self { prefix, tensors })
    }

    fn find(&self, name: &str) -> Option<&'t Tensor<T>> {
        self.tensors.iter().find(|(own, _)| *own == name).map(|(_, tensor)| *tensor)
    }

    /// A tensor, which is no longer there afterwards.
    fn take(&mut self, name: &str) -> Result<&'t Tensor<T>> {
        let place = self.tensors.iter().position(|(own, _)| *own == name);
        let Some(place) = place else {
            let found = self.tensors.iter().take(6).map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            return Err(Error::MissingTensor { name: format!("{}{name}", self.prefix), found });
        };
        Ok(self.tensors.remove(place).1)
    }

    /// A convolution that keeps the size of images.
    fn convolution(&mut self, name: &str) -> Result<Conv2d<T>> {
        let weight = self.take(&format!("{name}.weight"))?.clone();
        let &[outputs, inputs, kh, kw] = weight.shape() else {
            let expected = "[out, in, height, width]".to_owned();
            return Err(Error::ShapeMismatch { what: name.into(), expected, got: weight.shape().to_vec() });
        };
        if kh.is_multiple_of(2) || kw.is_multiple_of(2) {
            let reason = format!("{kh} x {kw} of `{}{name}`: both must be odd", self.prefix);
            return Err(Error::InvalidConfig { field: "kernel_size".into(), reason });
        }
        let bias = Some(self.take(&format!("{name}.bias"))?.clone());
        Conv2d::from_parameters(
            Conv2dConfig::new(inputs, outputs, [kh, kw]),
            Conv2dParameters { weight, bias },
        )
    }

    /// The recurrent cell, one or a pair.
    fn cell(&mut self) -> Result<Cell<T>> {
        let is_pair = self.find("gru.convz1.weight").is_some();
        let suffixes: &[&str] = if is_pair { &["1", "2"] } else { &[""] };
        let mut tensors = Vec::new();
        for suffix in suffixes {
            for (gate, kind) in
                ["convz", "convr", "convq"].iter().flat_map(|gate| [(gate, "weight"), (gate, "bias")])
            {
                let name = format!("gru.{gate}{suffix}.{kind}");
                let tensor = self.take(&name)?.clone();
                tensors.push((name, tensor));
            }
        }
        let imported = read(if is_pair { "raft_sep" } else { "raft" }, &tensors, &Hints::default())?;
        let network = Recurrent::from_parameters(imported.config, imported.parameters)?;
        Ok(if is_pair { Cell::Pair(network) } else { Cell::Single(network.to_conv_gru()?) })
    }
}
