# Two commands: `make demo` and `make test`. Both need only Python (3.10 or newer) and make.
# `make test-all` runs the slow tests too, as CI does.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# torch first and by version: its own build for this machine, not the newest one.
TORCH = torch==2.13.0

PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: demo lint test test-all generated

demo: $(VENV)/.installed
	$(BIN)/python train.py --config configs/demo.yaml --overwrite

test: lint
	$(PYTEST) -m "not slow"

test-all: lint
	$(PYTEST)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[report]"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,studio]"
	touch $@

# What depends on the settings' definitions: the commented template and the editors' schema.
generated: $(VENV)/.installed
	$(BIN)/python -c "from styledial.config.show import template as t; print(t(), end='')" > train_config.yaml
	$(BIN)/python -c "from styledial.config.show import schema_json as s; print(s(), end='')" > configs/schema.json
