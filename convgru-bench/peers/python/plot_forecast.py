"""Draws a forecast beside what was observed, as xarray opens both, and prints what xarray says about the forecast.

Called with a folder that holds forecast.nc and observed.nc, and the picture to write.
"""

import pathlib
import sys

import matplotlib

matplotlib.use("Agg")

import numpy
import xarray
from matplotlib import colors, pyplot

SHOWN = 4


def main():
    folder, picture = pathlib.Path(sys.argv[1]), sys.argv[2]
    with xarray.open_dataset(folder / "forecast.nc") as forecast, xarray.open_dataset(folder / "observed.nc") as observed:
        print(forecast)
        name = next(name for name, own in forecast.data_vars.items() if own.ndim >= 3)
        rows = {"observed": observed[name], "forecast": forecast[name]}
        if not numpy.array_equal(forecast["time"], observed["time"]):
            raise SystemExit(f"the forecast is for {forecast['time'].values}, the observations are of {observed['time'].values}")
        steps = numpy.linspace(0, forecast.sizes["time"] - 1, SHOWN).round().astype(int)
        figure, axes = pyplot.subplots(2, SHOWN, figsize=(4 * SHOWN, 9), sharex=True, sharey=True, layout="constrained")
        scale = colors.LogNorm(0.1, 50.0) if forecast[name].attrs.get("units") == "mm/h" else None
        for row, (title, own) in zip(axes, rows.items()):
            for panel, step in zip(row, steps):
                frame = own.isel(time=step)
                drawn = frame.where(frame > 0.1).plot.imshow(ax=panel, norm=scale, cmap="turbo", add_colorbar=False)
                panel.set_facecolor("0.9")
                lead = float(numpy.asarray(forecast["lead_time"].values)[step] / (numpy.timedelta64(1, "m") if forecast["lead_time"].dtype.kind == "m" else 1))
                panel.set_title(f"{title}, +{lead:g} min\n{str(frame['time'].values)[:16]}")
                panel.set_aspect("equal")
        attributes = forecast[name].attrs
        figure.colorbar(drawn, ax=axes, label=f"{attributes.get('long_name', name)} ({attributes.get('units', '1')})", shrink=0.8)
        figure.savefig(picture, dpi=110)


main()
