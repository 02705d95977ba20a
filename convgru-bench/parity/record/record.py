"""Shared by the scripts of this folder: drawn numbers, and files of recorded values."""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def draw(module, generator):
    """Fills all parameters with numbers that make outputs of order one, biases too."""
    with torch.no_grad():
        for parameter in module.parameters():
            inputs = parameter[0].numel() if parameter.dim() > 1 else 4
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * (1.5 / inputs) ** 0.5)


def normal(generator, *shape):
    """A tensor of standard normal numbers that has a gradient."""
    return torch.randn(*shape, generator=generator).requires_grad_()


def write(case, system, config, equation, tensors, **more):
    """Writes `CASE.safetensors` into the folder of the command line."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {Path(sys.argv[0]).name} FOLDER")
    metadata = {
        "format": "convgru-parity/1",
        "case": case,
        "system": system,
        "config": json.dumps(config),
        "equation": equation,
        "torch_version": torch.__version__,
        "origin": "written from the names and shapes of the tensors, computed by PyTorch",
    } | more
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, Path(sys.argv[1]) / f"{case}.safetensors", metadata)


def with_gradients(module, given, outputs, generator):
    """Parameters, inputs, outputs, the probes of the loss, and all gradients of the loss.

    The loss is the sum of all outputs, each multiplied by its probe.
    """
    probes = {name: torch.randn(output.shape, generator=generator) for name, output in outputs.items()}
    loss = sum((outputs[name] * probe).sum() for name, probe in probes.items())
    loss.backward()
    parameters = dict(module.named_parameters())
    tensors = {f"param.{name}": tensor for name, tensor in parameters.items()} | given | outputs
    # `h.0` has the probe `probe.0`, `y` has `probe.y`.
    tensors |= {f"probe.{name.removeprefix('h.')}": probe for name, probe in probes.items()}
    tensors |= {f"grad.param.{name}": tensor.grad for name, tensor in parameters.items()}
    return tensors | {f"grad.{name}": tensor.grad for name, tensor in given.items() if tensor.grad is not None}
