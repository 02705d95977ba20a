"""Draws the frames of `mlcast.toml`: `make.py mlcast.npy`.

Areas of rain cross a plane of 32 x 32 pixels, as `uint8`. 255 is missing: beyond the range of a radar in all frames, and a
square in some.
"""

import sys

import numpy

STEPS, SIZE = 60, 32
RAIN = [(4.0, 6.0, 0.35, 0.2, 4.0, 230.0), (20.0, 2.0, -0.1, 0.4, 3.0, 160.0), (28.0, 24.0, -0.3, -0.25, 5.0, 200.0)]

rows, columns = numpy.mgrid[:SIZE, :SIZE]
frames = numpy.zeros((STEPS, SIZE, SIZE))
for step in range(STEPS):
    for row, column, down, right, radius, peak in RAIN:
        distance = (rows - row - down * step) ** 2 + (columns - column - right * step) ** 2
        frames[step] += peak * numpy.exp(-distance / (2 * radius**2))
frames = numpy.minimum(frames.round(), 254).astype(numpy.uint8)
frames[:, (rows - 15.5) ** 2 + (columns - 15.5) ** 2 > 17.0**2] = 255
frames[10:14, 4:9, 20:26] = 255
frames[30:33, 18:22, 8:15] = 255
numpy.save(sys.argv[1], frames)
