"""OpenVINO on the CPU, from the ONNX files: `openvino_engine.py`; inference only."""

import openvino

import protocol
from graph_engine import GraphEngine


class Graph:
    """A compiled graph and, where states are fed back, two sets of memory for them that take turns."""

    def __init__(self, path, threads, workload):
        # Without the hint of precision it computes in bfloat16 on machines that have it.
        properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(path), "CPU", properties)
        self.request = compiled.create_infer_request()
        self.frames = [openvino.Tensor(frame.copy()) for frame in workload.frames]
        self.layers = range(len(workload.layers))
        self.zeros = [openvino.Tensor(state) for state in workload.zero_states()]
        self.turns = [[openvino.Tensor(state) for state in workload.zero_states()] for _ in range(2)]

    def stepped(self):
        """One frame after the other, the states fed back."""
        states = self.zeros
        for step, frame in enumerate(self.frames):
            following = self.turns[step % 2]
            self.request.set_tensor("frame0", frame)
            for index in self.layers:
                self.request.set_tensor(f"state{index}", states[index])
                self.request.set_tensor(f"next{index}", following[index])
            self.request.infer()
            states = following
        return states[-1]

    def whole(self):
        """All frames at once."""
        for step, frame in enumerate(self.frames):
            self.request.set_tensor(f"frame{step}", frame)
        for index in self.layers:
            self.request.set_tensor(f"state{index}", self.zeros[index])
        self.request.infer()
        return self.request.get_tensor(f"top{len(self.frames) - 1}")

    def array(self, state):
        return state.data.copy()


class Engine(GraphEngine):
    library, version = "OpenVINO", openvino.__version__.split("-")[0]

    def graph(self, path, threads, workload):
        return Graph(path, threads, workload)


if __name__ == "__main__":
    protocol.serve(Engine())
