"""Measures the network of the package mlcast: `mlcast_engine.py eager` without changes, `mlcast_engine.py compile` with compiled cells.

The package draws the noise of its members itself; here the encoder and the decoder of its network are called with the noise of the
workload, as its own forward pass calls them.
"""

import os
import sys
from importlib.metadata import version

if sys.argv[1:] == ["compile"]:
    # The checks of argument types, which cannot be compiled.
    os.environ["JAXTYPING_DISABLE"] = "1"

import torch
from mlcast.models.convgru import ConvGruModel

import protocol


def channel_order(channels, scale):
    """The place of each channel of the workload among the channels of the package.

    A square of two by two pixels becomes channels: here the channels of its first pixel come first, in the package the pixels of its
    first channel.
    """
    order = list(range(channels))
    for _ in range(scale):
        order = [channel * 4 + pixel for pixel in range(4) for channel in order]
    return torch.tensor(order)


class Cell:
    """Weights of a cell of the package, by the names of the workload.

    There `input_weights` is [3 hidden, in, kh, kw], `hidden_weights` [3 hidden, hidden, kh, kw] and `bias` [3 hidden], gates update, reset,
    candidate; the package has the weights of update and reset gate in one convolution over input and state, and the weights of the candidate in
    another.
    """

    def __init__(self, cell, prefix, order):
        self.cell, self.prefix, self.order = cell, prefix, order
        self.inputs, self.gates = cell.input_size, 2 * cell.hidden_size

    def reordered(self, tensor, order):
        """A tensor whose channels, all of which are at places of `order`, are in order."""
        gates = tensor.unflatten(0, (3, -1))[:, order]
        return (gates[:, :, order] if gates.dim() > 2 else gates).flatten(0, 1)

    def load(self, parameters):
        """Takes the weights of the workload."""
        of_input, of_state, bias = (
            self.reordered(torch.from_numpy(parameters[f"{self.prefix}.layers.0.{name}"]), self.order.argsort())
            for name in ("input_weights", "hidden_weights", "bias")
        )
        joint = torch.cat([of_input, of_state], dim=1)
        parts = zip((self.cell.combined_gates, self.cell.out_gate), joint.split(self.gates), bias.split(self.gates))
        with torch.no_grad():
            for conv, weight, bias in parts:
                conv.weight.copy_(weight)
                conv.bias.copy_(bias)

    def gradients(self):
        """The gradients of the weights by name."""
        convs = (self.cell.combined_gates, self.cell.out_gate)
        joint = torch.cat([conv.weight.grad for conv in convs])
        gradients = {
            "input_weights": joint[:, : self.inputs],
            "hidden_weights": joint[:, self.inputs :],
            "bias": torch.cat([conv.bias.grad for conv in convs]),
        }
        return {
            f"{self.prefix}.layers.0.{name}": self.reordered(tensor, self.order) for name, tensor in gradients.items()
        }


class Engine:
    """The package's network, eager or with compiled cells."""

    def __init__(self, variant):
        self.variant = variant
        # The compiler's own memory cannot be told apart from the memory of the work.
        self.measures_memory = variant != "compile"

    def load(self, workload, threads):
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        config = workload.network["mlcast"]
        # A number for square kernels, or height and width.
        size = config["kernel_size"]
        kernel, *other = set(size if isinstance(size, list) else [size])
        assert not other, "the package has square kernels"
        self.model = ConvGruModel(config["image_channels"], config["blocks"], config["noise"], kernel_size=kernel)
        # The decoder of the package has its coarsest block first.
        sides = [("encoder", 0, self.model.encoder.blocks), ("forecaster", 1, reversed(self.model.decoder.blocks))]
        self.cells = [
            Cell(block.convgru.cell, f"{name}.{index}", channel_order(config["image_channels"], index + scale))
            for name, scale, side in sides
            for index, block in enumerate(side)
        ]
        for cell in self.cells:
            cell.load(workload.parameters)
        self.names = list(workload.parameters)
        self.training, self.predicted = workload.kind == "forecast-training", workload.predicted
        if not self.training:
            self.model.eval().requires_grad_(False)
        self.compile_cells()
        self.frames = torch.from_numpy(workload.frames).swapaxes(0, 1).contiguous()
        # [members, N, steps, C', H', W']
        self.noise = None
        if workload.noise is not None:
            order = channel_order(config["image_channels"], config["blocks"]).argsort()
            self.noise = torch.from_numpy(workload.noise)[:, :, :, order].swapaxes(1, 2).contiguous()
        divisor = 2 ** config["blocks"]
        assert workload.height % divisor == workload.width % divisor == 0, f"frames are multiples of {divisor} here"
        return {"name": "mlcast", "version": f"{version('mlcast')}, PyTorch {torch.__version__}", "variant": self.variant}

    def compile_cells(self):
        """The loop over steps stays in Python: a graph of all steps of all cells takes tens of minutes to compile."""
        if self.variant != "compile":
            return
        if not self.training:
            from torch._inductor import config

            config.freezing = True  # lets it pack the weights beforehand
        for cell in self.cells:
            cell.cell.compile(dynamic=False)

    def forecast(self):
        """[N, steps, members channels, H, W]"""
        if self.noise is None:
            return self.model(self.frames, self.predicted)
        encoded = self.model.encoder(self.frames)
        states = [states[:, -1] for states in reversed(encoded)]
        return torch.cat([self.model.decoder(noise, states) for noise in self.noise], dim=2)

    def iterate(self):
        if not self.training:
            with torch.no_grad():
                return self.forecast()
        self.model.zero_grad(set_to_none=True)
        forecast = self.forecast()
        forecast.sum().backward()
        return forecast

    def outputs(self):
        arrays = [self.iterate().swapaxes(0, 1)]
        if self.training:
            gradients = {name: gradient for cell in self.cells for name, gradient in cell.gradients().items()}
            arrays.extend(gradients[name] for name in self.names)
        return [array.detach().contiguous().numpy() for array in arrays]


if __name__ == "__main__":
    if sys.argv[1:] not in (["eager"], ["compile"]):
        sys.exit("usage: mlcast_engine.py eager|compile")
    protocol.serve(Engine(sys.argv[1]))
