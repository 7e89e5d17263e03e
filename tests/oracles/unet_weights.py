#!/usr/bin/env python3
"""A small U-Net made in PyTorch: its state dict, and the logits that it gives.

  python tests/oracles/unet_weights.py        (made with torch 2.15.0 and safetensors 0.8.0)

Writes models/testdata/unet_small.safetensors (depth 2, 4 channels on the finest level, batch norm, 1
channel in, 3 classes), named as models/unet.proto says, and unet_weights.json (an image of odd
size and its logits, in evaluation).
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "models/testdata"
DEPTH, WIDTH, CLASSES, SHAPE = 2, 4, 3, (1, 1, 17, 26)


def two_convolutions(inputs, width):
    layers = []
    for channels in (inputs, width):
        layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.BatchNorm2d(width), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


class Unet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        widths = [WIDTH << level for level in range(DEPTH + 1)]
        self.encoder = torch.nn.ModuleList(two_convolutions(i, o) for i, o in zip([1] + widths, widths))
        self.upsample = torch.nn.ModuleList(torch.nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[:-1])
        self.decoder = torch.nn.ModuleList(two_convolutions(2 * w, w) for w in widths[:-1])
        self.classifier = torch.nn.Sequential(torch.nn.Conv2d(WIDTH, CLASSES, 1))

    def forward(self, x):
        h, w = x.shape[2:]
        x = F.pad(x, (0, -w % 2**DEPTH, 0, -h % 2**DEPTH))
        skips = []
        for level in range(DEPTH):
            skips.append(self.encoder[level](x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.encoder[DEPTH](x)
        for level in reversed(range(DEPTH)):
            x = self.decoder[level](torch.cat([skips[level], self.upsample[level](x)], 1))
        return self.classifier(x)[:, :, :h, :w]


def main():
    torch.manual_seed(1)
    net = Unet().eval()
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.dim() == 4:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():  # biases and means about 0, factors of batch norm about 1
            tensor.normal_(tensor.dim() == 1 and name.endswith("weight"), 0.1)
    image = torch.rand(SHAPE).mul(1000).round() / 1000
    save_file(net.state_dict(), FOLDER / "unet_small.safetensors")
    out = {"made_by": "tests/oracles/unet_weights.py", "shape": SHAPE, "image": image.flatten().tolist(),
           "logits": net(image).flatten().tolist()}
    rounded = json.loads(json.dumps(out), parse_float=lambda text: round(float(text), 7))
    (FOLDER / "unet_weights.json").write_text(json.dumps(rounded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    with torch.no_grad():
        main()
