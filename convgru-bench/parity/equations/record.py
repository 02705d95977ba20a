"""Records two cases without a published program: the equations in PyTorch, in 64 bits.

    python record.py            (torch, numpy and safetensors; writes beside this file)

hko7_trajgru_no_input      the trajectory GRU of HKO-7's forecaster, which reads no input
torchvision_recurrent      the recurrent block of torchvision's raft_large: two modules, one whole update each

States and gradients come from automatic differentiation. Names of tensors, their shapes and the order of gates follow the
published weights; the equations are in the header of each file.
"""

import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent


def numbers(generator, *shape, scale=1.0):
    return (scale * torch.randn(*shape, generator=generator)).requires_grad_()


def leaky(x):
    return F.leaky_relu(x, 0.2)


def warped(state, flow):
    """The state at (x - dx, y - dy): bilinear, zeros outside."""
    height, width = state.shape[-2:]
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    x, y = x - flow[:, 0], y - flow[:, 1]
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)
    return F.grid_sample(state, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def trajgru_no_input():
    steps, batch, hidden, height, width, flows, features = 4, 2, 6, 7, 9, 3, 32
    g = torch.Generator().manual_seed(7)
    cell = "fbrnn3_0_"
    parameters = {
        cell + "h2f_conv1_weight": numbers(g, features, hidden, 5, 5, scale=0.1),
        cell + "h2f_conv1_bias": numbers(g, features, scale=0.3),
        cell + "f_out_weight": numbers(g, 2 * flows, features, 5, 5, scale=0.05),
        cell + "f_out_bias": numbers(g, 2 * flows, scale=0.5),
        cell + "h2h_weight": numbers(g, 3 * hidden, flows * hidden, 1, 1, scale=0.3),
        cell + "h2h_bias": numbers(g, 3 * hidden, scale=0.3),
    }
    first = numbers(g, batch, hidden, height, width)
    state, states = first, []
    for _ in range(steps):
        of = lambda name: parameters[cell + name]
        f = leaky(F.conv2d(state, of("h2f_conv1_weight"), of("h2f_conv1_bias"), padding=2))
        flow = F.conv2d(f, of("f_out_weight"), of("f_out_bias"), padding=2)
        moved = torch.cat([warped(state, flow[:, 2 * l : 2 * l + 2]) for l in range(flows)], dim=1)
        r, z, n = F.conv2d(moved, of("h2h_weight"), of("h2h_bias")).split(hidden, dim=1)
        z = torch.sigmoid(z)
        state = z * state + (1 - z) * leaky(torch.sigmoid(r) * n)
        states.append(state)
    config = {
        "cls": "TrajGRU", "num_filter": hidden, "input_channels": None, "L": flows, "act_type": "leaky",
        "leaky_slope": 0.2, "T": steps, "N": batch, "spatial": [height, width],
    }
    equation = (
        "f = leaky(h2f*h) (5x5); flows = f_out*f (5x5), pairs (dx, dy); hw = h moved by each flow, side by side, "
        "h(y - dy, x - dx), bilinear, zeros outside; [ur, uz, un] = h2h*hw + bh; r = sigma(ur); z = sigma(uz); "
        "n = leaky(r(.)un); h' = z(.)h + (1-z)(.)n"
    )
    write("hko7_trajgru_no_input", "hko7", config, equation, parameters, {"h0.0": first}, states, g)


def torchvision_recurrent():
    steps, batch, inputs, hidden, height, width = 3, 2, 5, 4, 6, 7
    g = torch.Generator().manual_seed(11)
    block = "update_block.recurrent_block."
    parameters = {}
    for module, kernel in [("convgru1", (1, 5)), ("convgru2", (5, 1))]:
        for gate in ["convz", "convr", "convq"]:
            name = f"{block}{module}.{gate}"
            parameters[name + ".weight"] = numbers(g, hidden, hidden + inputs, *kernel, scale=0.2)
            parameters[name + ".bias"] = numbers(g, hidden, scale=0.3)
    x, first = numbers(g, steps, batch, inputs, height, width), numbers(g, batch, hidden, height, width)
    state, states = first, []
    for t in range(steps):
        for module, padding in [("convgru1", (0, 2)), ("convgru2", (2, 0))]:
            def convolve(gate, value):
                name = f"{block}{module}.{gate}"
                return F.conv2d(value, parameters[name + ".weight"], parameters[name + ".bias"], padding=padding)

            both = torch.cat([state, x[t]], dim=1)
            z, r = torch.sigmoid(convolve("convz", both)), torch.sigmoid(convolve("convr", both))
            q = torch.tanh(convolve("convq", torch.cat([r * state, x[t]], dim=1)))
            state = (1 - z) * state + z * q
        states.append(state)
    config = {"cls": "RecurrentBlock", "hidden_size": hidden, "input_size": inputs, "T": steps, "N": batch}
    equation = (
        "for each module: z = sigma(Wz*[h, x] + bz); r = sigma(Wr*[h, x] + br); q = tanh(Wq*[r(.)h, x] + bq); "
        "h' = (1-z)(.)h + z(.)q; first 1x5, then 5x1"
    )
    given = {"x": x, "h0.0": first}
    write("torchvision_recurrent", "torchvision", config, equation, parameters, given, states, g)


def write(case, system, config, equation, parameters, given, states, generator):
    states = torch.stack(states)
    probe = torch.randn(states.shape, generator=generator)
    (states * probe).sum().backward()
    tensors = {"h.0": states, "probe.0": probe, **given}
    tensors |= {f"param.{name}": tensor for name, tensor in parameters.items()}
    tensors |= {f"grad.{name}": tensor.grad for name, tensor in tensors.items() if tensor.is_leaf and tensor.grad is not None}
    header = {
        "format": "convgru-parity/1", "case": case, "system": system, "config": json.dumps(config), "equation": equation,
        "origin": "the equation in torch, not a published program", "torch_version": torch.__version__, "dtype": "F64",
        "loss": "sum(h.0 * probe.0)",
    }
    tensors = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, HERE / f"{case}.safetensors", metadata=header)
    print(f"{case}: {len(tensors)} tensors")


trajgru_no_input()
torchvision_recurrent()
