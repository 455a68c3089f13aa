# Everything from nothing but Python and pip. PYTHON=python3.12 make test chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint docs lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

test: lint
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Warnings are errors: a broken link, an unknown name, a gallery script that fails.
docs: $(READY)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --doctree-dir build/doctrees docs build/site

data/phantom: | $(READY)
	$(BIN)/cascade phantom data/phantom

data/png: | $(READY)
	$(BIN)/cascade phantom data/png --rows 2000 --seed 1 --format png

demo: $(READY) | data/phantom data/png
	$(BIN)/cascade train configs/phantom-multilabel.yaml
	$(BIN)/cascade predict models/phantom-multilabel data/png --output data/predictions.parquet --exams data/exams.parquet
	$(BIN)/cascade train configs/phantom-balanced.yaml
	$(BIN)/cascade predict models/phantom-balanced data/png --output data/predictions-balanced.parquet

lock:
	$(BIN)/uv pip compile pyproject.toml --extra all --extra docs --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--quiet --output-file requirements.lock
