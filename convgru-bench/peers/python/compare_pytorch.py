"""Trains networks of python/convgru_torch.py on the batches that come in: `compare_pytorch.py FOLDER`.

`plan.json` in the folder says what is trained and how, `weights.safetensors` holds the first weights.
Standard input: for each step the learning rate (f64) and the frames of a batch (f32), little-endian,
in the shape of the plan. Standard output: a line `{loss, gradient_norm, seconds}` for each; the clock
runs from the frames in memory to the changed parameters. At the end of the input the weights are
written to `retrained.safetensors`.
"""

import json
import pathlib
import sys
import time

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
        self.network = getattr(convgru_torch, plan["kind"])(plan["model"])
        self.network.load_state_dict(load_file(FOLDER / "weights.safetensors"), strict=True)
        self.forward = torch.compile(self.network) if plan["compile"] else self.network
        self.loss = loss_function(plan)
        self.optimizer = optimizer(plan, self.network.parameters())

    def step(self, learning_rate, frames):
        inputs, target = frames.split([self.plan["input_frames"], len(frames) - self.plan["input_frames"]])
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.zero_grad()
        loss = self.loss(self.forward(inputs, len(target)), target)
        loss.backward()
        parameters = list(self.network.parameters())
        limit = self.plan["clip_norm"] or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit, self.plan["clip_norm_type"])
        if self.plan["clip_value"]:
            torch.nn.utils.clip_grad_value_(parameters, self.plan["clip_value"])
        self.optimizer.step()
        return {"loss": loss.item(), "gradient_norm": norm.item()}


def batches(shape):
    """Learning rate and frames of each step."""
    count = 8 + 4 * int(numpy.prod(shape))
    while piece := sys.stdin.buffer.read(count):
        assert len(piece) == count, f"{len(piece)} bytes where a batch has {count}"
        frames = torch.frombuffer(bytearray(piece[8:]), dtype=torch.float32).reshape(shape)
        yield float(numpy.frombuffer(piece[:8], "<f8")[0]), frames


def main():
    plan = json.loads((FOLDER / "plan.json").read_text())
    torch.set_num_threads(plan["threads"])
    training = Training(plan)
    for learning_rate, frames in batches(plan["shape"]):
        begun = time.perf_counter()
        line = training.step(learning_rate, frames)
        line["seconds"] = time.perf_counter() - begun
        print(json.dumps(line), flush=True)
    save_file(training.network.state_dict(), FOLDER / "retrained.safetensors")


main()
