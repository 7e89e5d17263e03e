#!/usr/bin/env python3
"""Training speed: ours against the PyTorch script that a researcher would write.

  bench/train.py --python VENV/bin/python --peer train_vgg16.py --data brain_tumor [--json]
      [--pipeline debian=bazel-bin/pipeline/pipeline wheel=...]

For each image size both sides train VGG16 (Smooth L1 + Categorical Cross Entropy, Adam, batch 32, GAP
head) on the same images for a few epochs, one after the other: plain (float32) and tuned (channels
last, bfloat16 where the processor has it). Then the time from the start of our
process to that of its first step (GAP head, data at hand), beside Python's imports alone. Build
first: ./bazelw build //pipeline. Several builds can be named; each is set beside the same peer run.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]


def ours(pipeline, data, size, precision, epochs):
    """The summary of one training run."""
    with tempfile.TemporaryDirectory() as out:
        command = [pipeline, "--config=brats_vgg16", f"--out={out}/run"]
        for setting in [f"load.dataset.root={data}", f"load.image_size={size}",
                        f"train.epochs={epochs}", f"train.precision={precision}",
                        "classify.model.head=GAP", "load.validation_fraction=0"]:
            command += ["--set", setting]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        return json.loads(pathlib.Path(out, "run/summary.json").read_text())


def peer(arguments, size, tuned, epochs):
    """The last line of the peer's script."""
    command = [arguments.python, os.path.abspath(arguments.peer), arguments.data, "--size", str(size),
               "--epochs", str(epochs)] + (["--tuned"] if tuned else [])
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            text=True)
    return json.loads(result.stdout.splitlines()[-1])


def case(name, mine, theirs):
    return {"name": name, "ms": round(mine, 2), "against": round(theirs, 2),
            "ratio": round(mine / theirs, 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--pipeline", nargs="*", default=["ours=bazel-bin/pipeline/pipeline"])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 224])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.data = os.path.abspath(arguments.data)
    builds = [named.split("=", 1) for named in arguments.pipeline]
    cases, startup = [], {}
    for size in arguments.sizes:
        epochs = arguments.epochs if size < 128 else 1
        for tuned in [False, True]:
            theirs = peer(arguments, size, tuned, epochs)
            precision = "BF16" if theirs["bf16"] else "FP32"
            for build, path in builds:
                summary = ours(ROOT / path, arguments.data, size, precision, epochs)
                kind = "tuned" if tuned else "plain"
                cases.append(case(f"ms/image, {size} px, {kind}, {precision}, {build}",
                                  1000 / summary["images_per_second"], 1000 / theirs["img_s"]))
                startup[build] = summary["startup_seconds"]
    imports = "import time; t = time.time(); import torch, torchvision, monai; print(time.time() - t)"
    python = subprocess.run([arguments.python, "-c", imports], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    for build, seconds in startup.items():
        cases.append(case(f"start to first step, against Python's imports, {build}", 1000 * seconds,
                          1000 * float(python.stdout)))
    if arguments.json:
        print(json.dumps({"cases": cases}))
        return
    print(f"{'':52} {'ours ms':>10} {'peer ms':>10} {'ratio':>7}")
    for c in cases:
        print(f"{c['name']:52} {c['ms']:10.2f} {c['against']:10.2f} {c['ratio']:7.3f}")


if __name__ == "__main__":
    main()
