"""Messages of GRIB, edition 2, written and read by ecCodes."""

import contextlib
import os

import eccodes
import numpy

from . import Axes, Draw, Skipped

PACKINGS = [
    "grid_simple",
    "grid_simple",
    "grid_complex",
    "grid_complex_spatial_differencing",
    "grid_ieee",
    "grid_png",
    "grid_jpeg",
    "grid_ccsds",
]


@contextlib.contextmanager
def quiet():
    """Keeps ecCodes from writing to standard error what it raises as well."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def draw(random, generator, folder, name):
    with quiet():
        return drawn(random, generator, folder, name)


def drawn(random, generator, folder, name):
    axes = Axes(random, choices=("thw",), longest=24)
    axes.letters = "thw"
    axes.shape = tuple(axes.shape[at] for at in range(3)) if len(axes.shape) == 3 else (2, 5, 6)
    axes.shape = (max(1, axes.shape[0] % 5), max(2, axes.shape[1]), max(2, axes.shape[2]))
    path = folder / f"{name}.grib2"
    packing, missing = random.choice(PACKINGS), random.random() < 0.4
    bits, decimals = random.choice([1, 8, 12, 16, 24]), random.randint(-1, 3)
    upwards, edition = random.random() < 0.3, 1 if random.random() < 0.04 else 2
    read = []
    kind = random.choice(["rain", "constant", "wide"])
    if kind == "constant":
        # ecCodes leaves the decimal scale out where all numbers are equal, and the specification does not.
        decimals = 0
    try:
        with open(path, "wb") as file:
            for step in range(axes.shape[0]):
                values = generator.gamma(0.4, 4.0, axes.shape[1:])
                if kind == "constant":
                    values[...] = values.flat[0]
                elif kind == "wide":
                    values = generator.standard_normal(axes.shape[1:]) * 1000.0
                holes = generator.random(axes.shape[1:]) < 0.2
                file.write(message(values, holes if missing else None, step, (packing, bits, decimals, upwards, edition)))
        with open(path, "rb") as file:
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                values = eccodes.codes_get_values(handle)
                if eccodes.codes_get(handle, "bitmapPresent") or packing.startswith("grid_complex"):
                    values = numpy.where(values == eccodes.codes_get(handle, "missingValue"), numpy.nan, values)
                read.append(values.reshape(axes.shape[1:]))
                packed = eccodes.codes_get(handle, "packingType")
                eccodes.codes_release(handle)
    except eccodes.CodesInternalError as error:
        raise Skipped(str(error)) from error
    refusals = {"grid_jpeg": ["JPEG"], "grid_ccsds": ["CCSDS"]}.get(packed, [])
    if edition == 1:
        refusals = ["edition"]
    said = f"edition {edition} {packed} {axes.shape} {bits} bits, {decimals} decimals, {kind}{', upwards' if upwards else ''}{', bitmap' if missing else ''}"
    return Draw(path, axes, numpy.stack(read), said, refusals=refusals, roundings=1)


def message(values, holes, step, form):
    packing, bits, decimals, upwards, edition = form
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    height, width = values.shape
    settings = {
        "Ni": width,
        "Nj": height,
        "iDirectionIncrementInDegrees": 0.5,
        "jDirectionIncrementInDegrees": 0.5,
        "latitudeOfFirstGridPointInDegrees": 10.0 if upwards else 10.0 + 0.5 * (height - 1),
        "latitudeOfLastGridPointInDegrees": 10.0 + 0.5 * (height - 1) if upwards else 10.0,
        "longitudeOfFirstGridPointInDegrees": 5.0,
        "longitudeOfLastGridPointInDegrees": 5.0 + 0.5 * (width - 1),
        "jScansPositively": int(upwards),
        "dataDate": 20200101,
        "dataTime": 100 * step,
    }
    for key, value in settings.items():
        eccodes.codes_set(handle, key, value)
    if edition == 2:
        eccodes.codes_set(handle, "packingType", packing)
    if packing != "grid_ieee" or edition == 1:
        eccodes.codes_set(handle, "bitsPerValue", bits)
        eccodes.codes_set(handle, "decimalScaleFactor", decimals)
    if holes is not None:
        eccodes.codes_set(handle, "bitmapPresent", 1)
        values = numpy.where(holes, eccodes.codes_get(handle, "missingValue"), values)
    eccodes.codes_set_values(handle, values.ravel())
    packed = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return packed
