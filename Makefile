# `make demo` and `make test` set up what they need in .venv; nothing else on the machine is touched.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint frameworks servers bench clean

demo: .venv/installed
	$(BIN)/python -m pytest replays/

test: .venv/installed
	$(BIN)/python -m pytest -n auto

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every framework in an environment of its own, into the tables of docs/frameworks.md; `make frameworks NAMES=crewai`
frameworks: .venv/installed
	$(BIN)/python -m tests.frameworks.matrix --oldest --write $(NAMES)

# Sessions of real servers, started from their packages: 2 GB into .servers, a quarter of an hour the first time
servers: .venv/installed .servers/phoenix/installed .servers/mlflow/installed
	AGENT_REPLAY_TEST_PHOENIX=$(CURDIR)/.servers/phoenix AGENT_REPLAY_TEST_MLFLOW=$(CURDIR)/.servers/mlflow \
		$(BIN)/python -m pytest tests/sources/test_real_phoenix.py tests/sources/test_real_mlflow.py

TRACED := langchain langchain-openai langgraph openai
.servers/phoenix/installed: PACKAGES = arize-phoenix arize-phoenix-otel openinference-instrumentation-langchain openinference-instrumentation-openai
.servers/mlflow/installed: PACKAGES = mlflow
.servers/%/installed:
	$(PYTHON) -m venv .servers/$*
	.servers/$*/bin/python -m pip install --quiet $(PACKAGES) $(TRACED)
	touch $@

bench: .venv/installed
	for script in benchmarks/*_cost.py; do $(BIN)/python $$script || exit 1; done

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	touch $@

clean:
	rm -rf .venv .frameworks .servers build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
