"""PyTorch, written in three ways: `pytorch.py eager`, `pytorch.py by-hand`, `pytorch.py compile`."""

import sys

import torch
import torch.nn.functional as F
from torch import nn

import protocol


class EagerCell(nn.Module):
    """The first published ConvGRU: a convolution of cat([x, h]) for each gate."""

    def __init__(self, layer):
        super().__init__()
        self.padding = layer.padding
        joint = torch.cat([torch.from_numpy(layer.input_weights), torch.from_numpy(layer.hidden_weights)], dim=1)
        self.inputs = layer.input_weights.shape[1]
        self.weights = nn.ParameterList(gate.clone() for gate in joint.chunk(3))
        self.biases = nn.ParameterList(gate.clone() for gate in torch.from_numpy(layer.bias).chunk(3))

    def gate(self, index, x):
        return F.conv2d(x, self.weights[index], self.biases[index], padding=self.padding)

    def forward(self, x, h):
        joint = torch.cat([x, h], dim=1)
        update = torch.sigmoid(self.gate(0, joint))
        reset = torch.sigmoid(self.gate(1, joint))
        candidate = torch.tanh(self.gate(2, torch.cat([x, h * reset], dim=1)))
        return h * (1 - update) + candidate * update

    def gradients(self):
        """Those of W, U and b."""
        joint = torch.cat([weight.grad for weight in self.weights])
        return [joint[:, : self.inputs], joint[:, self.inputs :], torch.cat([bias.grad for bias in self.biases])]


class EagerNetwork(nn.Module):
    """All layers step by step."""

    def __init__(self, layers):
        super().__init__()
        self.cells = nn.ModuleList(EagerCell(layer) for layer in layers)

    def forward(self, frames, states):
        tops = []
        for frame in frames:
            below = frame
            for index, cell in enumerate(self.cells):
                below = states[index] = cell(below, states[index])
            tops.append(below)
        return tops


class Recurrence(nn.Module):
    """A step of a cell whose input convolution is done."""

    def __init__(self, layer):
        super().__init__()
        self.padding, self.hidden = layer.padding, layer.hidden
        weights = torch.from_numpy(layer.hidden_weights).clone()
        gates, candidate = weights.split([2 * layer.hidden, layer.hidden])
        self.gates = nn.Parameter(gates.contiguous(memory_format=torch.channels_last))
        self.candidate = nn.Parameter(candidate.contiguous(memory_format=torch.channels_last))

    def forward(self, from_input, h):
        input_gates, input_candidate = from_input.split([2 * self.hidden, self.hidden], dim=1)
        gates = torch.sigmoid(input_gates + F.conv2d(h, self.gates, padding=self.padding))
        update, reset = gates.chunk(2, dim=1)
        hidden = F.conv2d(h * reset, self.candidate, padding=self.padding)
        candidate = torch.tanh(input_candidate + hidden)
        return torch.lerp(h, candidate, update)


class FusedLayer(nn.Module):
    """A cell over a sequence: gates fused, the input's convolution over several steps at once."""

    def __init__(self, layer, compiled):
        super().__init__()
        self.padding, self.hidden = layer.padding, layer.hidden
        weights = torch.from_numpy(layer.input_weights).clone()
        self.weights = nn.Parameter(weights.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.from_numpy(layer.bias).clone())
        self.recurrence = Recurrence(layer)
        self.step = torch.compile(self.recurrence, dynamic=False) if compiled else self.recurrence

    def forward(self, frames, h, block):
        """`frames`: [T N, C, H, W]; returns the states, one for each step, and the last of them."""
        batch = h.shape[0]
        states = []
        for some in frames.split(block * batch):
            for from_input in F.conv2d(some, self.weights, self.bias, padding=self.padding).split(batch):
                h = self.step(from_input, h)
                states.append(h)
        return states, h

    def gradients(self):
        hidden = torch.cat([self.recurrence.gates.grad, self.recurrence.candidate.grad])
        return [self.weights.grad, hidden, self.bias.grad]


class FusedNetwork(nn.Module):
    """Layer after layer, each over the whole sequence in training and over a block of steps in inference."""

    def __init__(self, workload, compiled):
        super().__init__()
        self.cells = nn.ModuleList(FusedLayer(layer, compiled) for layer in workload.layers)
        pixels = workload.batch * workload.height * workload.width
        widest = max(3 * layer.hidden for layer in workload.layers)
        # The gates of a block of steps stay in a cache of 4 MiB, where one step leaves room.
        fitting = max(1, (1 << 20) // (widest * pixels))
        self.block = workload.steps if workload.kind == "training" else min(workload.steps, fitting)

    def forward(self, frames, states):
        batch = states[0].shape[0]
        tops = []
        for below in frames.split(self.block * batch):
            for index, cell in enumerate(self.cells):
                outputs, states[index] = cell(below, states[index], self.block)
                last = index + 1 == len(self.cells)
                below = outputs if last else outputs[0] if len(outputs) == 1 else torch.cat(outputs)
            tops.extend(below)
        return tops


class Engine:
    """One way to write it."""

    def __init__(self, variant):
        self.variant = variant
        # The compiler's own memory cannot be told apart from the step's.
        self.measures_memory = variant != "compile"

    def load(self, workload, threads):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        frames = torch.from_numpy(workload.frames)
        states = [torch.from_numpy(state) for state in workload.zero_states()]
        self.training = workload.kind == "training"
        if self.variant == "eager":
            self.network = EagerNetwork(workload.layers)
            self.frames = list(frames)
        else:
            if self.variant == "compile" and not self.training:
                from torch._inductor import config

                config.freezing = True  # lets it pack the weights beforehand
            self.network = FusedNetwork(workload, self.variant == "compile")
            self.frames = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            states = [state.contiguous(memory_format=torch.channels_last) for state in states]
        if not self.training:
            self.network.eval().requires_grad_(False)
        self.states = states
        self.ones = torch.ones_like(states[-1])
        return {"name": "PyTorch", "version": torch.__version__, "variant": self.variant}

    def iterate(self):
        if not self.training:
            with torch.no_grad():
                return self.network(self.frames, list(self.states))
        self.network.zero_grad(set_to_none=True)
        tops = self.network(self.frames, list(self.states))
        torch.autograd.backward(tops, [self.ones] * len(tops))
        return tops

    def outputs(self):
        arrays = [self.iterate()[-1]]
        if self.training:
            for cell in self.network.cells:
                arrays.extend(cell.gradients())
        return [array.detach().contiguous(memory_format=torch.contiguous_format).numpy() for array in arrays]


if __name__ == "__main__":
    if sys.argv[1:] not in (["eager"], ["by-hand"], ["compile"]):
        sys.exit("usage: pytorch.py eager|by-hand|compile")
    protocol.serve(Engine(sys.argv[1]))
