"""FireNet at work beside PyTorch and ONNX Runtime: `firenet_speed.py EXAMPLE HEIGHTxWIDTH [--threads N] [--rounds N]`.

EXAMPLE is the program of `cargo build --release -p convgru-model --example firenet`. All engines have the same drawn weights and run
30 frames of a stream in each round, one engine after the other. Prints for each engine the median over rounds of its median frame, and the ratio
to ours. PyTorch and ONNX Runtime are compared with each other on the last frame before anything is timed.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "parity" / "record"))

BINS, CHANNELS, FRAMES = 5, 16, 30


def network():
    """A FireNet with drawn weights in 32 bits."""
    from firenet import FireNet
    from record import draw

    net = FireNet(BINS, CHANNELS)
    draw(net, torch.Generator().manual_seed(1))
    torch.set_default_dtype(torch.float32)
    return net.float().eval().requires_grad_(False)


class Torch:
    """PyTorch step by step, gates of a cell in one convolution."""

    def __init__(self, net, frames, compiled, channels_last):
        layout = " channels last" if channels_last else ""
        self.name = "PyTorch " + torch.__version__ + layout + (" compile" if compiled else "")
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net
        self.frames = [torch.from_numpy(frame).contiguous(memory_format=self.layout) for frame in frames]
        self.gates = []
        for cell in (net.head.recurrent_block, net.resblocks[0].recurrent_block):
            weight = torch.cat([cell.update_gate.weight, cell.reset_gate.weight])
            bias = torch.cat([cell.update_gate.bias, cell.reset_gate.bias])
            self.gates.append((weight, bias, cell.out_gate.weight, cell.out_gate.bias))
        self.step = torch.compile(self.frame, dynamic=False) if compiled else self.frame

    def cell(self, index, x, h):
        weight, bias, out_weight, out_bias = self.gates[index]
        sums = torch.nn.functional.conv2d(torch.cat([x, h], dim=1), weight, bias, padding=1)
        update, reset = torch.sigmoid(sums).chunk(2, dim=1)
        both = torch.cat([x, h * reset], dim=1)
        return torch.lerp(h, torch.tanh(torch.nn.functional.conv2d(both, out_weight, out_bias, padding=1)), update)

    def frame(self, x, first, second):
        first = self.cell(0, torch.relu(self.net.head.conv(x)), first)
        second = self.cell(1, self.net.resblocks[0].conv(first), second)
        return self.net.pred(self.net.resblocks[1](second)), first, second

    def run(self):
        shape = (1, CHANNELS, *self.frames[0].shape[2:])
        zeros = torch.zeros(shape).contiguous(memory_format=self.layout)
        first, second, times = zeros, zeros, []
        with torch.no_grad():
            for frame in self.frames:
                start = time.perf_counter()
                self.last, first, second = self.step(frame, first, second)
                times.append(time.perf_counter() - start)
        self.last = self.last.numpy()
        return statistics.median(times) * 1e3


class OnnxRuntime:
    """A graph of a frame; states stay in its memory."""

    def __init__(self, net, frames, threads):
        self.name = "ONNX Runtime " + onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.shape = (1, CHANNELS, *frames[0].shape[2:])
        model = graph(net, frames[0].shape, self.shape).SerializeToString()
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.frames = [onnxruntime.OrtValue.ortvalue_from_numpy(frame) for frame in frames]

    def run(self):
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        states, times = [value(numpy.zeros(self.shape, "float32")) for _ in range(2)], []
        for frame in self.frames:
            start = time.perf_counter()
            binding = self.session.io_binding()
            for name, given in zip(("x", "first", "second"), (frame, *states)):
                binding.bind_ortvalue_input(name, given)
            for name in ("y", "first_after", "second_after"):
                binding.bind_output(name, "cpu")
            self.session.run_with_iobinding(binding)
            picture, *states = binding.get_outputs()
            times.append(time.perf_counter() - start)
        self.last = picture.numpy()
        return statistics.median(times) * 1e3


def graph(net, frame, state):
    """A frame of FireNet as ONNX, gates of a cell in one convolution."""
    nodes, constants = [], []

    def node(kind, inputs, name=None, **attributes):
        name = name or f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(tensor):
        constants.append(numpy_helper.from_array(tensor.numpy(), f"c{len(constants)}"))
        return constants[-1].name

    def conv(x, weight, bias, name=None):
        pad = weight.shape[-1] // 2
        return node("Conv", [x, constant(weight), constant(bias)], name, pads=[pad] * 4)

    def cell(own, x, h, name):
        weight = torch.cat([own.update_gate.weight, own.reset_gate.weight])
        bias = torch.cat([own.update_gate.bias, own.reset_gate.bias])
        gates = node("Sigmoid", [conv(node("Concat", [x, h], axis=1), weight, bias)])
        nodes.append(helper.make_node("Split", [gates], [f"{name}_z", f"{name}_r"], axis=1))
        both = node("Concat", [x, node("Mul", [h, f"{name}_r"])], axis=1)
        candidate = node("Tanh", [conv(both, own.out_gate.weight, own.out_gate.bias)])
        return node("Add", [h, node("Mul", [f"{name}_z", node("Sub", [candidate, h])])], name)

    def block(own, x):
        inner = node("Relu", [conv(x, own.conv1.weight, own.conv1.bias)])
        return node("Relu", [node("Add", [conv(inner, own.conv2.weight, own.conv2.bias), x])])

    head = net.head.conv.conv2d
    x = node("Relu", [conv("x", head.weight, head.bias)])
    first = cell(net.head.recurrent_block, x, "first", "first_after")
    second = cell(net.resblocks[0].recurrent_block, block(net.resblocks[0].conv, first), "second", "second_after")
    conv(block(net.resblocks[1], second), net.pred.conv2d.weight, net.pred.conv2d.bias, "y")
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    inputs = [value("x", frame), value("first", state), value("second", state)]
    outputs = [value("y", (1, 1, *frame[2:])), value("first_after", state), value("second_after", state)]
    made = helper.make_graph(nodes, "firenet", inputs, outputs, constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Ours:
    """The example, whose last line tells the median."""

    def __init__(self, example, folder, weights, size, threads):
        self.name = "convgru"
        self.command = [example, str(folder / "pictures"), str(weights), size]
        self.environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}

    def run(self):
        told = subprocess.run(self.command, env=self.environment, check=True, capture_output=True, text=True)
        return float(re.search(r"([\d.]+) ms each", told.stdout).group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("example")
    parser.add_argument("size", help="such as 260x346")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile as well, which needs a C++ compiler")
    told = parser.parse_args()
    net = network()
    torch.set_num_threads(told.threads)
    height, width = (int(number) for number in told.size.split("x"))
    drawn = numpy.random.default_rng(0)
    frames = [drawn.standard_normal((1, BINS, height, width), "float32") for _ in range(FRAMES)]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        weights = folder / "firenet.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, weights)
        engines = [
            Ours(told.example, folder, weights, told.size, told.threads),
            Torch(net, frames, False, False),
            Torch(net, frames, False, True),
            OnnxRuntime(net, frames, told.threads),
        ]
        if told.compile:
            engines.append(Torch(net, frames, True, True))
        medians = {engine.name: [] for engine in engines}
        for engine in engines:
            engine.run()
        apart = max(abs(other.last - engines[1].last).max() for other in engines[2:])
        print(f"FireNet {told.size}, {told.threads} threads, {told.rounds} rounds of {FRAMES} frames; peers agree to {apart:.1e}")
        for _ in range(told.rounds):
            for engine in engines:
                medians[engine.name].append(engine.run())
    ours = medians[engines[0].name]
    for name, times in medians.items():
        ratio = statistics.median(time / own for time, own in zip(times, ours))
        print(f"{name:40} {statistics.median(times):8.2f} ms  {ratio:5.2f} x ours")


if __name__ == "__main__":
    main()
