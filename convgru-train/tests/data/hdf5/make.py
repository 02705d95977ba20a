"""Makes the files beside it, which the tests of HDF5 and netCDF read: small arrays of known numbers, written by the
library of the HDF Group in its oldest and its newest form, and classic netCDF by the libraries of Unidata and SciPy.

    python3 -m venv VENV && VENV/bin/pip install h5py netCDF4 numpy scipy && VENV/bin/python make.py

Two runs write the same bytes but for times of change, which are left out where the library can.
"""

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import scipy.io

HERE = Path(__file__).parent
BOTH = {"old": "earliest", "new": "latest"}
NETCDF = {"": "NETCDF4", "_cdf1": "NETCDF3_CLASSIC", "_cdf2": "NETCDF3_64BIT_OFFSET", "_cdf5": "NETCDF3_64BIT_DATA"}


def counted(shape, dtype, modulus=251):
    return (np.arange(np.prod(shape)) % modulus).reshape(shape).astype(dtype)


def attribute(group, name, text, length=None):
    """A text of fixed length, as files of radars have them."""
    data = np.bytes_(text) if length is None else np.array([text], dtype=f"S{length}")
    group.attrs.create(name, data)


def frames(suffix, libver):
    """One dataset [N, T, H, W] beside others with fewer axes, chunked, shuffled, deflated."""
    with h5py.File(HERE / f"frames_{suffix}.h5", "w", libver=libver) as file:
        rain = file.create_dataset(
            "group/rain", data=counted((4, 3, 5, 6), "u1"), chunks=(1, 2, 5, 4), compression=6, shuffle=True
        )
        rain.attrs["units"] = "mm/h"
        file["mask"] = np.ones((5, 6), "u1")
        file["names"] = np.array([b"one", b"two"])
        file["group/link"] = h5py.SoftLink("/nowhere")
        file["group/itself"] = file["group"]


def several(suffix, libver):
    """Every type in both orders of bytes, [T, H, W]; the whole of it negative where it can be."""
    with h5py.File(HERE / f"types_{suffix}.h5", "w", libver=libver) as file:
        for kind in ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f4", "f8"]:
            for order, name in [("<", "little"), (">", "big")]:
                if kind.endswith("1") and order == ">":
                    continue
                data = counted((4, 2, 3), f"{order}{kind}", 25) * (-1 if kind[0] == "i" else 1)
                chunked = {"chunks": (3, 2, 2), "compression": 4, "shuffle": True} if kind in ("i2", "f4") else {}
                file.create_dataset(f"{kind}_{name}", data=data.astype(f"{order}{kind}"), **chunked)


def packed(name, form):
    """netCDF with a scale, an offset, a fill value and an unlimited axis of time."""
    with netCDF4.Dataset(HERE / name, "w", format=form) as file:
        file.createDimension("time", None)
        file.createDimension("y", 3)
        file.createDimension("x", 4)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "minutes since 2020-01-01 00:00"
        filters = {"zlib": True, "shuffle": True} if form == "NETCDF4" else {}
        air = file.createVariable("air", "i2", ("time", "y", "x"), fill_value=-999, **filters)
        air.scale_factor = 0.5
        air.add_offset = 10.0
        air.missing_value = np.int16(-998)
        air.long_name = "temperature"
        air.set_auto_maskandscale(False)
        stored = counted((8, 3, 4), "i2", 41)
        stored[0, 0, 1], stored[0, 2, 3] = -999, -998
        time[:] = np.arange(8)
        air[:] = stored
        if form != "NETCDF4":
            # A byte a time, which is filled up to four where there are several variables.
            file.createVariable("quality", "i1", ("time",))[:] = np.arange(8)


def unsigned(name, form):
    """Bytes without a sign, stored with one."""
    with netCDF4.Dataset(HERE / name, "w", format=form) as file:
        for axis, length in [("time", 4), ("y", 2), ("x", 2)]:
            file.createDimension(axis, length)
        count = file.createVariable("count", "i1", ("time", "y", "x"), fill_value=-1)
        count.setncattr("_Unsigned", "true")
        count.set_auto_maskandscale(False)
        count[:] = np.array([0, 1, 127, -128, -2, -1] + [5] * 10, "i1").reshape(4, 2, 2)


def named_axes(name, form):
    """Frames with time last and out of order, 20 minutes of which the third five are missing; every pixel is the minute."""
    minutes = [25, 0, 5, 10, 20, 30]
    with netCDF4.Dataset(HERE / name, "w", format=form) as file:
        for axis, length in [("south", 2), ("west", 4), ("moment", len(minutes))]:
            file.createDimension(axis, length)
        file.createVariable("south", "f8", ("south",)).axis = "Y"
        file.createVariable("west", "f8", ("west",)).standard_name = "projection_x_coordinate"
        time = file.createVariable("moment", "i4", ("moment",))
        time.units = "minutes since 2020-02-29 23:50:00 +00:00"
        time[:] = minutes
        rain = file.createVariable("rain", "f4", ("south", "west", "moment"))
        rain[:] = np.broadcast_to(np.array(minutes, "f4"), (2, 4, len(minutes)))


def dated(file, axes, name, date, image):
    """Frames whose dates are characters along a second axis."""
    dates = [date.format(int(minute)) for minute in image[0, 0]]
    for axis, length in zip(axes, (None, 2, 6)):
        file.createDimension(axis, length)
    file.createDimension("DateStrLen", len(dates[0]))
    file.createVariable(name, "S1", (axes[0], "DateStrLen"))[:] = netCDF4.stringtochar(np.array(dates, "S"))
    file.createVariable("rain", "f4", axes)[:] = image.transpose(2, 0, 1)


def times_elsewhere():
    """Frames of the minutes 20, 15, 10, 5 and 0, in this order; every pixel is the minute. Their times lie where no dimension leads to them by
    its name: in dimension scales of another group, the second of two, with other names; in texts; in an auxiliary coordinate; in one without a unit; and in
    files of a frame each whose names are not in the order of time."""
    minutes = [20, 15, 10, 5, 0]
    image = np.broadcast_to(np.array(minutes, "f4"), (2, 6, 5))
    with h5py.File(HERE / "scales_elsewhere.h5", "w", libver="latest") as file:
        rain = file.create_dataset("data/rain", data=image)
        for axis, (name, length) in enumerate([("lat", 2), ("lon", 6), ("time", 5)]):
            if name == "time":
                file.create_dataset("of/number", data=np.arange(5)).make_scale("number")
                rain.dims[axis].attach_scale(file["of/number"])
            scale = file.create_dataset(f"of/axis{axis}", data=np.arange(length) if name != "time" else minutes)
            scale.make_scale("" if name == "lon" else name)
            if name == "time":
                scale.attrs["units"] = "minutes since 2020-01-01"
            rain.dims[axis].attach_scale(scale)
        rain.dims[1].label = "lon"
    with h5py.File(HERE / "text_times.h5", "w", libver="latest") as file:
        file["rain"] = image.transpose(2, 0, 1)
        file["time"] = [f"2020-01-01T00:{minute:02}" for minute in minutes]
        file["time"].make_scale("time")
        file["rain"].dims[0].attach_scale(file["time"])
    for name, units in [("auxiliary_time.nc", "Minutes Since 2020-01-01"), ("no_unit_of_time.nc", "")]:
        with netCDF4.Dataset(HERE / name, "w", format="NETCDF3_CLASSIC") as file:
            along = "time" if units == "" else "index"
            for axis, length in [(along, 5), ("y", 2), ("x", 6)]:
                file.createDimension(axis, length)
            time = file.createVariable("time", "i4", (along,))
            time.units = units
            time[:] = minutes
            rain = file.createVariable("rain", "f4", (along, "y", "x"))
            rain.coordinates = "time crs"
            rain[:] = image.transpose(2, 0, 1)
    for name, form in [("characters.nc", "NETCDF4"), ("characters_cdf1.nc", "NETCDF3_CLASSIC")]:
        with netCDF4.Dataset(HERE / f"time_{name}", "w", format=form) as file:
            dated(file, ("time", "y", "x"), "time", "2020-01-01T00:{:02}:00Z", image)
        with netCDF4.Dataset(HERE / f"wrf_{name}", "w", format=form) as file:
            dated(file, ("Time", "south_north", "west_east"), "Times", "2020-01-01_00:{:02}:00", image)
    (HERE / "scalar_time").mkdir(exist_ok=True)
    for name, minute in zip(["jan", "feb", "mar", "apr", "may"], sorted(minutes)):
        with netCDF4.Dataset(HERE / "scalar_time" / f"{name}.nc", "w", format="NETCDF3_CLASSIC") as file:
            for axis, length in [("y", 2), ("x", 6)]:
                file.createDimension(axis, length)
            time = file.createVariable("time", "i4", ())
            time.setncatts({"units": "minutes since 2020-01-01", "calendar": "360_day"})
            time[...] = minute
            rain = file.createVariable("rain", "f4", ("y", "x"))
            rain.coordinates = "time"
            rain[:] = np.full((2, 6), minute)


def scaled_or_not():
    """Files of a frame each, one with a scale and one without."""
    (HERE / "scaled_or_not").mkdir(exist_ok=True)
    for name in ["scaled", "whole"]:
        with netCDF4.Dataset(HERE / "scaled_or_not" / f"{name}.nc", "w", format="NETCDF3_64BIT_DATA") as file:
            for axis, length in [("y", 2), ("x", 3)]:
                file.createDimension(axis, length)
            rain = file.createVariable("rain", "u1", ("y", "x"))
            if name == "scaled":
                rain.scale_factor = 1 / 255
            rain.set_auto_scale(False)
            rain[:] = counted((2, 3), "u1")


def other_content():
    """Frames with a unit, and files of a frame each, one of which begins at the other end of the latitudes."""
    with netCDF4.Dataset(HERE / "units.nc", "w", format="NETCDF3_CLASSIC") as file:
        for axis, length in [("time", 5), ("y", 2), ("x", 6)]:
            file.createDimension(axis, length)
        rain = file.createVariable("rain", "f4", ("time", "y", "x"))
        rain.units = "mm/h"
        rain[:] = np.broadcast_to(np.arange(5, dtype="f4")[:, None, None], (5, 2, 6))
    (HERE / "upside_down").mkdir(exist_ok=True)
    for name, latitudes in [("north", [50.0, 49.0]), ("south", [49.0, 50.0])]:
        with netCDF4.Dataset(HERE / "upside_down" / f"{name}.nc", "w", format="NETCDF3_CLASSIC") as file:
            for axis, length in [("lat", 2), ("lon", 6)]:
                file.createDimension(axis, length)
            file.createVariable("lat", "f4", ("lat",))[:] = latitudes
            file.createVariable("rain", "f4", ("lat", "lon"))[:] = np.zeros((2, 6))


def classic():
    """Every type of classic netCDF as `several`, and a file of another library with one variable over an unlimited axis,
    whose 15 bytes a time are not filled up."""
    with netCDF4.Dataset(HERE / "types_cdf5.nc", "w", format="NETCDF3_64BIT_DATA") as file:
        for axis, length in [("time", 4), ("y", 2), ("x", 3)]:
            file.createDimension(axis, length)
        file.title = "every type"
        file.createVariable("names", "S1", ("time", "x"))[:] = np.full((4, 3), b"n")
        for kind in ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]:
            data = counted((4, 2, 3), kind, 25) * (-1 if kind[0] == "i" else 1)
            file.createVariable(kind, kind, ("time", "y", "x"))[:] = data.astype(kind)
    with scipy.io.netcdf_file(HERE / "one_record.nc", "w", version=1) as file:
        for axis, length in [("time", None), ("y", 3), ("x", 5)]:
            file.createDimension(axis, length)
        file.createVariable("rain", "i1", ("time", "y", "x"))[:] = counted((8, 3, 5), "i1", 120)


def odim(path, minute, libver, quantity, dtype, image, gain, offset, nodata, undetect, strings="fixed", kept="data"):
    """A composite of ODIM_H5; `kept` says whether data1 or dataset1 has the attributes."""
    with h5py.File(path, "w", libver=libver) as file:
        def text(group, name, value):
            if strings == "fixed":
                attribute(group, name, value)
            else:
                group.attrs[name] = value

        text(file, "Conventions", "ODIM_H5/V2_2")
        what = file.create_group("what")
        for name, value in [("object", "COMP"), ("version", "H5rad 2.2"), ("date", "20180607")]:
            text(what, name, value)
        text(what, "time", f"{12 + minute // 60:02}{minute % 60:02}00")
        text(what, "source", "ORG:247")
        dataset = file.create_group("dataset1")
        data = dataset.create_group("data1")
        own = data.create_group("what")
        outer = dataset.create_group("what")
        text(outer, "product", "COMP")
        for name, before in [("start", 15), ("end", 0)]:
            at = 12 * 60 + minute - before
            text(outer, f"{name}date", "20180607")
            text(outer, f"{name}time", f"{at // 60:02}{at % 60:02}00")
        place = own if kept == "data" else outer
        text(place, "quantity", quantity)
        for name, value in [("gain", gain), ("offset", offset), ("nodata", nodata), ("undetect", undetect)]:
            place.attrs[name] = np.float64(value)
        stored = data.create_dataset("data", data=image.astype(dtype), compression=6, chunks=image.shape)
        attribute(stored, "CLASS", "IMAGE")
        # What describes quality is no rain.
        quality = dataset.create_group("quality1")
        quality.create_dataset("data", data=np.zeros(image.shape, "u1"), compression=6)


def rain(time, shape=(12, 10)):
    """dBZ = 0.5 v - 32: echoes of 20 to 45 dBZ, a column outside (255), a row without any (0)."""
    image = 104 + (time * 7 + np.arange(np.prod(shape))) % 50
    image = image.reshape(shape)
    image[:, 0] = 255
    image[0, 1:] = 0
    return image


def odim_folders():
    """Eight times of five minutes and, after a gap, eight more."""
    folder = HERE / "odim"
    folder.mkdir(exist_ok=True)
    for at, minute in enumerate([5 * i for i in range(8)] + [60 + 5 * i for i in range(8)]):
        odim(
            folder / f"composite{at:02}.h5", minute, BOTH["old" if at in (1, 12) else "new"], "DBZH", "u1", rain(at), 0.5,
            -32.0, 255.0, 0.0, "variable" if at in (1, 6) else "fixed",
        )
    image = np.array([[0.25, 1.5, -9999000.0], [-8888000.0, 100.0, 0.0]])
    odim(HERE / "odim_rate.h5", 5, "latest", "RATE", "f8", image, 1.0, 0.0, -9999000.0, -8888000.0, "fixed", "dataset")
    image = np.array([[0, 1, 10], [65535, 65534, 400]])
    odim(HERE / "odim_sum.h5", 30, "earliest", "ACRR", ">u2", image, 0.01, 0.0, 65535, 0, "variable")
    odim(HERE / "odim_height.h5", 30, "earliest", "HGHT", "u1", image, 0.01, 0.0, 255, 0)
    with h5py.File(HERE / "odim_volume.h5", "w", libver="earliest") as file:
        what = file.create_group("what")
        for name, value in [("object", "PVOL"), ("date", "20180607"), ("time", "120000")]:
            attribute(what, name, value)


def knmi(path, libver, end, start, parameter, formula, missing, outside, image):
    with h5py.File(path, "w", libver=libver) as file:
        overview = file.create_group("overview")
        attribute(overview, "product_datetime_start", start, 25)
        attribute(overview, "product_datetime_end", end, 25)
        overview.attrs["number_image_groups"] = np.array([1], "i4")
        group = file.create_group("image1")
        attribute(group, "image_geo_parameter", parameter, len(parameter) + 1)
        calibration = group.create_group("calibration")
        attribute(calibration, "calibration_flag", "Y", 2)
        attribute(calibration, "calibration_formulas", formula, len(formula) + 1)
        calibration.attrs["calibration_missing_data"] = np.array([missing], "i4")
        calibration.attrs["calibration_out_of_image"] = np.array([outside], "i4")
        group.create_dataset("image_data", data=image, compression=9, chunks=image.shape)


def knmi_files():
    folder = HERE / "knmi"
    folder.mkdir(exist_ok=True)
    for at, minute in enumerate([0, 5, 10, 15, 25]):
        time = f"07-JUN-2018;12:{minute:02}:00.000"
        knmi(
            folder / f"reflectivity{at}.h5", BOTH["old" if at % 2 else "new"], time, time, "REFLECTIVITY_[DBZ]",
            "GEO = 0.500000 * PV + -32.000000", 0, 255, rain(at).astype("u1"),
        )
    image = np.array([[0, 1, 100], [65535, 65534, 50]], "u2")
    for name, start in [("sum", "07-JUN-2018;11:55:00.000"), ("hour", "07-JUN-2018;11:00:00.000")]:
        knmi(
            HERE / f"knmi_{name}.h5", "earliest", "07-JUN-2018;12:00:00.000", start, "PRECIP_[MM]",
            "GEO=0.010000*PV+0.000000", 65534, 65535, image,
        )
    knmi(
        HERE / "knmi_tops.h5", "earliest", "07-JUN-2018;12:00:00.000", "07-JUN-2018;12:00:00.000", "ECHOTOP_[KM]",
        "GEO = 0.1 * PV + 0", 0, 255, image.astype("u1"),
    )


def knmi_forecast(name, minutes, parameter, shapes=None, calibrations=True, valid=True):
    """A file with an image for each lead time, whose numbers are 10 N + column in the image of the Nth time."""
    with h5py.File(HERE.parent / "knmi_forecast" / name, "w", libver="earliest") as file:
        overview = file.create_group("overview")
        attribute(overview, "product_datetime_start", "07-JUN-2018;12:00:00.000", 25)
        attribute(overview, "product_datetime_end", "07-JUN-2018;14:00:00.000", 25)
        overview.attrs["number_image_groups"] = np.array([len(minutes)], "i4")
        for at, minute in enumerate(minutes):
            group = file.create_group(f"image{at + 1}")
            own = parameter if isinstance(parameter, str) else parameter[at]
            attribute(group, "image_geo_parameter", own, len(own) + 1)
            if valid:
                time = f"07-JUN-2018;{12 + minute // 60}:{minute % 60:02}:00.000"
                attribute(group, "image_datetime_valid", time, 25)
            if at == 0 or calibrations:
                calibration = group.create_group("calibration")
                formula = "GEO = 0.500000 * PV + -32.000000"
                attribute(calibration, "calibration_formulas", formula, len(formula) + 1)
                calibration.attrs["calibration_missing_data"] = np.array([0], "i4")
                calibration.attrs["calibration_out_of_image"] = np.array([255], "i4")
            height, width = shapes[at] if shapes else (5, 7)
            image = np.full((height, width), 10 * (minute // 5), "u1") + np.arange(width, dtype="u1")
            image[0, 0] = 255
            group.create_dataset("image_data", data=image, compression=9, chunks=image.shape)


def knmi_forecasts():
    # Beside the folder of radar images, of which a forecast is none.
    (HERE.parent / "knmi_forecast").mkdir(exist_ok=True)
    lead = [5 * at for at in range(1, 13)]
    dbz = "REFLECTIVITY_[DBZ]"
    knmi_forecast("forecast.h5", lead, dbz)
    # The images are counted in another order than their times.
    knmi_forecast("order.h5", [15, 5, 20, 10], dbz, calibrations=False)
    knmi_forecast("sizes.h5", [5, 10, 15], dbz, shapes=[(5, 7), (5, 7), (5, 8)])
    knmi_forecast("quantities.h5", [5, 10], [dbz, "PRECIP_[MM]"])
    # Several images of one time are no forecast.
    knmi_forecast("one_time.h5", [5, 5], [dbz, "ECHOTOP_[KM]"])


def virtual():
    """A dataset whose numbers lie in another file."""
    layout = h5py.VirtualLayout((3, 4, 5), "f4")
    layout[...] = h5py.VirtualSource("other.h5", "own", (3, 4, 5))
    with h5py.File(HERE / "virtual.h5", "w") as file:
        file.create_virtual_dataset("rain", layout)


for suffix, libver in BOTH.items():
    frames(suffix, libver)
    several(suffix, libver)
for suffix, form in NETCDF.items():
    packed(f"packed{suffix}.nc", form)
    if suffix in ("", "_cdf1"):
        unsigned(f"unsigned{suffix}.nc", form)
for suffix, form in [("", "NETCDF4"), ("_cdf1", "NETCDF3_CLASSIC")]:
    named_axes(f"named_axes{suffix}.nc", form)
times_elsewhere()
scaled_or_not()
other_content()
classic()
odim_folders()
knmi_files()
knmi_forecasts()
virtual()
