# Everything from nothing but Python and pip. PYTHON=python3.12 make test chooses another interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

LOWEST ?= .venv-lowest

.PHONY: demo test slow lint docs lock lowest

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# Without compiling what is never imported, which is most of it and takes longer than the rest.
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

test: lint
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

# What takes longer than a commit may wait for: the site, kills of searches and retrainings, a year of them.
slow: $(READY)
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder -m slow

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

# The tests with the lowest versions that pyproject.toml allows, and known faults of these versions.
lowest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip compile pyproject.toml --extra all --extra ray --extra dev --resolution lowest-direct \
		--python $(LOWEST)/bin/python --no-header --quiet --output-file $(LOWEST)/requirements.txt
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --requirement $(LOWEST)/requirements.txt pip-audit
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps --editable .
	$(LOWEST)/bin/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder
	$(LOWEST)/bin/pip-audit --local --skip-editable

lock:
	$(BIN)/uv pip compile pyproject.toml --extra all --extra docs --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--quiet --output-file requirements.lock
