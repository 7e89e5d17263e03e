#!/usr/bin/env python3
"""Golden values of the activations that LibTorch also has, computed in float64 by PyTorch.

  python tests/oracles/activations.py        (made with torch 2.15.0)

Writes activations/testdata/<name>.json. A case holds options (text format), shape, x, the gradient
g of some scalar with respect to y = f(x), y itself, and dx = (dy/dx)^T g.
"""
import json
import pathlib

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTIONS = {  # by name and options
    "relu": {"": torch.relu},
    "softmax": {"": lambda x: torch.softmax(x, 1) * x.shape[1]},
    "gelu": {"": F.gelu, "approximate: TANH": lambda x: F.gelu(x, approximate="tanh")},
    "silu": {"": F.silu},
    "tanh": {"": torch.tanh},
    "elu": {"": F.elu, "alpha: 0.5": lambda x: F.elu(x, alpha=0.5)},
}
SHAPES = [[1, 1], [3, 5], [2, 4, 3, 2], [1, 7, 1, 5], [4, 2, 2]]


def case(options, function, shape, scale):
    x = (torch.randn(shape, dtype=torch.float64) * scale).round(decimals=3).requires_grad_()
    gradient = torch.randn(shape, dtype=torch.float64).round(decimals=3)
    y = function(x)
    y.backward(gradient)
    flat = lambda tensor: tensor.detach().flatten().tolist()
    return {"options": options, "shape": shape, "x": flat(x), "g": flat(gradient), "y": flat(y),
            "dx": flat(x.grad)}


def main():
    for name, functions in FUNCTIONS.items():
        torch.manual_seed(0)
        cases = [
            case(options, function, shape, scale)
            for options, function in functions.items()
            for shape in SHAPES
            for scale in (0.5, 3, 40)
        ]
        head = {"made_by": "tests/oracles/activations.py", "torch": torch.__version__.split("+")[0]}
        lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
        text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
        (ROOT / "activations/testdata" / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
