"""OpenVINO on the CPU, from the ONNX files: `openvino_engine.py`; inference only.

Of the graphs that `onnx_model.py` wrote the fastest is kept, measured when the workload is loaded.
"""

import openvino

import protocol


class Graph:
    """A compiled graph and, where states are fed back, two sets of memory for them that take turns."""

    def __init__(self, core, path, threads, workload):
        # Without the hint of precision it computes in bfloat16 on machines that have it.
        properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
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


class Engine:
    """The fastest graph of a workload."""

    def load(self, workload, threads):
        if workload.kind == "training":
            raise ValueError("OpenVINO does not train")
        core = openvino.Core()
        candidates = {}
        for path in sorted(workload.folder.glob("*.onnx")):
            graph = Graph(core, path, threads, workload)
            candidates[path.stem] = graph.stepped if path.stem.startswith("step_") else graph.whole
        if not candidates:
            raise ValueError(f"{workload.folder} has no .onnx file; onnx_model.py writes them")
        chosen = protocol.fastest(candidates)
        self.iterate = candidates[chosen]
        return {"name": "OpenVINO", "version": openvino.__version__.split("-")[0], "variant": chosen}

    def outputs(self):
        return [self.iterate().data.copy()]


if __name__ == "__main__":
    protocol.serve(Engine())
