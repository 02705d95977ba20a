"""JAX on the CPU: `jax_engine.py`; inference only, for its convolution gradients take minutes there.

The loop over time is unrolled or `lax.scan`, whichever is the faster, measured when the workload is loaded.
"""

import os

import protocol


def configure(threads):
    """Before JAX is imported: it takes as many threads as the process may use cores."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cores)
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["JAX_PLATFORMS"] = "cpu"


def network(layers):
    """Functions over all frames [T, N, H, W, C], in the layout XLA likes on a CPU."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    def conv(x, weights, padding):
        pads = [(size, size) for size in padding]
        return lax.conv_general_dilated(x, weights, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    paddings = [layer.padding for layer in layers]

    def step(parameters, states, frame):
        below, following = frame, []
        for (w, u_gates, u_candidate, bias), h, padding in zip(parameters, states, paddings):
            hidden = h.shape[-1]
            from_input = conv(below, w, padding) + bias
            gates = jax.nn.sigmoid(from_input[..., : 2 * hidden] + conv(h, u_gates, padding))
            update, reset = gates[..., :hidden], gates[..., hidden:]
            candidate = jnp.tanh(from_input[..., 2 * hidden :] + conv(h * reset, u_candidate, padding))
            below = h + update * (candidate - h)
            following.append(below)
        return following, below

    def unrolled(parameters, states, frames):
        tops = []
        for frame in frames:
            states, top = step(parameters, states, frame)
            tops.append(top)
        return tops

    def scanned(parameters, states, frames):
        return lax.scan(lambda carried, frame: step(parameters, carried, frame), states, frames)[1]

    return {"unrolled": jax.jit(unrolled), "scan": jax.jit(scanned)}


def arrays(layers):
    """Weights [kh, kw, in, out]: of the input, of update and reset, of the candidate; and the bias."""
    import jax.numpy as jnp

    def turned(weights):
        return jnp.asarray(weights.transpose(2, 3, 1, 0))

    return [
        (
            turned(layer.input_weights),
            turned(layer.hidden_weights[: 2 * layer.hidden]),
            turned(layer.hidden_weights[2 * layer.hidden :]),
            jnp.asarray(layer.bias),
        )
        for layer in layers
    ]


class Engine:
    """The faster loop of a workload."""

    def load(self, workload, threads):
        if workload.kind == "training":
            raise ValueError("JAX's convolution gradients take minutes on a CPU")
        configure(threads)
        import jax
        import jax.numpy as jnp

        frames = jnp.asarray(workload.frames.transpose(0, 1, 3, 4, 2))
        states = [jnp.asarray(state.transpose(0, 2, 3, 1)) for state in workload.zero_states()]
        parameters = arrays(workload.layers)
        candidates = {
            name: lambda function=function: jax.block_until_ready(function(parameters, states, frames))
            for name, function in network(workload.layers).items()
            if workload.steps > 1 or name == "unrolled"
        }
        chosen = protocol.fastest(candidates)
        self.iterate = candidates[chosen]
        return {"name": "JAX", "version": jax.__version__, "variant": chosen}

    def outputs(self):
        import numpy

        return [numpy.asarray(self.iterate()[-1]).transpose(0, 3, 1, 2)]


if __name__ == "__main__":
    protocol.serve(Engine())
