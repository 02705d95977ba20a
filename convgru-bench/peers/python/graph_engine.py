"""What engines share that read the ONNX files of a workload, which `onnx_model.py` wrote."""

import protocol


class GraphEngine:
    """Inference by the fastest graph of a workload, measured when the workload is loaded.

    An engine gives `library`, `version`, and `graph(path, threads, workload)`: an object with `stepped()`, which does a step after the
    other and returns the last top state, `whole()`, which takes all frames at once, and `array(state)`, which makes a state an array
    [N, C, H, W]. `settings` are words that `variant` has after the name of the graph.
    """

    settings = ""
    whole_sequences = True

    def load(self, workload, threads):
        if workload.kind == "training":
            raise ValueError(f"{self.library} does not train")
        candidates, graphs = {}, {}
        for path in sorted(workload.folder.glob("*.onnx")):
            steps = path.stem.startswith("step_")
            if steps or self.whole_sequences:
                graph = graphs[path.stem] = self.graph(path, threads, workload)
                candidates[path.stem] = graph.stepped if steps else graph.whole
        if not candidates:
            raise ValueError(f"{workload.folder} has no .onnx file; onnx_model.py writes them")
        chosen = protocol.fastest(candidates)
        self.iterate, self.chosen = candidates[chosen], graphs[chosen]
        return {"name": self.library, "version": self.version, "variant": f"{chosen} {self.settings}".rstrip()}

    def outputs(self):
        return [self.chosen.array(self.iterate())]
