"""Makes the JPEG files of the tests, and what libjpeg reads in them. Needs Pillow and NumPy.

The numbers of an image follow from their place. Beside NAME.jpg lies NAME.npy with its pixels as libjpeg decodes them, [H, W] or [H, W, 3].
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent


def smooth(height, width, channels):
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        127.5 + 120 * np.sin(0.21 * rows * (1 + 0.3 * channel) + 0.17 * columns + 1.3 * channel)
        for channel in range(channels)
    ]
    return np.stack(planes, -1).round().astype("u1")


def write(name, image, keep=True, **options):
    path = HERE / f"{name}.jpg"
    image.save(path, quality=92, **options)
    if keep:
        np.save(HERE / f"{name}.npy", np.asarray(Image.open(path)))


grey = Image.fromarray(smooth(20, 28, 1)[..., 0])
colour = Image.fromarray(smooth(20, 28, 3))
write("grey", grey)
write("grey_progressive", grey, progressive=True)
write("colour", colour, subsampling=0)
write("colour_420", colour, subsampling=2)
write("colour_progressive", colour, subsampling=0, progressive=True)
write("colour_restarts", colour, subsampling=0, restart_marker_blocks=2)
write("cmyk", colour.convert("CMYK"), keep=False)
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    grey.save(buffer, "jpeg", quality=92, exif=exif)
    (HERE / f"turned{orientation}.jpg").write_bytes(buffer.getvalue())
# Twelve bits of a sample: in the frame header, which is all that is looked at.
data = bytearray((HERE / "grey.jpg").read_bytes())
at = data.index(b"\xff\xc0")
data[at + 1] = 0xC1
data[at + 4] = 12
(HERE / "twelve_bits.jpg").write_bytes(data)
