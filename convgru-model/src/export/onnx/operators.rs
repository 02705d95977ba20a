//! Operations of the composed cells as nodes; what depends on parameters alone is computed now.

use std::rc::Rc;

use convgru_kernels::Scalar;

use super::graph::{Graph, integer, integers, number, text};
use super::proto::AttributeProto;
use crate::composed::graph::{Convolution, Op, Operations, Pad, PaddingMode, Pooling};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Height and width that stand for any: sizes of images are free in a file, and nothing is decided by them.
const ANY: usize = 1 << 20;

/// A tensor while a graph is written.
#[derive(Debug, Clone)]
pub(super) enum OnnxValue<T> {
    /// A parameter or what is made of some: its name, should it become a constant of the file.
    Constant(Rc<str>, Rc<Tensor<T>>),
    /// What a node or an input gives, with the channels it has; the other dimensions are free.
    Node(Rc<str>, usize),
}

impl<T: Scalar> OnnxValue<T> {
    /// A value that is known.
    pub(super) fn constant(name: &str, tensor: Tensor<T>) -> Self {
        Self::Constant(name.into(), Rc::new(tensor))
    }

    /// A value of the graph.
    pub(super) fn node(name: impl Into<Rc<str>>, channels: usize) -> Self {
        Self::Node(name.into(), channels)
    }
}

/// Writes operations as nodes of a graph.
pub(super) struct Writer<'g, 'c, T> {
    pub(super) graph: &'g mut Graph<'c>,
    /// What the names of nodes begin with.
    prefix: &'g str,
    parameters: Vec<OnnxValue<T>>,
    /// Nodes so far, for names.
    count: usize,
}

impl<'g, 'c, T: Scalar> Writer<'g, 'c, T> {
    /// Writes to a graph with the given parameters, in their order; names of nodes begin with `prefix`.
    pub(super) fn new(
        graph: &'g mut Graph<'c>,
        prefix: &'g str,
        parameters: impl Iterator<Item = (String, Tensor<T>)>,
    ) -> Self {
        let parameters = parameters.map(|(name, tensor)| OnnxValue::constant(&name, tensor));
        Self { graph, prefix, parameters: parameters.collect(), count: 0 }
    }

    /// A name that no other node has.
    fn numbered(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}{what}.{}", self.prefix, self.count)
    }

    /// The name of a value in the graph.
    pub(super) fn name(&mut self, value: &OnnxValue<T>) -> Rc<str> {
        match value {
            OnnxValue::Node(name, _) => name.clone(),
            OnnxValue::Constant(name, tensor) => {
                self.graph.constants.floats(name, tensor.shape(), tensor.as_slice()).into()
            }
        }
    }

    /// A constant of one number for each channel, as images of one pixel.
    fn of_channels(&mut self, value: &OnnxValue<T>) -> Result<Rc<str>> {
        let OnnxValue::Constant(name, tensor) = value else {
            return Err(unwritten("a scale that is no parameter"));
        };
        let name = format!("{name}.channels");
        Ok(self.graph.constants.floats(&name, &[1, tensor.len(), 1, 1], tensor.as_slice()).into())
    }

    fn push(&mut self, kind: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Rc<str> {
        let name = self.numbered(&kind.to_ascii_lowercase());
        self.graph.node(kind, &name, inputs, attributes).into()
    }

    fn whole(&mut self, values: &[i64]) -> String {
        let name: Vec<String> = values.iter().map(i64::to_string).collect();
        self.graph.constants.integers(&format!("integers.{}", name.join("_").replace('-', "m")), values)
    }

    fn single(&mut self, value: f64) -> String {
        self.graph.constants.floats(&format!("number.{value}"), &[], &[value])
    }

    fn slice(&mut self, value: &str, axis: i64, [start, end]: [i64; 2]) -> Rc<str> {
        let (start, end, axis) = (self.whole(&[start]), self.whole(&[end]), self.whole(&[axis]));
        self.push("Slice", &[value, &start, &end, &axis], Vec::new())
    }

    fn convolve(&mut self, convolution: &Convolution, inputs: &[OnnxValue<T>]) -> Result<Rc<str>> {
        let OnnxValue::Constant(name, kernel) = &inputs[1] else {
            return Err(unwritten("a kernel that is no parameter"));
        };
        let all = kernel.shape()[0];
        let rows = Op::Images(convolution.rows.clone());
        let kernel = rows.forward(&crate::composed::graph::Operands { values: &[kernel], packed: None })?;
        let name = match all == kernel.shape()[0] {
            true => name.to_string(),
            false => format!("{name}.{}_{}", convolution.rows.start, convolution.rows.end),
        };
        let kernel_name = self.graph.constants.floats(&name, kernel.shape(), kernel.as_slice());
        let mut names = vec![self.name(&inputs[0]), Rc::from(kernel_name.as_str())];
        if let Some(bias) = inputs.get(2) {
            names.push(self.name(bias));
        }
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let whole = |values: [usize; 2]| values.map(|value| value as i64);
        let size = [kernel.shape()[2], kernel.shape()[3]];
        let attributes = vec![
            integers("kernel_shape", &whole(size)),
            integers("pads", &[whole(convolution.padding), whole(convolution.padding)].concat()),
            integers("strides", &whole(convolution.stride)),
            integers("dilations", &whole(convolution.dilation)),
            integer("group", convolution.groups as i64),
        ];
        Ok(self.push("Conv", &names, attributes))
    }

    /// One axis after the other, as each may have another mode.
    fn pad(&mut self, pad: &Pad, value: &OnnxValue<T>) -> Rc<str> {
        let mut name = self.name(value);
        for (axis, padding) in pad.modes.into_iter().enumerate().filter(|(axis, _)| pad.size[*axis] > 0) {
            let (size, place) = (pad.size[axis] as i64, axis + 2);
            let mode = match padding {
                PaddingMode::Zeros => "constant",
                PaddingMode::Replicate => "edge",
                PaddingMode::Reflect => "reflect",
                PaddingMode::Circular => {
                    let last = self.slice(&name, place as i64, [-size, i64::MAX]);
                    let first = self.slice(&name, place as i64, [0, size]);
                    name = self.push("Concat", &[&last, &name, &first], vec![integer("axis", place as i64)]);
                    continue;
                }
            };
            let mut pads = [0; 8];
            (pads[place], pads[place + 4]) = (size, size);
            let pads = self.whole(&pads);
            name = self.push("Pad", &[&name, &pads], vec![text("mode", mode)]);
        }
        name
    }

    /// Each group as one channel of an instance normalisation.
    fn group_norm(&mut self, groups: usize, epsilon: f64, inputs: &[OnnxValue<T>]) -> Result<Rc<str>> {
        let name = self.name(&inputs[0]);
        let grouped = self.whole(&[0, groups as i64, -1]);
        let grouped = self.push("Reshape", &[&name, &grouped], Vec::new());
        let constants = &mut self.graph.constants;
        let one = constants.floats(&format!("norm.ones.{groups}"), &[groups], &vec![T::ONE; groups]);
        let zero = constants.floats(&format!("norm.zeros.{groups}"), &[groups], &vec![T::ZERO; groups]);
        let attributes = vec![number("epsilon", epsilon)];
        let normal = self.push("InstanceNormalization", &[&grouped, &one, &zero], attributes);
        let shape = self.push("Shape", &[&name], Vec::new());
        let normal = self.push("Reshape", &[&normal, &shape], Vec::new());
        let scale = self.of_channels(&inputs[1])?;
        let scaled = self.push("Mul", &[&normal, &scale], Vec::new());
        let shift = self.of_channels(&inputs[2])?;
        Ok(self.push("Add", &[&scaled, &shift], Vec::new()))
    }

    fn pool(&mut self, pooling: Pooling, value: &OnnxValue<T>) -> Rc<str> {
        let name = self.name(value);
        match pooling {
            Pooling::Max2 => {
                let attributes = vec![integers("kernel_shape", &[2, 2]), integers("strides", &[2, 2])];
                self.push("MaxPool", &[&name], attributes)
            }
            Pooling::Average3 => {
                let attributes = vec![
                    integers("kernel_shape", &[3, 3]),
                    integers("strides", &[2, 2]),
                    integers("pads", &[1, 1, 1, 1]),
                    integer("count_include_pad", 1),
                ];
                self.push("AveragePool", &[&name], attributes)
            }
        }
    }

    /// The size of the second operand, by linear interpolation whose corners lie on each other.
    fn resize(&mut self, inputs: &[OnnxValue<T>]) -> Rc<str> {
        let [name, like] = [self.name(&inputs[0]), self.name(&inputs[1])];
        let part = |start, end| vec![integer("start", start), integer("end", end)];
        let own = self.push("Shape", &[&name], part(0, 2));
        let wanted = self.push("Shape", &[&like], part(2, 4));
        let sizes = self.push("Concat", &[&own, &wanted], vec![integer("axis", 0)]);
        let attributes =
            vec![text("mode", "linear"), text("coordinate_transformation_mode", "align_corners")];
        self.push("Resize", &[&name, "", "", &sizes], attributes)
    }

    /// Where pixels look, in the coordinates of a sampler: -1 and 1 are the middles of the outermost pixels.
    fn warp(&mut self, inputs: &[OnnxValue<T>]) -> Rc<str> {
        let [name, flow] = [self.name(&inputs[0]), self.name(&inputs[1])];
        let shape = self.push("Shape", &[&name], Vec::new());
        let mut parts = Vec::new();
        // Columns are first, and the last axis.
        for (channel, axis) in [(0, 3), (1, 2)] {
            let place = self.graph.constants.integer(&format!("integer.{axis}"), axis);
            let size = self.push("Gather", &[&shape, &place], vec![integer("axis", 0)]);
            let zero = self.graph.constants.integer("integer.0", 0);
            let step = self.graph.constants.integer("integer.1", 1);
            let places = self.push("Range", &[&zero, &size, &step], Vec::new());
            let mut places = self.push("Cast", &[&places], vec![integer("to", 1)]);
            if axis == 2 {
                let last = self.whole(&[1]);
                places = self.push("Unsqueeze", &[&places, &last], Vec::new());
            }
            let flow = self.slice(&flow, 1, [channel, channel + 1]);
            let position = self.push("Sub", &[&places, &flow], Vec::new());
            let size = self.push("Cast", &[&size], vec![integer("to", 1)]);
            let [one, two] = [self.single(1.0), self.single(2.0)];
            let last = self.push("Sub", &[&size, &one], Vec::new());
            // An image of one pixel: any length but zero.
            let last = self.push("Max", &[&last, &one], Vec::new());
            let doubled = self.push("Mul", &[&position, &two], Vec::new());
            let relative = self.push("Div", &[&doubled, &last], Vec::new());
            parts.push(self.push("Sub", &[&relative, &one], Vec::new()));
        }
        let grid = self.push("Concat", &[&parts[0], &parts[1]], vec![integer("axis", 1)]);
        let grid = self.push("Transpose", &[&grid], vec![integers("perm", &[0, 2, 3, 1])]);
        let attributes =
            vec![text("mode", "bilinear"), text("padding_mode", "zeros"), integer("align_corners", 1)];
        self.push("GridSample", &[&name, &grid], attributes)
    }
}

impl<T: Scalar> Operations for Writer<'_, '_, T> {
    type Value = OnnxValue<T>;

    fn shape(&self, value: &OnnxValue<T>) -> Vec<usize> {
        match value {
            OnnxValue::Constant(_, tensor) => tensor.shape().to_vec(),
            // One image stands for a batch of any size.
            OnnxValue::Node(_, channels) => vec![1, *channels, ANY, ANY],
        }
    }

    fn parameter(&mut self, index: usize) -> OnnxValue<T> {
        self.parameters[index].clone()
    }

    fn constant(&mut self, tensor: &Tensor<f64>) -> OnnxValue<T> {
        // The same number everywhere has the shape of everything.
        let first = tensor.as_slice().first().copied().unwrap_or(0.0);
        let tensor = Tensor::from_fn(&[1], |_| T::from_f64(first));
        OnnxValue::Constant(format!("constant.{first}").into(), Rc::new(tensor))
    }

    fn apply(&mut self, op: Op, inputs: &[OnnxValue<T>]) -> Result<OnnxValue<T>> {
        let constants: Vec<&Tensor<T>> = inputs
            .iter()
            .filter_map(|input| match input {
                OnnxValue::Constant(_, tensor) => Some(&**tensor),
                OnnxValue::Node(..) => None,
            })
            .collect();
        if constants.len() == inputs.len() {
            let tensor =
                op.forward(&crate::composed::graph::Operands { values: &constants, packed: None })?;
            return Ok(OnnxValue::constant(&self.numbered("made"), tensor));
        }
        let channels = |value: &OnnxValue<T>| match value {
            OnnxValue::Node(_, channels) => *channels,
            OnnxValue::Constant(_, tensor) => tensor.shape().get(1).copied().unwrap_or(1),
        };
        let widest = inputs.iter().map(channels).max().unwrap_or(1);
        let two = |writer: &mut Self| [writer.name(&inputs[0]), writer.name(&inputs[1])];
        let (name, channels) = match &op {
            Op::Convolve(convolution) => (self.convolve(convolution, inputs)?, convolution.rows.len()),
            Op::Pad(pad) => (self.pad(pad, &inputs[0]), widest),
            Op::Activate(activation) => {
                let name = self.name(&inputs[0]);
                let node = self.numbered(&format!("{activation:?}").to_ascii_lowercase());
                (self.graph.activate(*activation, &node, &name).into(), widest)
            }
            Op::Add | Op::AddToPixels | Op::Multiply => {
                let [a, b] = two(self);
                let kind = if op == Op::Multiply { "Mul" } else { "Add" };
                (self.push(kind, &[&a, &b], Vec::new()), widest)
            }
            Op::Blend => {
                let [z, n] = two(self);
                let h = self.name(&inputs[2]);
                let change = self.push("Sub", &[&n, &h], Vec::new());
                let taken = self.push("Mul", &[&z, &change], Vec::new());
                (self.push("Add", &[&h, &taken], Vec::new()), channels(&inputs[2]))
            }
            Op::Gate(gate) => return self.gate(gate.clone(), inputs),
            Op::Channels(range) if *range == (0..widest) => return Ok(inputs[0].clone()),
            Op::ScaleChannels => {
                let (name, scale) = (self.name(&inputs[0]), self.of_channels(&inputs[1])?);
                (self.push("Mul", &[&name, &scale], Vec::new()), channels(&inputs[0]))
            }
            Op::Channels(range) => {
                let name = self.name(&inputs[0]);
                (self.slice(&name, 1, [range.start as i64, range.end as i64]), range.len())
            }
            Op::JoinChannels => {
                let names: Vec<Rc<str>> = inputs.iter().map(|input| self.name(input)).collect();
                let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                let joined = self.push("Concat", &names, vec![integer("axis", 1)]);
                (joined, inputs.iter().map(channels).sum())
            }
            Op::GroupNorm { groups, epsilon } => (self.group_norm(*groups, *epsilon, inputs)?, widest),
            Op::MeanOfPixels => {
                let name = self.name(&inputs[0]);
                (self.push("ReduceMean", &[&name], vec![integers("axes", &[2, 3])]), widest)
            }
            Op::Pool(pooling) => (self.pool(*pooling, &inputs[0]), widest),
            Op::Resize => (self.resize(inputs), channels(&inputs[0])),
            Op::Warp => (self.warp(inputs), channels(&inputs[0])),
            Op::Images(_)
            | Op::JoinImages
            | Op::Choose(_)
            | Op::UnfoldDepth { .. }
            | Op::SpectralNorm
            | Op::Divide => return Err(unwritten(&format!("{op:?}"))),
        };
        Ok(OnnxValue::Node(name, channels))
    }
}

fn unwritten(what: &str) -> Error {
    let reason =
        format!("{what} cannot be written as ONNX; volumes and lengths of samples have no place in a file");
    Error::InvalidConfig { field: "onnx".into(), reason }
}
