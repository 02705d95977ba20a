//! RAFT's update block as a model: one update.

use convgru_kernels::Scalar;

use super::cells::Cells;
use super::graph::{Constants, ConvolutionNames, Graph, Size, integer};
use super::model::{About, encode, json};
use crate::error::{Error, Result};
use crate::layer::{Activation, Conv2dParameters};
use crate::network::Network;
use crate::raft::{MASK_SCALE, RaftUpdateBlock, part};

/// Height and width of all images.
const IMAGE: [Size; 2] = [Size::Free("height"), Size::Free("width")];

/// `[N, C, H, W]` of so many channels.
fn sizes(channels: usize) -> [Size; 4] {
    [Size::Free("batch"), Size::Fixed(channels), IMAGE[0], IMAGE[1]]
}

/// The bytes of the file of an update block.
pub(super) fn write<T: Scalar>(block: &RaftUpdateBlock<T>) -> Result<Vec<u8>> {
    let config = block.config();
    let cells = match block.cell() {
        Network::ConvGru(cell) => {
            Cells::of_stack(cell.config(), &cell.parameters().layers, part::CELL, IMAGE)?
        }
        Network::Recurrent(cell) => {
            Cells::of_stages(cell.config().clone(), cell.parameters(), part::CELL, IMAGE)?
        }
        other => return Err(Error::OtherNetwork { needed: "Recurrent", got: other.description().kind() }),
    };
    let about = About {
        network: "RaftUpdateBlock",
        form: "step",
        sentence: "One update of RAFT: state, context, correlations and flow to the next state, the change of the flow, and the mask of a \
                   block that has one.",
        equation: "c = f(correlations.1*f(correlations.0*corr)); m = f(flow.1*f(flow.0*flow)); x = [inp, f(joint*[c, m]), flow]; \
                   net' = GRU(x, net); delta_flow = flow_head.1*f(flow_head.0*net'); mask = 0.25 (mask.1*f(mask.0*net')); f is ReLU",
        config: json(config)?,
    };
    let mut constants = Constants::default();
    let mut graph = Graph::new("convgru", &mut constants);
    let [net, inp, corr, flow] = [
        ("net", config.hidden_channels),
        ("inp", config.context_channels),
        ("corr", config.correlation_channels),
        ("flow", 2),
    ]
    .map(|(name, channels)| graph.input(name, &sizes(channels)));
    let mut writer = Writer { block, graph: &mut graph };
    let of_correlations = writer.rectified(part::CORRELATIONS, &corr);
    let of_flow = writer.rectified(part::FLOW, &flow);
    let both = writer.joined("motion_encoder.joint.input", &[&of_correlations, &of_flow]);
    let motion = writer.rectified(part::JOINT, &both);
    let x = writer.joined("cell.input", &[&inp, &motion, &flow]);
    let next = cells.step(writer.graph, Some(&x), &[net])?.swap_remove(0);
    let delta_flow = writer.head(part::FLOW_HEAD, &next);
    let mask = config.mask.map(|[_, last]| {
        let weights = writer.head(part::MASK, &next);
        let scale = writer.graph.constants.floats("mask.scale", &[], &[MASK_SCALE]);
        (writer.graph.node("Mul", "mask.scaled", &[&weights, &scale], Vec::new()), last.channels)
    });
    graph.output(&next, "next_net", &sizes(config.hidden_channels));
    graph.output(&delta_flow, "delta_flow", &sizes(2));
    if let Some((mask, channels)) = mask {
        graph.output(&mask, "mask", &sizes(channels));
    }
    let graph = graph.finish();
    encode(&about, graph, constants)
}

/// A graph in which the layers of a block are written.
struct Writer<'a, 'g, 'c, T> {
    block: &'a RaftUpdateBlock<T>,
    graph: &'g mut Graph<'c>,
}

impl<T: Scalar> Writer<'_, '_, '_, T> {
    /// The convolutions of a part, each with a ReLU after it.
    fn rectified(&mut self, part: &str, value: &str) -> String {
        self.block.of_part(part).fold(value.to_owned(), |value, (name, convolution)| {
            let sums = self.convolution(name, convolution.parameters(), &value);
            self.graph.activate(Activation::Relu, &format!("{name}.rectified"), &sums)
        })
    }

    /// The convolutions of a part with a ReLU between two of them.
    fn head(&mut self, part: &str, value: &str) -> String {
        self.block.of_part(part).enumerate().fold(
            value.to_owned(),
            |mut value, (index, (name, convolution))| {
                if index > 0 {
                    value = self.graph.activate(Activation::Relu, &format!("{name}.input"), &value);
                }
                self.convolution(name, convolution.parameters(), &value)
            },
        )
    }

    fn convolution(&mut self, name: &str, parameters: &Conv2dParameters<T>, value: &str) -> String {
        let Conv2dParameters { weight, bias } = parameters;
        let constants = &mut self.graph.constants;
        let weights = constants.floats(&format!("{name}.weight"), weight.shape(), weight.as_slice());
        let bias = bias
            .as_ref()
            .map(|bias| constants.floats(&format!("{name}.bias"), bias.shape(), bias.as_slice()));
        let size = [weight.shape()[2], weight.shape()[3]];
        let kernel = ConvolutionNames { weights: &weights, bias: bias.as_deref(), size, dilation: [1, 1] };
        self.graph.convolve(&format!("{name}.sums"), value, kernel)
    }

    fn joined(&mut self, name: &str, values: &[&str]) -> String {
        self.graph.node("Concat", name, values, vec![integer("axis", 1)])
    }
}
