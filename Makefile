# The two commands: `make demo` and `make test`. Both set up what they need in .venv on a bare machine.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: bench demo test test-all test-arm64 check model variants lock setup clean

demo: setup            ## the whole path on CIFAR-10: train, export, benchmark, live
	$(BIN)/onsight demo

# a file's tests stay in one process, so that what they share is made once
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile

test: setup            ## the fast tests, on all cores
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-all: setup        ## every test, the slow ones too
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m ""

test-arm64: setup      ## the wheel with its real dependencies on arm64 (qemu): as Raspberry Pi 4 and 5; needs root and apt
	$(BIN)/python tools/arm64/check.py

check: setup           ## style, types, floors, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/cli/test_docs.py

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || { $(PYTHON) --version; \
	  echo "TensorFlow, which this sets up, needs Python 3.10 to 3.13: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (a few minutes the first time: TensorFlow is a large download)"
	$(PYTHON) -m venv $(VENV) || { echo "Debian and Ubuntu keep venv apart: sudo apt install python3-venv"; exit 1; }
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

model: setup           ## train the model that ships (over an hour on 2 cores) and put it into the package
	$(BIN)/onsight train cifar10 --arch onsight-nano --epochs 40 --validation 0.02 --seed 1 --name onsight-nano-cifar10 \
	  --out runs/onsight-nano-standard
	$(BIN)/onsight export runs/onsight-nano-standard --quant tflite-int8 --out runs/default.bundle
	rm -rf edge/onsight_edge/models/default.bundle
	mv runs/default.bundle edge/onsight_edge/models/default.bundle

MODEL ?= default
BENCH ?= bench
bench: setup           ## MODEL in every scenario, and what measuring itself costs, as records and tables in BENCH (1 minute)
	for scenario in single-stream multi-stream offline live; do \
	  $(BIN)/onsight bench $(MODEL) --scenario $$scenario --out $(BENCH)/$$scenario.json || exit 1; done
	$(BIN)/python -m onsight_benchmarks.overhead --out $(BENCH)/overhead.json
	$(BIN)/python -m onsight_benchmarks.harness --out $(BENCH)/harness.json
	$(BIN)/python -m onsight_benchmarks.tables $(BENCH)

RUNS ?= runs/seed-cnn-standard runs/resnet8-cifar10 runs/mobilenetv2-standard
variants: setup        ## every variant of RUNS on all test pictures, for the records (several minutes a run)
	$(BIN)/python -m onsight_benchmarks.variants $(RUNS) --out benchmarks/results/variants
	$(BIN)/python -m onsight_benchmarks.tables benchmarks/results --write

lock: setup            ## renew constraints.txt: every Python from 3.10, every platform, no host names
	$(PIP) install 'uv>=0.5'
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.10 --upgrade \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links -q -o constraints.txt

clean:                 ## remove what the commands made
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
