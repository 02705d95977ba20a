"""Makes animated PNG files, and what Pillow shows of each frame. Needs Pillow and NumPy."""

from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent


def frame(at, mode, half=255):
    rows, columns = np.mgrid[0:9, 0:12]
    levels = ((rows * 17 + columns * 11 + at * 40) % 256).astype("u1")
    if mode == "L":
        return Image.fromarray(levels)
    opacity = np.where((rows + columns + at) % 3 == 0, 0, np.where(columns % 4 == 0, half, 255)).astype("u1")
    colours = np.stack([levels, 255 - levels, (levels // 2), opacity], -1)
    # A part of the picture changes, which encoders store as a smaller frame.
    colours[:3] = [9, 200, 40, 255]
    return Image.fromarray(colours, "RGBA")


for name, mode, options in [
    ("grey", "L", {}),
    ("over", "RGBA", {"blend": 1, "disposal": [0, 1, 0, 0]}),
    ("source", "RGBA", {"blend": 0, "disposal": [1, 0, 1, 1]}),
    ("default_image", "RGBA", {"blend": 0, "disposal": 0, "default_image": True}),
]:
    # Pillow lays pixels of half an opacity over others in a way of its own.
    half = 128 if name == "source" else 255
    frames = [frame(at, mode, half) for at in range(4)]
    first, others = (frame(7, mode), frames) if options.get("default_image") else (frames[0], frames[1:])
    path = HERE / f"{name}.png"
    first.save(path, save_all=True, append_images=others, duration=100, **options)
    shown = []
    with Image.open(path) as image:
        begin = 1 if image.default_image else 0
        for at in range(begin, image.n_frames):
            image.seek(at)
            pixels = np.asarray(image.convert("RGBA")).astype("f8")
            shown.append((pixels[..., :3] * pixels[..., 3:] / 255.0).round().astype("u1"))
    np.save(HERE / f"{name}.npy", np.stack(shown))
