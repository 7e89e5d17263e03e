#!/usr/bin/env python3
"""Names, shapes and logits of torchvision's VGG16, for the tests of models/vgg16.cc.

  python tests/oracles/vgg16.py        (made with torchvision 0.29.2)

Writes models/testdata/vgg16.json: the keys and shapes of vgg16 and vgg16_bn with 4 classes and one
input channel.
"""
import json
import pathlib

import torch
import torchvision

ROOT = pathlib.Path(__file__).resolve().parents[2]


def state(make):
    with torch.device("meta"):
        model = make(num_classes=4)
        model.features[0] = torch.nn.Conv2d(1, 64, 3, padding=1)
    kept = {k: list(v.shape) for k, v in model.state_dict().items()}
    return {"state": kept, "parameters": sum(p.numel() for p in model.parameters())}


def main():
    out = {"made_by": "tests/oracles/vgg16.py", "torchvision": torchvision.__version__.split("+")[0],
           "vgg16": state(torchvision.models.vgg16), "vgg16_bn": state(torchvision.models.vgg16_bn)}
    folder = ROOT / "models/testdata"
    folder.mkdir(exist_ok=True)
    (folder / "vgg16.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
