"""Extrapolates frames as pysteps does: `compare_pysteps.py FOLDER`.

`plan.json` in the folder has `shape` [T, N, H, W], `frames` that show the movement, `steps` and `a`, `b` of
Z = a R^b; `rain.f32` holds the rain rates of that shape in mm/h, NaN where nothing was measured. Written
is `pysteps.f32`, [steps, N, H, W], 0 where pysteps knows nothing.
"""

import json
import pathlib
import sys

import numpy
from pysteps import motion, nowcasts

FOLDER = pathlib.Path(sys.argv[1])


def reflectivity(rain, a, b):
    """dBZ, 0 without rain; what is missing stays so."""
    with numpy.errstate(divide="ignore"):
        dbz = 10 * numpy.log10(a * rain**b)
    return numpy.where(numpy.isnan(rain), numpy.nan, numpy.maximum(dbz, 0))


def main():
    plan = json.loads((FOLDER / "plan.json").read_text())
    rain = numpy.fromfile(FOLDER / "rain.f32", "<f4").reshape(plan["shape"]).astype(float)
    find, extrapolate = motion.get_method("lucaskanade"), nowcasts.get_method("extrapolation")
    forecasts = []
    for frames in rain.swapaxes(0, 1):
        shown = reflectivity(frames[-plan["frames"] :], plan["a"], plan["b"])
        movement = find(numpy.ma.masked_invalid(shown))
        forecasts.append(numpy.nan_to_num(extrapolate(frames[-1], movement, plan["steps"])))
    numpy.stack(forecasts, 1).astype("<f4").tofile(FOLDER / "pysteps.f32")


main()
