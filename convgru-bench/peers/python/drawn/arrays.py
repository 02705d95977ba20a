"""Arrays of NumPy."""

import numpy
from numpy.lib import format as npy

from . import FLOATS, INTEGERS, Axes, Draw, numbers_of

# Types that are no numbers of frames.
OTHERS = ["c8", "S5", "U3", "O", "f4,i2", "M8[s]", "m8[s]"]


def draw(random, generator, folder, name):
    axes = Axes(random)
    config, refusals = {"axes": axes.letters}, []
    is_other = random.random() < 0.06
    if is_other:
        kind = random.choice(OTHERS)
        dtype = numpy.dtype(kind)
        values = numpy.zeros(axes.shape, dtype)
        refusals = ["type", "complex", "struct", "text", "object", "number"]
        read = numpy.zeros(axes.shape)
    else:
        kind = random.choice(INTEGERS + FLOATS + ["?"])
        dtype = numpy.dtype(random.choice("<>") + kind)
        values = numbers_of(random, generator, dtype, axes.shape)
        read = values
        if kind == "?":
            refusals = ["bool", "truth", "type"]
    is_column_major = random.random() < 0.3
    values = numpy.asfortranarray(values) if is_column_major else values
    said = f"{dtype.str} {axes.letters} {axes.shape}{' column-major' if is_column_major else ''}"
    if random.random() < 0.5:
        path = folder / f"{name}.npy"
        version = random.choice([(1, 0), (2, 0), (3, 0)])
        with open(path, "wb") as file:
            npy.write_array(file, values, version=version, allow_pickle=kind == "O")
        return Draw(path, axes, read, f"npy {version} {said}", config=config, refusals=refusals)
    path = folder / f"{name}.npz"
    members = {random.choice(["arr_0", "frames", "rain"]): values}
    if random.random() < 0.4:
        config["member"] = next(iter(members))
        members |= {"dates": numpy.array(["2020"]), "other": numpy.arange(7.0)}
    save = random.choice([numpy.savez, numpy.savez_compressed])
    save(path, **members)
    return Draw(path, axes, read, f"{save.__name__} {list(members)} {said}", config=config, refusals=refusals)
