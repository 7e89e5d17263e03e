#!/usr/bin/env python3
"""Small image files of every kind that folders hold, and the pixels that Pillow reads from them.

  python tests/oracles/images.py        (made with Pillow 13.0.0)

Writes datasets/testdata/images.json.
Pillow reads all but the 16-bit files, of which it clips the values instead of scaling them: their
pixels are the values that were written, divided by 257. Tolerances: 0 for lossless files; 1 where
16 bits are reduced (rounding down or to the nearest); 2 for JPEG, whose decoders may round
differently; 3 for CMYK, where the product of ink and black is rounded once more.
"""
import base64
import io
import json
import pathlib
import struct
import zlib

import numpy as np
import PIL
from PIL import Image, ImageOps

SIZE = 16
y, x = np.mgrid[0:SIZE, 0:SIZE]
RGB = np.stack([x * 15, y * 15, 255 - (x + y) * 7], 2).astype(np.uint8)
GRAY = (x * 9 + y * 6).astype(np.uint8)


def saved(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def rgb_png16(values):
    """A 16-bit RGB PNG, which Pillow cannot write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


rgb, gray = Image.fromarray(RGB), Image.fromarray(GRAY)
alpha = Image.fromarray(np.dstack([RGB, (x * 16).astype(np.uint8)]))
jpeg = {"quality": 95, "subsampling": 0}
wide = RGB.astype(np.uint16) * 257 - (RGB > 0) * 100
files = {
    "rgb.png": (saved(rgb, "PNG"), 0),
    "rgb.jpg": (saved(rgb, "JPEG", **jpeg), 2),
    "progressive.jpg": (saved(rgb, "JPEG", progressive=True, **jpeg), 2),
    "gray.jpg": (saved(gray, "JPEG", **jpeg), 2),
    "gray.png": (saved(gray, "PNG"), 0),
    "cmyk.jpg": (saved(rgb.convert("CMYK"), "JPEG", **jpeg), 3),
    "palette.png": (saved(rgb.quantize(16), "PNG"), 0),
    "palette_alpha.png": (saved(rgb.quantize(16), "PNG", transparency=3), 0),
    "rgba.png": (saved(alpha, "PNG"), 0),
    "gray_alpha.png": (saved(alpha.convert("LA"), "PNG"), 0),
    "one_bit.png": (saved(gray.convert("1"), "PNG"), 0),
    "png_named.jpg": (saved(rgb, "PNG"), 0),
    "jpg_named.png": (saved(rgb, "JPEG", **jpeg), 2),
    "webp_named.jpg": (saved(rgb, "WEBP", lossless=True), 0),
    "image.bmp": (saved(rgb, "BMP"), 0),
    "image.tif": (saved(rgb, "TIFF"), 0),
    "deflated.tif": (saved(gray, "TIFF", compression="tiff_adobe_deflate"), 0),
}
for orientation in range(1, 9):
    files[f"orientation_{orientation}.jpg"] = (saved(rgb, "JPEG", exif=exif(orientation), **jpeg), 2)
cases = []
for name, (data, tolerance) in files.items():
    pixels = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    cases.append((name, data, tolerance, pixels))
gray16 = (GRAY.astype(np.int64) * 257 - (GRAY > 0) * 100).astype(np.uint16)
cases.append(("gray16.png", saved(Image.fromarray(gray16), "PNG"), 1, np.repeat((gray16 / 257)[:, :, None], 3, 2)))
cases.append(("rgb16.png", rgb_png16(wide), 1, wide / 257))
lines = ",\n".join(json.dumps({"name": name, "size": SIZE, "tolerance": tolerance,
                               "file": base64.b64encode(data).decode(),
                               "pixels": np.rint(pixels).astype(int).ravel().tolist()},
                              separators=(",", ":")) for name, data, tolerance, pixels in cases)
head = {"made_by": "tests/oracles/images.py", "Pillow": PIL.__version__}
path = pathlib.Path(__file__).resolve().parents[2] / "datasets/testdata/images.json"
path.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
