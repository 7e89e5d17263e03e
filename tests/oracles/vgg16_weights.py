#!/usr/bin/env python3
"""Narrow VGG16s made in PyTorch: their state dicts, and the logits that they give.

  python tests/oracles/vgg16_weights.py        (made with torch 2.15.0 and safetensors 0.8.0)

Writes models/testdata/vgg16_narrow.safetensors (1/16 of the channels, for 3 input channels),
vgg16_bn_narrow.safetensors (1/32, with batch norm, 1 channel), vgg16_fcn.safetensors (scores that make
an FCN-8s of the first) and vgg16_weights.json (gray images and logits, in evaluation). The network
for 3 channels sees the gray image three times ("gray"), or itself, upside down and mirrored ("color").
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "models/testdata"
BLOCKS = [(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]
CLASSES, SHAPE, ODD = 4, (2, 1, 48, 40), (1, 1, 33, 50)


class Vgg16(torch.nn.Module):
    def __init__(self, inputs, divisor, norm):
        super().__init__()
        layers = []
        for count, width in BLOCKS:
            for _ in range(count):
                layers.append(torch.nn.Conv2d(inputs, width // divisor, 3, padding=1))
                inputs = width // divisor
                layers += [torch.nn.BatchNorm2d(inputs)] * norm + [torch.nn.ReLU()]
            layers.append(torch.nn.MaxPool2d(2))
        self.features = torch.nn.Sequential(*layers)
        self.classifier = torch.nn.Sequential(torch.nn.Linear(inputs, CLASSES))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def randomize(module):
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.dim() == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():  # biases and means about 0, factors of batch norm about 1
            tensor.normal_(tensor.dim() == 1 and name.endswith("weight"), 0.1)


def fcn_8s(net, scores, x):
    """Long et al. 2015 on an image padded with zeros, whose parts are cut off again."""
    h, w = x.shape[2:]
    x = F.pad(x, (0, -w % 32, 0, -h % 32))
    full, maps = x.shape[2:], []
    for layer in net.features:
        x = layer(x)
        if isinstance(layer, torch.nn.MaxPool2d):
            maps.append(x)
    score = F.conv2d(maps[4], scores["classifier.0.weight"], scores["classifier.0.bias"])
    for block, name in [(3, "score_pool4.0"), (2, "score_pool3.0")]:
        finer = F.conv2d(maps[block], scores[name + ".weight"], scores[name + ".bias"])
        score = F.interpolate(score, size=finer.shape[2:], mode="bilinear") + finer
    return F.interpolate(score, size=full, mode="bilinear")[:, :, :h, :w]


def main():
    torch.manual_seed(1)
    gray, odd = torch.rand(SHAPE).mul(1000).round() / 1000, torch.rand(ODD).mul(1000).round() / 1000
    color = torch.cat([gray, gray.flip(2), gray.flip(3)], 1)
    net, net_bn = Vgg16(3, 16, False), Vgg16(1, 32, True)
    randomize(net), randomize(net_bn)
    scores = {}
    for name, width in [("classifier.0", 32), ("score_pool4.0", 32), ("score_pool3.0", 16)]:
        scores[name + ".weight"] = torch.randn(CLASSES, width, 1, 1) / width**0.5
        scores[name + ".bias"] = torch.randn(CLASSES)
    save_file(net.state_dict(), FOLDER / "vgg16_narrow.safetensors")
    save_file(net_bn.state_dict(), FOLDER / "vgg16_bn_narrow.safetensors")
    save_file(scores, FOLDER / "vgg16_fcn.safetensors")
    net.eval(), net_bn.eval()
    out = {"made_by": "tests/oracles/vgg16_weights.py", "shape": SHAPE, "images": gray.flatten().tolist(),
           "gray": net(gray.expand(-1, 3, -1, -1)).tolist(), "color": net(color).tolist(),
           "batch_norm": net_bn(gray).tolist(), "odd_shape": ODD, "odd_images": odd.flatten().tolist(),
           "fcn_8s": fcn_8s(net, scores, odd.expand(-1, 3, -1, -1)).flatten().tolist()}
    rounded = json.loads(json.dumps(out), parse_float=lambda text: round(float(text), 7))
    (FOLDER / "vgg16_weights.json").write_text(json.dumps(rounded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
