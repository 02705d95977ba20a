"""ONNX Runtime on the CPU: `onnxruntime_engine.py`; inference only."""

import numpy
import onnxruntime

import protocol
from graph_engine import GraphEngine


class Graph:
    """A session with its memory bound: nothing is copied in or out."""

    def __init__(self, path, threads, workload):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Threads spin while a graph runs, and not while others are measured.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self.session.get_outputs()]
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.frames = [value(numpy.ascontiguousarray(frame)) for frame in workload.frames]
        self.zeros = [value(state) for state in workload.zero_states()]

    def run(self, inputs):
        binding = self.session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in self.outputs:
            binding.bind_output(name, "cpu")
        self.session.run_with_iobinding(binding)
        return binding.get_outputs()

    def stepped(self):
        """One frame after the other, the states fed back."""
        states = self.zeros
        for frame in self.frames:
            states = self.run({"frame0": frame} | {f"state{index}": state for index, state in enumerate(states)})
        return states[-1]

    def whole(self):
        """All frames at once."""
        inputs = {f"frame{step}": frame for step, frame in enumerate(self.frames)}
        return self.run(inputs | {f"state{index}": state for index, state in enumerate(self.zeros)})[-1]

    def array(self, state):
        return state.numpy()


class Engine(GraphEngine):
    library, version = "ONNX Runtime", onnxruntime.__version__

    def graph(self, path, threads, workload):
        return Graph(path, threads, workload)


if __name__ == "__main__":
    protocol.serve(Engine())
