"""Tunes two real networks and compares with onnxruntime; called by tools/quickstart.

The networks come from the PyPI package rapidocr (Apache-2.0, also for the model files: MODEL_LICENSES.md in the
package). Latencies: the three competitors run in turn, round after round, each round the median of several runs.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import zipfile

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime

PACKAGE = "rapidocr==3.10.0"
MODELS = [  # file in the package, input name, shape
    ("ch_ppocr_mobile_v2.0_cls_mobile.onnx", "x", (1, 3, 48, 192)),
    ("PP-OCRv6_rec_small.onnx", "x", (1, 3, 48, 320)),
]
ROUNDS = 7
RUNS_A_ROUND = 10


def fetch_models(work: pathlib.Path) -> None:
    """Leaves the model files and their licence in `work`."""
    if all((work / name).exists() for name, _, _ in MODELS):
        return
    wheels = work / "wheels"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--dest", str(wheels), PACKAGE], check=True)
    with zipfile.ZipFile(next(wheels.glob("rapidocr-*.whl"))) as wheel:
        for entry in wheel.namelist():
            name = pathlib.PurePosixPath(entry).name
            if name == "MODEL_LICENSES.md" or any(name == model for model, _, _ in MODELS):
                (work / name).write_bytes(wheel.read(entry))


def write_reference(session, folder: pathlib.Path, input_name: str, shape) -> np.ndarray:
    """Writes a random input and onnxruntime's output in the layout that `tunesmith run` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    data = np.random.default_rng(0).random(shape, dtype=np.float32) * 2 - 1
    outputs = session.run(None, {input_name: data})
    for kind, arrays in (("input", [data]), ("output", outputs)):
        for i, array in enumerate(arrays):
            (folder / f"{kind}_{i}.pb").write_bytes(onnx.numpy_helper.from_array(array).SerializeToString())
    return data


def tunesmith(args, *words) -> dict:
    """Runs a tunesmith command with --json and returns the document; its progress goes to this terminal."""
    command = [str(args.bin / "tunesmith"), *map(str, words), "--threads", str(args.threads), "--json", "-"]
    result = subprocess.run(command, stdout=subprocess.PIPE)
    if result.returncode not in (0, 1):  # 1: an output differs, which the document tells
        sys.exit(f"quickstart: {' '.join(command)} failed with exit code {result.returncode}")
    return json.loads(result.stdout)


def time_onnxruntime(session, input_name: str, data: np.ndarray) -> float:
    """Median of one round in ms."""
    times = []
    for _ in range(RUNS_A_ROUND):
        start = time.perf_counter()
        session.run(None, {input_name: data})
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def compare(args, model: pathlib.Path, input_name: str, shape) -> dict:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    reference = args.work / model.stem
    data = write_reference(session, reference, input_name, shape)
    shape_option = ("--shape", f"{input_name}={'x'.join(map(str, shape))}")
    db = args.work / "tuning.db"

    print(f"Tuning {model.name} for {args.budget} ...", flush=True)
    tuned = tunesmith(args, "tune", model, *shape_option, "--db", db, "--budget", args.budget, "--trials", args.trials)

    def run(database):
        os.environ["TUNESMITH_DB"] = str(database)  # that of the default schedules is empty
        return tunesmith(args, "run", model, *shape_option, "--inputs", reference, "--check", reference,
                         "--repeat", RUNS_A_ROUND, "--rtol", "1e-4")

    rounds = {"default": [], "tuned": [], "onnxruntime": []}
    for _ in range(ROUNDS):
        no_records = run(args.work / "empty" / "tuning.db")
        best = run(db)
        rounds["default"].append(no_records["median_ms"])
        rounds["tuned"].append(best["median_ms"])
        rounds["onnxruntime"].append(time_onnxruntime(session, input_name, data))
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    return {
        "model": model.name,
        **medians,
        "ratio": medians["onnxruntime"] / medians["tuned"],
        "ready_ms": best["ready_ms"],
        "max_abs_error": max(check["max_abs_error"] for check in best["checks"]),
        "max_rel_error": max(check["max_rel_error"] for check in best["checks"]),
        "ok": all(check["ok"] for check in best["checks"] + no_records["checks"]),
        "trials": tuned["trials"],
        "seconds": tuned["seconds"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the built programs")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models, data and the database")
    parser.add_argument("--budget", default="2m", help="tuning time for each model")
    parser.add_argument("--trials", type=int, default=48, help="measured candidates a kernel, at most")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)

    fetch_models(args.work)
    rows = [compare(args, args.work / name, input_name, shape) for name, input_name, shape in MODELS]
    (args.work / "results.json").write_text(json.dumps({"schema": 1, "threads": args.threads, "models": rows}, indent=2))

    print(f"\nonnxruntime {onnxruntime.__version__}, {args.threads} thread(s), batch 1; medians of {ROUNDS} rounds")
    print(f"{'model':<40} {'default':>10} {'tuned':>10} {'onnxruntime':>12} {'ratio':>6} {'error':>9} {'trials':>7} {'tuning':>8}")
    for row in rows:
        print(f"{row['model']:<40} {row['default']:>7.2f} ms {row['tuned']:>7.2f} ms {row['onnxruntime']:>9.2f} ms "
              f"{row['ratio']:>5.2f}x {row['max_rel_error']:>9.1e} {row['trials']:>7} {row['seconds']:>6.0f} s")
    if not all(row["ok"] for row in rows):
        print("quickstart: an output differs from onnxruntime's by more than the tolerance", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
