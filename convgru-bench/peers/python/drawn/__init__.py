"""What files of every kind share that are drawn at random: axes, numbers, and what a reader is to find."""

import numpy

# Letters of axes as `data.frames.axes` has them, and names of dimensions that tell them.
NAMES = {"n": "realization", "t": "time", "c": "band", "h": "y", "w": "x"}
ORDER = "ntchw"
INTEGERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"]
FLOATS = ["f2", "f4", "f8"]


class Skipped(Exception):
    """A draw that the writing library cannot make."""


class Axes:
    """The axes of an array, in the order in which it is stored."""

    def __init__(self, random, choices=("hw", "thw", "thw", "thw", "nthw", "tchw", "ntchw"), longest=14):
        letters = list(random.choice(choices))
        if random.random() < 0.4:
            random.shuffle(letters)
        self.letters = "".join(letters)
        length = {"n": 4, "t": 7, "c": 4, "h": longest, "w": longest}
        self.shape = tuple(random.randint(2 if letter in "hw" else 1, length[letter]) for letter in letters)

    @property
    def names(self):
        return [NAMES[letter] for letter in self.letters]

    def arranged(self, numbers):
        """Numbers as `float32` in the order of sequence, frame, channel, row, column."""
        present = [letter for letter in ORDER if letter in self.letters]
        moved = numpy.transpose(numbers, [self.letters.index(letter) for letter in present])
        lengths = dict(zip(self.letters, self.shape))
        with numpy.errstate(all="ignore"):
            single = moved.astype("f8").astype("<f4")
        return numpy.ascontiguousarray(single.reshape([lengths.get(letter, 1) for letter in ORDER]))


class Draw:
    """A file, and what a reader is to find in it."""

    def __init__(self, file, axes, numbers, described, *, config=None, refusals=(), roundings=0):
        self.file = file
        self.axes = axes
        # As the reference library reads them, NaN where a pixel is missing; of no use where a refusal is certain.
        self.numbers = numbers
        self.described = described
        # Settings of `data.frames`.
        self.config = config or {}
        # A refusal is right if it contains one of these.
        self.refusals = list(refusals)
        # Roundings of `float32` by which a number may differ.
        self.roundings = roundings


def numbers_of(random, generator, dtype, shape):
    """Numbers over the whole range of a type, or small ones; floating-point numbers with what is rare among them."""
    dtype = numpy.dtype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "ui":
        info = numpy.iinfo(dtype)
        low, high = (info.min, info.max) if random.random() < 0.5 else (max(info.min, -100), 100)
        return generator.integers(low, high, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)
    with numpy.errstate(all="ignore"):
        values = (generator.standard_normal(shape) * 10.0 ** random.randint(-3, 4)).astype(dtype)
    if random.random() < 0.4:
        rare = numpy.array([numpy.nan, numpy.inf, -numpy.inf, 0.0, -0.0, numpy.finfo(dtype).tiny, numpy.finfo(dtype).max], dtype)
        where = generator.random(shape) < 0.2
        values[where] = generator.choice(rare, int(where.sum()))
    return values


def part(random, shape):
    """A part of an array as slices, so that the rest stays unwritten."""
    begins = [random.randrange(length) for length in shape]
    return tuple(slice(begin, random.randint(begin + 1, length)) for begin, length in zip(begins, shape))


def chunk_of(random, shape):
    return tuple(random.randint(1, length) for length in shape)
