"""Makes the files beside it, which the tests of GRIB read: small fields of known numbers, written by ecCodes.

    python3 -m venv VENV && VENV/bin/pip install eccodes numpy && VENV/bin/python make.py
"""

import gzip
from pathlib import Path

import eccodes
import numpy as np

HERE = Path(__file__).parent
ROWS, COLUMNS = 9, 11


def counted(step=0):
    """The numbers 0, 0.5, 1, ..., 49 from a step on."""
    return ((np.arange(ROWS * COLUMNS) + 7 * step) % 99) / 2


def message(packing, values, minutes=0, missing=False, order=None, **keys):
    """A message of reflectivity whose numbers are valid some minutes after 2020-02-29 23:50, without a forecast."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
    at = 23 * 60 + 50 + minutes
    day = 20200229 if at < 1440 else 20200301
    settings = {
        "discipline": 0, "parameterCategory": 16, "parameterNumber": 4, "dataDate": day, "hour": at % 1440 // 60, "minute": at % 60,
        "Ni": COLUMNS, "Nj": ROWS, "latitudeOfFirstGridPointInDegrees": 60.0, "longitudeOfFirstGridPointInDegrees": 20.0,
        "latitudeOfLastGridPointInDegrees": 59.2, "longitudeOfLastGridPointInDegrees": 21.0, "iDirectionIncrementInDegrees": 0.1,
        "jDirectionIncrementInDegrees": 0.1, **keys,
    }
    for key, value in settings.items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "packingType", packing)
    if order is not None:
        eccodes.codes_set(handle, "orderOfSpatialDifferencing", order)
    if packing != "grid_ieee":
        eccodes.codes_set(handle, "bitsPerValue", 16)
    if missing:
        eccodes.codes_set(handle, "missingValue", 9999)
        eccodes.codes_set(handle, "bitmapPresent", 1)
        values = np.where(np.arange(values.size) % 10 == 3, 9999, values)
    eccodes.codes_set_values(handle, values)
    bytes_of = eccodes.codes_get_message(handle)
    found = eccodes.codes_get(handle, "packingType")
    assert np.allclose(eccodes.codes_get_values(handle), values, atol=0.001), packing
    assert found == packing or np.all(values == values[0]), (found, packing)
    eccodes.codes_release(handle)
    return bytes_of


def file(name, *messages, compress=False):
    content = b"".join(messages)
    (HERE / name).write_bytes(gzip.compress(content, mtime=0) if compress else content)


for packing in ["grid_simple", "grid_complex", "grid_complex_spatial_differencing", "grid_png", "grid_ieee", "grid_ccsds", "grid_jpeg"]:
    name = packing.removeprefix("grid_")
    try:
        if packing == "grid_complex_spatial_differencing":
            for order in [1, 2]:
                file(f"{name}_{order}.grib2", message(packing, counted(), order=order))
                file(f"{name}_{order}_missing.grib2", message(packing, counted(), missing=True, order=order))
        else:
            file(f"{name}.grib2", message(packing, counted()))
            file(f"{name}_missing.grib2", message(packing, counted(), missing=True))
    except Exception as error:
        print(packing, error)
file("constant.grib2", message("grid_simple", np.full(ROWS * COLUMNS, 2.5)))
# Frames out of order, with a heading between messages, beside another field.
heading = b"\001\r\r\n123\r\r\nYAXX00 KXXX 010000\r\r\n"
frames = [message("grid_simple", counted(step), minutes=5 * step) for step in [1, 0, 2]]
other = message("grid_simple", counted(), parameterCategory=0, parameterNumber=0, typeOfFirstFixedSurface=103, scaledValueOfFirstFixedSurface=2, scaleFactorOfFirstFixedSurface=0)
file("several.grib2", frames[0], heading, frames[1], other, frames[2])
file("several.grib2.gz", frames[0], heading, frames[1], other, frames[2], compress=True)
# A forecast: five, ten, and fifteen minutes after one time.
lead = [message("grid_simple", counted(step), indicatorOfUnitOfTimeRange=0, forecastTime=5 * step) for step in [1, 2, 3]]
file("forecast.grib2", *lead)
file("up.grib2", message("grid_simple", counted(), jScansPositively=1, latitudeOfFirstGridPointInDegrees=59.2, latitudeOfLastGridPointInDegrees=60.0))
for step in range(3):
    (HERE / "folder").mkdir(exist_ok=True)
    file(f"folder/MRMS_{'cab'[step]}.grib2.gz", message("grid_png", counted(step), minutes=2 * step, discipline=209, parameterCategory=10, parameterNumber=0), compress=True)
