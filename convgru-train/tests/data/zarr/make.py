"""Makes the stores beside it, which the tests of Zarr read: small arrays of known numbers, written by the libraries zarr and xarray of
Python in version 2 and version 3 of the format.

    python3 -m venv VENV && VENV/bin/pip install zarr xarray numpy && VENV/bin/python make.py
"""

import shutil
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

HERE = Path(__file__).parent
SHAPE, CHUNK = (4, 21, 30), (3, 16, 30)
LARGE = (2, 160, 110)


def counted(shape, dtype, modulus=101):
    return (np.arange(np.prod(shape)) % modulus).reshape(shape).astype(dtype)


def archive(name):
    path = HERE / f"{name}.zarr.zip"
    path.unlink(missing_ok=True)
    return zarr.storage.ZipStore(path, mode="w")


def codecs_of_version_2():
    """An array of each codec, filter, order of bytes and order of axes. The name ends with the type."""
    store = archive("codecs_v2")
    root = zarr.group(store, zarr_format=2)

    def array(name, dtype, data=None, chunks=CHUNK, **settings):
        data = counted(SHAPE, dtype) if data is None else data
        own = root.create_array(name, shape=data.shape, dtype=dtype, chunks=chunks, fill_value=0, **settings)
        own[:] = data

    array("plain", "<f4", compressors=None)
    array("zlib", "<i2", compressors=numcodecs.Zlib(5))
    array("gzip", ">f8", compressors=numcodecs.GZip(5))
    array("zstd", "<u4", compressors=numcodecs.Zstd(3))
    array("zstd_checksum", "<u4", compressors=numcodecs.Zstd(3, checksum=True))
    array("lz4", "<f2", compressors=numcodecs.LZ4())
    for compressor in ["blosclz", "lz4", "lz4hc", "zlib", "zstd"]:
        for shuffle in [0, 1, 2]:
            codec = numcodecs.Blosc(compressor, 5, shuffle)
            array(f"blosc_{compressor}_{shuffle}", "<f4", compressors=codec)
            array(f"large_{compressor}_{shuffle}", "<f4", counted(LARGE, "<f4"), (2, 131, 107), compressors=codec)
            array(f"wide_{compressor}_{shuffle}", "<i8", compressors=codec)
    array("incompressible", "<f4", np.random.default_rng(1).random(SHAPE, "f4"), compressors=numcodecs.Blosc("lz4", 5, 1))
    array("delta", "<i4", filters=[numcodecs.Delta("<i4", "<i2")], compressors=numcodecs.Zlib(5))
    array("delta_wraps", "|u1", filters=[numcodecs.Delta("|u1")], compressors=None)
    array("scaled", "<f8", filters=[numcodecs.FixedScaleOffset(0, 1, "<f8", "|u1")], compressors=numcodecs.Zlib(5))
    array("shuffled", "<f4", filters=[numcodecs.Shuffle(4)], compressors=numcodecs.Zlib(5))
    array("quantized", "<f4", filters=[numcodecs.Quantize(3, "<f4")], compressors=numcodecs.Zlib(5))
    array("column_major", "<i2", order="F", compressors=numcodecs.Zlib(5))
    array("folders", "<i2", chunk_key_encoding={"name": "v2", "separator": "/"}, compressors=numcodecs.Zlib(5))
    array("truth", "|b1", counted(SHAPE, "|b1", 2), compressors=None)
    array("bz2", "<f4", compressors=numcodecs.BZ2(1))
    array("complex", "<c8", compressors=None)
    store.close()


def codecs_of_version_3():
    store = archive("codecs_v3")
    root = zarr.group(store, zarr_format=3)

    def array(name, dtype, **settings):
        own = root.create_array(name, shape=SHAPE, dtype=dtype, fill_value=0, **{"chunks": CHUNK, **settings})
        own[:] = counted(SHAPE, dtype)

    array("plain", "float32", compressors=None)
    array("zstd", "int16", compressors=ZstdCodec(level=3))
    array("zstd_checksum", "int16", compressors=ZstdCodec(level=3, checksum=True))
    array("gzip", "uint8", compressors=GzipCodec(level=5))
    array("blosc", "float64", compressors=BloscCodec(typesize=8, cname="zstd", clevel=5, shuffle="bitshuffle"))
    array("crc32c", "uint16", compressors=[GzipCodec(level=5), Crc32cCodec()])
    array("big", "int32", serializer=BytesCodec(endian="big"), compressors=None)
    array("turned", "int64", filters=TransposeCodec(order=(2, 0, 1)), compressors=ZstdCodec())
    array("dots", "float16", chunk_key_encoding={"name": "default", "separator": "."})
    array("old_keys", "int8", chunk_key_encoding={"name": "v2", "separator": "."})
    array("shards", "float32", chunks=(1, 8, 10), shards=(2, 16, 30), compressors=ZstdCodec())
    for location in ["start", "end"]:
        sharding = ShardingCodec(
            chunk_shape=(1, 8, 10), codecs=[BytesCodec(), GzipCodec()], index_codecs=[BytesCodec(), Crc32cCodec()], index_location=location
        )
        array(f"shards_{location}", "uint32", chunks=(2, 16, 30), serializer=sharding, compressors=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        array("numcodecs_bz2", "float32", compressors={"name": "numcodecs.bz2", "configuration": {"level": 1}})
        array("numcodecs_zlib", "float32", compressors={"name": "numcodecs.zlib", "configuration": {"level": 1}})
    # Two chunks of six are written.
    part = root.create_array("part", shape=SHAPE, dtype="float32", chunks=(1, 21, 30), fill_value=7, compressors=None)
    part[1:3] = counted(SHAPE, "float32")[1:3]
    store.close()


def radar(version):
    """Rain as weather services publish it: packed, with a mask, rows from the north, times out of order and with a gap, beside arrays that
    are not read. The rain of a frame is its minutes."""
    path = HERE / f"radar_v{version}.zarr"
    shutil.rmtree(path, ignore_errors=True)
    minutes = np.array([5, 0, 10, 40, 45, 50, 55])
    rain = np.repeat(minutes.astype("f4"), 6).reshape(7, 2, 3)
    rain[:, 1, 2] = np.nan
    dims = ("time", "y", "x")
    attributes = {"standard_name": "rainfall_rate", "units": "mm/h", "grid_mapping": "crs"}
    dataset = xr.Dataset(
        {
            "rain": (dims, rain, attributes),
            "quality": (dims, np.full((7, 2, 3), 3, "u1"), {"long_name": "quality"}),
            "crs": ((), np.int32(0), {"grid_mapping_name": "latitude_longitude"}),
        },
        coords={
            "time": ("time", np.datetime64("2020-02-29T23:00", "ns") + minutes * np.timedelta64(60, "s"), {"standard_name": "time"}),
            "y": ("y", [61.0, 60.0], {"units": "degrees_north", "standard_name": "latitude"}),
            "x": ("x", [20.0, 21.0, 22.0], {"units": "degrees_east"}),
            "lat": (("y", "x"), np.zeros((2, 3))),
        },
    )
    encoding = {
        "rain": {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1.0, "_FillValue": -1, "chunks": (2, 2, 3)},
        "time": {"units": "minutes since 2020-02-29 23:00", "dtype": "i8"},
    }
    dataset.to_zarr(path, group="radar", encoding=encoding, zarr_format=version, consolidated=True)
    zarr.consolidate_metadata(path, zarr_format=version) if version == 2 else None


def floats(version):
    """Floating-point numbers whose missing pixels are NaN, without packing and without consolidated metadata."""
    store = archive(f"floats_v{version}")
    rain = counted((4, 2, 3), "f4")
    rain[2, 1, 1] = np.nan
    dataset = xr.Dataset({"rain": (("time", "y", "x"), rain, {"units": "mm/h"})}, coords={"time": ("time", np.arange(4), {"units": "hours since 2020-01-01"})})
    dataset = xr.decode_cf(dataset)
    dataset.to_zarr(store, encoding={"rain": {"chunks": (1, 2, 3)}}, zarr_format=version, consolidated=False)
    store.close()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    codecs_of_version_2()
    codecs_of_version_3()
    for version in [2, 3]:
        radar(version)
        floats(version)
