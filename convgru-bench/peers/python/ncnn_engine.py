"""ncnn on the CPU, from the ONNX files by pnnx: `ncnn_engine.py`; inference only.

Everything is in f32, with Winograd's algorithm where ncnn has it. ncnn has no axis for samples: each sample of a batch runs by itself.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import ncnn
import numpy

import protocol
from graph_engine import GraphEngine

# Weights, activations and arithmetic of fewer bits, which ncnn takes of itself where a machine has them.
FEWER_BITS = [name for name in dir(ncnn.Option) if name.startswith(("use_fp16_", "use_bf16_", "use_int8_"))]


def converted(path):
    """The texts of layers and the file of weights that pnnx makes of an ONNX file, in a folder of their own: pnnx leaves ONNX files beside them."""
    folder = Path(tempfile.mkdtemp(prefix="ncnn-", dir=path.parent))
    (folder / path.name).symlink_to(path.resolve())
    program = shutil.which("pnnx", path=os.path.dirname(sys.executable))
    if program is None:
        raise ValueError(f"no program pnnx beside {sys.executable}")
    result = subprocess.run([program, path.name, "fp16=0"], cwd=folder, capture_output=True, text=True, check=False)
    files = [folder / f"{path.stem}.ncnn.{kind}" for kind in ("param", "bin")]
    if result.returncode != 0 or not all(file.exists() for file in files):
        raise ValueError(f"pnnx gives no ncnn files of {path.name}: {(result.stderr or result.stdout).strip()[-500:]}")
    return [str(file) for file in files]


def mat(array):
    """An array [C, H, W] in memory of ncnn."""
    return ncnn.Mat(numpy.ascontiguousarray(array)).clone()


class Graph:
    """A network that takes a frame and the states, of one sample."""

    def __init__(self, path, threads, workload):
        self.net = ncnn.Net()
        options = self.net.opt
        for name in FEWER_BITS:
            setattr(options, name, False)
        options.use_winograd_convolution = True
        options.use_vulkan_compute = False
        options.num_threads = threads
        parameters, weights = converted(path)
        if self.net.load_param(parameters) != 0 or self.net.load_model(weights) != 0:
            raise ValueError(f"ncnn cannot read {parameters}")
        self.layers = range(len(workload.layers))
        self.frames = [[mat(frame[sample]) for frame in workload.frames] for sample in range(workload.batch)]
        self.zeros = [mat(state[0]) for state in workload.zero_states()]

    def stepped(self):
        """One frame after the other and sample by sample; states stay in the layout that ncnn gives them."""
        return [self.sample(frames) for frames in self.frames]

    def sample(self, frames):
        states = self.zeros
        for frame in frames:
            step = self.net.create_extractor()
            step.input("in0", frame)
            following = [ncnn.Mat() for _ in self.layers]
            for index in self.layers:
                step.input(f"in{index + 1}", states[index])
            for index in self.layers:
                # The last argument leaves the channels in groups of a vector's length.
                if step.extract(f"out{index}", following[index], 1) != 0:
                    raise RuntimeError(f"ncnn cannot compute the state of layer {index}")
            states = following
        return states[-1]

    def array(self, states):
        return numpy.stack([numpy.array(ncnn.convert_packing(state, 1)) for state in states])


class Engine(GraphEngine):
    library, version, settings = "ncnn", ncnn.__version__, "f32 winograd"
    whole_sequences = False

    def graph(self, path, threads, workload):
        return Graph(path, threads, workload)


if __name__ == "__main__":
    protocol.serve(Engine())
