"""How much of a cascade's saving is made real from JPEG files, where decoding is dearer than the networks.

    cascade phantom data/phantom-128 --rows 24000 --size 128
    python benchmarks/jpeg.py data/phantom-128 --results benchmarks/results/jpeg.json

Images of 128 px are enlarged to 512, given some noise, and written as JPEG, grey and colour. The gate looks at 64 px,
the labeler, MobileNetV3Small, at 128: the cascade decodes every file at an eighth of its side, those past the gate
again at a quarter. The flat model is a network of the labeler's size, and its files are decoded at a quarter too. Both
networks are trained for a moment, since only their cost counts; thresholds are set for the shares wanted. Each time is
the best of several rounds in which all contenders take turns.

    decode      milliseconds a file at 512, 128 and 64 px
    against     times as many files a second as the flat model in its fastest runtime
    limit       (d128 + c2) / (d64 + c1 + p (d128 + c2)), from the measured costs of decoding d and of the networks c
    keras       times as many as decoding and Keras' `predict` of the flat model

With `--jobs` the files, linked under 4,096 names, are instead predicted by a job on one thread, into a folder, at the
model's own threshold. The share is the processor time that cannot be saved, of the job's own: simplejpeg on each file's
bytes at the gate's scale, and on those past the gate at the labeler's; and both networks on the pixels in memory.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from inference import SHARES, best_of, flat_network
from PIL import Image

from cascade import CascadeClassifier, CascadePredictor, KerasClassifier
from cascade.batch.inputs.opening import open_input
from cascade.batch.outputs.predictions import CascadeTables
from cascade.batch.runner import Settings, run_job
from cascade.data import Dataset, read_data
from cascade.data.images.size import at_size
from cascade.data.readers.image.images import ImageFiles
from cascade.data.readers.pixels import PixelOptions
from cascade.data.readers.table.columns import Roles
from cascade.estimators.runtime.runtimes import RUNTIMES
from cascade.store.opening import open_export
from cascade.store.plain_file import ModelFiles
from cascade.utils.threads import usable_cores

FILE_SIZE, SIZE, GATE_SIZE = 512, 128, 64
JOB_ROUNDS, JOB_ROWS = 3, 4096
NOISE, QUALITY = 4.0, 90
TRAINED_ROWS = 1500


def coloured(images: np.ndarray) -> np.ndarray:
    """Three channels that differ: the image, its mirror image, and itself in soft contrast."""
    return np.concatenate([images, images[:, :, ::-1], images // 2 + 64], axis=3)


def written(images: np.ndarray, folder: Path, progressive: bool, side: int = FILE_SIZE) -> list[Path]:
    """The images as large JPEG files."""
    folder.mkdir()
    rng, paths = np.random.default_rng(0), []
    for number, image in enumerate(images):
        large = Image.fromarray(image.squeeze()).resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.asarray(large) + rng.normal(0, NOISE, np.asarray(large).shape)
        paths.append(folder / f"{number:05d}.jpg")
        noisy = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        noisy.save(paths[-1], quality=QUALITY, progressive=progressive)
    return paths


def trained(X: np.ndarray, data: Dataset, folder: Path) -> Path:
    """A cascade whose gate looks at a smaller image, with its exports."""
    gate = KerasClassifier("cnn", {"flip": True}, epochs=2, batch_size=64, learning_rate=4e-3, image_size=GATE_SIZE)
    labeler = KerasClassifier("mobilenet_v3_small", epochs=1, batch_size=64)
    model = CascadeClassifier(gate, labeler, label_names=data.label_names).fit(X, data.Y, groups=data.groups)
    model.predictor_.save(folder / "cascade", tuple(RUNTIMES))
    return folder / "cascade"


def measured(files: ImageFiles, path: Path, flat: tuple[Any, Any], work: Path, threads: int) -> dict[str, Any]:
    """All figures with so many threads, on which this process is held."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:threads]))
    predictor, fastest = (
        CascadePredictor.load(path, threads=threads),
        open_export(flat[1], ModelFiles(work), "auto", threads),
    )
    rows, small = np.arange(len(files)), at_size(files, GATE_SIZE)
    full = ImageFiles(files.paths)
    held, held_small, gate_proba = files[rows], small[rows], predictor.gate_proba(files)
    thresholds = {share: float(np.quantile(gate_proba, 1 - share)) for share in SHARES}
    seconds = best_of(
        {
            "decode 512": lambda: full[rows],
            "decode 128": lambda: files[rows],
            "decode 64": lambda: small[rows],
            "gate": lambda: predictor.gate.predict_proba(held_small),
            "labeler": lambda: predictor.labeler.predict_proba(held),
            "flat": lambda: fastest.predict_proba(files),
            "flat, Keras": lambda: flat[0].network_.predict(files[rows], verbose=0),
            **{f"cascade {share}": lambda t=thresholds[share]: predictor.examine(files, t) for share in SHARES},
        }
    )
    each = {name: 1e3 * value / len(files) for name, value in seconds.items()}
    passed = {share: float((gate_proba >= thresholds[share]).mean()) for share in SHARES}
    return {"threads": threads, "ms": each, "curve": [point(passed[share], share, each) for share in SHARES]}


def point(passed: float, share: float, each: dict[str, float]) -> dict[str, float]:
    """One threshold: what was reached, and what could be."""
    second = each["decode 128"] + each["labeler"]
    limit = second / (each["decode 64"] + each["gate"] + passed * second)
    against = each["flat"] / each[f"cascade {share}"]
    return {
        "passed": passed,
        "against": against,
        "limit": limit,
        "share": against / limit,
        "keras": each["flat, Keras"] / each[f"cascade {share}"],
        "files_per_second": 1e3 / each[f"cascade {share}"],
    }


def text(colours: str, found: dict[str, Any]) -> str:
    """The figures as lines."""
    costs = ", ".join(f"{name} {ms:.3f}" for name, ms in found["ms"].items() if "cascade" not in name)
    lines = [f"{colours}, {found['threads']} thread(s); ms a file: {costs}"]
    lines.append("  passed  files/s  against  limit  share  keras")
    row = "  {passed:6.3f}  {files_per_second:7,.0f}  {against:7.2f}  {limit:5.2f}  {share:5.2f}  {keras:5.2f}"
    return "\n".join([*lines, *[row.format(**one) for one in found["curve"]]])


def compared(data: Dataset, colours: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train, write the files, and measure with one thread and with all."""
    images = np.asarray(data.X[: TRAINED_ROWS + options.rows])
    images = coloured(images) if colours == "colour" else images
    training = data.part(np.arange(TRAINED_ROWS))
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as place:
        work, found = Path(place), []
        path = trained(images[:TRAINED_ROWS], training, work)
        shown = Dataset(images[:TRAINED_ROWS], training.Y, data.label_names, training.groups, training.ids)
        flat = flat_network(shown, work)
        paths = written(images[TRAINED_ROWS:], work / "files", options.progressive)
        for threads in sorted({1, usable_cores()}):
            files = ImageFiles(paths, frame=SIZE)
            found.append(measured(files, path, flat, work, threads))
            os.sched_setaffinity(0, cores)
            print(text(colours, found[-1]), flush=True)
    return found


class Silent:
    """Nothing is shown of a job's progress."""

    def begin(self, done: int, total: int | None) -> None:
        """Ignore the number of rows."""

    def stage(self, stage: str, done: int, total: int) -> None:
        """Ignore a stage."""

    def advance(self, rows: int) -> None:
        """Ignore rows that are done."""


def cheapest(contenders: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of the processor of each, the least of several rounds in which they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(JOB_ROUNDS):
        for name, run in contenders.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    return {name: min(taken) for name, taken in seconds.items()}


def linked(paths: list[Path], folder: Path) -> list[Path]:
    """The files under more names, since a job has costs that do not grow with its rows."""
    folder.mkdir()
    for number in range(JOB_ROWS):
        os.link(paths[number % len(paths)], folder / f"{number:05d}.jpg")
    return sorted(folder.iterdir())


def of_job(paths: list[Path], path: Path, work: Path) -> dict[str, float]:
    """The processor time of a job beside that of its codec and its networks alone."""
    from simplejpeg import decode_jpeg

    predictor = CascadePredictor.load(path, threads=1)
    files = ImageFiles(paths, frame=SIZE)
    held, small = files[np.arange(len(files))], at_size(files, GATE_SIZE)[np.arange(len(files))]
    past = np.flatnonzero(predictor.gate_proba(files) >= predictor.rules.gate_threshold)
    contents, channels = [path.read_bytes() for path in paths], "GRAY" if files.shape[3] == 1 else "RGB"
    roles, numbers = Roles(pixels=PixelOptions.of(image_size=SIZE)), iter(range(JOB_ROUNDS))

    def job() -> None:
        tables = CascadeTables(predictor)
        source = open_input(paths[0].parent, roles, predictor.signature, tables.gate_size)
        output = work / f"job-{channels}-{next(numbers)}"
        run_job(output, source, tables, {"model": {}, "settings": {}, "versions": {}}, Settings(), Silent())

    def decode(rows: Any, side: int) -> None:
        for row in rows:
            decode_jpeg(contents[row], channels, min_height=side, min_width=side)

    seconds = cheapest(
        {
            "job": job,
            "gate's codec": lambda: decode(range(len(paths)), GATE_SIZE),
            "labeler's codec": lambda: decode(past, SIZE),
            "gate": lambda: predictor.gate.predict_proba(small),
            "labeler": lambda: predictor.labeler.predict_proba(held[past]),
        }
    )
    needed = sum(seconds.values()) - seconds["job"]
    return {name: 1e3 * value / len(paths) for name, value in seconds.items()} | {
        "passed": len(past) / len(paths),
        "share": needed / seconds["job"],
    }


def jobs(data: Dataset, colours: str, options: argparse.Namespace) -> dict[str, float]:
    """Train, write the files, and compare a job with what it cannot save."""
    images = np.asarray(data.X[: TRAINED_ROWS + options.rows])
    images = coloured(images) if colours == "colour" else images
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:1]))
    with tempfile.TemporaryDirectory() as place:
        path = trained(images[:TRAINED_ROWS], data.part(np.arange(TRAINED_ROWS)), Path(place))
        paths = written(images[TRAINED_ROWS:], Path(place) / "files", options.progressive, options.side)
        found = of_job(linked(paths, Path(place) / "linked"), path, Path(place))
    print(f"{colours}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of `cascade phantom --size 128`")
    parser.add_argument("--rows", type=int, default=512, help="files to measure on")
    parser.add_argument("--progressive", action="store_true", help="write progressive JPEG")
    parser.add_argument("--jobs", action="store_true", help="compare a job with its codec and networks alone")
    parser.add_argument("--side", type=int, default=FILE_SIZE, help="pixels of the files of a job")
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    data = read_data(options.data)
    found = {colours: (jobs if options.jobs else compared)(data, colours, options) for colours in ("grey", "colour")}
    if options.results is not None:
        options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
