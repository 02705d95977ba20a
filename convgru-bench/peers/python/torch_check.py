"""Runs python/convgru_torch.py, torch.nn.GRU and mlcast with our weights and compares: `torch_check.py FOLDER`.

It reads the folder of `onnx_check.py` and writes lines in the same form.
"""

import json
import pathlib
import sys

import numpy
import torch
from safetensors.torch import load_file

FOLDER = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "python"))

import convgru_torch  # noqa: E402


def tensor(entry):
    return torch.from_numpy(numpy.fromfile(FOLDER / entry["file"], "<f4").reshape(entry["shape"]))


def compute(kind, network, run):
    """Results by the names they have in the file."""
    if kind in ("EncoderForecaster", "Pyramid", "Mlcast", "RecurrentForecaster"):
        return {"prediction": network(tensor(run["input"]), run["steps"])}
    if kind == "RaftUpdate":
        return updates(network, run)
    frames, states = tensor(run["input"]), [tensor(state) for state in run["states"]]
    expect_zeros_to_begin_with(kind, network, [frames, *map(tensor, run["more"])], states)
    if kind == "Recurrent":
        contexts = {int(name.removeprefix("context.")): tensor(entry) for name, entry in run["beside"].items()}
        output, last = network([frames, *map(tensor, run["more"])], states, contexts)
    else:
        output, last = network(frames, states)
    return {"output": output} | {f"next_state.{layer}": state for layer, state in enumerate(last)}


def updates(network, run):
    """One update of RAFT after the other: the state and the flow go on."""
    [net], inp, flow, steps = map(tensor, run["states"]), tensor(run["beside"]["inp"]), tensor(run["beside"]["flow"]), []
    for corr in tensor(run["input"]):
        net, delta_flow, mask = network(net, inp, corr, flow)
        flow = flow + delta_flow
        steps.append({"next_net": net, "delta_flow": delta_flow} | ({} if mask is None else {"mask": mask}))
    return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}


def expect_zeros_to_begin_with(kind, network, inputs, states):
    """Fails unless a step without states is the step from states of zeros."""
    first = [frames[0] for frames in inputs]
    if not first[0].shape[1]:
        return
    frame = first if kind == "Recurrent" else first[0]
    zeros = [torch.zeros_like(state) for state in states]
    for begun in (network.step(frame), network.step(frame, None)):
        if kind == "Recurrent":
            begun = begun[1]
        wanted = network.step(frame, zeros)[1] if kind == "Recurrent" else network.step(frame, zeros)
        assert all(map(torch.equal, begun, wanted)), "a step without states does not begin with zeros"


def difference(expected, got):
    """The largest of all outputs, of one with numbers beyond 1 as a part of the largest of them; NaN where one is."""
    differences = []
    for name, entry in expected.items():
        wanted = tensor(entry)
        assert got[name].shape == wanted.shape, f"{name}: {got[name].shape} where {wanted.shape} is needed"
        differences.append((got[name].double() - wanted).abs().max().item() / max(1.0, wanted.abs().max().item()))
    return numpy.max(differences)


def torch_gru(config, weights):
    """torch.nn.GRU over the pixels of all images."""
    channels, hidden = config["in_channels"], config["hidden_channels"]
    gru = torch.nn.GRU(channels, hidden[0], len(hidden), bias=config["bias"])
    gru.load_state_dict(weights, strict=True)

    def pixels(images):
        return images.movedim(-3, -1).flatten(-4, -2)

    def compute(run):
        frames, states = tensor(run["input"]), [tensor(state) for state in run["states"]]
        output, last = gru(pixels(frames), torch.stack([pixels(state) for state in states]))

        def images(values):
            n, _, height, width = states[0].shape
            return values.unflatten(-2, (n, height, width)).movedim(-1, -3)

        return {"output": images(output)} | {f"next_state.{layer}": images(state) for layer, state in enumerate(last)}

    return compute


def mlcast(config, weights):
    """mlcast's own network; None where the package is not there."""
    try:
        from mlcast.models.convgru import ConvGruModel
    except ImportError as error:
        print(f"SKIPPED: networks of mlcast, {error}; `cargo xtask onnx --install --torch` installs it", file=sys.stderr)
        return None
    model = ConvGruModel(config["image_channels"], config["blocks"], kernel_size=config["kernel_size"])
    model.load_state_dict(weights, strict=True)

    def compute(run):
        frames = tensor(run["input"]).swapaxes(0, 1)
        # The package's network takes and gives numbers as they are.
        if config["signed"]:
            frames = 2 * frames - 1
        prediction = model(frames, steps=run["steps"]).swapaxes(0, 1)
        return {"prediction": (1 + prediction) / 2 if config["signed"] else prediction}

    return compute


def compare(entry, form, computed):
    """Writes the line of a network."""
    runs = entry["runs"]
    with torch.inference_mode():
        differences = [difference(run["expected"], computed(run)) for run in runs]
    line = {
        "network": entry["name"],
        "form": form,
        "nodes": None,
        "sizes": ["x".join(map(str, run["input"]["shape"])) for run in runs],
        "largest_difference": float(numpy.max(differences)),
    }
    print(json.dumps(line), flush=True)


def main():
    peers = {"Mlcast": ("mlcast", mlcast), "ConvGru": ("torch.nn.GRU", torch_gru)}
    for entry in json.loads((FOLDER / "networks.json").read_text()):
        network = convgru_torch.load(FOLDER / entry["weights"])
        compare(entry, "PyTorch", lambda run: compute(entry["kind"], network, run))
        if entry["theirs"]:
            form, peer = peers[entry["kind"]]
            computed = peer(entry["config"], load_file(FOLDER / entry["theirs"]))
            if computed:
                compare(entry, form, computed)


main()
