"""Trains networks of python/convgru_torch.py, or the network of mlcast's package, on the batches that come in:
`compare_pytorch.py FOLDER`.

`plan.json` in the folder says what is trained and how, `weights.safetensors` holds the first weights.
Standard input: for each step the learning rate (f64) and the frames of a batch (f32), little-endian, in the shape of the plan,
followed where the plan says so by the noise in its shape, and by 1 or 0 for each pixel that is known or not. Standard output: a line `{loss, gradient_norm, seconds}` for each; the clock
runs from the frames in memory to the changed parameters. At the end of the input the weights are
written to `retrained.safetensors`.
"""

import json
import pathlib
import sys
import time

from unittest import mock

import numpy
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

FOLDER = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "python"))

import convgru_torch  # noqa: E402


def loss_function(plan):
    loss = plan["loss"]
    return {
        "mse": F.mse_loss,
        "l1": F.l1_loss,
        "huber": lambda x, y: F.huber_loss(x, y, delta=loss["delta"]),
        "smooth-l1": lambda x, y: F.smooth_l1_loss(x, y, beta=loss["beta"]),
    }[loss["kind"]]


class Package(torch.nn.Module):
    """mlcast's network over `[T, N, C, H, W]`; the numbers that it draws are those that are given."""

    def __init__(self, config):
        from mlcast.models.convgru import ConvGruModel

        super().__init__()
        self.members = config["members"]
        self.network = ConvGruModel(
            config["image_channels"], config["blocks"], noisy_decoder=config["noise"], kernel_size=config["kernel_size"]
        )

    def load_state_dict(self, weights, strict=True):
        return self.network.load_state_dict(weights, strict)

    def state_dict(self):
        return self.network.state_dict()

    def forward(self, frames, steps, noise):
        drawn = iter([] if noise is None else noise.swapaxes(1, 2))
        with mock.patch.object(torch, "randn", lambda shape, **_: next(drawn).reshape(shape)):
            return self.network(frames.swapaxes(0, 1), steps=steps, ensemble_size=self.members).swapaxes(0, 1)


def package_loss(loss):
    """A loss of `mlcast.losses` over `[T, N, C, H, W]`, the mean over known pixels."""
    from mlcast.losses import build_loss

    params = {name: loss[name] for name in ("alpha", "temporal_lambda") if name in loss}
    plain = build_loss(loss["class"], params)
    # MaskedLoss of version 0.1.0 is zero with temporal_lambda: the penalty over known pairs is computed here.
    penalty = params.pop("temporal_lambda", 0.0)
    masked = build_loss(loss["class"], params, masked_loss=True)

    def compute(prediction, target, valid):
        if valid is None:
            return plain(prediction.swapaxes(0, 1), target.swapaxes(0, 1))
        changes = prediction.diff(dim=0).abs().mean(dim=2, keepdim=True)
        known = valid[1:] * valid[:-1]
        scored = masked(*(tensor.swapaxes(0, 1) for tensor in (prediction, target, valid)))
        return scored + penalty * (changes * known).sum() / known.sum() if penalty else scored

    return compute


def optimizer(plan, parameters):
    options = plan["optimizer"]
    common = {"lr": options["learning_rate"], "weight_decay": options["weight_decay"]}
    kind = options["kind"]
    if kind == "sgd":
        sgd = {name: options[name] for name in ("momentum", "dampening", "nesterov")}
        return torch.optim.SGD(parameters, **common, **sgd)
    if kind == "rmsprop":
        rmsprop = {name: options[name] for name in ("momentum", "alpha", "centered")}
        return torch.optim.RMSprop(parameters, **common, **rmsprop, eps=options["epsilon"])
    adam = {"betas": (options["beta1"], options["beta2"]), "eps": options["epsilon"], "amsgrad": options["amsgrad"]}
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](parameters, **common, **adam)


class Training:
    """A network and what changes it."""

    def __init__(self, plan):
        self.plan = plan
        self.of_package = plan["kind"] == "Mlcast"
        kind = Package if self.of_package else getattr(convgru_torch, plan["kind"])
        self.network = kind(plan["model"])
        self.network.load_state_dict(load_file(FOLDER / "weights.safetensors"), strict=True)
        self.forward = torch.compile(self.network) if plan["compile"] else self.network
        self.loss = package_loss(plan["loss"]) if self.of_package else loss_function(plan)
        self.optimizer = optimizer(plan, self.network.parameters())

    def step(self, learning_rate, frames, noise, valid):
        inputs, target = frames.split([self.plan["input_frames"], len(frames) - self.plan["input_frames"]])
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        prediction = self.forward(inputs, len(target), *[noise] * self.of_package)
        if self.plan["clamp"] != "none":
            prediction = prediction.clamp(*self.plan["clamp"])
        masks = [None if valid is None else valid[-len(target) :]] * self.of_package
        loss = self.loss(prediction, target, *masks)
        loss.backward()
        parameters = list(self.network.parameters())
        limit = self.plan["clip_norm"] or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit, self.plan["clip_norm_type"])
        if self.plan["clip_value"]:
            torch.nn.utils.clip_grad_value_(parameters, self.plan["clip_value"])
        self.optimizer.step()
        return {"loss": loss.item(), "gradient_norm": norm.item()}


def batches(plan):
    """Learning rate, frames, noise and known pixels of each step."""
    shapes = [plan["shape"], plan["noise"], plan["shape"] if plan["masked"] else None]
    counts = [int(numpy.prod(shape)) if shape else 0 for shape in shapes]
    count = 8 + 4 * sum(counts)
    while piece := sys.stdin.buffer.read(count):
        assert len(piece) == count, f"{len(piece)} bytes where a batch has {count}"
        numbers = torch.frombuffer(bytearray(piece[8:]), dtype=torch.float32).split(counts)
        tensors = [part.reshape(shape) if shape else None for part, shape in zip(numbers, shapes)]
        yield float(numpy.frombuffer(piece[:8], "<f8")[0]), *tensors


def main():
    plan = json.loads((FOLDER / "plan.json").read_text())
    torch.set_num_threads(plan["threads"])
    training = Training(plan)
    for batch in batches(plan):
        begun = time.perf_counter()
        line = training.step(*batch)
        line["seconds"] = time.perf_counter() - begun
        print(json.dumps(line), flush=True)
    save_file(training.network.state_dict(), FOLDER / "retrained.safetensors")


main()
