//! Nodes, values and constants of a graph under construction.

use std::collections::HashSet;

use convgru_kernels::Scalar;

use super::proto::{
    AttributeProto, Dimension, DimensionProto, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use crate::layer::Activation;

/// The constants of a model, which its graph and the graphs within it share.
#[derive(Debug, Default)]
pub(super) struct Constants {
    pub(super) tensors: Vec<TensorProto>,
    names: HashSet<String>,
}

impl Constants {
    /// A constant of numbers of 32 bits.
    pub(super) fn floats<T: Scalar>(&mut self, name: &str, shape: &[usize], values: &[T]) -> String {
        let bytes = || values.iter().flat_map(|value| (value.to_f64() as f32).to_le_bytes()).collect();
        self.add(name, data_type::FLOAT, shape, bytes)
    }

    /// A constant list of whole numbers.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.whole_numbers(name, &[values.len()], values)
    }

    /// A constant whole number.
    pub(super) fn integer(&mut self, name: &str, value: i64) -> String {
        self.whole_numbers(name, &[], &[value])
    }

    /// A constant that is true.
    pub(super) fn truth(&mut self, name: &str) -> String {
        self.add(name, data_type::BOOL, &[], || vec![1])
    }

    fn whole_numbers(&mut self, name: &str, shape: &[usize], values: &[i64]) -> String {
        self.add(name, data_type::INT64, shape, || values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    /// A constant of a name has the same value wherever it is asked for.
    fn add(
        &mut self,
        name: &str,
        data_type: i32,
        shape: &[usize],
        bytes: impl FnOnce() -> Vec<u8>,
    ) -> String {
        if self.names.insert(name.to_owned()) {
            let dims = shape.iter().map(|&dimension| dimension as i64).collect();
            let raw_data = Some(bytes());
            self.tensors.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data });
        }
        name.to_owned()
    }
}

/// One dimension of an input or output.
#[derive(Debug, Clone, Copy)]
pub(super) enum Size {
    /// A number.
    Fixed(usize),
    /// Any number, the same wherever the name is.
    Free(&'static str),
    /// Any number.
    Any,
}

/// A graph, or the body of a loop within one.
#[derive(Debug)]
pub(super) struct Graph<'c> {
    pub(super) constants: &'c mut Constants,
    /// The prefix of the names of values other than inputs and outputs.
    prefix: String,
    graph: GraphProto,
}

impl<'c> Graph<'c> {
    /// An empty graph. Values of a body are named apart from those around it by its own name.
    pub(super) fn new(name: &str, constants: &'c mut Constants) -> Self {
        let graph = GraphProto { name: name.to_owned(), ..GraphProto::default() };
        Self { constants, prefix: String::new(), graph }
    }

    /// An empty body of a loop of this graph.
    pub(super) fn body(&mut self, name: &str) -> Graph<'_> {
        let graph = GraphProto { name: name.to_owned(), ..GraphProto::default() };
        Graph { constants: self.constants, prefix: format!("{name}/"), graph }
    }

    /// The name a value has here.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Declares an input of numbers of 32 bits.
    pub(super) fn input(&mut self, name: &str, sizes: &[Size]) -> String {
        self.input_of(name, data_type::FLOAT, sizes)
    }

    /// Declares an input that is a whole number, or whether something holds.
    pub(super) fn scalar_input(&mut self, name: &str, data_type: i32) -> String {
        self.input_of(name, data_type, &[])
    }

    fn input_of(&mut self, name: &str, data_type: i32, sizes: &[Size]) -> String {
        let name = self.named(name);
        self.graph.input.push(value_info(&name, data_type, sizes));
        name
    }

    /// Declares an output of numbers of 32 bits, which is `value` under another name.
    pub(super) fn output(&mut self, value: &str, name: &str, sizes: &[Size]) {
        self.output_of(value, name, data_type::FLOAT, sizes);
    }

    /// Declares an output that tells whether something holds.
    pub(super) fn truth_output(&mut self, value: &str, name: &str) {
        self.output_of(value, name, data_type::BOOL, &[]);
    }

    fn output_of(&mut self, value: &str, name: &str, data_type: i32, sizes: &[Size]) {
        let name = self.named(name);
        self.push("Identity", &[value], std::slice::from_ref(&name), Vec::new());
        self.graph.output.push(value_info(&name, data_type, sizes));
    }

    /// Declares an output that a node gives, under the node's name for it.
    pub(super) fn output_as_is(&mut self, value: &str, sizes: &[Size]) {
        self.graph.output.push(value_info(value, data_type::FLOAT, sizes));
    }

    /// A node of one output, which has the name of the node.
    pub(super) fn node(
        &mut self,
        kind: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let output = self.named(name);
        self.push(kind, inputs, std::slice::from_ref(&output), attributes);
        output
    }

    /// A node whose outputs are named as they are given.
    pub(super) fn push(
        &mut self,
        kind: &str,
        inputs: &[&str],
        outputs: &[String],
        attribute: Vec<AttributeProto>,
    ) {
        let name = outputs.first().map_or_else(String::new, |output| format!("{kind}:{output}"));
        let input = inputs.iter().map(|&input| input.to_owned()).collect();
        let (output, op_type) = (outputs.to_vec(), kind.to_owned());
        self.graph.node.push(NodeProto { input, output, name, op_type, attribute });
    }

    /// The convolution that keeps height and width.
    pub(super) fn convolve(&mut self, name: &str, value: &str, kernel: ConvolutionNames<'_>) -> String {
        let pads = [0, 1].map(|axis| (kernel.dilation[axis] * (kernel.size[axis] / 2)) as i64);
        let mut attributes = vec![
            integers("kernel_shape", &kernel.size.map(|size| size as i64)),
            integers("pads", &[pads, pads].concat()),
        ];
        if kernel.dilation != [1, 1] {
            attributes.push(integers("dilations", &kernel.dilation.map(|step| step as i64)));
        }
        let inputs: Vec<&str> = [value, kernel.weights].into_iter().chain(kernel.bias).collect();
        self.node("Conv", name, &inputs, attributes)
    }

    /// An elementwise function.
    pub(super) fn activate(&mut self, activation: Activation, name: &str, value: &str) -> String {
        let (operator, attributes) = match activation {
            Activation::Identity => ("Identity", Vec::new()),
            Activation::Sigmoid => ("Sigmoid", Vec::new()),
            Activation::HardSigmoid => ("HardSigmoid", vec![number("alpha", 1.0 / 6.0), number("beta", 0.5)]),
            Activation::Tanh => ("Tanh", Vec::new()),
            Activation::Relu => ("Relu", Vec::new()),
            Activation::LeakyRelu(slope) => ("LeakyRelu", vec![number("alpha", slope)]),
        };
        self.node(operator, name, &[value], attributes)
    }

    /// The message, without the constants.
    pub(super) fn finish(self) -> GraphProto {
        self.graph
    }
}

/// The constants of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvolutionNames<'a> {
    /// Name of the weights.
    pub(super) weights: &'a str,
    /// Name of the bias.
    pub(super) bias: Option<&'a str>,
    /// Height and width.
    pub(super) size: [usize; 2],
    /// Rows and columns from tap to tap.
    pub(super) dilation: [usize; 2],
}

/// An attribute that is a whole number.
pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, attribute_type::INT) }
}

/// An attribute that is a list of whole numbers.
pub(super) fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, attribute_type::INTS) }
}

/// An attribute that is a number.
pub(super) fn number(name: &str, value: f64) -> AttributeProto {
    AttributeProto { f: Some(value as f32), ..attribute(name, attribute_type::FLOAT) }
}

/// An attribute that is a text.
pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, attribute_type::STRING) }
}

/// An attribute that is the number zero of 32 bits, as a tensor of one element.
pub(super) fn zero(name: &str) -> AttributeProto {
    let raw_data = Some(0f32.to_le_bytes().to_vec());
    let tensor = TensorProto { dims: vec![1], data_type: data_type::FLOAT, name: String::new(), raw_data };
    AttributeProto { t: Some(tensor), ..attribute(name, attribute_type::TENSOR) }
}

/// An attribute that is a graph.
pub(super) fn graph(name: &str, value: GraphProto) -> AttributeProto {
    AttributeProto { g: Some(Box::new(value)), ..attribute(name, attribute_type::GRAPH) }
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type, ..AttributeProto::default() }
}

fn value_info(name: &str, elem_type: i32, sizes: &[Size]) -> ValueInfoProto {
    let dimension = |size: &Size| match *size {
        Size::Fixed(number) => Some(Dimension::OnnxValue(number as i64)),
        Size::Free(name) => Some(Dimension::Parameter(name.to_owned())),
        Size::Any => None,
    };
    let dim = sizes.iter().map(|size| DimensionProto { value: dimension(size) }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}
