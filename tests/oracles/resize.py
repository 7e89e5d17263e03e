#!/usr/bin/env python3
"""Golden pixels of Pillow's bilinear resize, for datasets/resize.cc.

  python tests/oracles/resize.py        (made with Pillow 13.0.0)

Writes datasets/testdata/resize.json. The inputs are formulas that the test repeats: pixel byte i of an
image is (i * i * 31 + i * 7) mod 251. No case is one where this Pillow shrinks the columns before the
rows (it does for some images higher than wide, as 3x90 to 2x40): the result then differs by 1 in places.
"""
import json
import pathlib

import numpy
import PIL
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Channels, then width and height before and after.
CASES = [(1, 9, 7, 4, 3), (3, 16, 16, 8, 8), (3, 37, 23, 10, 12), (1, 5, 4, 11, 9), (3, 6, 5, 6, 5),
         (3, 50, 8, 7, 20), (1, 1, 1, 3, 3), (1, 64, 3, 1, 1), (3, 61, 59, 13, 17), (4, 37, 23, 10, 12),
         (1, 1600, 3, 700, 2), (3, 1500, 2, 3, 2)]


def main():
    cases = []
    for channels, width, height, new_width, new_height in CASES:
        i = numpy.arange(width * height * channels, dtype=numpy.int64)
        pixels = ((i * i * 31 + i * 7) % 251).astype(numpy.uint8)
        shape = (height, width) if channels == 1 else (height, width, channels)
        mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]  # with RGBA, Pillow weighs colors by alpha
        image = Image.frombytes(mode, (width, height), pixels.reshape(shape).tobytes()).resize((new_width, new_height), Image.BILINEAR)
        cases.append({"channels": channels, "width": width, "height": height,
                      "new_width": new_width, "new_height": new_height,
                      "pixels": numpy.asarray(image).flatten().tolist()})
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    head = {"made_by": "tests/oracles/resize.py", "Pillow": PIL.__version__}
    folder = ROOT / "datasets/testdata"
    folder.mkdir(exist_ok=True)
    (folder / "resize.json").write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
