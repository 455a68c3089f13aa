"""The page of a run: well-formed, escaped, self-contained, and with the figures of its report."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cascade import CascadePredictor
from cascade.config.schema import RunConfig
from cascade.data import Dataset, read_data
from cascade.data.label_matrix import LabelMatrix
from cascade.data.readers.table.columns import Roles
from cascade.metrics import Outcome
from cascade.reports.html import page, training_data
from cascade.reports.html.content.excerpts import LONGEST, excerpts
from cascade.reports.html.content.explorer import examined_everywhere
from cascade.reports.html.content.mistakes import mistakes
from cascade.reports.html.content.thumbnails import LARGEST, thumbnails
from cascade.reports.html.layout.charts import gate_panels
from cascade.reports.html.layout.panels import MOST_PANELS
from cascade.reports.report import evaluate
from cascade.rules.thresholds.gate_costs import GateCosts
from cascade_pipelines import compare, train, train_many_labels
from cascade_pipelines.steps.run_data import split
from tests.conftest import KnownTruth
from tests.reports.pages import Page, contrast, opened_in_chromium

HOSTILE = "<script>alert(1)</script>"
LABELS = [HOSTILE, "intraparenchymal", "intraventricular", "subarachnoid", "any"]
MODEL = {"kind": "logistic_regression"}
FOREST = {"kind": "random_forest", "options": {"n_estimators": 5, "max_depth": 4}}
ROWS = 2400


@pytest.fixture(scope="module")
def config(truth: KnownTruth, tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    """Return a config of rows with known truth, four per patient; the first label's name is a script."""
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(path, X=truth.X[:ROWS], Y=truth.Y[:ROWS], label_names=LABELS, groups=np.arange(ROWS) // 4)
    body = {"name": "known", "data": {"path": str(path), "test_size": 0.5}, "gate": MODEL}
    labeler = {"strategy": "balanced", "model": MODEL, "n_bags": 2}
    policy = {"recall": 0.8, "accept_bound": True}
    return RunConfig.model_validate({**body, "labeler": labeler, "cascade": {"gate_policy": policy}})


@pytest.fixture(scope="module")
def trained(config: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    version, _ = train.run(config, tmp_path_factory.mktemp("models"))
    return version


@pytest.fixture(scope="module")
def html(trained: Path) -> str:
    return (trained / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def explorer(html: str) -> dict[str, Any]:
    (source,) = re.findall(r'<script type="application/json" id="explorer-data">(.*?)</script>', html, re.DOTALL)
    content: dict[str, Any] = json.loads(source)
    return content


@pytest.fixture(scope="module")
def held_out(config: RunConfig, trained: Path) -> tuple[CascadePredictor, Dataset]:
    data = read_data(config.data.path, Roles(None, None, None))
    _, testing = split(config, data)
    return CascadePredictor.load(trained / "model"), data.part(testing)


def test_the_page_is_well_formed_and_loads_nothing(html: str) -> None:
    parsed = Page(html)
    assert parsed.open == []
    assert not parsed.of("link")
    (policy,) = [meta["content"] for meta in parsed.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    # Only anchors within the page and embedded images are allowed, and no inline style or event handler.
    for _, attributes in parsed.elements:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
        assert "style" not in attributes, "the page's policy forbids it"
        assert not [name for name in attributes if name.startswith("on")]
    assert len(html) < 400_000


def test_every_section_chart_and_table_has_a_description(html: str) -> None:
    parsed = Page(html)
    anchors = {attributes["id"] for attributes in parsed.of("section")}
    assert anchors == {attributes["aria-labelledby"].removesuffix("-title") for attributes in parsed.of("section")}  # type: ignore[union-attr]
    named = ["summary", "gate", "ledger", "precision-recall", "calibration", "counts", "figures", "mistakes", "data"]
    assert anchors == {"verdict", *named, "lint"}
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for attributes in parsed.of("a")} <= {f"#{name}" for name in ids}
    for chart in parsed.of("svg"):
        assert chart.get("aria-hidden") == "true" or (chart["role"] == "img" and chart["aria-label"])
    assert len(parsed.of("caption")) == len(parsed.of("table"))
    assert all(head["scope"] in ("col", "row") for head in parsed.of("th"))
    assert all("alt" in image for image in parsed.of("img"))
    (slider,) = parsed.of("input")
    assert [label["for"] for label in parsed.of("label")] == [slider["id"]]


def test_names_are_escaped(html: str) -> None:
    assert HOSTILE not in html
    parsed = Page(html)
    assert len(parsed.of("script")) == 2, "the page's own, and its numbers"
    assert parsed.words().count(HOSTILE) > 10


def test_the_page_has_the_figures_of_the_report(html: str, trained: Path) -> None:
    report = json.loads((trained / "report.json").read_text())
    words = Page(html).words()
    # Formatted as on the page, so that each value is found as text.
    for label in report["labels"]:
        ends = f"{label['average_precision_low']:.3f} to {label['average_precision_high']:.3f}"
        assert f"AP {label['average_precision']:.3f} ({ends})" in words
        assert f"{label['sum_ratio']:.2f} ({label['sum_ratio_low']:.2f} to {label['sum_ratio_high']:.2f})" in words
    overall = report["overall"]
    for shown in (f"{overall['gate_auroc']:.3f}", f"{100 * overall['share_past_gate']:.1f} %", f"{overall['rows']:,}"):
        assert shown in words
    assert "With confidence 0.95" in words
    assert all(note in words for note in GateCosts.from_json(report["gate_costs"]).notes())
    # A label without a held-out positive costs nothing that is known.
    for cost in (cost for cost in report["gate_costs"]["labels"] if cost["alone"] is not None):
        assert f"{100 * cost['alone']:.1f} %" in words


@pytest.mark.filterwarnings("ignore:`gate_threshold` .* is above the certified:UserWarning")
def test_the_explorer_counts_what_the_model_predicts_at_each_threshold(
    explorer: dict[str, Any], held_out: tuple[CascadePredictor, Dataset], trained: Path
) -> None:
    predictor, data = held_out
    assert data.Y is not None
    gate = predictor.gate_proba(data.X)
    # The explorer counts a single prediction; here the model predicts again at each threshold.
    places = [0, explorer["own"], len(explorer["thresholds"]) // 2, len(explorer["thresholds"]) - 1]
    for place in places:
        threshold = explorer["thresholds"][place]
        passed = gate >= threshold
        bits = predictor.predict(data.X, gate_threshold=threshold)
        empty = ~data.Y.any(axis=1)
        assert explorer["passed"][place] == passed.sum()
        assert explorer["empty_passed"][place] == (passed & empty).sum()
        assert explorer["alarmed"][place] == bits.any(axis=1).sum()
        assert explorer["empty_alarmed"][place] == (bits.any(axis=1) & empty).sum()
        for k, label in enumerate(explorer["labels"]):
            true = data.Y[:, k] > 0
            assert label["kept"][place] == (true & passed).sum()
            assert label["found"][place] == (true & (bits[:, k] > 0)).sum()
            assert label["false_alarms"][place] == (~true & (bits[:, k] > 0)).sum()
            assert label["low"][place] <= label["kept"][place] / label["positives"] <= label["high"][place]
    # At the model's threshold, the explorer and the report agree.
    book = json.loads((trained / "report.json").read_text())["ledger"]
    at = explorer["own"]
    assert [label["found"][at] for label in explorer["labels"]] == [row["found"] for row in book["labels"]]
    assert explorer["empty_alarmed"][at] == book["empty_with_alarm"]
    assert explorer["empty_passed"][at] == book["empty_past_gate"]
    # A labeler of the rows past the gate is not valid below its threshold.
    assert predictor.rules.negative_pool == "gated"
    assert explorer["thresholds"][0] == predictor.rules.gate_threshold
    assert explorer["gate_share"] == pytest.approx(1 / 4 / 2), "one linear model of the gate, four labels in two bags"


def test_of_many_labels_only_the_first_are_drawn(explorer: dict[str, Any]) -> None:
    many = {**explorer, "labels": 6 * explorer["labels"]}
    assert len(many["labels"]) > MOST_PANELS
    assert [panel.title for panel in gate_panels(many)] == ["Rows examined", *(6 * LABELS)[:MOST_PANELS]]


def test_a_labeler_of_the_pool_gated_is_not_applied_below_its_gate_threshold(truth: KnownTruth) -> None:
    from sklearn.linear_model import LogisticRegression

    from cascade import BalancedBinaryRelevance, CascadeClassifier

    labeler = BalancedBinaryRelevance(LogisticRegression(), n_bags=1)
    model = CascadeClassifier(LogisticRegression(), labeler, negative_pool="gated").fit(truth.X[:4000], truth.Y[:4000])
    predictor, X, Y = model.predictor_, truth.X[4000:6000], truth.Y[4000:6000]
    scores = predictor.score(X)
    # Trained on rows past the gate only, the labeler has no valid scores for the others.
    assert examined_everywhere(predictor, X, scores) is scores
    data = Dataset(truth.X[:6000], truth.Y[:6000], predictor.labels, None, np.arange(6000).astype(str))
    report = evaluate(predictor, scores, LabelMatrix(Y), None) | {"certificate": None}
    content = training_data(predictor, data, np.arange(4000, 6000), scores, report)
    assert content["explorer"]["thresholds"][0] == predictor.rules.gate_threshold
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert "No recall is certified" in page(content, "gated", "today")


def test_labels_that_never_occur_and_models_of_unknown_cost_have_a_page(truth: KnownTruth) -> None:
    from sklearn.dummy import DummyClassifier

    from cascade import CascadeClassifier

    Y = truth.Y[:3000, [1, 2]].copy()
    # The first label occurs in training but not among the held-out rows, so its recall and ratios are undefined.
    Y[2000:, 0] = 0
    model = CascadeClassifier(DummyClassifier(), DummyClassifier()).fit(truth.X[:2000], Y[:2000])
    scores = model.predictor_.score(truth.X[2000:3000])
    report = evaluate(model.predictor_, scores, LabelMatrix(Y[2000:]), None) | {"certificate": None}
    data = Dataset(truth.X[:3000], Y, model.predictor_.labels, None, np.arange(3000).astype(str))
    content = training_data(model.predictor_, data, np.arange(2000, 3000), scores, report)
    assert content["explorer"]["gate_share"] is None
    assert Page(page(content, "dummy", "today")).open == []


def reasons() -> list[dict[str, Any]]:
    numbers = {"champion": 0.6, "challenger": 0.4, "difference": -0.2, "low": -0.25, "high": -0.15, "margin": -0.05}
    # One reason with all numbers, and one without numbers and label, as for a label that is too rare to judge.
    judged = {"guard": "average_precision", "label": HOSTILE, **numbers, "verdict": "failed", "sentence": "Worse."}
    return [judged, {**judged, **dict.fromkeys([*numbers, "label"]), "verdict": "not judged"}]


def test_a_decision_is_shown_with_each_of_its_reasons(html: str, trained: Path, config: RunConfig) -> None:
    assert "Champion against challenger" not in html
    data = read_data(config.data.path, Roles(None, None, None))
    _, testing = split(config, data)
    predictor = CascadePredictor.load(trained / "model")
    report = json.loads((trained / "report.json").read_text())
    scores = predictor.score(data.part(testing).X)
    decision = {"sentence": "Keep the champion.", "reasons": reasons()}
    rendered = page(training_data(predictor, data, testing, scores, report, decision), "known", "today")
    words = Page(rendered).words()
    for shown in ("Keep the champion.", "average precision", "-0.200", "-0.250 to -0.150", "failed", "not judged"):
        assert shown in words
    assert HOSTILE not in rendered


def test_the_most_confident_mistakes_come_first_and_are_held_out(held_out: tuple[CascadePredictor, Dataset]) -> None:
    predictor, data = held_out
    assert data.Y is not None
    prediction = predictor.examine(data.X)
    outcome = Outcome(data.Y, prediction.proba, prediction.labels, prediction.passed_gate)
    for k, label in enumerate(mistakes(data, prediction, outcome)):
        wrong = np.flatnonzero((prediction.labels[:, k] == 1) & (data.Y[:, k] == 0))
        most_probable = wrong[np.argsort(-prediction.proba[wrong, k], kind="stable")][:4]
        assert [row["id"] for row in label["false_alarms"]] == data.ids[most_probable].tolist()
        missed = [row["probability"] for row in label["misses"]]
        assert missed == sorted(missed)
        assert all(LABELS[k] in row["labels"] and row["image"] is None for row in label["misses"])


def test_excerpts_are_the_text_or_the_values_without_what_hides_characters() -> None:
    def of(X: Any, **options: Any) -> dict[int, str]:
        return excerpts(Dataset(X, None, (), None, np.arange(len(X)), **options), np.array([1]))

    long = "word " * 200
    assert of(np.array(["a", f"no\u202egnp.exe\n  {long}"], object))[1] == f"no gnp.exe {long}"[:LONGEST].rstrip() + "…"
    frame = pd.DataFrame({"wear": [1.0, 0.12345678], "note": ["a", "<b>leak</b>"]})
    assert of(frame, kinds={"wear": "number", "note": "text"}) == {1: "<b>leak</b>"}
    assert of(frame, kinds={"wear": "number", "note": "category"}) == {1: "wear 0.1235, note <b>leak</b>"}
    assert of(np.ones((2, 3)), feature_names=("x", "y", "z")) == {1: "x 1, y 1, z 1"}
    assert of(np.ones((2, 3))) == of(np.ones((2, 8, 8, 1), np.uint8)) == {}


def test_thumbnails_are_the_pixels_and_small() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 255, (4, 20, 30, 1), dtype=np.uint8)
    images = thumbnails(grey, np.array([2, 3]))
    assert set(images) == {2, 3}
    assert (pixels_of(images[2]) == grey[2, :, :, 0]).all()
    large = rng.integers(0, 255, (1, 300, 200, 3), dtype=np.uint8)
    assert max(pixels_of(thumbnails(large, np.array([0]))[0]).shape) == LARGEST
    # Neither features that happen to have an image's shape, nor four channels, are drawn.
    assert thumbnails(grey.astype(float), np.array([0])) == {}
    assert thumbnails(grey[:, :, :, [0, 0]], np.array([0])) == {}


def pixels_of(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_a_comparison_has_a_page(config: RunConfig, tmp_path: Path) -> None:
    folder, result = compare.run(config, tmp_path, 2, ("positives",))
    text = (folder / "report.html").read_text(encoding="utf-8")
    words = Page(text).words()
    assert result["verdict"] in words
    for row in result["contenders"]:
        assert row["contender"] in words
        assert f"{row['macro_average_precision']:.3f}" in words
    assert HOSTILE not in text
    assert {attributes["id"] for attributes in Page(text).of("section")} == {
        "verdict",
        "quality",
        "costs",
        "data",
        "lint",
    }


def test_a_many_label_model_has_a_page(config: RunConfig, tmp_path: Path) -> None:
    body = config.model_dump(mode="json", exclude_unset=True)
    flat = RunConfig.model_validate({"name": "flat", "data": body["data"], "flat": {"model": FOREST}})
    assert flat.flat is not None
    version, report = train_many_labels.run(flat, flat.flat, tmp_path)
    text = (version / "report.html").read_text(encoding="utf-8")
    parsed = Page(text)
    assert f"{report['overall']['micro_average_precision']:.3f}" in parsed.words()
    assert HOSTILE in parsed.words()
    assert HOSTILE not in text
    assert parsed.open == []


def palettes(html: str) -> Iterator[Mapping[str, str]]:
    for body in re.findall(r":root \{(.*?)\}", html, re.DOTALL):
        yield dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", body))


def test_text_and_marks_stand_out_in_light_and_dark(html: str) -> None:
    both_modes = list(palettes(html))
    assert len(both_modes) == 2
    # 4.5 is the limit of the Web Content Accessibility Guidelines (level AA) for normal text.
    for colours in both_modes:
        for ground in ("page", "card"):
            for ink in ("ink", "muted", "accent", "good", "bad"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        parts = [colours[name] for name in ("found", "labeler", "gate")]
        assert contrast(parts[0], parts[1]) >= 1.3
        assert contrast(parts[1], parts[2]) >= 1.3, "distinguishable by lightness, without colour vision"


@pytest.fixture(scope="module")
def chromium(trained: Path) -> Iterator[Any]:
    """Open the page in a browser; skip the test without one."""
    with opened_in_chromium(trained / "report.html") as driver:
        yield driver


def shown(driver: Any, name: str) -> str:
    text: str = driver.find_element("css selector", f'[data-out="{name}"]').text
    return text


def test_a_browser_shows_the_page_without_warnings(chromium: Any) -> None:
    assert chromium.get_log("browser") == []
    assert len(chromium.find_elements("tag name", "section")) == 11
    # The label named `<script>` must not have become an element.
    assert chromium.execute_script("return document.querySelectorAll('h3 script, th script').length") == 0
    fetched = chromium.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in fetched)


def test_the_keyboard_moves_the_gate_and_its_numbers(
    chromium: Any, explorer: dict[str, Any], held_out: tuple[CascadePredictor, Dataset]
) -> None:
    predictor, data = held_out
    assert data.Y is not None
    gate = predictor.gate_proba(data.X)
    slider = chromium.find_element("id", "threshold")
    before = chromium.find_element("css selector", ".panel .now").get_attribute("d")
    # WebDriver's code of the right arrow key: seven steps.
    slider.send_keys("\ue014" * 7)
    place = int(slider.get_property("value"))
    assert place == explorer["own"] + 7
    passed = gate >= explorer["thresholds"][place]
    assert shown(chromium, "examined") == f"{100 * passed.mean():.1f} %"
    assert shown(chromium, "empty") == f"{(passed & ~data.Y.any(axis=1)).sum():,}"
    assert shown(chromium, "cost") == f"{100 * (explorer['gate_share'] + passed.mean()):.1f} %"
    for k in range(len(LABELS)):
        true = data.Y[:, k] > 0
        assert shown(chromium, f"recall-{k}") == f"{(passed & true).sum() / true.sum():.3f}"
    status = chromium.find_element("id", "explorer-status").text
    assert status == f"At {shown(chromium, 'threshold')}, {shown(chromium, 'examined')} of the rows are examined."
    assert slider.get_attribute("aria-valuetext") == shown(chromium, "threshold")
    assert chromium.find_element("css selector", ".panel .now").get_attribute("d") != before
    chromium.find_element("id", "reset-threshold").click()
    assert int(slider.get_property("value")) == explorer["own"]
    assert shown(chromium, "examined") == f"{100 * explorer['passed'][explorer['own']] / len(data):.1f} %"


def test_the_page_without_a_script_shows_the_same_as_the_script_at_the_start(chromium: Any, html: str) -> None:
    for cell in chromium.find_elements("css selector", "[data-out]"):
        name = cell.get_attribute("data-out")
        if not cell.find_elements("css selector", "*"):
            assert f'data-out="{name}">{cell.text}<' in html, "without a script the page shows the same"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(chromium: Any, width: int) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    needed, seen = chromium.execute_script(
        "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    )
    assert needed == seen <= width
