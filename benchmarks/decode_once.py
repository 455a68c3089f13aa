"""What the cache of decoded pixels saves: passes over a folder of large JPEG files, with and without it.

    python benchmarks/decode_once.py --files 5000

Images of the phantom are enlarged to 512 px, given some noise, and written as JPEG. A pass reads all files in random
order and in batches of 128, as an epoch does. Processes with and without a cache are new ones; their peak memory shows
that it does not grow with the number of files: a quarter of them, half of them, all.

    decode   seconds of a pass without a cache, at the labeler's size: what every epoch costs then
    first    seconds of the passes that fill the cache, at the sizes of labeler and gate
    second   seconds of the next pass at the labeler's size
    share    second / decode, for the labeler and for the gate
    decoded  how often a file was decoded in all passes with a cache, at most
    MB       peak memory of a process with a cache, and of one without
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cascade.data.images.size import at_size
from cascade.data.readers.cache.cached_files import with_cache
from cascade.data.readers.cache.pixel_cache import PixelCache
from cascade.data.readers.image.images import ImageFiles
from cascade.datasets.phantom import write_phantom

FILE_SIZE, DRAWN_SIZE, DRAWN = 512, 128, 250
NOISE, QUALITY, BATCH = 4.0, 90, 128
CASES = ((128, 64), (256, 128), (None, 128))
"""Sizes of labeler and gate; None is that of the files."""


def written(folder: Path, n: int, colour: bool) -> None:
    """Write the files; a drawn image is used for several, each with its own noise."""
    write_phantom(folder / "drawn", rows=DRAWN, size=DRAWN_SIZE, seed=0, format="npy")
    images, rng = np.load(folder / "drawn" / "images.npy", mmap_mode="r"), np.random.default_rng(0)
    (folder / "jpeg").mkdir()
    for number in range(n):
        large = Image.fromarray(images[number % DRAWN].squeeze()).resize(
            (FILE_SIZE, FILE_SIZE), Image.Resampling.BICUBIC
        )
        shape = (FILE_SIZE, FILE_SIZE, 3) if colour else (FILE_SIZE, FILE_SIZE)
        grey = np.asarray(large)[..., None] if colour else np.asarray(large)
        noisy = Image.fromarray(np.clip(grey + rng.normal(0, NOISE, shape), 0, 255).astype(np.uint8))
        noisy.save(folder / "jpeg" / f"{number:05d}.jpg", quality=QUALITY)


def seconds(*sources: Any) -> float:
    """Seconds of a pass over each of the sources."""
    started = time.perf_counter()
    for rows in sources:
        order = np.random.default_rng(0).permutation(len(rows))
        for start in range(0, len(rows), BATCH):
            rows[order[start : start + BATCH]]
    return time.perf_counter() - started


def measured(folder: Path, n: int, size: int | None, gate_size: int, cached: bool) -> dict[str, float]:
    """Figures of one process."""
    counts: Counter[Path] = Counter()
    decode_at, lock = ImageFiles.decode_at, threading.Lock()

    def counted(self: ImageFiles, path: Path, sizes: Any) -> Any:
        with lock:
            counts[path] += 1
        return decode_at(self, path, sizes)

    ImageFiles.decode_at = counted  # type: ignore[method-assign]
    files: Any = ImageFiles(sorted((folder / "jpeg").iterdir())[:n], frame=size)
    if not cached:
        return {"decode": seconds(files), "decode gate": seconds(at_size(files, gate_size)), "MB": peak()}
    files = with_cache(files, PixelCache(folder / f"cache-{size}-{n}"), folder / "jpeg", [gate_size])
    first = seconds(files, at_size(files, gate_size))
    found = {"first": first, "second": seconds(files), "second gate": seconds(at_size(files, gate_size))}
    return {**found, "decoded": max(counts.values()), "MB": peak()}


def peak() -> float:
    """Peak memory of this process in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(folder: Path, n: int, size: int | None, gate_size: int, cached: bool) -> dict[str, float]:
    """Run `measured` in a new process."""
    task = json.dumps([str(folder), n, size, gate_size, cached])
    found = subprocess.run([sys.executable, __file__, "--task", task], capture_output=True, text=True, check=True)
    return dict(json.loads(found.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--colour", action="store_true", help="write files in colour")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        folder, *task = json.loads(options.task)
        print(json.dumps(measured(Path(folder), *task)))
        return
    with tempfile.TemporaryDirectory() as place:
        written(Path(place), options.files, options.colour)
        print("  files  size  gate   decode    first   second  share  of the gate  decoded     MB  without")
        for size, gate_size in CASES:
            for n in (options.files // 4, options.files // 2, options.files):
                plain, kept = (in_process(Path(place), n, size, gate_size, cached) for cached in (False, True))
                print(
                    f"{n:7d} {size or FILE_SIZE:5d} {gate_size:5d} {plain['decode']:8.2f} {kept['first']:8.2f}"
                    f" {kept['second']:8.3f} {kept['second'] / plain['decode']:6.3f}"
                    f" {kept['second gate'] / plain['decode gate']:13.3f} {kept['decoded']:8.0f}"
                    f" {kept['MB']:6.0f} {plain['MB']:8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
