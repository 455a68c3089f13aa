"""Machine readings in the form of the AI4I 2020 data, whose failures were drawn from a known function of the sensors.

As in AI4I, a failure has a physical cause: a worn tool, too little cooling, a power out of range, or too much torque on
a worn tool, which depends on the product's type (Matzka, 2020, Explainable artificial intelligence for predictive
maintenance applications). Here a fifth, bearing damage, replaces random failures, and each cause acts by a logistic
function instead of a sharp limit:

    p(TWF) = expit((tool wear - 232) / 5)
    p(HDF) = expit((8.1 - (process - air temperature)) / 0.25) expit((1400 - speed) / 25)
    p(PWF) = expit((3700 - power) / 150) + expit((power - 9100) / 150), where power = torque * speed * 2 pi / 60
    p(OSF) = expit((tool wear * torque - limit of the type) / 500)
    p(BRF) = expit((vibration - limit of the site) / 0.3)

Given the sensors, failures are independent. The truth is that of complete sensors; some cells are missing in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cascade.data.labels import Labels
from cascade.utils.types import Floats, Rows

LABEL_NAMES = ("TWF", "HDF", "PWF", "OSF", "BRF")
ANY = "Machine failure"
"""Column that is 1 where some failure is: the OR of the labels, so it must not be a feature."""
SENSORS = (
    "Air temperature [K]",
    "Process temperature [K]",
    "Rotational speed [rpm]",
    "Torque [Nm]",
    "Tool wear [min]",
    "Vibration [mm/s]",
)
COLUMNS = ("UDI", "Product ID", "machine", "site", "Type", "recorded_at", *SENSORS, ANY, *LABEL_NAMES)

TYPES = np.array(["L", "M", "H"])
TYPE_SHARES = (0.6, 0.3, 0.1)
OVERSTRAIN = np.array([12_000.0, 13_000.0, 14_000.0])
"""Limits of tool wear times torque, in min Nm, by type."""
SITES = np.array(["Augsburg", "Łódź", "Malmö"])
BEARING = np.array([6.2, 5.4, 6.6])
"""Limits of vibration, in mm/s, by site."""

MACHINE_ROWS = 50
"""Readings of a machine: the group."""
DECIMALS = (1, 1, 0, 1, 0, 2)
EMPTY, QUESTION_MARK = 0.02, 0.01
"""Shares of a sensor's cells that are empty or `?`, but for tool wear, which is complete."""
COMPLETE = 4
START = datetime(2025, 1, 1)
REPLACED = (190, 245)
"""Range of tool wear at which a machine's tools are replaced."""


@dataclass(frozen=True)
class Readings:
    """Readings with failures and the probabilities that these were drawn from.

    Attributes
    ----------
    machines, sites, types : ndarray of int, shape (n,)
        Number of the machine, the group; index of its site in `SITES`; index of the product's type in `TYPES`.
    minutes : ndarray of int, shape (n,)
        Time of the reading, in minutes since `START`; rows are in its order.
    sensors : ndarray of float, shape (n, 6)
        Complete values in the order of `SENSORS`, rounded as they are written.
    cells : ndarray of str, shape (n, 6)
        What the file has: the values, empty text, or `?`.
    Y : ndarray of 0/1, shape (n, 5)
    p : ndarray of float, shape (n, 5)
        p(y_k | all sensors, type, site).
    """

    machines: Rows
    sites: Rows
    types: Rows
    minutes: NDArray[np.int64]
    sensors: Floats
    cells: NDArray[np.str_]
    Y: Labels
    p: Floats


def draw(n: int, seed: int) -> Readings:
    """Draw `n` readings; the same seed gives the same readings.

    Examples
    --------
    >>> readings = draw(20_000, seed=0)
    >>> expected = readings.p.sum(axis=0)
    >>> bool(np.all(abs(readings.Y.sum(axis=0) - expected) < 4 * np.sqrt(expected)))
    True
    """
    rng = np.random.default_rng(seed)
    n_machines = -(-n // MACHINE_ROWS)
    machines, turns = np.divmod(np.arange(n), MACHINE_ROWS)
    # One reading per shift of 8 hours, at any minute of it; machines start within most of a year.
    minutes = rng.integers(400_000, size=n_machines)[machines] + 480 * turns + rng.integers(480, size=n)
    order = np.argsort(minutes, kind="stable")
    machines, turns, minutes = machines[order], turns[order], minutes[order]
    sites = rng.integers(len(SITES), size=n_machines)[machines]
    types = rng.choice(len(TYPES), size=n, p=TYPE_SHARES)
    sensors = _draw_sensors(machines, turns, minutes, rng)
    p = true_proba(sensors, types, sites)
    Y = (rng.random(p.shape) < p).astype(np.uint8)
    return Readings(machines, sites, types, minutes, sensors, _write_cells(sensors, rng), Y, p)


def table(readings: Readings) -> Iterator[list[object]]:
    """Yield one row per reading, with the values of `COLUMNS`."""
    any_failure = readings.Y.any(axis=1).astype(int)
    for row, machine in enumerate(readings.machines.tolist()):
        kind = str(TYPES[readings.types[row]])
        yield [
            row + 1,
            f"{kind}{14_860 + row}",
            f"m{machine:04d}",
            str(SITES[readings.sites[row]]),
            kind,
            str(START + timedelta(minutes=int(readings.minutes[row]))),
            *readings.cells[row].tolist(),
            int(any_failure[row]),
            *readings.Y[row].tolist(),
        ]


def true_proba(sensors: Floats, types: Rows, sites: Rows) -> Floats:
    """Return p(y_k | sensors, type, site) of the five failures, float of shape (n, 5).

    Examples
    --------
    >>> worn = np.array([[300.0, 310.0, 1500, 40.0, 240, 2.0]])
    >>> true_proba(worn, np.array([0]), np.array([0])).round(2).tolist()
    [[0.83, 0.0, 0.0, 0.01, 0.0]]
    """
    air, process, speed, torque, wear, vibration = sensors.T
    power = torque * speed * 2 * np.pi / 60
    heat = expit((8.1 - (process - air)) / 0.25) * expit((1400 - speed) / 25)
    # Both ends of the range exclude each other, so their probabilities add.
    out_of_range = expit((3700 - power) / 150) + expit((power - 9100) / 150)
    strain = expit((wear * torque - OVERSTRAIN[types]) / 500)
    bearing = expit((vibration - BEARING[sites]) / 0.3)
    return np.column_stack([expit((wear - 232) / 5), heat, out_of_range, strain, bearing])


def _draw_sensors(machines: Rows, turns: Rows, minutes: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    n, n_machines = len(machines), int(machines.max()) + 1
    day = minutes / 1440
    # Warmer in summer and in the afternoon.
    season, hour = -np.cos(2 * np.pi * day / 365), -np.cos(2 * np.pi * (day % 1 - 0.1))
    air = 300 + 1.5 * season + 0.8 * hour + rng.normal(0, 0.8, n)
    process = air + 10 + 0.5 * rng.normal(size=n_machines)[machines] + rng.normal(0, 0.9, n)
    torque = np.clip(rng.normal(40, 10, n), 4, None)
    # Constant power, so speed falls with torque; noise on it makes power vary.
    speed = np.clip(2870 - 33.5 * torque + rng.normal(0, 110, n) + 4000 * np.exp(-torque / 6), 1150, 2900)
    # Each machine wears its tools at its own rate, and replaces them at its own limit.
    rate, limit = rng.uniform(6, 16, n_machines)[machines], rng.uniform(*REPLACED, n_machines)[machines]
    wear = (rng.uniform(0, 200, n_machines)[machines] + rate * turns) % limit
    base = rng.gamma(6, 0.3, n_machines)[machines]
    vibration = base + 0.004 * wear + 0.0004 * (speed - 1500) + rng.gamma(2, 0.4, n)
    sensors = np.column_stack([air, process, speed, torque, wear, vibration])
    return np.column_stack([column.round(decimals) for column, decimals in zip(sensors.T, DECIMALS, strict=True)])


def _write_cells(sensors: Floats, rng: np.random.Generator) -> NDArray[np.str_]:
    columns = [
        [f"{value:.{decimals}f}" for value in column.tolist()]
        for column, decimals in zip(sensors.T, DECIMALS, strict=True)
    ]
    cells = np.array(columns).T
    where = rng.random(cells.shape)
    where[:, COMPLETE] = 1
    cells[where < EMPTY + QUESTION_MARK] = "?"
    cells[where < EMPTY] = ""
    return cells
