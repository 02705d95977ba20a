"""Networks of convgru in PyTorch.

    import convgru_torch

    network = convgru_torch.load("runs/rain/model.safetensors")
    prediction = network(frames, 12)  # [T, N, C, H, W] to the next 12 frames

`load` reads every safetensors file that convgru writes under its own names: a trained model, and what `convgru import` and
`convgru export` write. The entry `convgru` of the metadata says what the file holds. Needed are PyTorch and safetensors.

Equations and order of gates follow convgru: h' = (1 - z).h + z.n, with the gates update, reset, candidate. Images are
[N, C, H, W], sequences [T, N, C, H, W].
"""

import json
import math

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F

__all__ = ["ConvGru", "EncoderForecaster", "Mlcast", "Pyramid", "RaftUpdate", "Recurrent", "RecurrentForecaster", "load", "load_all"]

# The version of the description of networks that is read.
VERSION = 1


def function(name):
    """An activation by its name, or a leaky ReLU by its slope."""
    if isinstance(name, dict):
        slope = name["leaky-relu"]
        return lambda x: F.leaky_relu(x, slope)
    return {
        "identity": lambda x: x,
        "sigmoid": torch.sigmoid,
        "hard-sigmoid": F.hardsigmoid,
        "tanh": torch.tanh,
        "relu": F.relu,
    }[name]


def pair(size):
    """Height and width of a kernel that is given as one number or as two."""
    return list(size) if isinstance(size, (list, tuple)) else [size, size]


def to_depth(x, size):
    """Squares of pixels as channels: the channels of a pixel stay side by side."""
    n, c, height, width = x.shape
    x = x.reshape(n, c, height // size, size, width // size, size)
    return x.permute(0, 3, 5, 1, 2, 4).reshape(n, size * size * c, height // size, width // size)


def to_pixels(x, size):
    """The inverse of `to_depth`."""
    n, c, height, width = x.shape
    x = x.reshape(n, size, size, c // size**2, height, width)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(n, c // size**2, height * size, width * size)


class Cell(nn.Module):
    """A convolutional GRU: h' = h + z.(n - h).

    z, r = s(W*x + U*h + b); n = f(W*x + b + U*(r.h)), or with the reset gate after the convolution n = f(W*x + b + r.(U*h + d)).
    """

    def __init__(self, inputs, hidden, kernel, input_kernel, config):
        super().__init__()
        self.dilation = tuple(config.get("dilation") or [1, 1])
        self.input_dilation = tuple(config.get("input_dilation") or self.dilation)
        self.gate = function(config.get("gate_activation", "sigmoid"))
        self.candidate = function(config.get("candidate_activation", "tanh"))
        self.reset = config.get("reset", "before")
        bias = config.get("bias", True)
        self.input_weights = nn.Parameter(torch.zeros(3 * hidden, inputs, *input_kernel))
        self.hidden_weights = nn.Parameter(torch.zeros(3 * hidden, hidden, *kernel))
        self.bias = nn.Parameter(torch.zeros(3 * hidden)) if bias else None
        self.hidden_bias = nn.Parameter(torch.zeros(hidden)) if bias and self.reset == "after" else None

    def of_state(self, h, weights, bias=None):
        return F.conv2d(h, weights, bias, padding="same", dilation=self.dilation)

    def forward(self, x, h):
        """The state after a frame; `x` is None for a cell that reads nothing."""
        hidden, cut = h.shape[1], 2 * h.shape[1]
        if x is not None:
            of_input = F.conv2d(x, self.input_weights, self.bias, padding="same", dilation=self.input_dilation)
        elif self.bias is not None:
            of_input = self.bias.view(1, -1, 1, 1)
        else:
            of_input = h.new_zeros(1, 3 * hidden, 1, 1)
        weights = self.hidden_weights
        z, r = self.gate(of_input[:, :cut] + self.of_state(h, weights[:cut])).split(hidden, 1)
        if self.reset == "before":
            memory = self.of_state(r * h, weights[cut:])
        else:
            memory = r * self.of_state(h, weights[cut:], self.hidden_bias)
        return h + z * (self.candidate(of_input[:, cut:] + memory) - h)


class ConvGru(nn.Module):
    """A stack of cells, by its configuration."""

    def __init__(self, config):
        super().__init__()
        self.hidden_channels = config["hidden_channels"]
        inputs = [config["in_channels"], *self.hidden_channels]
        kernels = self.sizes(config["kernel_size"])
        of_input = self.sizes(config.get("input_kernel_size") or config["kernel_size"])
        cells = zip(inputs, self.hidden_channels, kernels, of_input)
        self.layers = nn.ModuleList(Cell(*cell, config) for cell in cells)

    def sizes(self, sizes):
        """Height and width of the kernels of each layer, of one size for all or a list of one for each."""
        sizes = sizes if isinstance(sizes, list) else [sizes] * len(self.hidden_channels)
        return [pair(size) for size in sizes]

    def zero_states(self, like):
        n, _, height, width = like.shape
        return [like.new_zeros(n, hidden, height, width) for hidden in self.hidden_channels]

    def step(self, x, states=None):
        """[N, C, H, W] and the states of all layers (None for zeros) to their next states; a stack without input reads None."""
        if states is None:
            if x is None:
                raise ValueError("the first step of a stack without input needs states, which have the size of images")
            states = self.zero_states(x)
        new = []
        for layer, h in zip(self.layers, states):
            x = layer(x, h)
            new.append(x)
        return new

    def forward(self, frames, states=None):
        """[T, N, C, H, W] to the topmost states [T, N, hidden, H, W] and the last states."""
        states = states or self.zero_states(frames[0])
        tops = []
        for frame in frames:
            states = self.step(frame if frame.shape[1] else None, states)
            tops.append(states[-1])
        return torch.stack(tops), states


class EncoderForecaster(nn.Module):
    """An encoder reads frames, a forecaster continues them."""

    def __init__(self, config):
        super().__init__()
        self.patch, self.config = config["patch"], config
        channels = config["image_channels"] * self.patch**2
        self.mask = self.patch**2 if config.get("mask_channel") else 0
        read = channels + self.mask
        self.feeds_back = config.get("feedback", "predictions") == "predictions"
        self.encoder = ConvGru({**config, "in_channels": read})
        self.forecaster = ConvGru({**config, "in_channels": read if self.feeds_back else 0})
        self.head = nn.Conv2d(config["hidden_channels"][-1], channels * config.get("members", 1), 1)

    def forward(self, frames, steps):
        """[T, N, C, H, W] to the next frames [steps, N, C, H, W], channels of all members."""
        patches = [F.pixel_unshuffle(frame, self.patch) for frame in frames]
        states = self.encoder.zero_states(patches[0])
        for x in patches:
            states = self.encoder.step(x, states)
        predicted = []
        for _ in range(steps):
            states = self.forecaster.step(x if self.feeds_back else None, states)
            x = self.head(states[-1])
            if self.config.get("output_activation", "identity") == "sigmoid":
                x = torch.sigmoid(x)
            predicted.append(F.pixel_shuffle(x, self.patch))
            # A prediction counts as measured.
            x = torch.cat([x, x.new_ones(x.shape[0], self.mask, *x.shape[2:])], 1)
        return torch.stack(predicted)


class Pyramid(nn.Module):
    """ConvGRUs at several scales, the finest first."""

    def __init__(self, config):
        super().__init__()
        if config["residual"] == "motion":
            raise ValueError('residual = "motion": the optical flow is not in this module')
        scales, self.config = config["scales"], config
        self.down = [scale["down"] for scale in scales]
        self.encoder = nn.ModuleList(self.cells(scale) for scale in scales)
        self.forecaster = nn.ModuleList([*map(self.cells, scales[:-1]), self.cells(scales[-1], reads=False)])
        below = config["image_channels"] + bool(config.get("mask_channel"))
        for index, (scale, down) in enumerate(zip(scales, self.down)):
            self.encoder[index].down = self.link(below * down**2, self.features(scale))
            if index > 0:
                self.forecaster[index].up = self.link(scale["channels"], self.features(scales[index - 1]) * down**2)
            below = scale["channels"]
        output = config["image_channels"] * self.down[0] ** 2 * config.get("members", 1)
        hidden, top = config["head_channels"], scales[0]["channels"]
        self.head = nn.ModuleDict({"hidden": self.link(top, hidden)} if hidden else {})
        self.head["output"] = self.link(hidden or top, output)

    @staticmethod
    def features(scale):
        return scale.get("features") or scale["channels"]

    def cells(self, scale, reads=True):
        layers = scale["layers"]
        own = {"hidden_channels": [scale["channels"]] * layers, "kernel_size": [scale["kernel_size"]] * layers}
        return ConvGru({**self.config, **own, "in_channels": self.features(scale) if reads else 0})

    def link(self, inputs, outputs):
        size = tuple(pair(self.config["link_kernel_size"]))
        return nn.Conv2d(inputs, outputs, size, padding="same", bias=self.config["bias"])

    def rectified(self, x):
        return F.leaky_relu(x, self.config["slope"])

    def output(self, x, last):
        """A frame, of the result of the head and the last frame, without its mask."""
        last = last[:, : self.config["image_channels"]]
        sigmoid = self.config["output_activation"] == "sigmoid"
        if self.config["residual"] == "last-frame":
            added = torch.logit(last, eps=0.01) if sigmoid else last
            x = x + added.repeat(1, x.shape[1] // last.shape[1], 1, 1)
        return torch.sigmoid(x) if sigmoid else x

    def forward(self, frames, steps):
        """[T, N, C, H, W] to the next frames [steps, N, C, H, W], channels of all members."""
        height, width = frames.shape[-2:]
        factor = math.prod(self.down)
        states, read = [None] * len(self.down), [None] * len(self.down)
        for x in F.pad(frames, (0, -width % factor, 0, -height % factor)):
            for scale, stack in enumerate(self.encoder):
                read[scale] = self.rectified(stack.down(to_depth(x, self.down[scale])))
                states[scale] = stack.step(read[scale], states[scale] or stack.zero_states(read[scale]))
                x = states[scale][-1]
        predicted = []
        for _ in range(steps):
            x = None
            for scale in reversed(range(len(self.down))):
                stack = self.forecaster[scale]
                states[scale] = stack.step(x, states[scale])
                x = states[scale][-1]
                if scale > 0:
                    x = to_pixels(stack.up(x), self.down[scale])
                    x = self.rectified(x + read[scale - 1] if self.config["skip"] else x)
            if "hidden" in self.head:
                x = self.rectified(self.head["hidden"](x))
            x = to_pixels(self.head["output"](x), self.down[0])[..., :height, :width]
            predicted.append(self.output(x, frames[-1]))
        return torch.stack(predicted)


class Mlcast(nn.Module):
    """The network of mlcast: one cell at each of several scales of halves, on the way down and on the way up."""

    def __init__(self, config):
        super().__init__()
        self.config, blocks = config, config["blocks"]
        channels = [config["image_channels"] * 4**scale for scale in range(blocks + 1)]
        self.encoder = nn.ModuleList(self.cells(channels[block]) for block in range(blocks))
        self.forecaster = nn.ModuleList(self.cells(channels[block + 1]) for block in range(blocks))

    def cells(self, channels):
        return ConvGru({"in_channels": channels, "hidden_channels": [channels], "kernel_size": [self.config["kernel_size"]]})

    def forward(self, frames, steps, noise=None):
        """[T, N, C, H, W] to the next frames [steps, N, K C, H, W], the channels of all members.

        Frames of a `signed` network are 0 to 1, which are -1 to 1 within. A network with `noise` reads [K, steps, N, C', H', W'] at the coarsest scale, with channels in the order of convgru; it is
        drawn where none is given.
        """
        height, width = frames.shape[-2:]
        factor, members = 2 ** self.config["blocks"], self.config["members"]
        signed = self.config.get("signed", False)
        frames = 2 * frames - 1 if signed else frames
        states = [None] * self.config["blocks"]
        for x in F.pad(frames, (0, -width % factor, 0, -height % factor)):
            for block, stack in enumerate(self.encoder):
                states[block] = stack.step(x, states[block] or stack.zero_states(x))
                x = to_depth(states[block][0], 2)
        # Members are images of the batch.
        states = [[to_depth(state[0], 2).repeat(members, 1, 1, 1)] for state in states]
        if self.config["noise"] and noise is None:
            n = frames.shape[1]
            noise = torch.randn(members, steps, n, *states[-1][0].shape[1:], dtype=frames.dtype, device=frames.device)
        predicted = []
        for step in range(steps):
            x = noise[:, step].flatten(0, 1) if self.config["noise"] else None
            for block in reversed(range(self.config["blocks"])):
                states[block] = self.forecaster[block].step(x, states[block])
                x = to_pixels(states[block][0], 2)
            x = x[..., :height, :width].unflatten(0, (members, -1))
            x = x.transpose(0, 1).flatten(1, 2)
            predicted.append((1 + x) / 2 if signed else x)
        return torch.stack(predicted)


class Weights(nn.Module):
    """Tensors by their names, parts of which are separated by dots."""

    def __init__(self, tensors):
        super().__init__()
        parts = {}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            if rest:
                parts.setdefault(part, {})[rest] = tensor
            else:
                self.register_parameter(name, nn.Parameter(tensor))
        for part, of_part in parts.items():
            self.add_module(part, Weights(of_part))

    def find(self, name):
        """The tensor of a name, or None."""
        part, _, rest = name.partition(".")
        if not rest:
            return self._parameters.get(part)
        return self._modules[part].find(rest) if part in self._modules else None


def nothing(x, weights, bias):
    """A convolution that reads no channels."""
    zeros = x.new_zeros(x.shape[0], weights.shape[0], *x.shape[2:])
    return zeros if bias is None else zeros + bias.view(1, -1, 1, 1)


class ComposedCell(Weights):
    """A recurrent layer of any kind: GRU and its dialects, LSTM, trajectory GRU. docs/cells.md has the equations."""

    def __init__(self, config, tensors):
        super().__init__(tensors)
        if config["kernel_depth"] != 1 or config["input_kernel_depth"] != 1:
            raise ValueError("cells of volumes are not in this module")
        self.config, self.hidden = config, config["hidden_channels"]
        self.states = 2 if config["kind"] == "lstm" else 1
        self.gate, self.candidate = function(config["gate_activation"]), function(config["candidate_activation"])

    def convolve(self, x, weights, bias=None, of="state"):
        """A convolution of the input, the state or the state of the layer below, with zeros or other pixels beyond the edge."""
        if weights.shape[1] == 0:
            return nothing(x, weights, bias)
        config, kernel = self.config, weights.shape[-2:]
        dilation, stride, groups = {
            "input": (config["input_dilation"], config["input_stride"], config["input_groups"]),
            "state": (config["dilation"], [1, 1], config["groups"]),
            "lower": ([1, 1], [1, 1], 1),
        }[of]
        rows, columns = (d * (k // 2) for d, k in zip(dilation, kernel))
        if of == "input" and list(kernel) == (config["input_kernel_size"] or config["kernel_size"]):
            rows, columns = config.get("input_padding") or (rows, columns)
        for pad, mode in (((0, 0, rows, rows), 0), ((columns, columns, 0, 0), 1)):
            mode = self.config["padding_mode"][mode]
            if any(pad):
                x = F.pad(x, pad, "constant" if mode == "zeros" else mode)
        return F.conv2d(x, weights, bias, tuple(stride), 0, tuple(dilation), groups)

    @staticmethod
    def plainly(x, weights, bias=None):
        return F.conv2d(x, weights, bias, padding="same") if weights.shape[1] else nothing(x, weights, bias)

    def normalised(self, x, name, groups, before=""):
        """Sums over groups of channels, normalised."""
        norm = self.config["normalization"]
        if norm == "none":
            return x
        groups = groups if norm == "layer" else norm["group"][name.split("_")[0]]
        scale, shift = (self.find(f"{before}{name}.{part}") for part in ("scale", "shift"))
        return F.group_norm(x, groups, scale, shift, self.config["normalization_epsilon"])

    def kernels(self, before):
        """The kernels over input and state, of a spectral norm divided by it."""
        kernels = [self.find(f"{before}{name}_weights") for name in ("input", "hidden")]
        if not self.config["spectral_norm"]:
            return kernels
        gates = zip(*(kernel.split(self.hidden) for kernel in kernels))
        divided = []
        for name, of_gate in zip(("update", "reset", "candidate"), gates):
            u, v = (self.find(f"{before}spectral.{name}.{vector}") for vector in "uv")
            norm = u @ torch.cat([kernel.flatten(1) for kernel in of_gate], 1) @ v
            divided.append([kernel / norm for kernel in of_gate])
        return [torch.cat(of_gates) for of_gates in zip(*divided)]

    def gru(self, x, h, context, lower, before=""):
        """One pass of a GRU."""
        cut = 2 * self.hidden
        of_input, of_state = self.kernels(before)
        part = self.convolve(x, of_input, self.find(f"{before}bias"), "input")
        if lower is not None:
            part = torch.cat([part[:, :cut] + self.convolve(lower, self.lower_weights, of="lower"), part[:, cut:]], 1)
        if context is not None:
            part = part + context
        if self.config["context"] == "global":
            weigh = self.gate(self.plainly(h, self.find(f"{before}global_weights"), self.find(f"{before}global_bias")))
            mean = (weigh * h).mean((2, 3), keepdim=True)
            part = part + F.conv2d(mean, self.find(f"{before}context_weights"), self.find(f"{before}context_bias"))
        sums = part[:, :cut] + self.convolve(h, of_state[:cut])
        z, r = self.gate(self.normalised(sums, "gates_norm", 2, before)).split(self.hidden, 1)
        if self.config["reset"] == "before":
            memory = self.convolve(r * h, of_state[cut:])
        else:
            memory = r * self.convolve(h, of_state[cut:], self.find(f"{before}hidden_bias"))
        n = self.candidate(self.normalised(part[:, cut:] + memory, "candidate_norm", 1, before))
        return h + z * (n - h)

    def lstm(self, x, h, c):
        """A step of an LSTM; gates forget, input, candidate, output."""
        sums = self.convolve(x, self.input_weights, self.find("bias"), "input") + self.convolve(h, self.hidden_weights)
        f, i, n, o = sums.split(self.hidden, 1)
        peephole = self.find("peephole")
        of_f, of_i, of_o = (0, 0, 0) if peephole is None else peephole.view(3, 1, -1, 1, 1)
        i, f = self.gate(i + of_i * c), self.gate(f + of_f * c)
        c = self.renewed(f * c + i * self.candidate(n), c)
        return self.renewed(self.gate(o + of_o * c) * self.candidate(c), h), c

    def traj_gru(self, x, h):
        """A step of a trajectory GRU: the gates see the state where it came from."""
        part = self.convolve(x, self.input_weights, self.bias, "input")
        features = self.plainly(x, self.flow_input_weights, self.flow_bias) + self.plainly(h, self.flow_hidden_weights)
        flows = self.plainly(self.candidate(features), self.flow_weights, self.flow_shift)
        moved = torch.cat([self.warped(h, flow) for flow in flows.split(2, 1)], 1)
        of_state = self.plainly(moved, self.hidden_weights)
        uz, ur, un = of_state.split(self.hidden, 1)
        wz, wr, wn = part.split(self.hidden, 1)
        z, r = self.gate(wz + uz), self.gate(wr + ur)
        n = self.candidate(wn + r * (un + self.hidden_bias.view(1, -1, 1, 1)))
        return h + z * (n - h)

    @staticmethod
    def warped(h, flow):
        """h(p - v(p)) between pixels, zeros beyond the image; the flow is columns, then rows."""
        height, width = h.shape[-2:]
        rows = torch.arange(height, dtype=h.dtype, device=h.device).view(1, -1, 1) - flow[:, 1]
        columns = torch.arange(width, dtype=h.dtype, device=h.device).view(1, 1, -1) - flow[:, 0]
        grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
        return F.grid_sample(h, grid, "bilinear", "zeros", align_corners=False)

    def zero_states(self, x):
        """Zeros of all states, for an input."""
        weights = self.input_weights
        size = []
        for axis in range(2):
            kernel, dilation = weights.shape[2 + axis], self.config["input_dilation"][axis]
            padding = (self.config.get("input_padding") or [dilation * (size // 2) for size in weights.shape[2:]])[axis]
            size.append((x.shape[2 + axis] + 2 * padding - dilation * (kernel - 1) - 1) // self.config["input_stride"][axis] + 1)
        return [x.new_zeros(x.shape[0], self.hidden, *size) for _ in range(self.states)]

    def renewed(self, new, old):
        """The state after a step: with zoneout the mean over its random choices in training, `old + (1 - zoneout) (new - old)`."""
        zoneout = self.config["zoneout"]
        return old + (1 - zoneout) * (new - old) if zoneout else new

    def forward(self, x, states, context=None, lower=None):
        """The states after a frame."""
        if self.training and (self.config["zoneout"] or self.config["dropout"]):
            raise ValueError("zoneout and dropout of training are not in this module; call `eval()` to use the network")
        if self.config["kind"] == "lstm":
            return list(self.lstm(x, *states))
        if self.config["kind"] == "traj-gru":
            return [self.renewed(self.traj_gru(x, states[0]), states[0])]
        h = self.gru(x, states[0], context, lower)
        if self.config.get("second_kernel_size"):
            h = self.gru(x, h, context, None, "second.")
        return [self.renewed(h, states[0])]


class Recurrent(nn.Module):
    """A network of recurrent layers of any kind, and convolutions between them: FireNet, RAFT's and HKO-7's cells, and others."""

    def __init__(self, config, tensors):
        super().__init__()
        self.wiring = config["wiring"]
        stages = {}
        for name, tensor in tensors.items():
            _, index, rest = name.split(".", 2)
            stages.setdefault(int(index), {})[rest] = tensor
        self.stages, self.kinds = nn.ModuleList(), []
        for index, stage in enumerate(config["stages"]):
            [(kind, of_stage)] = stage.items()
            self.kinds.append((kind, of_stage))
            make = (lambda own: ComposedCell(of_stage, own)) if kind == "cell" else Weights
            self.stages.append(make(stages[index]))

    def cells(self):
        return [stage for stage in self.stages if isinstance(stage, ComposedCell)]

    def apart(self, states):
        """The states of each cell, of all in one list."""
        states, parts = list(states), []
        for cell in self.cells():
            parts.append(states[: cell.states])
            states = states[cell.states :]
        return parts

    def step(self, inputs, states=None, contexts=()):
        """A frame, or one for each input, and all states in one list (None for zeros) to the output and the next states.

        `contexts` are images [N, 3 hidden, H, W] by the number of the cell that sees them.
        """
        inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        states, contexts = self.apart(states) if states is not None else None, dict(contexts)
        if isinstance(self.wiring, dict):
            return self.gru_rcn(inputs, states, contexts, self.wiring["gru-rcn"]["pool"])
        return (self.levels if self.wiring == "levels" else self.chain)(inputs[0], states, contexts)

    def chain(self, x, states, contexts):
        new, count = [], 0
        for stage, (kind, config) in zip(self.stages, self.kinds):
            if kind == "cell":
                own = states[count] if states is not None else stage.zero_states(x)
                own = stage(x, own, contexts.get(count))
                x = own[0] + x if self.wiring == "residual" and count > 0 else own[0]
                new, count = new + own, count + 1
                continue
            activation = function(config["activation"])
            if kind == "convolution":
                x = activation(self.convolve(x, stage, config))
            else:
                inner = activation(self.convolve(x, stage.first, config))
                x = activation(self.convolve(inner, stage.second, config) + x)
        return x, new

    @staticmethod
    def convolve(x, weights, config):
        padding = tuple(size // 2 for size in config["kernel_size"])
        return F.conv2d(x, weights.weight, weights.find("bias"), tuple(config["stride"]), padding)

    def gru_rcn(self, inputs, states, contexts, pool):
        new, below = [], None
        for index, (cell, x) in enumerate(zip(self.stages, inputs)):
            lower = F.max_pool2d(below, 2) if pool and below is not None else below
            own = cell(x, states[index] if states is not None else cell.zero_states(x), contexts.get(index), lower)
            new, below = new + own, own[0]
        return below, new

    def levels(self, x, states, contexts):
        if states is None:
            states, size = [], x
            for cell in self.stages:
                zeros = size.new_zeros(size.shape[0], cell.hidden, *size.shape[2:])
                states.append([zeros] * cell.states)
                size = F.avg_pool2d(size, 3, 2, 1)
        for index in reversed(range(len(self.stages))):
            reads = [x if index == 0 else F.avg_pool2d(states[index - 1][0], 3, 2, 1)]
            if index + 1 < len(states):
                size = states[index][0].shape[2:]
                reads.append(F.interpolate(states[index + 1][0], size, mode="bilinear", align_corners=True))
            states[index] = self.stages[index](torch.cat(reads, 1), states[index], contexts.get(index))
        return states[0][0], [state for own in states for state in own]

    def forward(self, frames, states=None, contexts=()):
        """[T, N, C, H, W], or a list of one for each input, to the outputs of all steps and the last states."""
        inputs = frames if isinstance(frames, (list, tuple)) else [frames]
        outputs = []
        for of_step in zip(*inputs):
            output, states = self.step(of_step, states, contexts)
            outputs.append(output)
        return torch.stack(outputs), states


class RecurrentForecaster(nn.Module):
    """A network of composed cells whose result for a frame is the next frame, which it reads in turn."""

    def __init__(self, config, tensors):
        super().__init__()
        self.config, self.patch = config, config["patch"]
        own = {name.removeprefix("body."): tensor for name, tensor in tensors.items()}
        self.body = Recurrent({"stages": config["stages"], "wiring": config["wiring"]}, own)

    def forward(self, frames, steps):
        """[T, N, C, H, W] to the next frames [steps, N, C, H, W]; with input_channels to the images of the last steps frames."""
        states, predicted = None, []
        images = bool(self.config.get("input_channels"))
        for frame in frames:
            x, states = self.body.step(F.pixel_unshuffle(frame, self.patch), states)
            if images:
                x = torch.sigmoid(x) if self.config["output_activation"] == "sigmoid" else x
                predicted.append(F.pixel_shuffle(x, self.patch))
        if images:
            return torch.stack(predicted[len(predicted) - steps :])
        for step in range(steps):
            if step > 0:
                x, states = self.body.step(x, states)
            if self.config["output_activation"] == "sigmoid":
                x = torch.sigmoid(x)
            predicted.append(F.pixel_shuffle(x, self.patch))
            if self.config["mask_channel"]:
                # A prediction counts as measured.
                x = torch.cat([x, x.new_ones(x.shape[0], self.patch**2, *x.shape[2:])], 1)
        return torch.stack(predicted)


class PairedCell(Cell):
    """A convolutional GRU of two passes, each with its own kernels, the second from the state of the first."""

    def __init__(self, inputs, hidden, first, second):
        super().__init__(inputs, hidden, first, first, {})
        self.second = Cell(inputs, hidden, second, second, {})

    def forward(self, x, h):
        return self.second(x, super().forward(x, h))


class RaftUpdate(nn.Module):
    """The update block of RAFT: one update of the state and the flow, with correlations given."""

    def __init__(self, config):
        super().__init__()
        parts = {"correlations": config["correlations"], "flow": config["flow"], "joint": [config["joint"]]}
        channels = {name: layers[-1]["channels"] for name, layers in parts.items()}
        self.motion_encoder = nn.ModuleDict(
            {
                "correlations": self.layers(config["correlation_channels"], parts["correlations"]),
                "flow": self.layers(2, parts["flow"]),
                "joint": self.layers(channels["correlations"] + channels["flow"], parts["joint"])[0],
            }
        )
        inputs, hidden, kernels = config["context_channels"] + channels["joint"] + 2, config["hidden_channels"], config["cell_kernels"]
        self.flow_head = self.layers(hidden, config["flow_head"])
        self.mask = self.layers(hidden, config["mask"]) if config.get("mask") else None
        stack, cell = ("stages", PairedCell(inputs, hidden, *kernels)) if len(kernels) == 2 else ("layers", Cell(inputs, hidden, *kernels, *kernels, {}))
        self.cell = nn.ModuleDict({stack: nn.ModuleList([cell])})

    @staticmethod
    def layers(inputs, convolutions):
        """Convolutions that keep the size, one after the other."""
        layers = nn.ModuleList()
        for convolution in convolutions:
            size = convolution["kernel_size"]
            layers.append(nn.Conv2d(inputs, convolution["channels"], size, padding=[edge // 2 for edge in size]))
            inputs = convolution["channels"]
        return layers

    def forward(self, net, inp, corr, flow):
        """State, context, correlations and flow, all [N, C, H, W], to the next state, the change of the flow, and the mask or None."""
        of_correlations, of_flow = corr, flow
        for layer in self.motion_encoder["correlations"]:
            of_correlations = F.relu(layer(of_correlations))
        for layer in self.motion_encoder["flow"]:
            of_flow = F.relu(layer(of_flow))
        motion = F.relu(self.motion_encoder["joint"](torch.cat([of_correlations, of_flow], 1)))
        x = torch.cat([inp, motion, flow], 1)
        for [cell] in self.cell.values():
            net = cell(x, net)
        mask = None if self.mask is None else 0.25 * self.mask[1](F.relu(self.mask[0](net)))
        return net, self.flow_head[1](F.relu(self.flow_head[0](net))), mask


FORECASTERS = {"encoder-forecaster": EncoderForecaster, "pyramid": Pyramid, "mlcast": Mlcast}


def network_of(description, tensors):
    """The network of a description, with its weights."""
    [(kind, config)] = description.items()
    if kind == "recurrent":
        return Recurrent(config, tensors)
    if config.get("kind") == "recurrent":
        return RecurrentForecaster(config, tensors)
    if kind == "raft_update":
        network = RaftUpdate(config)
    else:
        network = ConvGru(config) if kind == "conv_gru" else FORECASTERS[config.get("kind", "encoder-forecaster")](config)
    network.to(next(iter(tensors.values())).dtype).load_state_dict(tensors, strict=True)
    return network


def load_all(path, dtype=torch.float32):
    """All networks of a file, by their names in it."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if "convgru" not in metadata:
            raise ValueError(f"{path}: the metadata have no entry `convgru`; `convgru import` writes files that have it")
        tensors = {name: file.get_tensor(name).to(dtype) for name in file.keys()}
    description = json.loads(metadata["convgru"])
    if description.get("version") != VERSION:
        raise ValueError(f"{path}: the description has version {description.get('version')}, and version {VERSION} is read")
    networks, names = {}, [network["name"] for network in description["networks"]]

    def owner(name):
        """The network whose name stands before the name of a tensor, in a file of several."""
        return max((own for own in names if name.startswith(own)), key=len) if len(names) > 1 else None

    for network in description["networks"]:
        before = network["name"] if len(description["networks"]) > 1 else ""
        own = {name[len(before) :]: tensor for name, tensor in tensors.items() if owner(name) in (None, network["name"])}
        networks[network["name"]] = network_of(network["network"], own).eval()
    return networks


def load(path, dtype=torch.float32):
    """The network of a file, with its weights."""
    networks = load_all(path, dtype)
    if len(networks) != 1:
        raise ValueError(f"{path}: it holds {len(networks)} networks ({', '.join(networks)}); `load_all` gives all of them")
    return next(iter(networks.values()))
