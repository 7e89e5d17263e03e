#!/usr/bin/env python3
"""What Pillow, OpenCV and torchvision make of images on their way to a model.

  python tests/oracles/preprocess.py    (made with Pillow 13.0.0, torchvision 0.29.2, OpenCV 5.0.0)

Writes tests/testdata/preprocess.json:
- "large": JPEG files that are much larger than what is asked for, decoded whole by Pillow, turned as
  EXIF says, resized by BILINEAR. We decode them at a reduced size: the stated difference is 2 gray
  levels for these smooth pictures (libjpeg-turbo's reduced transforms, and rounding), 4 for CMYK, where
  the product of ink and black is taken at the reduced size.
- "gray": RGB triples, and their gray by Pillow's convert("L") (which we equal) and by OpenCV's cvtColor
  (from which ours may differ by 1: other fixed-point weights).
- "normalize": bytes through torchvision's ToTensor and Normalize with ImageNet's numbers (the stated
  difference is 1e-6: one rounding of float32 values below 3).
"""
import base64
import io
import json
import pathlib

import cv2
import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision import transforms

WIDTH, HEIGHT, SIZE = 256, 192, 8
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def picture():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = [128 + 90 * np.sin(x / 23 + phase) * np.cos(y / 17 - phase) for phase in (0, 1, 2)]
    return Image.fromarray(np.stack(waves, 2).astype(np.uint8))


def saved(image, orientation=1, **options):
    tags = Image.Exif()
    tags[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90, exif=tags, **options)
    return out.getvalue()


def large(name, data, tolerance):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB").resize((SIZE, SIZE), Image.BILINEAR)
    return {"name": name, "size": SIZE, "tolerance": tolerance, "file": base64.b64encode(data).decode(),
            "pixels": np.asarray(image).ravel().tolist()}


def main():
    rgb = picture()
    files = [large("large.jpg", saved(rgb), 2),
             large("large_whole_chroma.jpg", saved(rgb, subsampling=0), 2),
             large("large_progressive.jpg", saved(rgb, progressive=True), 2),
             large("large_gray.jpg", saved(rgb.convert("L")), 2),
             large("large_cmyk.jpg", saved(rgb.convert("CMYK")), 4),
             large("large_odd.jpg", saved(rgb.crop((0, 0, 251, 189))), 2)]
    for orientation in range(2, 9):
        files.append(large(f"large_orientation_{orientation}.jpg", saved(rgb, orientation), 2))
    i = np.arange(128, dtype=np.int64)
    triples = np.stack([(i * 37 + 11) % 256, (i * i * 5 + 3) % 256, (i * 101 + i * i) % 256], 1).astype(np.uint8)
    triples[:4] = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [1, 254, 3]]
    row = triples[None]
    gray = {"rgb": triples.ravel().tolist(),
            "pillow": np.asarray(Image.fromarray(row).convert("L")).ravel().tolist(),
            "opencv": cv2.cvtColor(row, cv2.COLOR_RGB2GRAY).ravel().tolist()}
    scaled = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])(Image.fromarray(row))
    normalize = {"mean": MEAN, "std": STD, "rgb": triples.ravel().tolist(),
                 "values": scaled.permute(1, 2, 0).ravel().tolist()}  # by pixel, then channel
    head = {"made_by": "tests/oracles/preprocess.py", "Pillow": PIL.__version__, "OpenCV": cv2.__version__,
            "torch": torch.__version__, "torchvision": torchvision.__version__, "gray": gray,
            "normalize": normalize}
    path = pathlib.Path(__file__).resolve().parents[2] / "tests/testdata/preprocess.json"
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in files)
    path.write_text(json.dumps(head)[:-1] + ', "large": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
