"""Stores of Zarr, versions 2 and 3, read by zarr and by xarray."""

import warnings

import numcodecs
import numcodecs.zarr3
import numpy
import xarray
import zarr

from . import FLOATS, INTEGERS, Axes, Draw, Skipped, chunk_of, numbers_of, part

# Codecs that are not read, by the names in a refusal.
UNREAD = ["bz2", "lzma", "fletcher32"]


def draw(random, generator, folder, name):
    axes = Axes(random)
    version = random.choice([2, 3])
    dtype = numpy.dtype(random.choice("<>") + random.choice(INTEGERS + FLOATS))
    values = numbers_of(random, generator, dtype, axes.shape)
    is_archive = random.random() < 0.12
    path = folder / f"{name}.zarr{'.zip' if is_archive else ''}"
    where = random.choice(["rain", "rain", "radar/rain"])
    is_named = random.random() < 0.6
    options = {
        "name": where,
        "shape": axes.shape,
        "dtype": dtype,
        "chunks": chunk_of(random, axes.shape),
        "zarr_format": version,
        "fill_value": random.choice([0, 0, 1, values.flat[random.randrange(values.size)]]),
        "config": {"write_empty_chunks": random.random() < 0.5},
        "attributes": {"units": "mm/h"} if random.random() < 0.5 else {},
    }
    if random.random() < 0.2:
        options["attributes"] |= {"scale_factor": random.choice([0.5, 0.01]), "add_offset": random.choice([0.0, -32.0])}
    if version == 2 and random.random() < 0.4:
        # As xarray writes whole numbers: without a fill value, where chunks that are 0 are left out.
        options["fill_value"] = None
    (of_version_2 if version == 2 else of_version_3)(random, options, axes, dtype)
    if is_named and version == 3:
        options["dimension_names"] = axes.names
    elif is_named:
        options["attributes"]["_ARRAY_DIMENSIONS"] = axes.names
    written = part(random, axes.shape) if random.random() < 0.3 else ...
    is_consolidated = random.random() < 0.5 and not is_archive
    store = zarr.storage.ZipStore(path, mode="w") if is_archive else zarr.storage.LocalStore(path)
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            zarr.create_group(store, zarr_format=version)
            array = zarr.create_array(store, **options)
            array[written] = values[written]
            if is_consolidated:
                zarr.consolidate_metadata(store)
            stored = array[...]
        except (ValueError, TypeError, RuntimeError, OverflowError, KeyError, NotImplementedError) as error:
            raise Skipped(str(error)) from error
        finally:
            if is_archive:
                store.close()
        numbers = meant(stored, array.fill_value, options["attributes"], is_filled_with_0=version == 2 and is_named)
        if is_named and version == 2 and not is_archive:
            agree(path, where, numbers)
    config = {"variable": where} if is_named else {"variable": where, "axes": axes.letters}
    shown = {key: value for key, value in options.items() if key not in ("name", "shape", "dtype")}
    said = f"version {version} {where} {dtype.str} {axes.letters} {axes.shape} {shown}"
    said += " archive" * is_archive + " consolidated" * is_consolidated + " written in part" * (written is not ...)
    refusals = [codec for codec in UNREAD if codec in str(shown).lower()]
    return Draw(path, axes, numbers, said, config=config, refusals=refusals)


def of_version_2(random, options, axes, dtype):
    options["order"] = random.choice("CF")
    options["chunk_key_encoding"] = {"name": "v2", "separator": random.choice("./")}
    options["compressors"] = random.choice(
        [
            None,
            numcodecs.Zlib(random.randint(0, 9)),
            numcodecs.GZip(random.randint(0, 9)),
            numcodecs.Zstd(random.randint(1, 9)),
            numcodecs.LZ4(),
            numcodecs.BZ2(),
            numcodecs.LZMA(),
            *[blosc(random) for _ in range(6)],
        ]
    )
    filters = []
    if random.random() < 0.35:
        kind = random.random()
        if kind < 0.4:
            filters.append(numcodecs.Delta(dtype=dtype.str))
        elif kind < 0.6 and dtype.kind == "f":
            filters.append(numcodecs.Quantize(digits=random.randint(1, 4), dtype=dtype.str))
        elif kind < 0.8 and dtype.str[1:] in ("f4", "f8"):
            filters.append(numcodecs.FixedScaleOffset(offset=10, scale=random.choice([1, 10]), dtype=dtype.str, astype="<i4"))
        elif kind < 0.95:
            filters.append(numcodecs.Shuffle(dtype.itemsize))
        else:
            filters.append(numcodecs.Fletcher32())
    options["filters"] = filters or None


def blosc(random):
    shuffle = random.choice([numcodecs.Blosc.NOSHUFFLE, numcodecs.Blosc.SHUFFLE, numcodecs.Blosc.BITSHUFFLE])
    return numcodecs.Blosc(
        random.choice(["blosclz", "lz4", "lz4hc", "zlib", "zstd"]), random.randint(0, 9), shuffle, random.choice([0, 0, 64, 256])
    )


def of_version_3(random, options, axes, dtype):
    codecs = zarr.codecs
    options["chunk_key_encoding"] = random.choice(
        [{"name": "default", "separator": "/"}, {"name": "default", "separator": "."}, {"name": "v2", "separator": random.choice("./")}]
    )
    options["serializer"] = codecs.BytesCodec(endian="big" if dtype.byteorder == ">" else "little")
    packers = [
        lambda: codecs.GzipCodec(level=random.randint(0, 9)),
        lambda: codecs.ZstdCodec(level=random.randint(0, 9), checksum=random.random() < 0.5),
        lambda: codecs.BloscCodec(
            typesize=dtype.itemsize,
            cname=random.choice(["blosclz", "lz4", "lz4hc", "zlib", "zstd"]),
            clevel=random.randint(0, 9),
            shuffle=random.choice(["noshuffle", "shuffle", "bitshuffle"]),
        ),
        lambda: codecs.Crc32cCodec(),
        lambda: numcodecs.zarr3.BZ2(level=1),
        lambda: numcodecs.zarr3.Zlib(level=1),
        lambda: numcodecs.zarr3.LZ4(acceleration=1),
        lambda: numcodecs.zarr3.Shuffle(elementsize=dtype.itemsize),
    ]
    weights = [3, 3, 4, 2, 1, 1, 1, 1]
    options["compressors"] = [make() for make in random.choices(packers, weights, k=random.choice([0, 1, 1, 1, 2]))]
    filters = []
    if random.random() < 0.3:
        order = list(range(len(axes.shape)))
        random.shuffle(order)
        filters.append(codecs.TransposeCodec(order=tuple(order)))
    if random.random() < 0.15 and dtype.byteorder != ">":
        filters.append(numcodecs.zarr3.Delta(dtype=dtype.str))
    options["filters"] = filters
    if random.random() < 0.35:
        options["shards"] = tuple(
            side * random.randint(1, max(1, -(-length // side))) for side, length in zip(options["chunks"], axes.shape)
        )
        if random.random() < 0.3:
            options["shards"] = {"shape": options["shards"], "index_location": random.choice(["start", "end"])}


def meant(stored, fill, attributes, is_filled_with_0):
    """Numbers that stored ones stand for: the fill value stands for missing pixels unless it is 0, and a 0 where xarray has it so."""
    numbers = stored.astype("f8")
    missing = numpy.isnan(numbers)
    if fill is not None and (fill != 0 or is_filled_with_0):
        missing |= stored == fill
    if "scale_factor" in attributes:
        numbers = numbers * attributes["scale_factor"] + attributes["add_offset"]
    return numpy.where(missing, numpy.nan, numbers)


def agree(path, where, numbers):
    """Skips a draw that xarray reads otherwise than was expected."""
    group = where.rsplit("/", 1)[0] if "/" in where else None
    with xarray.open_dataset(path, engine="zarr", group=group, decode_times=False, consolidated=False) as dataset:
        found = dataset[where.split("/")[-1]].values.astype("f8")
    known = numpy.isfinite(numbers) & (numpy.abs(numbers) < 3e38)
    size = numpy.abs(numbers[known]) + 64
    near = numpy.abs(found[known] - numbers[known]) <= 4e-7 * size
    if not numpy.array_equal(numpy.isnan(found), numpy.isnan(numbers)) or not near.all():
        raise Skipped("xarray reads other numbers than zarr with its fill value")
