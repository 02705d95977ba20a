"""netCDF with attributes of the CF conventions, read by netCDF4 and by xarray."""

import warnings

import netCDF4
import numpy
import xarray

from . import Axes, Draw, Skipped, chunk_of, numbers_of, part

CLASSIC = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
OLD_TYPES = ["i1", "i2", "i4", "f4", "f8"]
NEW_TYPES = [*OLD_TYPES, "u1", "u2", "u4", "i8", "u8"]

# Attributes whose numbers stand for missing pixels, or bound those that do.
MARKS = ["_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"]


def draw_classic(random, generator, folder, name):
    return draw(random, generator, folder, name, random.choice(CLASSIC))


def draw_netcdf4(random, generator, folder, name):
    return draw(random, generator, folder, name, random.choice(["NETCDF4", "NETCDF4", "NETCDF4_CLASSIC"]))


def draw(random, generator, folder, name, form):
    path = folder / f"{name}.nc"
    axes = Axes(random)
    types = NEW_TYPES if form in ("NETCDF4", "NETCDF3_64BIT_DATA") else OLD_TYPES
    dtype = numpy.dtype(random.choice(types))
    values = numbers_of(random, generator, dtype, axes.shape)
    attributes = attributes_of(random, values)
    options, refusals = storage(random, form, axes.shape)
    fill = random.random()
    if fill < 0.35:
        options["fill_value"] = values.flat[random.randrange(values.size)]
    where = random.choice(["rain", "rain", "radar/rain"]) if form == "NETCDF4" else "rain"
    unlimited = axes.names[0] if random.random() < 0.4 else None
    written = part(random, axes.shape) if random.random() < 0.25 else ...
    try:
        with netCDF4.Dataset(path, "w", format=form) as file:
            file.set_auto_maskandscale(False)
            group = file.createGroup(where.rsplit("/", 1)[0]) if "/" in where else file
            for dimension, length in zip(axes.names, axes.shape):
                file.createDimension(dimension, None if dimension == unlimited else length)
                if random.random() < 0.5:
                    coordinate = file.createVariable(dimension, "f8", (dimension,))
                    if dimension == "time":
                        coordinate.units = "minutes since 2020-01-01"
                    coordinate[:] = numpy.arange(length)
            variable = group.createVariable(where.split("/")[-1], dtype, axes.names, **options)
            variable.set_auto_maskandscale(False)
            variable.setncatts(attributes)
            if unlimited is not None and written is not ...:
                # The last place is written, so that the axis has its length.
                written = (slice(axes.shape[0] - 1, axes.shape[0]), *written[1:])
            variable[written] = values[written]
    except (ValueError, TypeError, OSError, RuntimeError, AttributeError) as error:
        raise Skipped(str(error)) from error
    config = {"variable": where}
    said = f"{form} {where} {dtype.str} {axes.names} {axes.shape} {options} {attributes}"
    said += f" unlimited {unlimited}" * (unlimited is not None) + " written in part" * (written is not ...)
    return Draw(path, axes, reference(path, where), said, config=config, refusals=refusals)


def storage(random, form, shape):
    """How a variable of netCDF-4 is stored, and why it may be refused."""
    if not form.startswith("NETCDF4"):
        return {}, []
    options, refusals = {"endian": random.choice(["native", "little", "big"])}, []
    if random.random() < 0.7:
        options["chunksizes"] = chunk_of(random, shape)
        packer = random.choice([None, "zlib", "zlib", "zlib", "szip", "zstd", "bzip2"])
        if packer is not None:
            options["compression"] = packer
        if packer in ("szip", "zstd", "bzip2"):
            refusals += ["filter", packer]
        options |= {"shuffle": random.random() < 0.5, "fletcher32": random.random() < 0.3}
    elif random.random() < 0.5:
        options["contiguous"] = True
    return options, refusals


def attributes_of(random, values):
    """Attributes that say what stored numbers stand for."""
    dtype, attributes = values.dtype, {"units": "mm/h"} if random.random() < 0.5 else {}
    one = lambda: values.flat[random.randrange(values.size)]  # noqa: E731
    if random.random() < 0.5:
        kind = random.choice(["f4", "f8"])
        if random.random() < 0.8:
            attributes["scale_factor"] = numpy.dtype(kind).type(random.choice([0.01, 0.5, 2.0, 1 / 3, 1.0]))
        if random.random() < 0.6:
            attributes["add_offset"] = numpy.dtype(kind).type(random.choice([-32.0, 0.1, 273.15, 0.0]))
    if random.random() < 0.3:
        attributes["missing_value"] = one() if random.random() < 0.7 else numpy.array([one(), one()], dtype)
    if random.random() < 0.15 and dtype.kind == "i":
        attributes["_Unsigned"] = "true"
    elif random.random() < 0.25:
        low, high = sorted([one(), one()])
        if low < high:
            attributes |= random.choice([{"valid_range": numpy.array([low, high], dtype)}, {"valid_min": low}, {"valid_max": high}])
    return attributes


def reference(path, where):
    """What stored numbers stand for: which are missing after netCDF4, and the others in double precision, which netCDF4 and xarray
    must agree with within a rounding of their own arithmetic."""
    with warnings.catch_warnings(), numpy.errstate(all="ignore"), netCDF4.Dataset(path) as file:
        warnings.simplefilter("ignore")
        variable = file[where]
        decoded = variable[...]
        missing = numpy.ma.getmaskarray(decoded)
        variable.set_auto_maskandscale(False)
        stored = variable[...]
        said = {name: variable.getncattr(name) for name in variable.ncattrs()}
        if stored.dtype.itemsize == 1 and "_FillValue" not in said:
            # netCDF4 takes the default fill value of bytes for missing, too, which the conventions do not.
            default = netCDF4.default_fillvals[variable.dtype.str[1:]]
            is_named = numpy.isin(stored, said.get("missing_value", []))
            is_outside = (stored < said.get("valid_min", -128)) | (stored > said.get("valid_max", 255))
            if "valid_range" in said:
                is_outside = (stored < said["valid_range"][0]) | (stored > said["valid_range"][1])
            missing = missing & ((stored != numpy.array(default).astype(stored.dtype)) | is_named | is_outside)
        if said.get("_Unsigned") == "true":
            if stored.dtype.itemsize > 1 and "_FillValue" not in said:
                # Of big-endian numbers netCDF4 forgets the default fill value here.
                missing = missing | (stored == netCDF4.default_fillvals[variable.dtype.str[1:]])
            stored = stored.view(stored.dtype.str.replace("i", "u"))
        if stored.dtype.itemsize == 8 and stored.dtype.kind in "iu" and numpy.abs(stored.astype("f8")).max() > 2.0**53:
            marks = numpy.atleast_1d(numpy.concatenate([numpy.atleast_1d(said[name]) for name in MARKS if name in said] or [[0.5]]))
            marks = numpy.append(marks, netCDF4.default_fillvals[variable.dtype.str[1:]]).astype(stored.dtype)
            for mark in marks:
                if ((stored.astype("f8") == float(mark)) & (stored != mark)).any():
                    raise Skipped("double precision does not tell a number from one that stands for a missing pixel")
        scale, offset = float(said.get("scale_factor", 1.0)), float(said.get("add_offset", 0.0))
        numbers = stored.astype("f8") * scale + offset if {"scale_factor", "add_offset"} & said.keys() else stored.astype("f8")
        near(numpy.ma.getdata(decoded), numbers, numpy.abs(stored.astype("f8") * scale) + abs(offset), missing, "netCDF4")
    numbers = numpy.where(missing, numpy.nan, numbers)
    # xarray has neither valid ranges nor default fill values.
    if not {"valid_range", "valid_min", "valid_max"} & said.keys() and "_FillValue" in said:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            group = where.rsplit("/", 1)[0] if "/" in where else None
            with xarray.open_dataset(path, engine="netcdf4", group=group, decode_times=False) as dataset:
                other = dataset[where.split("/")[-1]].values.astype("f8")
        if not numpy.array_equal(numpy.isnan(other), numpy.isnan(numbers)):
            raise Skipped("netCDF4 and xarray disagree about missing pixels")
        near(other, numbers, numpy.abs(stored.astype("f8") * scale) + abs(offset), missing, "xarray")
    return numbers


def near(found, meant, size, missing, library):
    """Fails where a library reads other numbers than arithmetic in double precision has, beyond the roundings of `float32`."""
    with numpy.errstate(all="ignore"):
        known = ~missing & numpy.isfinite(meant) & (numpy.abs(meant) < 3e38)
        off = numpy.abs(found.astype("f8")[known] - meant[known]) > 4e-7 * size[known] + 1e-44
    if off.any():
        raise Skipped(f"{library} reads other numbers than the conventions have")
