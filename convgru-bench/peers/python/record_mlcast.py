"""Records the losses of mlcast's package and its schedule in 64 bits: `record_mlcast.py FOLDER`.

`losses.safetensors` holds predictions of an ensemble, the truth, masks of known pixels, and the values and gradients that
`mlcast.losses` and torch's automatic differentiation compute from them. `plateau.safetensors` holds steps of Adam whose rate
`ReduceLROnPlateau` lowers with the package's settings. `cargo test -p convgru-bench --test parity` reproduces both.
"""

import json
import pathlib
import sys
from importlib.metadata import version

import torch
from mlcast.losses import build_loss
from safetensors.torch import save_file

FOLDER = pathlib.Path(sys.argv[1])
STEPS, BATCH, MEMBERS, HEIGHT, WIDTH = 4, 2, 3, 5, 6

CASES = {
    "crps": {"class": "crps"},
    "crps_penalty": {"class": "crps", "temporal_lambda": 0.01},
    "crps_clamped": {"class": "crps", "clamp": [-1.0, 1.0]},
    "crps_masked": {"class": "crps", "mask": "valid"},
    "afcrps": {"class": "afcrps", "alpha": 0.95},
    "afcrps_fair": {"class": "afcrps", "alpha": 1.0},
    "afcrps_penalty": {"class": "afcrps", "alpha": 0.3, "temporal_lambda": 0.5},
    "afcrps_masked": {"class": "afcrps", "alpha": 0.6, "mask": "valid", "clamp": [-0.8, 1.2]},
    "training": {"class": "crps", "temporal_lambda": 0.01, "mask": "valid_always", "clamp": [-1.0, 1.0]},
    "afcrps_training": {"class": "afcrps", "alpha": 0.95, "temporal_lambda": 0.2, "mask": "valid_always", "clamp": [-1.0, 1.0]},
}


def loss_of(case, tensors):
    """The loss of a case; the package has the batch before the time."""
    prediction, target = (tensors[name].swapaxes(0, 1) for name in ("prediction", "target"))
    if "clamp" in case:
        prediction = prediction.clamp(*case["clamp"])
    params = {name: case[name] for name in ("alpha", "temporal_lambda") if name in case}
    if "mask" not in case:
        return build_loss(case["class"], params)(prediction, target)
    mask = tensors[case["mask"]].swapaxes(0, 1)
    if "temporal_lambda" not in case:
        return build_loss(case["class"], params, masked_loss=True)(prediction, target, mask)
    # MaskedLoss of version 0.1.0 is zero here: with a penalty the loss of elements has one time, the mask has all. This is
    # the mean over known pixels of the loss of elements, of pixels that are known at all times or at none.
    mask = mask[:, :1]
    assert (tensors[case["mask"]].swapaxes(0, 1) == mask).all()
    elements = build_loss(case["class"], params | {"reduction": "none"})(prediction, target)
    return (elements * mask).sum() / mask.sum()


def losses():
    random = torch.Generator().manual_seed(31)

    def normal(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    tensors = {
        "prediction": normal(STEPS, BATCH, MEMBERS, HEIGHT, WIDTH).requires_grad_(),
        "target": 0.7 * normal(STEPS, BATCH, 1, HEIGHT, WIDTH),
        "valid": (normal(STEPS, BATCH, 1, HEIGHT, WIDTH) > -0.7).double(),
    }
    always = (normal(1, BATCH, 1, HEIGHT, WIDTH) > -0.7).double()
    tensors["valid_always"] = always.expand(STEPS, -1, -1, -1, -1).clone()
    for name, case in CASES.items():
        loss = loss_of(case, tensors)
        assert loss.item() > 0.0, name
        (gradient,) = torch.autograd.grad(loss, tensors["prediction"])
        tensors |= {f"{name}.loss": loss.detach().reshape(1), f"{name}.grad": gradient}
    header = {
        "case": "losses",
        "system": "mlcast.losses",
        "mlcast_version": version("mlcast"),
        "cases": json.dumps(CASES),
        "content": "prediction [T, N, K, H, W] of K members; target, valid, valid_always [T, N, 1, H, W]; of each case NAME.loss, NAME.grad",
    }
    return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}, header


def plateau():
    """Adam at 1e-4; the metric falls, then so slowly that a hundred-thousandth of it is no improvement, then rises and falls."""
    schedule = {"mode": "min", "factor": 0.5, "patience": 10}
    steps = 70
    metric = [1.0 - 0.05 * i for i in range(10)]
    metric += [metric[-1] * (1.0 - 4e-6 * i) for i in range(1, 31)]
    metric += [0.9 - 0.012 * i for i in range(30)]
    w, b = (torch.full(shape, 0.25, dtype=torch.float64).requires_grad_() for shape in ((3, 4), (3,)))
    random = torch.Generator().manual_seed(32)
    optimizer = torch.optim.Adam([w, b], lr=1e-4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **schedule)
    rows = {name: [] for name in ("lr", "lr_after", "beta1", "w", "b", "grad.w", "grad.b")}
    tensors = {"w0": w.detach().clone(), "b0": b.detach().clone()}
    for step in range(steps):
        group = optimizer.param_groups[0]
        for name, parameter in (("w", w), ("b", b)):
            parameter.grad = torch.randn(parameter.shape, generator=random, dtype=torch.float64)
            rows[f"grad.{name}"].append(parameter.grad.clone())
        rows["lr"].append(group["lr"])
        rows["beta1"].append(group["betas"][0])
        optimizer.step()
        scheduler.step(metric[step])
        rows["lr_after"].append(group["lr"])
        rows["w"].append(w.detach().clone())
        rows["b"].append(b.detach().clone())
    assert len(set(rows["lr_after"])) >= 4, "the rate falls three times"
    stacked = {
        name: torch.stack(values) if torch.is_tensor(values[0]) else torch.tensor(values, dtype=torch.float64)
        for name, values in rows.items()
    }
    full = schedule | {"threshold": scheduler.threshold, "threshold_mode": scheduler.threshold_mode}
    header = {
        "case": "plateau of mlcast",
        "system": "torch.optim.Adam",
        "torch_version": torch.__version__,
        "hyper_parameters": json.dumps({"lr": 1e-4}),
        "scheduler": json.dumps({"name": "ReduceLROnPlateau"} | full),
    }
    return tensors | stacked | {"metric": torch.tensor(metric, dtype=torch.float64)}, header


def main():
    for name, (tensors, header) in (("losses", losses()), ("plateau", plateau())):
        save_file(tensors, FOLDER / f"{name}.safetensors", header)


main()
