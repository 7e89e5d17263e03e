"""Runs exported models in onnxruntime, for tests/export_parity_test.cc, and writes what they gave.

  python tests/onnx_parity.py FOLDER        (needs onnx, onnxruntime and numpy, all of PyPI)

FOLDER holds cases: NAME.onnx, and NAME.json, which says type ("uint8", "float32") and shape of NAME.in,
the images, and shape of NAME.out, float32, the probabilities expected. The checker of the onnx
package, with its shape inference, must accept each model. parity.json gets by NAME the largest
difference, absolute and relative to max(1, |expected|), and whether both have NaN in the same places.
"""
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime


def compare(folder, name):
    model = onnx.load(folder / f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    case = json.loads((folder / f"{name}.json").read_text())
    images = np.fromfile(folder / f"{name}.in", case["type"]).reshape(case["in"])
    expected = np.fromfile(folder / f"{name}.out", "float32").reshape(case["out"])
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
    given, = session.run(None, {session.get_inputs()[0].name: images})
    assert given.shape == expected.shape, (given.shape, expected.shape)
    same = (given == expected) | (np.isnan(given) & np.isnan(expected))  # infinities too
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0, np.abs(given - expected)).astype("float64")
        relative = np.where(same, 0, difference / np.maximum(1, np.abs(expected)))
    return {
        "absolute": float(np.nanmax(difference, initial=0)),
        "relative": float(np.nanmax(relative, initial=0)),
        "same_nan": bool((np.isnan(given) == np.isnan(expected)).all()),
        "operators": len(model.graph.node),
        "bytes": (folder / f"{name}.onnx").stat().st_size,
        "given": given.flatten()[:16].tolist(),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
    }


def main():
    folder = pathlib.Path(sys.argv[1])
    found = {path.stem: compare(folder, path.stem) for path in sorted(folder.glob("*.onnx"))}
    (folder / "parity.json").write_text(json.dumps(found))


main()
