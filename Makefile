# `make demo` and `make test` work on a fresh machine: they make .venv and install the tested versions first.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Torch comes first and alone: whichever build of it is chosen, what follows fits to it.
TORCH := $(shell grep '^torch==' constraints.txt)

# Tests run side by side, a file each, so one thread apiece is what the cores are for.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

DATA := data/moving_digits
RUN := outputs/moving_digits
VIDEOS := out/moving_digits

.PHONY: install demo test test-slow check format clean help
.DEFAULT_GOAL := help

help:
	@echo "make install    .venv with the package and its commands (.venv/bin/heygen-hf)"
	@echo "make demo       render the data, train, generate, evaluate: a text-to-video model on the CPU"
	@echo "make test       the test suite"
	@echo "make test-slow  the tests that take long"
	@echo "make check      ruff and mypy"
	@echo "make format     ruff's formatter"
	@echo "make clean      remove caches and build output (.venv, data and outputs stay)"

install: $(VENV)/.core

# Safe to run again: data that is there is used, a finished run says so, an interrupted one goes on.
# `train` ends with the evaluation and the card; `heygen-hf evaluate outputs/moving_digits` repeats it any time.
demo: $(VENV)/.core
	$(BIN)/heygen-hf data moving-digits --output-dir $(DATA)
	$(BIN)/heygen-hf train recipes/text_to_video/moving_digits.yaml --resume auto
	$(BIN)/heygen-hf generate $(RUN) --prompt "a red 7 moves left" --num-videos 4 --seed 0 --output-dir $(VIDEOS) --overwrite
	@echo
	@echo "the data               $(DATA)"
	@echo "the run and its model  $(RUN)            (README.md is the card, metrics.json the figures)"
	@echo "samples while training $(RUN)/samples"
	@echo "generated videos       $(VIDEOS)"
	@echo "your own prompt        $(BIN)/heygen-hf generate $(RUN) --prompt \"a cyan 3 moves up\""

test: $(VENV)/.test
	$(PYTEST) -n auto --maxprocesses 4 --dist loadfile

# The demo page is opened in a browser where Debian's chromium is installed.
test-slow: $(VENV)/.test $(VENV)/.demo
	$(PYTEST) -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps: what is installed is installed once, and again when the requirements change.
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than 3.11; run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet "$(TORCH)"
	@touch $@

$(VENV)/.core: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
