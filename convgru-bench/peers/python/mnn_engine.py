"""MNN on the CPU, from the ONNX files by its converter: `mnn_engine.py`; inference only.

The precision is `high`: f32 throughout. MNN chooses Winograd's algorithm and the size of its tiles by itself.
"""

import tempfile
from pathlib import Path

import numpy

import protocol
from graph_engine import GraphEngine

# MNN is imported inside of functions: it prints when it is imported, which must not get between the replies.


def convert(path, file):
    """Lets MNN's converter read an ONNX file.

    This is the function below the command `mnnconvert`. The command itself installs a package with pip and reports its use to a server.
    """
    import _tools

    _tools.mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(path), "--MNNModel", str(file), "--bizCode", "bench"])
    if not file.exists():
        raise ValueError(f"MNN's converter does not read {path.name}; its messages are in the log")


def variable(array):
    """An array [N, C, H, W] in memory of MNN."""
    from MNN import expr

    value = expr.placeholder(list(array.shape), expr.NCHW)
    value.write(numpy.ascontiguousarray(array))
    return value


class Graph:
    """A network of one step or of all; what it returns goes in again as it came out."""

    def __init__(self, path, threads, workload):
        from MNN import nn

        file = Path(tempfile.mkdtemp(prefix="mnn-", dir=path.parent)) / f"{path.stem}.mnn"
        convert(path, file)
        steps = path.stem.startswith("step_")
        frames = ["frame0"] if steps else [f"frame{step}" for step in range(workload.steps)]
        states = [f"state{index}" for index in range(len(workload.layers))]
        results = [f"next{index}" for index in range(len(states))] if steps else [f"top{step}" for step in range(workload.steps)]
        config = {"backend": "CPU", "numThread": threads, "precision": "high", "memory": "normal", "power": "normal"}
        self.runtime = nn.create_runtime_manager((config,))
        self.module = nn.load_module_from_file(str(file), frames + states, results, runtime_manager=self.runtime)
        self.frames = [variable(frame) for frame in workload.frames]
        self.zeros = [variable(state) for state in workload.zero_states()]

    def stepped(self):
        """One frame after the other, the states fed back."""
        states = self.zeros
        for frame in self.frames:
            states = self.module.onForward([frame, *states])
        return states[-1]

    def whole(self):
        """All frames at once."""
        return self.module.onForward([*self.frames, *self.zeros])[-1]

    def array(self, state):
        from MNN import expr

        return numpy.array(expr.convert(state, expr.NCHW).read()).reshape(state.shape)


class Engine(GraphEngine):
    library, settings = "MNN", "precision high"

    @property
    def version(self):
        import MNN

        return MNN.version()

    def graph(self, path, threads, workload):
        return Graph(path, threads, workload)


if __name__ == "__main__":
    protocol.serve(Engine())
