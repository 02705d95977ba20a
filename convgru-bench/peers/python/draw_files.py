"""Draws files of every kind that is read, for a comparison of readers.

Called with a folder, the kinds with commas between them, the number of the first draw and of how many, and a seed. A draw depends on
the seed, the kind and its number alone. Writes a line of JSON for each: the file, what it is, how it is to be read and which refusals
are right; beside the file lies what the reference library reads, NAME.f32, `float32` in the order of sequence, frame, channel, row,
column. The other side deletes the files. A kind whose packages are missing, and a draw that cannot be written, say so.
"""

import importlib
import json
import pathlib
import random
import sys
import warnings

KINDS = {
    "hdf5": ("hdf5", "draw"),
    "netcdf3": ("netcdf", "draw_classic"),
    "netcdf4": ("netcdf", "draw_netcdf4"),
    "zarr": ("zarr_stores", "draw"),
    "grib": ("grib", "draw"),
    "numpy": ("arrays", "draw"),
}


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    # What the libraries think of odd files is no news.
    warnings.simplefilter("ignore")
    folder, kinds, first, count, seed = pathlib.Path(sys.argv[1]), sys.argv[2].split(","), *map(int, sys.argv[3:6])
    for kind in kinds:
        module, function = KINDS[kind]
        try:
            draw = getattr(importlib.import_module(f"drawn.{module}"), function)
        except ModuleNotFoundError as error:
            say(kind=kind, absent=f"no Python module {error.name}")
            continue
        for number in range(first, first + count):
            one(kind, draw, folder, number, seed)


def one(kind, draw, folder, number, seed):
    import numpy

    from drawn import Skipped

    own = random.Random(f"{seed} {kind} {number}")
    generator = numpy.random.default_rng(own.randrange(2**63))
    try:
        made = draw(own, generator, folder, f"{kind}-{number}")
    except (Skipped, OSError, RuntimeError) as reason:
        # A library may fail to read what it wrote itself.
        say(kind=kind, number=number, skipped=str(reason))
        return
    expected = made.axes.arranged(made.numbers)
    expected.tofile(folder / f"{kind}-{number}.f32")
    say(
        kind=kind,
        number=number,
        file=made.file.name,
        described=made.described,
        shape=list(expected.shape),
        config=made.config,
        refusals=made.refusals,
        roundings=made.roundings,
    )


if __name__ == "__main__":
    main()
