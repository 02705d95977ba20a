"""The line protocol of an engine: a request is a line of JSON on standard input, its reply a line on standard output.

    {"do": "load", "folder": "...", "threads": 2}   -> {"name": ..., "version": ..., "variant": ...}
    {"do": "memory"}                                -> {"base_bytes": ..., "peak_bytes": ...}, or nulls
    {"do": "check", "output": "..."}                -> {}; the file holds float32, little endian
    {"do": "run", "iterations": 3}                  -> {"milliseconds": [..., ..., ...]}
    {"do": "quit"}                                  -> {}

A failure is answered with {"error": "what is wrong"}. An engine gives three methods: `load(workload, threads)`
returns name, version and variant; `iterate()` does the work once; `outputs()` does it once and returns arrays:
the state of the topmost layer after the last step, or the frames that are predicted, and, in training, the gradient of every
parameter.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path


class Layer:
    """Weights of a cell: [3 hidden, in, kh, kw], [3 hidden, hidden, kh, kw] and [3 hidden], gates update, reset, candidate."""

    def __init__(self, input_weights, hidden_weights, bias):
        self.input_weights = input_weights
        self.hidden_weights = hidden_weights
        self.bias = bias
        self.hidden = hidden_weights.shape[1]
        self.kernel = tuple(hidden_weights.shape[2:])
        self.padding = tuple(size // 2 for size in self.kernel)


class Workload:
    """What a workload's folder holds."""

    def __init__(self, folder):
        import numpy

        self.folder = Path(folder)
        facts = json.loads((self.folder / "workload.json").read_text())
        self.name, self.kind, self.steps = facts["name"], facts["kind"], facts["steps"]
        self.batch, self.height, self.width = facts["batch"], facts["height"], facts["width"]
        self.predicted, self.network = facts["predicted"], facts["network"]

        def array(entry):
            return numpy.fromfile(self.folder / entry["file"], dtype="<f4").reshape(entry["shape"])

        self.frames = array({"file": facts["frames"], "shape": facts["frame_shape"]})  # [T, N, C, H, W]
        self.noise = array(facts["noise"]) if facts["noise"] else None  # [members, steps, N, C', H', W']
        named = self.parameters = {entry["name"]: array(entry) for entry in facts["parameters"]}
        self.layers = [
            Layer(*(named[f"layers.{layer}.{tensor}"] for tensor in ("input_weights", "hidden_weights", "bias")))
            for layer in range(facts["layers"])
        ]

    def zero_states(self):
        """A state of zeros for each layer, [N, hidden, H, W]."""
        import numpy

        return [
            numpy.zeros((self.batch, layer.hidden, self.height, self.width), "float32") for layer in self.layers
        ]


def resident(field):
    """A line of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def memory(engine):
    """Peak memory of one iteration, the second, and what was resident before the first."""
    if not getattr(engine, "measures_memory", True) or not Path("/proc/self/clear_refs").exists():
        return {"base_bytes": None, "peak_bytes": None}
    base = resident("VmRSS")
    engine.iterate()
    Path("/proc/self/clear_refs").write_text("5")
    engine.iterate()
    return {"base_bytes": base, "peak_bytes": resident("VmHWM")}


def check(engine, path):
    """Writes what the engine computes."""
    import numpy

    with open(path, "wb") as file:
        for array in engine.outputs():
            numpy.ascontiguousarray(array, dtype="<f4").tofile(file)
    return {}


def run(engine, iterations):
    """Times iterations one by one."""
    milliseconds = []
    for _ in range(iterations):
        start = time.perf_counter()
        engine.iterate()
        milliseconds.append((time.perf_counter() - start) * 1e3)
    return {"milliseconds": milliseconds}


def answer(engine, request):
    """The reply to one request."""
    match request["do"]:
        case "load":
            return engine.load(Workload(request["folder"]), request["threads"])
        case "memory":
            return memory(engine)
        case "check":
            return check(engine, request["output"])
        case "run":
            return run(engine, request["iterations"])
        case "quit":
            return {}
        case other:
            return {"error": f"unknown request {other}"}


def serve(engine):
    """Answers requests until told to quit."""
    # What libraries print must not get between the replies.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = answer(engine, request)
        except Exception as error:  # whatever it is, it belongs in the reply
            traceback.print_exc(file=sys.stderr)
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
        if request["do"] == "quit":
            break


def fastest(candidates):
    """Of named functions that do the same work the fastest, by its best of three calls after one."""
    times = {}
    for name, iterate in candidates.items():
        iterate()
        times[name] = min(run(_Once(iterate), 3)["milliseconds"])
    return min(times, key=times.get)


class _Once:
    def __init__(self, iterate):
        self.iterate = iterate
