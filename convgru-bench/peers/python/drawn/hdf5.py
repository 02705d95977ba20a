"""Layouts of HDF5, read by h5py."""

import h5py
import numpy

from . import FLOATS, INTEGERS, Axes, Draw, Skipped, chunk_of, numbers_of, part

VERSIONS = [
    "earliest",
    "latest",
    ("earliest", "v108"),
    ("v108", "v110"),
    ("v110", "v112"),
    ("v112", "latest"),
]


def draw(random, generator, folder, name):
    path = folder / f"{name}.h5"
    axes = Axes(random)
    many = random.random() < 0.08
    if many:
        # More chunks than a page of an index has.
        axes.letters, axes.shape = "thw", (random.randint(8, 13), random.randint(9, 13), random.randint(10, 13))
    dtype = numpy.dtype(random.choice("<>") + random.choice(INTEGERS + FLOATS))
    values = numbers_of(random, generator, dtype, axes.shape)
    version = random.choice(VERSIONS)
    options = {"libver": version, "track_order": random.random() < 0.3}
    if random.random() < 0.1:
        options["userblock_size"] = random.choice([512, 2048])
    elif random.random() < 0.1 and version != "earliest":
        # The library writes it for its later versions alone.
        options |= {"libver": "latest", "fs_strategy": random.choice(["page", "fsm", "aggregate"]), "fs_persist": random.random() < 0.5}
    said, refusals = [f"{dtype.str} {axes.letters} {axes.shape}", str(options)], []
    where = random.choice(["rain", "rain", "rain", "radar/rain", "radar/level/rain"])
    config = {"variable": where}
    with h5py.File(path, "w", **options) as file:
        kind = random.random()
        try:
            if kind < 0.04:
                said.append(virtual(random, folder, name, file, where, values))
                refusals.append("virtual dataset")
            elif kind < 0.07:
                said.append(linked(folder, name, file, where, values))
                refusals += ["external", "other file", "holds no datasets", "holds others"]
            elif kind < 0.10:
                said.append("external storage")
                make_group(file, where).create_dataset(
                    where.split("/")[-1], data=values, external=[(str(folder / f"{name}.raw"), 0, h5py.h5f.UNLIMITED)]
                )
                refusals.append("external")
            elif kind < 0.2 and dtype.kind in "ui":
                said.append(bit_field(random, generator, file, where, dtype, axes.shape))
                # More bits than double precision has are not read.
                refusals.append("bits of 8 bytes")
            else:
                said.append(plain(random, file, where, values, many, refusals))
        except (ValueError, TypeError, OSError, RuntimeError, NotImplementedError) as error:
            raise Skipped(str(error)) from error
        if random.random() < 0.25 and not {"virtual", "external"} & set(refusals):
            said.append("dimension scales")
            scales(file, file[where], axes)
        else:
            config["axes"] = axes.letters
        if random.random() < 0.2:
            file["others"] = numpy.arange(3)
            file["text"] = "not a number"
    try:
        with h5py.File(path) as file:
            read = file[where][...]
    except OSError as error:
        # Such as scale and offset of numbers that are none.
        raise Skipped(str(error)) from error
    return Draw(path, axes, read, ", ".join(said), config=config, refusals=refusals)


def make_group(file, where):
    group = "/".join(where.split("/")[:-1])
    return file.require_group(group) if group else file


def plain(random, file, where, values, many, refusals):
    """A dataset as `create_dataset` makes it."""
    shape, kind = values.shape, values.dtype.kind
    options, said = {}, []
    if random.random() < 0.75 or many:
        options["chunks"] = tuple(random.randint(1, 1 + (length > 12)) for length in shape) if many else chunk_of(random, shape)
        if random.random() < 0.6:
            options["maxshape"] = tuple(random.choice([length, length + random.randint(0, 30), None]) for length in shape)
        packer = random.random()
        if packer < 0.3:
            options |= {"compression": "gzip", "compression_opts": random.randint(0, 9)}
        elif packer < 0.5:
            options["compression"] = "lzf"
        elif packer < 0.56 and h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
            options |= {"compression": "szip", "compression_opts": (random.choice(["nn", "ec"]), random.choice([4, 8, 16]))}
            refusals.append("szip")
        elif packer < 0.66 and kind in "ui":
            options["scaleoffset"] = random.choice([0, values.dtype.itemsize * 8 - 1])
        elif packer < 0.7 and values.dtype.str[1:] in ("f4", "f8"):
            options["scaleoffset"] = random.randint(1, 4)
        options["shuffle"] = random.random() < 0.4
        options["fletcher32"] = random.random() < 0.25 and "scaleoffset" not in options
    if random.random() < 0.4:
        options["fillvalue"] = values.flat[random.randrange(values.size)]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if "chunks" in options:
        if random.random() < 0.2:
            creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            said.append("allocated early")
    elif values.nbytes < 60_000 and random.random() < 0.4:
        creation.set_layout(h5py.h5d.COMPACT)
        said.append("compact")
    group, name = make_group(file, where), where.split("/")[-1]
    maxshape = options.get("maxshape", shape)
    if "maxshape" in options and random.random() < 0.5:
        before = tuple(
            random.randint(1, length + 2 if most is None or most > length + 1 else length)
            for length, most in zip(shape, maxshape)
        )
        said.append(f"resized from {before}")
        dataset = group.create_dataset(name, shape=before, dtype=values.dtype, dcpl=creation, **options)
        if random.random() < 0.5:
            dataset[...] = values.flat[0]
        dataset.resize(shape)
    else:
        dataset = group.create_dataset(name, shape=shape, dtype=values.dtype, dcpl=creation, **options)
    written = part(random, shape) if random.random() < 0.3 else ...
    if written is not ...:
        said.append("written in part")
    if random.random() < 0.97:
        dataset[written] = values[written]
    else:
        said.append("never written")
    if "maxshape" in options and "chunks" in options:
        refusals.append("fixed array")
    return f"{options} {' '.join(said)}"


def bit_field(random, generator, file, where, dtype, shape):
    """Integers in some bits of their bytes."""
    bits = dtype.itemsize * 8
    precision = random.randint(2, bits)
    offset = random.randint(0, bits - precision)
    of = h5py.h5t.py_create(dtype).copy()
    of.set_precision(precision)
    of.set_offset(offset)
    signed = dtype.kind == "i"
    low, high = (-(2 ** (precision - 1)), 2 ** (precision - 1) - 1) if signed else (0, 2**precision - 1)
    native = dtype.newbyteorder("=")
    values = generator.integers(low, high, shape, dtype=native, endpoint=True)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    said = f"{precision} bits from {offset}"
    if random.random() < 0.6:
        creation.set_chunk(chunk_of(random, shape))
        packer = random.random()
        if packer < 0.3:
            creation.set_deflate(4)
            said += ", deflate"
        elif packer < 0.6:
            creation.set_filter(h5py.h5z.FILTER_NBIT, h5py.h5z.FLAG_OPTIONAL)
            said += ", nbit"
    group = make_group(file, where)
    made = h5py.h5d.create(group.id, where.split("/")[-1].encode(), of, h5py.h5s.create_simple(shape), creation)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, numpy.ascontiguousarray(values))
    return said


def virtual(random, folder, name, file, where, values):
    with h5py.File(folder / f"{name}.source.h5", "w") as source:
        source["own"] = values
    layout = h5py.VirtualLayout(values.shape, values.dtype)
    layout[...] = h5py.VirtualSource(str(folder / f"{name}.source.h5"), "own", values.shape)
    make_group(file, where).create_virtual_dataset(where.split("/")[-1], layout)
    return "virtual dataset"


def linked(folder, name, file, where, values):
    with h5py.File(folder / f"{name}.source.h5", "w") as source:
        source["own"] = values
    make_group(file, where)[where.split("/")[-1]] = h5py.ExternalLink(str(folder / f"{name}.source.h5"), "/own")
    return "external link"


def scales(file, dataset, axes):
    """Dimension scales whose names tell the axes."""
    for axis, (name, length) in enumerate(zip(axes.names, axes.shape)):
        scale = dataset.parent.create_dataset(name, data=numpy.arange(length, dtype="f8"))
        if name == "time":
            scale.attrs["units"] = "minutes since 2020-01-01"
        scale.make_scale(name)
        dataset.dims[axis].attach_scale(scale)
