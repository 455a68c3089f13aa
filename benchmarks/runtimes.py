"""How fast each shipped network is in each runtime, in float32 and in INT8, on one and more threads.

    python benchmarks/runtimes.py --results benchmarks/results/runtimes.json

OpenVINO (`pip install openvino`) is measured beside the runtimes that are supported: it reads the ONNX networks, with
float32 asked for, one stream and a fixed batch. Weights are random and rows are noise, which take as long as others.
Runtimes take turns at each batch size, so that what else the machine does meets all of them; the best run counts.
What INT8 costs in quality takes a trained model: `cascade export MODEL OUT --int8 DATA` tells it.

    rate        rows a second at the batch size that suits the runtime best
    against     that over the fastest float32 network of LiteRT and ONNX Runtime
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from cascade.estimators.neural.networks import build_network
from cascade.estimators.runtime.convert import convert
from cascade.estimators.runtime.measure import rehearsal_rows
from cascade.estimators.runtime.runtimes import RUNTIMES, Session, check_threads

NETWORKS = {
    "mlp, 30 columns": ("mlp", (30,), "float32"),
    "cnn, 64 px": ("cnn", (64, 64, 3), "uint8"),
    "mobilenet_v3_small, 64 px": ("mobilenet_v3_small", (64, 64, 3), "uint8"),
    "mobilenet_v3_small, 128 px": ("mobilenet_v3_small", (128, 128, 3), "uint8"),
    "efficientnet_v2_b0, 64 px": ("efficientnet_v2_b0", (64, 64, 3), "uint8"),
}
BATCH_SIZES = (8, 32, 128)
SUPPORTED = tuple(RUNTIMES)
SECONDS = 3.0


def open_openvino(content: bytes, batch_size: int, threads: int) -> Session:
    """An ONNX network in OpenVINO's CPU plugin."""
    import openvino

    core = openvino.Core()
    model = core.read_model(content)
    model.reshape([batch_size, *[size.get_length() for size in list(model.input(0).partial_shape)[1:]]])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda batch: np.array(request.infer({0: batch}, share_inputs=True)[0])


OPENERS = {**{name: runtime.open for name, runtime in RUNTIMES.items()}, "openvino": open_openvino}


def contents_of(name: str, shape: tuple[int, ...], dtype: str) -> dict[tuple[str, str], bytes]:
    """The network for each runtime and precision."""
    network = build_network(name, shape, 5, dtype, {})
    # As they are initialised, deep networks let nearly nothing through.
    rng = np.random.default_rng(1)
    for weight in network.weights:
        if "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "beta" in weight.path or "bias" in weight.path:
            weight.assign(rng.normal(0, 0.3, weight.shape))
    ranges = rehearsal_rows(shape, dtype, 64)
    found = {}
    for runtime in RUNTIMES:
        found[runtime, "float32"] = convert(network, runtime)
        found[runtime, "int8"] = convert(network, runtime, ranges)
    return found | {("openvino", precision): found["onnx", precision] for precision in ("float32", "int8")}


def rates_in_turn(sessions: dict[Any, Session], rows: np.ndarray) -> dict[Any, float]:
    """Rows a second of each session, the best of many turns."""
    best = dict.fromkeys(sessions, np.inf)
    for run in sessions.values():
        run(rows)
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        for key, run in sessions.items():
            started = time.perf_counter()
            run(rows)
            best[key] = min(best[key], time.perf_counter() - started)
    return {key: len(rows) / seconds for key, seconds in best.items()}


def measured(contents: dict[tuple[str, str], bytes], shape: tuple[int, ...], dtype: str, threads: int) -> list[Any]:
    """Each runtime and precision with its rates by batch size."""
    rates: dict[Any, dict[int, float]] = {key: {} for key in contents}
    for size in BATCH_SIZES:
        sessions = {key: opened(key, content, size, threads) for key, content in contents.items()}
        sessions = {key: session for key, session in sessions.items() if session is not None}
        for key, rate in rates_in_turn(sessions, rehearsal_rows(shape, dtype, size)).items():
            rates[key][size] = rate
    best = {key: max(by_size.values()) for key, by_size in rates.items() if by_size}
    fastest = max(best[runtime, "float32"] for runtime in SUPPORTED)
    return [
        {"runtime": key[0], "precision": key[1], "rate": best[key], "against": best[key] / fastest, "rates": rates[key]}
        for key in best
    ]


def opened(key: tuple[str, str], content: bytes, size: int, threads: int) -> Session | None:
    """A session; None where OpenVINO, which is only measured here, cannot compile the network for this processor."""
    try:
        return OPENERS[key[0]](content, size, threads)
    except RuntimeError as error:
        if key[0] in SUPPORTED:
            raise
        print(f"{' '.join(key)}, {size} rows: left out: {str(error).strip().splitlines()[-1]}", flush=True)
        return None


def text(found: list[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [f"{'network':28} {'threads':>7} {'runtime':9} {'precision':9} {'rate':>12} {'against':>8}"]
    lines += [
        f"{one['network']:28} {one['threads']:7d} {one['runtime']:9} {one['precision']:9} {one['rate']:12,.0f} "
        f"{one['against']:8.2f}"
        for one in found
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, check_threads(None)}))
    parser.add_argument("--results", type=Path)
    options = parser.parse_args()
    found = []
    for network in options.networks:
        name, shape, dtype = NETWORKS[network]
        contents = contents_of(name, shape, dtype)
        for threads in options.threads:
            rows = measured(contents, shape, dtype, threads)
            found += [{"network": network, "threads": threads, **row} for row in rows]
            print(text(found[-len(rows) :]), flush=True)
        if options.results is not None:
            options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
