"""Build damaged and forged model folders of every kind, load and score each, and count what happens.

    python benchmarks/forged_folders.py --folders 5000

A folder may be refused with exit status 4, or be scored (0): a forged model can be another sound model. It may not end
in a crash, a traceback or another status, take more than 20 seconds, or more than 1.5 GB of memory. Each folder is
loaded in a process of its own, forked from one that has imported everything. Folder number k is the same in every run.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Imported once, or every process would do it first.
import skops.io  # noqa: F401
from forgery.archives import forge_keras, forge_skops
from forgery.files import damage_bytes, damage_file, exchange
from forgery.folders import build, rows_of
from forgery.graphs import forge_graph
from forgery.manifest import NAME, forge_manifest, forge_text, redo

import cascade.many_labels.folder
import cascade.store.skops.make  # noqa: F401
from cascade import CascadePredictor
from cascade.errors import CascadeError
from cascade.many_labels.predictor import ManyLabelPredictor

SECONDS = 20
PATIENCE = 120
MEMORY = 1.5e9
SOUND = (0, 4)
ALONE = ("sparse", "images")
"""Kinds of rows that only their own models take."""
TRACEBACK = 99


def forge(folder: Path, others: list[Path], rng: random.Random) -> str:
    """Damage or forge a folder in one way; return what was done."""
    how = rng.choice(
        ["manifest"] * 4 + ["text", "part", "part", "part", "part", "part", "bytes", "bytes", "file", "other"]
    )
    if how == "manifest":
        return forge_manifest(folder, rng)
    if how == "text":
        return forge_text(folder, rng)
    if how == "bytes":
        return damage_bytes(folder, rng)
    if how == "file":
        return damage_file(folder, rng)
    if how == "other":
        # A sound part that takes dense rows alone is no forgery, and sparse rows or images are then the wrong data.
        kind = folder.name.split()[0]
        return exchange(folder, [one for one in others if kind not in ALONE or one.name.startswith(kind)], rng)
    path = rng.choice([one for one in sorted(folder.iterdir()) if one.name != NAME])
    done = {".skops": forge_skops, ".keras": forge_keras}.get(path.suffix, forge_graph)(path, rng)
    redo(folder)
    return done


def score(folder: Path, rows: Any, runtime: str) -> int:
    """Load a folder and predict as the command does; return its exit status."""
    kind = ManyLabelPredictor if "many labels" in folder.name else CascadePredictor
    try:
        kind.load(folder, runtime=runtime).predict_proba(rows)
    except CascadeError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def attempt(folder: Path, rows: Any, runtime: str, output: Path) -> tuple[int, float, float]:
    """Score a folder in a process of its own; return its status, negative for a signal, its seconds and its memory.

    The seconds are those of the processor: others may use the machine. One that waits for ever is ended by a signal.
    """
    process = os.fork()
    if not process:
        status = TRACEBACK
        try:
            with output.open("w") as handle:
                os.dup2(handle.fileno(), 2)
            signal.alarm(PATIENCE)
            status = score(folder, rows, runtime)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status, used = os.wait4(process, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024.0


def fault_of(status: int, seconds: float, memory: float) -> str | None:
    """Return the name of what is wrong with how a folder ended, None if nothing is."""
    if status < 0:
        return f"signal {-status}"
    if status == TRACEBACK:
        return "traceback"
    if status not in SOUND:
        return f"status {status}"
    return "time" if seconds > SECONDS else "memory" if memory > MEMORY else None


def run(folders: int, first: int, networks: bool, only: str | None, work: Path) -> int:
    # In another process, since threads that this one has started would be missing in those forked from it.
    process = os.fork()
    if not process:
        try:
            build(work / "sound", networks)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the sound folders could not be built")
    if networks:
        # Imported once, and not used: what it starts would be missing in the processes forked from this one.
        import ai_edge_litert.interpreter  # noqa: F401
        import keras  # noqa: F401
        import onnxruntime  # noqa: F401
    rows = rows_of(networks)
    names = [name for name in sorted(rows) if only is None or name == only]
    others = [work / "sound" / name for name in sorted(rows) if any((work / "sound" / name).glob("*.skops"))]
    counts: Counter[str] = Counter()
    longest, largest = 0.0, 0.0
    for name in names:
        # What cannot be loaded unchanged would be refused for another reason than the forgery.
        shutil.copytree(work / "sound" / name, work / name)
        if attempt(work / name, rows[name], "auto", work / "output")[0] != 0:
            raise SystemExit(f"{name}: {(work / 'output').read_text()}")
        shutil.rmtree(work / name)
    for number in range(first, first + folders):
        rng = random.Random(number)
        name = names[number % len(names)]
        folder = Path(shutil.copytree(work / "sound" / name, work / name))
        done = forge(folder, others, rng)
        runtime = rng.choice(["onnx", "litert"]) if name == "exported" else "auto"
        status, seconds, memory = attempt(folder, rows[name], runtime, work / "output")
        fault = fault_of(status, seconds, memory)
        counts[fault or f"status {status}"] += 1
        longest, largest = max(longest, seconds), max(largest, memory)
        if fault is not None:
            lines = (work / "output").read_text().strip().splitlines() or [""]
            last = lines[-1] if folders > 1 else "\n".join(lines)
            print(f"{number} {name}, {done}: {fault} ({seconds:.1f} s, {memory / 1e6:.0f} MB) {last}", flush=True)
        shutil.rmtree(folder)
    print(f"{folders} folders: {dict(sorted(counts.items()))}; at most {longest:.1f} s and {largest / 1e6:.0f} MB")
    return sum(count for fault, count in counts.items() if fault not in ("status 0", "status 4"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folders", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first folder, to repeat one")
    parser.add_argument("--without-networks", action="store_true", help="leave out Keras and exported networks")
    parser.add_argument("--only", help="forge only the model of this name")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    # A crash is counted, and its memory is of no use.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as work:
        faults = run(chosen.folders, chosen.first, not chosen.without_networks, chosen.only, Path(work))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
