"""Runs exported networks in ONNX Runtime and compares: `onnx_check.py FOLDER`.

The folder holds `networks.json` and the files it names. For each network and form a line of JSON is written:
network, form, nodes, sizes, largest_difference.
"""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime

FOLDER = pathlib.Path(sys.argv[1])


def tensor(entry):
    return numpy.fromfile(FOLDER / entry["file"], "<f4").reshape(entry["shape"])


def count_nodes(graph):
    """Those of loops too."""
    bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return len(graph.node) + sum(count_nodes(body) for body in bodies)


class Model:
    """A file that was checked, ready to run."""

    def __init__(self, file):
        path = FOLDER / file
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        assert {"convgru.network", "convgru.form", "convgru.equation", "convgru.config"} == set(properties)
        self.nodes = count_nodes(model.graph)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, inputs):
        return dict(zip(self.outputs, self.session.run(self.outputs, inputs)))

    def states(self, of):
        """The states for the next call, from those that the last one gave."""
        return {f"state.{layer}": of[f"next_state.{layer}"] for layer in range(sum("state." in name for name in of))}


def named_states(run):
    return {f"state.{layer}": tensor(state) for layer, state in enumerate(run["states"])}


def beside(run):
    """What every step is given."""
    return {name: tensor(entry) for name, entry in run["beside"].items()}


def sequences(model, run):
    """The inputs by their names."""
    if run["more"]:
        return {f"input.{index}": tensor(entry) for index, entry in enumerate([run["input"], *run["more"]])}
    return {"input": tensor(run["input"])} if "input" in model.inputs else {}


def step_by_step(step, run):
    """One frame after the other, the states fed back."""
    frames, states, tops, out = sequences(step, run), named_states(run), [], {}
    for t in range(run["steps"]):
        inputs = {name: values[t] for name, values in frames.items()}
        out = step(inputs | states | beside(run))
        states = step.states(out)
        tops.append(out.get("output", out[f"next_state.{len(states) - 1}"]))
    return out | {"output": numpy.stack(tops)}


def sequence(model, run):
    """All frames at once."""
    first = sequences(model, run) or {"steps": numpy.array(run["steps"], "i8")}
    return model(first | named_states(run) | beside(run))


def two_steps(encoder, forecaster, hidden, patch, run, unread=0):
    """The encoder reads frame after frame, the forecaster continues from its states."""
    frames = tensor(run["input"])
    _, batch, _, height, width = frames.shape
    shape = (height // patch, width // patch)
    states = {f"state.{layer}": numpy.zeros((batch, n, *shape), "f4") for layer, n in enumerate(hidden)}
    for frame in frames[: len(frames) - unread]:
        states = encoder.states(encoder({"frame": frame} | states))
    frame, predictions = frames[-1], []
    for _ in range(run["steps"]):
        inputs = {"frame": frame} if "frame" in forecaster.inputs else {}
        out = forecaster(inputs | states)
        states, frame = forecaster.states(out), out["prediction"]
        predictions.append(frame)
        # Where frames have a mask, predictions count as measured.
        mask = numpy.ones((batch, max(frames.shape[2] - frame.shape[1], 0), height, width), "f4")
        frame = numpy.concatenate([frame, mask], 1)
    return {"prediction": numpy.stack(predictions)}


def pyramid_steps(encoder, forecaster, scales, run):
    """The encoder reads frame after frame; the forecaster continues from its states, and sees what stays of the last frame."""
    frames = tensor(run["input"])
    _, batch, _, *size = frames.shape
    factor = numpy.prod([scale["down"] for scale in scales])
    shape, states = [-(-pixels // factor) * factor for pixels in size], []
    for scale in scales:
        shape = [pixels // scale["down"] for pixels in shape]
        states += scale["layers"] * [numpy.zeros((batch, scale["channels"], *shape), "f4")]
    states, out = {f"state.{place}": state for place, state in enumerate(states)}, {}
    for frame in frames:
        out = encoder({"frame": frame} | states)
        states = encoder.states(out)
    stays = {"frame": frames[-1]} | out
    stays = {name: stays[name] for name in forecaster.inputs if not name.startswith("state.")}
    predictions = []
    for _ in range(run["steps"]):
        out = forecaster(stays | states)
        states = forecaster.states(out)
        predictions.append(out["prediction"][..., : size[0], : size[1]])
    return {"prediction": numpy.stack(predictions)}


def to_channels(maps):
    """Squares of two pixels as channels: the channels of the first pixel come first."""
    pixels = [maps[..., row::2, column::2] for row in range(2) for column in range(2)]
    return numpy.concatenate(pixels, 1)


def mlcast_steps(encoder, decoder, config, run):
    """The encoder reads frame after frame; the decoder starts from its states with squares of pixels as channels."""
    frames = tensor(run["input"])
    _, batch, channels, *size = frames.shape
    shape, states = [-(-pixels // 2 ** config["blocks"]) * 2 ** config["blocks"] for pixels in size], {}
    for block in range(config["blocks"]):
        zeros = numpy.zeros((batch, channels * 4**block, *[pixels // 2**block for pixels in shape]), "f4")
        states[f"state.{block}"] = zeros
    for frame in frames:
        states = encoder.states(encoder({"frame": frame} | states))
    states, predictions = {name: to_channels(state) for name, state in states.items()}, []
    for _ in range(run["steps"]):
        out = decoder(states)
        states = decoder.states(out)
        predictions.append(out["prediction"][..., : size[0], : size[1]])
    return {"prediction": numpy.stack(predictions)}


def forecast(model, run, is_first):
    """All at once; the first run predicts as many frames as the file says."""
    steps = {} if is_first else {"steps": numpy.array(run["steps"], "i8")}
    return model({"frames": tensor(run["input"])} | steps)


def updates(step, run):
    """One update after the other: the state and the flow go on."""
    net, flow, fixed, outputs = tensor(run["states"][0]), tensor(run["beside"]["flow"]), {"inp": tensor(run["beside"]["inp"])}, []
    for corr in tensor(run["input"]):
        out = step({"net": net, "corr": corr, "flow": flow} | fixed)
        net, flow = out["next_net"], flow + out["delta_flow"]
        outputs.append(out)
    return {name: numpy.stack([out[name] for out in outputs]) for name in outputs[0]}


def difference(expected, got):
    """The largest of all outputs, of one with numbers beyond 1 as a part of the largest of them; NaN where one is."""
    largest = []
    for name, entry in expected.items():
        wanted = tensor(entry)
        assert got[name].shape == wanted.shape, f"{name}: {got[name].shape} where {wanted.shape} is needed"
        largest.append(numpy.abs(got[name].astype("f8") - wanted).max() / max(1.0, numpy.abs(wanted).max()))
    return numpy.max(largest)


def compare(network, form, models, compute):
    """Writes the line of one form of a network."""
    differences = [difference(run["expected"], compute(run)) for run in network["runs"]]
    line = {
        "network": network["name"],
        "form": form,
        "nodes": sum(model.nodes for model in models),
        "sizes": ["x".join(map(str, run["input"]["shape"])) for run in network["runs"]],
        "largest_difference": float(numpy.max(differences)),
    }
    print(json.dumps(line), flush=True)


for network in json.loads((FOLDER / "networks.json").read_text()):
    models = {form: Model(file) for form, file in network["models"].items()}
    if network["kind"] in ("ConvGru", "Recurrent"):
        step, whole = models["step"], models.get("sequence")
        compare(network, "step", [step], lambda run: step_by_step(step, run))
        # A network of several inputs is written as one step.
        if whole:
            compare(network, "sequence", [whole], lambda run: sequence(whole, run))
    elif network["kind"] == "RaftUpdate":
        compare(network, "updates", [models["step"]], lambda run: updates(models["step"], run))
    elif network["kind"] == "Pyramid":
        both, whole, scales = [models["encoder"], models["forecaster"]], models["forecast"], network["config"]["scales"]
        compare(network, "two steps", both, lambda run: pyramid_steps(*both, scales, run))
        compare(network, "forecast", [whole], lambda run: forecast(whole, run, run is network["runs"][0]))
    elif network["kind"] == "Mlcast":
        both, whole, config = [models["encoder"], models["forecaster"]], models["forecast"], network["config"]
        compare(network, "two steps", both, lambda run: mlcast_steps(*both, config, run))
        compare(network, "forecast", [whole], lambda run: forecast(whole, run, run is network["runs"][0]))
    else:
        both, whole, config = [models["encoder"], models["forecaster"]], models["forecast"], network["config"]
        hidden, patch = config["hidden_channels"], config["patch"]
        # One network of composed cells reads and predicts: its result for the last frame is the first prediction.
        unread = int(network["kind"] == "RecurrentForecaster")
        compare(network, "two steps", both, lambda run: two_steps(*both, hidden, patch, run, unread))
        compare(network, "forecast", [whole], lambda run: forecast(whole, run, run is network["runs"][0]))
