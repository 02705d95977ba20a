"""Writes a workload's network as ONNX files into its folder: `onnx_model.py FOLDER`.

Two shapes of graph: `step` takes a frame and the states and returns the new states; `sequence` takes all frames
and the first states and returns the top state of every step. Two ways to write a cell in each: `joint` convolves
cat([x, h]) as the first published ConvGRU does, with update and reset fused; `split` convolves x for all gates
apart from h, in a sequence all steps at once.
"""

import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

from protocol import Workload

# Old enough for every reader here.
OPSET, IR_VERSION = 17, 8


class Graph:
    """Nodes and constants under fresh names."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs = [], {}, [], []

    def input(self, name, shape):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, value, name, shape):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, name, array):
        self.constants.setdefault(name, numpy_helper.from_array(numpy.ascontiguousarray(array), name))
        return name

    def node(self, kind, inputs, outputs=1, **attributes):
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def split(self, value, sizes, axis):
        if len(sizes) == 1:
            return [value]
        lengths = self.constant("sizes_" + "_".join(map(str, sizes)), numpy.array(sizes, "int64"))
        return self.node("Split", [value, lengths], len(sizes), axis=axis)

    def conv(self, value, layer, weights, bias=None):
        height, width = layer.padding
        inputs = [value, weights] + ([bias] if bias else [])
        return self.node("Conv", inputs, kernel_shape=layer.kernel, pads=[height, width, height, width])

    def model(self, name):
        graph = helper.make_graph(self.nodes, name, self.inputs, self.outputs, list(self.constants.values()))
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="convgru-bench")


def blend(graph, h, gates, hidden, candidate_of):
    """From the sums of update and reset to the new state; `candidate_of(r . h)` gives the candidate's sum."""
    update, reset = graph.split(graph.node("Sigmoid", [gates]), [hidden, hidden], axis=1)
    candidate = graph.node("Tanh", [candidate_of(graph.node("Mul", [reset, h]))])
    change = graph.node("Mul", [update, graph.node("Sub", [candidate, h])])
    return graph.node("Add", [h, change])


def joint_step(graph, index, layer, x, h):
    """A cell that convolves cat([x, h])."""
    joint = numpy.concatenate([layer.input_weights, layer.hidden_weights], axis=1)
    cut = 2 * layer.hidden
    names = [
        graph.constant(f"{name}{index}", array)
        for name, array in (
            ("gate_weights", joint[:cut]),
            ("gate_bias", layer.bias[:cut]),
            ("candidate_weights", joint[cut:]),
            ("candidate_bias", layer.bias[cut:]),
        )
    ]
    gates = graph.conv(graph.node("Concat", [x, h], axis=1), layer, names[0], names[1])

    def candidate_of(reset_state):
        return graph.conv(graph.node("Concat", [x, reset_state], axis=1), layer, names[2], names[3])

    return blend(graph, h, gates, layer.hidden, candidate_of)


def split_step(graph, index, layer, from_input, h):
    """A cell whose input convolution is done."""
    cut = 2 * layer.hidden
    gate_weights = graph.constant(f"hidden_gates{index}", layer.hidden_weights[:cut])
    candidate_weights = graph.constant(f"hidden_candidate{index}", layer.hidden_weights[cut:])
    input_gates, input_candidate = graph.split(from_input, [cut, layer.hidden], axis=1)
    gates = graph.node("Add", [input_gates, graph.conv(h, layer, gate_weights)])

    def candidate_of(reset_state):
        return graph.node("Add", [input_candidate, graph.conv(reset_state, layer, candidate_weights)])

    return blend(graph, h, gates, layer.hidden, candidate_of)


def layer_over(graph, index, layer, frames, h, batch, way):
    """A layer over frames, a list of values of one step each or one value [T N, C, H, W] for `split`."""
    states = []
    if way == "joint":
        for frame in frames:
            h = joint_step(graph, index, layer, frame, h)
            states.append(h)
        return states
    steps = len(frames)
    together = frames[0] if steps == 1 else graph.node("Concat", frames, axis=0)
    weights = graph.constant(f"input_weights{index}", layer.input_weights)
    bias = graph.constant(f"bias{index}", layer.bias)
    for from_input in graph.split(graph.conv(together, layer, weights, bias), [batch] * steps, axis=0):
        h = split_step(graph, index, layer, from_input, h)
        states.append(h)
    return states


def build(workload, steps, way, every_state):
    """The network over a number of steps; outputs are all layers' last states or every top state."""
    graph = Graph()
    batch, height, width = workload.batch, workload.height, workload.width
    channels = workload.layers[0].input_weights.shape[1]
    frames = [graph.input(f"frame{step}", [batch, channels, height, width]) for step in range(steps)]
    last = []
    for index, layer in enumerate(workload.layers):
        h = graph.input(f"state{index}", [batch, layer.hidden, height, width])
        frames = layer_over(graph, index, layer, frames, h, batch, way)
        last.append(frames[-1])
    if every_state:
        outputs = [(state, f"top{step}", workload.layers[-1].hidden) for step, state in enumerate(frames)]
    else:
        outputs = [(state, f"next{index}", workload.layers[index].hidden) for index, state in enumerate(last)]
    for value, name, hidden in outputs:
        graph.output(value, name, [batch, hidden, height, width])
    return graph.model(workload.name)


def write_all(folder):
    """Every file of a workload."""
    workload = Workload(folder)
    for way in ("joint", "split"):
        onnx.save(build(workload, 1, way, every_state=False), workload.folder / f"step_{way}.onnx")
        if workload.kind != "step":
            model = build(workload, workload.steps, way, every_state=True)
            onnx.checker.check_model(model)
            onnx.save(model, workload.folder / f"sequence_{way}.onnx")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: onnx_model.py FOLDER")
    write_all(sys.argv[1])
