#!/usr/bin/env python3
"""State dicts as torch.save writes them, for the reader of .pth files and its fuzzer.

  python tests/oracles/torch_files.py        (made with torch 2.11.0 and safetensors 0.8.0)

Writes models/testdata/unet_small.pth and unet_small_legacy.pth, both of unet_small.safetensors;
kinds.pth with kinds.safetensors beside it (every type, strides that are not in order, tensors that
share a storage, one without elements); checkpoint.pth (a state dict beside an epoch and an
optimizer's state); and the same kinds, small, as fuzz/corpus/torch_file/.
"""
import pathlib

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER, CORPUS = ROOT / "models/testdata", ROOT / "fuzz/corpus/torch_file"


def save(value, path, legacy=False):
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)


def kinds():
    line = torch.arange(24.0)
    tensors = {
        "float64": torch.tensor([1e300, -2.5], dtype=torch.float64),
        "float32": line.reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last),
        "float16": torch.tensor([[0.5], [65504]], dtype=torch.float16),
        "bfloat16": torch.tensor([3.0, -1e38], dtype=torch.bfloat16),
        "int64": torch.tensor(-(2**62)),
        "int32": torch.tensor([2**31 - 1], dtype=torch.int32),
        "int16": torch.tensor([-(2**15)], dtype=torch.int16),
        "int8": torch.tensor([-128], dtype=torch.int8),
        "uint8": torch.tensor([255], dtype=torch.uint8),
        "bool": torch.tensor([True, False]),
        "transposed": line.reshape(4, 6).t()[1:4],
        "row": line.reshape(4, 6)[2],
        "parameter": torch.nn.Parameter(torch.tensor([7.0])),
        "none": torch.empty(0, 3),
    }
    return tensors


def main():
    CORPUS.mkdir(parents=True, exist_ok=True)
    unet = load_file(FOLDER / "unet_small.safetensors")
    save(unet, FOLDER / "unet_small.pth")
    save(unet, FOLDER / "unet_small_legacy.pth", legacy=True)
    every = kinds()
    save(every, FOLDER / "kinds.pth")
    save_file({name: t.detach().clone(memory_format=torch.contiguous_format) for name, t in every.items()},
              FOLDER / "kinds.safetensors")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    checkpoint = {"epoch": 3, "best": 0.5, "state_dict": model.state_dict(), "optimizer": optimizer.state_dict()}
    save(checkpoint, FOLDER / "checkpoint.pth")
    for legacy in (False, True):
        suffix = "_legacy" if legacy else ""
        save(model.state_dict(), CORPUS / f"state{suffix}.pth", legacy)
        save(every, CORPUS / f"kinds{suffix}.pth", legacy)
        save(checkpoint, CORPUS / f"checkpoint{suffix}.pth", legacy)
        save({}, CORPUS / f"empty{suffix}.pth", legacy)
    save({"a": Evil()}, CORPUS / "evil.pth")


class Evil:
    """What an unpickler would run."""

    def __reduce__(self):
        return print, ("run by a pickle",)


main()
