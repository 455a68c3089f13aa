"""The command line as a user meets it: real files, exit statuses and single sentences; work in real processes.

Refusals by the larger libraries are looked for in this process, since importing them again would take most of the time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml

from cascade import CascadePredictor
from cascade.config.schema import RunConfig
from cascade.config.yaml_file import load_config
from cascade.data import read_data
from cascade.errors import ConfigError
from tests.command import CASCADE, Done, run

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def config(phantom_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = {"kind": "keras", "network": "cnn", "network_options": {"width": 12}, "epochs": 2}
    content = {
        "name": "tiny",
        "data": {"path": str(phantom_folder)},
        "gate": network,
        "labeler": {"strategy": "balanced", "n_bags": 1, "model": network},
        "cascade": {"share_trunk": True},
    }
    path = tmp_path_factory.mktemp("configs") / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def models(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    done = run("train", config, "--models", folder, "--json")
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)
    (folder / "stderr.txt").write_text(done.stderr)
    return folder


def test_training_tells_its_progress_and_publishes_a_whole_version(models: Path) -> None:
    result = json.loads((models / "stdout.json").read_text())
    said = (models / "stderr.txt").read_text()
    for word in ("data:", "gate:", "epoch 1/2", "label 4: 1 bags fitted", "calibration:"):
        assert word in said
    version = Path(result["version"])
    assert {path.name for path in version.iterdir()} == {
        "model",
        "MODEL_CARD.md",
        "config.yaml",
        "environment.json",
        "report.html",
        "report.json",
        "report.txt",
        "training-record.json",
    }
    page = Path(result["page"]).read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") > 5, "the mistakes of an image model are shown"
    assert len(page) < 2_000_000
    report = json.loads((version / "report.json").read_text())
    assert [row["label"] for row in report["labels"]][-1] == "any"
    assert report["overall"]["rows"] > 0
    assert RunConfig.model_validate(yaml.safe_load((version / "config.yaml").read_text())).name == "tiny"
    text = (version / "report.txt").read_text()
    for word in ("AUROC", "gate recall", "count ratio", "weighted log loss", "share past gate", "rows per second"):
        assert word in text


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(models: Path, config: Path, tmp_path: Path) -> None:
    # The numbers are those of the networks as they were trained; exporting them once more would tell nothing.
    given = ("train", config, "--models", tmp_path, "--json", "--set", "runtimes=[]")
    again, first = json.loads(run(*given).stdout), json.loads((models / "stdout.json").read_text())
    assert again["labels"] == first["labels"]


def test_an_export_spoils_no_model_and_is_not_judged_on_rows_that_it_was_trained_on(
    models: Path,
    phantom_folder: Path,
    tmp_path: Path,
    run_here: Callable[..., Done],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (model,) = (models / "tiny").glob("*/model")
    inside = run_here("export", model, model / "small")
    assert (inside.returncode, "must be outside of the model's folder" in inside.stderr) == (2, True)
    assert run_here("models", "register", model.parent, "--models", tmp_path / "models").returncode == 0
    monkeypatch.chdir(tmp_path)
    for same in (model, "models:/tiny@challenger"):
        seen = run_here("export", same, tmp_path / "small", "--int8", phantom_folder)
        assert (seen.returncode, "needs rows that the model was not trained on" in seen.stderr) == (3, True)


def test_predicting_a_folder_of_images(models: Path, png_folder: Path, tmp_path: Path) -> None:
    output, exams = tmp_path / "rows.parquet", tmp_path / "exams.csv"
    done = run("predict", models / "tiny", png_folder, "--output", output, "--exams", exams, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    table = pyarrow.parquet.read_table(output)
    data = read_data(png_folder)
    predictor = CascadePredictor.load(next((models / "tiny").glob("*/model")))
    expected = predictor.examine(data.X)
    assert table["id"].to_pylist() == data.ids.tolist()
    np.testing.assert_array_equal(table["gate_probability"], expected.gate_proba)
    np.testing.assert_array_equal(table["passed_gate"], expected.passed_gate)
    for k, name in enumerate(predictor.labels):
        np.testing.assert_array_equal(table[name], expected.labels[:, k])
        np.testing.assert_array_equal(table[f"{name}_probability"], expected.proba[:, k])
    assert summary["rows_past_gate"] == expected.passed_gate.sum()
    collected = pyarrow.csv.read_csv(exams)
    for group, bit, largest in zip(
        collected["group"].to_pylist(),
        collected["any"].to_pylist(),
        collected["any_probability"].to_pylist(),
        strict=True,
    ):
        rows = data.groups == group
        assert bit == expected.labels[rows, -1].max()
        assert largest == pytest.approx(expected.proba[rows, -1].max())


def test_predicting_images_into_a_folder_sets_the_broken_one_aside(
    models: Path, png_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(png_folder, tmp_path / "png"))
    data = read_data(folder)
    (folder / data.ids[5]).write_bytes((folder / data.ids[5]).read_bytes()[:-200])
    done = run("predict", models / "tiny", folder, "--output", tmp_path / "out", "--shard-rows", "30", "--json")
    assert (done.returncode, json.loads(done.stdout)["rejected"]) == (6, 1), done.stderr
    table, kept = pyarrow.parquet.read_table(tmp_path / "out"), np.delete(np.arange(len(data)), 5)
    expected = CascadePredictor.load(next((models / "tiny").glob("*/model"))).examine(data.X[kept])
    assert (table["id"].to_pylist(), table["group"].to_pylist()) == (
        data.ids[kept].tolist(),
        data.groups[kept].tolist(),
    )
    np.testing.assert_allclose(table["gate_probability"], expected.gate_proba, rtol=1e-5)
    np.testing.assert_allclose(table["any_probability"], expected.proba[:, -1], rtol=1e-5)
    rejected = pyarrow.parquet.read_table(tmp_path / "out" / "_rejected.parquet").to_pylist()
    assert [(row["id"], row["row"]) for row in rejected] == [(data.ids[5], 5)]


def test_evaluating_agrees_with_the_training_report_on_the_same_rows(models: Path, phantom_folder: Path) -> None:
    done = run("evaluate", models / "tiny", phantom_folder, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    data = read_data(phantom_folder)
    assert [row["positives"] for row in report["labels"]] == data.Y.sum(axis=0).tolist()
    # All rows but a fifth were trained on.
    assert report["share_trained_on"] == pytest.approx(0.8, abs=0.02)
    assert "% of the rows are equal to rows that the model was trained on" in done.stderr


def test_a_table_from_training_to_prediction(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2000, 3))
    labels = features[:, :2] + rng.normal(size=(2000, 2)) > 1.5
    columns = {"key": [f"k{n}" for n in range(2000)], "site": np.arange(2000) // 10}
    columns |= {f"f{k}": features[:, k] for k in range(3)} | {"a": labels[:, 0] * 1, "b": labels[:, 1] * 1}
    pyarrow.csv.write_csv(pyarrow.table(columns), tmp_path / "all.csv")
    # The table to predict has its columns in another order, and no labels.
    pyarrow.csv.write_csv(pyarrow.table(columns).select(["f2", "f0", "key", "f1"]), tmp_path / "new.csv")
    content = {
        "name": "table",
        "data": {"path": str(tmp_path / "all.csv"), "labels": ["a", "b"], "group": "site", "id": "key"},
        "gate": {"kind": "logistic_regression"},
        "labeler": {"strategy": "multilabel", "model": {"kind": "logistic_regression", "options": {"C": 0.5}}},
    }
    (tmp_path / "table.yaml").write_text(yaml.safe_dump(content))
    trained = run("train", tmp_path / "table.yaml", "--models", tmp_path / "models")
    assert trained.returncode == 0, trained.stderr
    assert "version:" in trained.stdout
    done = run("predict", tmp_path / "models" / "table", tmp_path / "new.csv", "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    out = pyarrow.csv.read_csv(tmp_path / "out.csv")
    assert out["id"].to_pylist() == columns["key"]
    predictor = CascadePredictor.load(next((tmp_path / "models").glob("table/*/model")))
    np.testing.assert_allclose(out["a_probability"], predictor.predict_proba(features)[:, 0])


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["train", "nowhere.yaml"], 2, "is not a config file"),
        (["predict", "nowhere", "x.npz", "--output", "out.txt"], 2, "must end in"),
        (["predict", "nowhere", "x.npz", "--output", "out.csv"], 4, "holds no model"),
        (["phantom", "out", "--rows", "5"], 2, "at least 32"),
        (["phantom", "out", "--rows", "40", "--jobs", "0"], 2, "`n_jobs` must not be 0"),
        (["phantom"], 2, "Missing argument"),
        (["dance"], 2, "No such command"),
    ],
)
def test_errors_are_one_sentence_with_a_status(
    arguments: list[str], status: int, sentence: str, tmp_path: Path
) -> None:
    done = subprocess.run([CASCADE, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def table_config(folder: Path, columns: dict[str, object], **changes: object) -> Path:
    pyarrow.csv.write_csv(pyarrow.table(columns), folder / "all.csv")
    content = {
        "name": "table",
        "data": {"path": str(folder / "all.csv"), "labels": ["a", "b"], "allow_missing": True},
        "gate": {"kind": "logistic_regression"},
        "labeler": {"strategy": "multilabel", "model": {"kind": "logistic_regression"}},
    }
    content["data"] |= changes
    (folder / "table.yaml").write_text(yaml.safe_dump(content))
    return folder / "table.yaml"


@pytest.mark.parametrize(
    ("changes", "override", "status", "sentence"),
    [
        ({}, "gate.options.C=-1", 2, "`options` do not suit logistic_regression"),
        ({}, "gate.options.c=1", 2, "`options` do not suit logistic_regression"),
        ({"f": [0.1, None] * 50}, "seed=0", 2, "logistic_regression does not take missing features"),
        ({"f": [0.1, None] * 50}, "labeler.model.kind=keras", 2, "a network does not take missing features"),
        ({"id": [0, 1] * 50}, "data.labels=[a, id]", 3, "label 'id' has the name of another column"),
        ({"a_probability": [0, 1] * 50}, "data.labels=[a, a_probability]", 3, "label 'a_probability' has the name"),
    ],
)
def test_what_the_models_cannot_take_is_said_before_training(
    run_here: Callable[..., Done], tmp_path: Path, changes: dict[str, object], override: str, status: int, sentence: str
) -> None:
    columns = {"f": np.linspace(0, 1, 100), "a": [0, 1, 0, 0] * 25, "b": [0, 0, 0, 1] * 25, **changes}
    config = table_config(tmp_path, columns)
    done = run_here("train", config, "--models", tmp_path / "models", "--set", override)
    assert (done.returncode, sentence in done.stderr, "Traceback" in done.stderr) == (status, True, False), done.stderr


def test_vectors_are_asked_for_where_a_model_takes_no_images(
    run_here: Callable[..., Done], config: Path, tmp_path: Path
) -> None:
    done = run_here("train", config, "--models", tmp_path, "--set", "gate={kind: logistic_regression}")
    assert done.returncode == 2
    assert "takes vectors" in done.stderr


def test_bad_data_ends_with_status_3(run_here: Callable[..., Done], models: Path, config: Path, tmp_path: Path) -> None:
    done = run_here("train", config, "--models", tmp_path, "--set", f"data.path={tmp_path / 'nothing'}")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    np.save(tmp_path / "X.npy", np.zeros((3, 16, 16, 1), np.uint8))
    done = run_here("predict", models / "tiny", tmp_path / "X.npy", "--output", tmp_path / "out.csv")
    assert done.returncode == 3
    assert "(32, 32, 1)" in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("gate.epoch=3", "unknown key `gate.epoch`; did you mean `gate.epochs`?"),
        ("labeler.model.epcohs=3", "did you mean `labeler.model.epochs`?"),
        ("dta.path=x", "did you mean `data`?"),
        ("data.test_siz=0.1", "did you mean `data.test_size`?"),
        ("cascade.gate_recal=0.9", "did you mean `cascade.gate_recall`?"),
        ("cascade.gate_recall=0", "`cascade.gate_recall` must be a number in (0, 1], or map label names to numbers."),
        ("cascade.gate_recall={any: 2}", "`cascade.gate_recall` must map label names to numbers in [0, 1]"),
        ("gate.epochs=0", "`gate.epochs` input should be greater than or equal to 1. Received 0."),
        ("gate.kind=svm", "`gate` must have a `kind` among keras, logistic_regression"),
        ("seed", "form key.key=value"),
        ("name.x=1", "does not name a key"),
        ("data=null", "`data`"),
        ("labeler.n_jobs=0", "must not be 0"),
        ("gate={epoch: 3}", "unknown key `gate.epoch`; did you mean `gate.epochs`?"),
    ],
)
def test_wrong_keys_name_the_nearest_valid_one(config: Path, override: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(config, [override])
    assert sentence in str(caught.value)


def test_a_model_is_a_network_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text("name: short\ndata: {path: x}\n")
    assert load_config(tmp_path / "short.yaml", ["gate.epochs=3"]).gate.epochs == 3
    (tmp_path / "wrong.yaml").write_text("name: wrong\ndta: {path: x}\n")
    with pytest.raises(ConfigError, match="unknown key `dta`; did you mean `data`"):
        load_config(tmp_path / "wrong.yaml")


@pytest.mark.parametrize(
    "content", ["name: a\nname: b\ndata: {path: x}", "- 1", "a: [", "!!python/object/apply:os.system ['true']"]
)
def test_files_that_are_no_config_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(tmp_path / "bad.yaml")


def test_no_output_is_written_over_the_input_or_the_other_one(
    run_here: Callable[..., Done], models: Path, png_folder: Path, tmp_path: Path
) -> None:
    before = (png_folder / "labels.csv").read_bytes()
    done = run_here("predict", models / "tiny", png_folder, "--output", png_folder / "labels.csv")
    assert (done.returncode, "over the input" in done.stderr) == (2, True)
    assert (png_folder / "labels.csv").read_bytes() == before
    both = ("--output", tmp_path / "a.csv", "--exams", tmp_path / "a.csv")
    done = run_here("predict", models / "tiny", png_folder, *both)
    assert (done.returncode, "two files" in done.stderr) == (2, True)


def test_an_image_that_breaks_during_training_is_named(
    run_here: Callable[..., Done], config: Path, png_folder: Path, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(png_folder, tmp_path / "png"))
    victim = sorted((broken / "images").rglob("*.png"))[5]
    victim.write_bytes(victim.read_bytes()[:-200])
    done = run_here("train", config, "--models", tmp_path / "models", "--set", f"data.path={broken}")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert victim.name in done.stderr


def test_training_tells_what_it_reads(models: Path) -> None:
    said = (models / "stderr.txt").read_text()
    assert "labels: 6 (epidural, " in said
    assert "any: column 'any' is predicted by the gate" in said


WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None
from cascade_pipelines.cli.app import main
sys.argv = ["cascade", *sys.argv[1:]]
main()
"""


def test_without_keras_the_missing_extra_is_named(models: Path, config: Path, png_folder: Path, tmp_path: Path) -> None:
    predict = ["predict", models / "tiny", png_folder, "--output", tmp_path / "out.csv"]
    for command in (["train", config, "--models", tmp_path], [*predict, "--runtime", "keras"]):
        done = without_keras(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert "cascade-multilabel[keras]" in done.stderr
    pytest.importorskip("ai_edge_litert")
    done = without_keras(*predict, "--runtime", "litert")
    assert done.returncode == 0, done.stderr


def without_keras(*command: object) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", WITHOUT_KERAS, *map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_overrides_reach_the_run(config: Path) -> None:
    assert load_config(config, ["gate.epochs=7"]).gate.epochs == 7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_opens_with_its_command(path: Path) -> None:
    load_config(path)
    lines = path.read_text().splitlines()
    # Data that the project makes itself comes first.
    made = lines[0].startswith("# cascade sample ")
    assert lines[made] == f"# cascade train configs/{path.name}"
    assert "# Expected" in path.read_text()


@pytest.mark.parametrize("command", ["phantom", "lint", "train", "predict", "submission", "evaluate"])
def test_help_has_an_example(command: str) -> None:
    assert f"Example: cascade {command}" in run(command, "--help").stdout


def test_help_loads_nothing_heavy() -> None:
    heavy = {"numpy", "sklearn", "keras", "tensorflow"}
    code = f"import sys, cascade_pipelines.cli; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_library_and_its_heart_loads_no_keras() -> None:
    code = (
        "import sys, cascade; from cascade import CascadeClassifier, CascadePredictor;"
        "sys.exit(bool({'keras', 'tensorflow', 'imblearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_a_killed_training_leaves_no_half_version(config: Path, tmp_path: Path) -> None:
    arguments = [CASCADE, "train", str(config), "--models", str(tmp_path)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "labeler:" in line:
                break
        time.sleep(0.5)
        process.kill()
    assert list(tmp_path.rglob("cascade.json")) == []


def test_a_terminated_training_ends_in_one_sentence(config: Path, tmp_path: Path) -> None:
    arguments = [CASCADE, "train", str(config), "--models", str(tmp_path), "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "labeler:" in line:
                break
        process.terminate()
        printed, rest = process.communicate(timeout=60)
    assert process.returncode == 143
    sentence = "terminated; a batch job, a retraining or a search resumes when it is started again."
    assert rest.splitlines()[-1] == f"cascade: {sentence}"
    assert "Traceback" not in rest
    assert json.loads(printed) == {"error": sentence, "kind": "Terminated", "status": 143}
    assert list(tmp_path.rglob("cascade.json")) == []


@pytest.mark.parametrize(
    ("arguments", "kind", "status"),
    [
        (("models", "show", "nowhere"), "ModelRefusedError", 4),
        (("train", "nowhere.yaml"), "ConfigError", 2),
        (("lint", "nowhere.csv", "--labels", "a"), "DataError", 3),
        (("models", "list", "--models", "nowhere", "name"), "ModelRefusedError", 4),
        (("lint",), "UsageError", 2),
        (("models", "promote", "name", "none"), "UsageError", 2),
        (("nothing",), "UsageError", 2),
        (("lint", "nowhere.csv", "--unknown"), "UsageError", 2),
    ],
)
def test_an_error_with_json_is_one_object(
    arguments: tuple[str, ...], kind: str, status: int, run_here: Callable[..., Done]
) -> None:
    done = run_here(*arguments, "--json")
    error = json.loads(done.stdout)
    assert (error["kind"], error["status"], done.returncode) == (kind, status, status)
    assert done.stderr.splitlines()[-1] == f"cascade: {error['error']}"
    assert "Traceback" not in done.stderr
