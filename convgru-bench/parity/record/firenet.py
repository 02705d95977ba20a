"""Records a whole FireNet, forward and backward: `python firenet.py FOLDER`.

The network is written from the names and shapes of the tensors in files of its weights (`head.conv.conv2d`, `head.recurrent_block`,
`resblocks.N.conv`, `resblocks.N.recurrent_block`, `pred.conv2d`) and from the description in Scheerlinck et al. 2020 (WACV), "Fast Image
Reconstruction with an Event Camera".
"""

import torch
from torch import nn

from record import draw, normal, with_gradients, write

CHANNELS, BINS, STEPS, BATCH, HEIGHT, WIDTH = 4, 5, 3, 2, 7, 9


class Convolution(nn.Module):
    """A convolution with its name in the files."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x):
        return self.conv2d(x)


class Cell(nn.Module):
    """A convolutional GRU whose gates read cat([x, h])."""

    def __init__(self, channels):
        super().__init__()
        self.reset_gate = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.update_gate = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.out_gate = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, x, h):
        both = torch.cat([x, h], dim=1)
        update, reset = torch.sigmoid(self.update_gate(both)), torch.sigmoid(self.reset_gate(both))
        candidate = torch.tanh(self.out_gate(torch.cat([x, h * reset], dim=1)))
        return h * (1 - update) + candidate * update


class Block(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.conv1(x))) + x)


class Recurrent(nn.Module):
    """A convolution or a block, and the cell behind it."""

    def __init__(self, before, channels):
        super().__init__()
        self.conv = before
        self.recurrent_block = Cell(channels)


class FireNet(nn.Module):
    """Frames of voxel grids to images."""

    def __init__(self, bins, channels):
        super().__init__()
        self.head = Recurrent(Convolution(bins, channels, 3), channels)
        self.resblocks = nn.ModuleList([Recurrent(Block(channels), channels), Block(channels)])
        self.pred = Convolution(channels, 1, 1)

    def forward(self, frames, states):
        first, second = states
        outputs = {"h.0": [], "h.1": [], "y": []}
        for x in frames:
            first = self.head.recurrent_block(torch.relu(self.head.conv(x)), first)
            second = self.resblocks[0].recurrent_block(self.resblocks[0].conv(first), second)
            outputs["h.0"].append(first)
            outputs["h.1"].append(second)
            outputs["y"].append(self.pred(self.resblocks[1](second)))
        return {name: torch.stack(values) for name, values in outputs.items()}


if __name__ == "__main__":
    generator = torch.Generator().manual_seed(2020)
    network = FireNet(BINS, CHANNELS)
    draw(network, generator)
    given = {"x": normal(generator, STEPS, BATCH, BINS, HEIGHT, WIDTH)}
    given |= {f"h0.{cell}": normal(generator, BATCH, CHANNELS, HEIGHT, WIDTH) for cell in range(2)}
    outputs = network(given["x"], [given["h0.0"], given["h0.1"]])
    config = {"cls": "FireNet", "num_bins": BINS, "base_num_channels": CHANNELS, "kernel_size": 3}
    equation = (
        "a = relu(head.conv*x); h0' = GRU(a, h0); b = relu(conv2*relu(conv1*h0') + h0'); h1' = GRU(b, h1); "
        "y = pred(relu(conv2*relu(conv1*h1') + h1'))"
    )
    tensors = with_gradients(network, given, outputs, generator)
    write("firenet_whole", "e2vid", config, equation, tensors, reset="before")
