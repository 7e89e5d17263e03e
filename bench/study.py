#!/usr/bin/env python3
"""A study of all 63 fusions of a small CNN: ours against PyTorch processes that do the same steps.

  bench/study.py --python VENV/bin/python --data brain_tumor [--sample 6] [--pipeline bazel-bin/pipeline/pipeline] [--json]

DATA holds Training/ and Testing/ of class folders, as brain_tumor does. Ours is one `study` of 63 runs (64 px, 5
epochs, batch 32, one seed), by as many workers as there are cores; the peer bench/study_torch.py in a process for each
fusion, as many at a time, for an evenly spaced sample of the fusions whose time is scaled to 63. Both at the same
precision. Then ours once more with successive halving (rungs after 1 and 2 of 5 epochs). Build first:
./bazelw build //pipeline.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOSSES = ["tversky", "smooth_l1", "focal", "categorical_cross_entropy", "mse", "dice", "binary_cross_entropy"]


def study_text(data, precision, halving):
    title = "".join
    losses = "\n".join("loss { [losses/%s] {} }" % title(part.capitalize() for part in name.split("_"))
                       for name in LOSSES)
    sets = ["load.image_size=64", "train.epochs=5", "train.schedule=CONSTANT", f"train.precision={precision}",
            "classify.model.batch_norm=false", f"load.dataset.root={os.path.abspath(data)}"]
    return "\n".join(['config: "brats_cnn.pbtxt"', *[f'set: "{s}"' for s in sets],
                      "axis { fusions { max_terms: 3", losses, "} } seed: 0",
                      "budget { halving { epochs: [1, 2] } }" if halving else ""])


def ours(arguments, precision, halving, jobs):
    """Seconds of the study, and its result lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "bench.pbtxt")
        path.write_text(study_text(arguments.data, precision, halving))
        begin = time.perf_counter()
        subprocess.run([arguments.pipeline, "study", str(path), f"--out={folder}/out", f"--jobs={jobs}"], check=True,
                       stdout=subprocess.DEVNULL, cwd=ROOT)
        seconds = time.perf_counter() - begin
        lines = pathlib.Path(folder, "out/results.jsonl").read_text().splitlines()
        return seconds, [json.loads(line) for line in lines]


def peer(arguments, loss, bf16):
    command = [arguments.python, str(ROOT / "bench/study_torch.py"), os.path.abspath(arguments.data), "--loss", loss]
    run = subprocess.run(command + (["--bf16"] if bf16 else []), check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--sample", type=int, default=6)
    parser.add_argument("--pipeline", default=str(ROOT / "bazel-bin/pipeline/pipeline"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    bf16 = "avx512_bf16" in pathlib.Path("/proc/cpuinfo").read_text()
    precision = "BF16" if bf16 else "FP32"
    fusions = ["+".join(names) for size in (1, 2, 3) for names in itertools.combinations(LOSSES, size)]
    sample = [fusions[i * len(fusions) // arguments.sample] for i in range(arguments.sample)]

    whole, lines = ours(arguments, precision, False, cores)
    halved, _ = ours(arguments, precision, True, cores)
    begin = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        peers = list(pool.map(lambda loss: peer(arguments, loss, bf16), sample))
    theirs = (time.perf_counter() - begin) / len(sample) * len(fusions)

    done = [line for line in lines if line["status"] == "done"]
    overhead = sum(line["seconds"] - line["training_seconds"] - line["evaluation_seconds"] for line in done) / len(done)
    compute = sum(run["compute"] for run in peers) / sum(run["seconds"] for run in peers)
    cases = [("whole study", whole, theirs), ("study with halving", halved, theirs)]
    if arguments.json:
        print(json.dumps({"cases": [{"name": name, "ms": 1000 * mine, "against": 1000 * other, "ratio": mine / other}
                                    for name, mine, other in cases],
                          "overhead_seconds_per_run": overhead, "peer_compute_share": compute}))
        return
    print(f"{len(fusions)} fusions, {len(done)} runs done, {cores} processes at a time, {precision}; "
          f"the peer's time is that of {len(sample)} of them, scaled")
    print(f"{'':24} {'ours s':>10} {'peer s':>10} {'times as fast':>14}")
    for name, mine, other in cases:
        print(f"{name:24} {mine:10.1f} {other:10.1f} {other / mine:14.2f}")
    print(f"ours beyond TRAIN, VAL and TEST: {overhead:.3f} s a run (bar 0.3)")
    print(f"of the peer's time {100 * compute:.0f} % is forward, backward and optimizer")


if __name__ == "__main__":
    main()
