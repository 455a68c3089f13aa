"""All that measures speed, one after the other: one table on the screen, one JSON file with every figure.

    cascade phantom data/phantom-128 --rows 24000 --size 128
    python benchmarks/speed.py data/phantom-128

Runs `inference.py` (a cascade beside the flat labeler, by runtime and threads), `jpeg.py` (the same from files),
`peers.py` (beside scikit-learn and imbalanced-learn), `growth_of_jobs.py` (memory and rows a second of jobs),
`noting_shards.py`, and `ray_workers.py` where Ray is installed. Ratios hold within a part. About half an hour on two
cores, and as long again where the model of `inference.py` is not trained yet.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "speed.json"


def parts(data: Path) -> dict[str, list[str]]:
    """Scripts by name, with what they are given."""
    found = {"inference": [str(data)], "jpeg": [str(data)], "peers": [], "growth_of_jobs": [], "noting_shards": []}
    return found | ({"ray_workers": []} if find_spec("ray") else {})


def run(name: str, arguments: list[str], folder: Path) -> dict[str, Any]:
    """Run one part, show what it prints as it comes, and return its figures."""
    results = folder / f"{name}.json"
    started = time.monotonic()
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments, "--results", str(results)]
    print(f"\n== {name}\n", flush=True)
    subprocess.run(command, check=True)
    return {"seconds": time.monotonic() - started, "figures": json.loads(results.read_text(encoding="utf-8"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of `cascade phantom --size 128`")
    parser.add_argument("--only", nargs="+", help="parts to run anew; the others keep their figures")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    chosen = parts(options.data)
    unknown = sorted(set(options.only or []) - set(chosen))
    if unknown:
        parser.error(f"--only must name parts among {', '.join(chosen)}. Received {unknown[0]!r}.")
    held = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only or chosen:
            held[name] = {"cores": len(os.sched_getaffinity(0)), **run(name, chosen[name], Path(folder))}
            options.results.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
