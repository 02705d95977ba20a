"""Opens forecasts in xarray, compares them with what was meant, and checks them after the CF conventions.

Called with a folder that holds NAME.nc, perhaps the Zarr store NAME.zarr beside it, and NAME.json and NAME.f32 with what they mean (absent
where only the conventions are checked, which the checker does of netCDF alone). Writes a line of JSON for each file.
"""

import contextlib
import io
import json
import pathlib
import sys

import numpy
import xarray
from compliance_checker.runner import CheckSuite

CONVENTIONS = "cf:1.8"
IMPORTANCE = {3: "error", 2: "warning", 1: "note"}


def complaints(path):
    """What the checker says: a list of texts."""
    suite = CheckSuite()
    said = []
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = suite.load_dataset(str(path))
        for results, errors in suite.run_all(dataset, [CONVENTIONS]).values():
            said += [f"error: {error}" for error in errors]
            for result in results:
                said += told(result)
    return said


def told(result):
    """The messages of what has not all of its points; others are remarks on what is right."""
    level = IMPORTANCE.get(int(result.weight), "note")
    value = result.value
    passed = value[0] == value[1] if isinstance(value, tuple) else bool(value)
    own = [] if passed else [f"{level}: {result.name}: {message}" for message in (result.msgs or ["failed"])]
    for child in result.children or []:
        own += told(child)
    return own


def seconds(values):
    return numpy.asarray(values).astype("datetime64[ms]").astype("int64") / 1000.0


def differences(path, meant):
    """What xarray reads otherwise than it was meant: a list of texts."""
    other = []
    with xarray.open_dataset(path, decode_cf=True) as dataset:
        variable = dataset[meant["variable"]]
        expected = numpy.fromfile(path.with_suffix(".f32"), "<f4").reshape(meant["shape"])

        def same(what, found, wanted):
            if found != wanted:
                other.append(f"{what}: {found!r} where {wanted!r} is meant")

        same("dimensions", list(variable.dims), meant["dimensions"])
        same("shape", list(variable.shape), meant["shape"])
        same("unit", variable.attrs.get("units"), meant["unit"])
        if list(variable.shape) == meant["shape"] and not numpy.array_equal(variable.values, expected, equal_nan=True):
            worst = numpy.nanmax(numpy.abs(variable.values - expected))
            other.append(f"values: they differ by up to {worst}, or miss other pixels")
        same("times", list(seconds(dataset["time"])) if "time" in dataset else None, meant["times"])
        begins = dataset.get("forecast_reference_time")
        same("reference time", None if begins is None else float(seconds(begins)), meant["reference_time"])
        # Whether lead times are decoded depends on the version of xarray.
        leads = dataset["lead_time"].values
        leads = leads / numpy.timedelta64(1, "m") if leads.dtype.kind == "m" else leads
        same("lead times", [float(lead) for lead in leads], meant["lead_times"])
        mapping = dataset.get(variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping"))
        same("grid mapping", None if mapping is None else mapping.attrs.get("grid_mapping_name"), meant["grid_mapping"])
        for name, values in meant["coordinates"].items():
            if name not in dataset.coords or not numpy.array_equal(dataset[name].values.ravel(), values):
                other.append(f"coordinate {name}: it is missing or has other numbers")
    return other


def main():
    CheckSuite.load_all_available_checkers()
    folder = pathlib.Path(sys.argv[1])
    for path in sorted([*folder.glob("*.nc"), *folder.glob("*.zarr")]):
        meant = path.with_suffix(".json")
        told_of = differences(path, json.loads(meant.read_text())) if meant.exists() else []
        said = complaints(path) if path.suffix == ".nc" else []
        print(json.dumps({"file": path.name, "differences": told_of, "complaints": said}))


main()
