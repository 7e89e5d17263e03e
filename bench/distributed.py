#!/usr/bin/env python3
"""What training by several processes of this machine costs: time per step, of it waiting for others,
and bytes sent, by the model's size.

Each process computes on one thread and keeps the same rows per step (weak scaling), so that what is
added to one process's step is the exchange. Where there are fewer cores than processes the steps
share them: the table says so.

    bazel build //pipeline && bench/distributed.py [--processes 1 2 4] [--json]

With root's rights (or user namespaces) it runs in a network of its own, so that no other traffic of
the loopback is counted.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = HERE / "bazel-bin/pipeline/pipeline"

# Name, options, images a process has in a step.
CASES = [
    ("vgg16, GAP, width 0.25, 64 px", ["classify.model.head=GAP", "classify.model.width=0.25"], 16),
    ("vgg16, GAP, width 1, 64 px", ["classify.model.head=GAP", "classify.model.width=1"], 16),
    ("the same with batch norm in sync", ["classify.model.head=GAP", "classify.model.width=1",
                                          "classify.model.batch_norm=true"], 16),
]


def loopback_bytes():
    for line in open("/proc/net/dev"):
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[8])
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(size, sets, rows, steps, folder):
    """The run's summary, and the bytes that went over the loopback."""
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    # So many drawn images that an epoch has `steps` whole batches; no other phase.
    per_class = -(-rows * size * steps // 4)
    line = [str(PROGRAM), "train", "--config=" + str(HERE / "configs/brats_vgg16.pbtxt"), "--quiet", "--out=" + str(out)]
    options = ["load.dataset=[datasets/Synthetic] { images_per_class: %d test_images_per_class: 0 }" % per_class,
               "load.image_size=64", "load.validation_fraction=0", "load.batch_size=%d" % (rows * size),
               "train.epochs=1", "train.threads=1", "train.precision=FP32", "train.device=CPU",
               "train.keep_checkpoints=0"] + sets
    for option in options:
        line += ["--set", option]
    port = free_port()
    before = loopback_bytes()
    processes = []
    for rank in range(size):
        environment = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(size), LOCAL_RANK=str(rank),
                           LOCAL_WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                           OMP_NUM_THREADS="1")
        processes.append(subprocess.Popen(line, env=environment, cwd=folder, stdout=subprocess.DEVNULL))
    if any([p.wait() for p in processes]):
        sys.exit("bench/distributed.py: a run failed")
    return json.loads((out / "summary.json").read_text()), loopback_bytes() - before


def measure(sizes, steps):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, sets, images in CASES:
            alone = None
            for size in sizes:
                # A run of twice the steps less one of the steps: what begins and ends is not counted.
                few, few_bytes = run(size, sets, images, steps, pathlib.Path(folder))
                many, many_bytes = run(size, sets, images, 2 * steps, pathlib.Path(folder))
                count = many["steps"] - few["steps"]
                time = lambda part: (many["time"]["TRAIN"].get(part, 0) - few["time"]["TRAIN"].get(part, 0)) / count
                parts = sum(v for v in many["time"]["TRAIN"].values()) - sum(v for v in few["time"]["TRAIN"].values())
                step = 1000 * parts / count
                alone = alone or step
                rows.append({
                    "name": name, "processes": size, "ms": step, "against": alone, "ratio": step / alone,
                    "gradients_ms": 1000 * time("gradients of others"),
                    "agree_ms": 1000 * time("step of others"),
                    "bytes_per_step": (many_bytes - few_bytes) / count,
                    "cores": os.cpu_count(),
                })
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        probe = subprocess.run(["unshare", "-rn", "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            line = "ip link set lo up && exec \"$0\" \"$@\""
            os.execvp("unshare", ["unshare", "-rn", "sh", "-c", line, sys.executable, __file__, "--inside"] + sys.argv[1:])
    rows = measure(arguments.processes, arguments.steps)
    if arguments.json:
        print(json.dumps({"cases": rows}, indent=2))
        return
    print(f"{os.cpu_count()} cores, one thread a process\n")
    print(f"{'':36} {'processes':>9} {'ms/step':>9} {'of one':>7} {'waiting for gradients':>22} {'for others':>11} {'MB sent/step':>13}")
    for row in rows:
        print(f"{row['name']:36} {row['processes']:9} {row['ms']:9.1f} {row['ratio']:7.2f} {row['gradients_ms']:19.1f} ms"
              f" {row['agree_ms']:8.1f} ms {row['bytes_per_step'] / 1e6:13.2f}")


if __name__ == "__main__":
    main()
