"""Records RAFT's update blocks over some updates: `python raft_update.py FOLDER`.

Both are written from the names and shapes of the tensors in files of their weights (`encoder.convc1`, `encoder.convf1`, `encoder.conv`,
`gru.convz` or `gru.convz1` and `gru.convz2`, `flow_head.conv1`, `mask.0`) and from the description in Teed and Deng 2020
(arXiv 2003.12039), section 3.3 and appendix. `small` has one ConvGRU of 3 x 3, `basic` a pair of 1 x 5 and 5 x 1 and a mask.
"""

import torch
from torch import nn

from record import draw, normal, write

UPDATES, BATCH, HEIGHT, WIDTH = 3, 2, 5, 7


def same(inputs, outputs, kernel):
    """A convolution that keeps the size."""
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return nn.Conv2d(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))


class MotionEncoder(nn.Module):
    """Correlations and flow to features, the flow itself among them."""

    def __init__(self, correlations, sizes):
        super().__init__()
        of_correlations, of_flow, features = sizes
        self.convc1 = same(correlations, of_correlations[0], 1)
        if len(of_correlations) > 1:
            self.convc2 = same(of_correlations[0], of_correlations[1], 3)
        self.convf1 = same(2, of_flow[0], 7)
        self.convf2 = same(of_flow[0], of_flow[1], 3)
        self.conv = same(of_correlations[-1] + of_flow[1], features - 2, 3)

    def forward(self, flow, corr):
        corr = torch.relu(self.convc1(corr))
        if hasattr(self, "convc2"):
            corr = torch.relu(self.convc2(corr))
        motion = torch.relu(self.convf2(torch.relu(self.convf1(flow))))
        return torch.cat([torch.relu(self.conv(torch.cat([corr, motion], dim=1))), flow], dim=1)


class Gru(nn.Module):
    """Updates of a state, one for each kernel, by gates that read cat([h, x])."""

    def __init__(self, hidden, inputs, kernels):
        super().__init__()
        self.suffixes = [""] if len(kernels) == 1 else [str(at + 1) for at in range(len(kernels))]
        for suffix, kernel in zip(self.suffixes, kernels):
            for gate in ("convz", "convr", "convq"):
                setattr(self, gate + suffix, same(hidden + inputs, hidden, kernel))

    def forward(self, h, x):
        for suffix in self.suffixes:
            update, reset, candidate = (getattr(self, gate + suffix) for gate in ("convz", "convr", "convq"))
            both = torch.cat([h, x], dim=1)
            z, r = torch.sigmoid(update(both)), torch.sigmoid(reset(both))
            h = (1 - z) * h + z * torch.tanh(candidate(torch.cat([r * h, x], dim=1)))
        return h


class FlowHead(nn.Module):
    """The change of the flow."""

    def __init__(self, hidden, inner):
        super().__init__()
        self.conv1, self.conv2 = same(hidden, inner, 3), same(inner, 2, 3)

    def forward(self, x):
        return self.conv2(torch.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """One update."""

    def __init__(self, correlations, sizes, hidden, context, kernels, mask):
        super().__init__()
        self.encoder = MotionEncoder(correlations, sizes)
        self.gru = Gru(hidden, context + sizes[2], kernels)
        self.flow_head = FlowHead(hidden, 6)
        if mask:
            self.mask = nn.Sequential(same(hidden, 5, 3), nn.ReLU(inplace=True), same(5, mask, 1))

    def forward(self, net, inp, corr, flow):
        net = self.gru(net, torch.cat([inp, self.encoder(flow, corr)], dim=1))
        mask = 0.25 * self.mask(net) if hasattr(self, "mask") else None
        return net, mask, self.flow_head(net)


def record(case, cls, hidden, context, correlations, sizes, kernels, mask):
    generator = torch.Generator().manual_seed(2003)
    block = UpdateBlock(correlations, sizes, hidden, context, kernels, mask)
    draw(block, generator)
    net, flow = normal(generator, BATCH, hidden, HEIGHT, WIDTH), normal(generator, BATCH, 2, HEIGHT, WIDTH)
    inp = normal(generator, BATCH, context, HEIGHT, WIDTH)
    corr = normal(generator, UPDATES, BATCH, correlations, HEIGHT, WIDTH)
    tensors = {"net": net, "inp": inp, "corr": corr, "flow": flow}
    steps = {"after.net": [], "after.delta_flow": [], "after.mask": []}
    with torch.no_grad():
        for of_update in corr:
            net, weights, delta = block(net, inp, of_update, flow)
            flow = flow + delta
            for name, value in (("net", net), ("delta_flow", delta), ("mask", weights)):
                steps[f"after.{name}"] += [] if value is None else [value]
    tensors |= {name: torch.stack(values) for name, values in steps.items() if values}
    tensors |= {f"param.update_block.{name}": tensor for name, tensor in block.named_parameters()}
    equation = "x = cat([inp, encoder(flow, corr)]); net' = GRU(net, x); delta_flow = flow_head(net'); mask = 0.25 mask(net')"
    write(case, "raft", {"cls": cls}, equation, tensors, reset="before")


if __name__ == "__main__":
    record("raft_update_small", "SmallUpdateBlock", 4, 3, 9, ([6], [5, 4], 7), [3], 0)
    record("raft_update_basic", "BasicUpdateBlock", 4, 3, 8, ([6, 5], [4, 3], 6), [(1, 5), (5, 1)], 9)
