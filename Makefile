# The two commands a newcomer needs: `make demo` and `make test`. Everything else serves them.

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
# The first Python and the first uv that run: a shim may be there and not work.
PYTHON ?= $(shell for each in python3 python3.12 python3.13 python3.11 /usr/bin/python3; do \
	$$each -c "import sys; sys.exit(sys.version_info < (3, 9))" >/dev/null 2>&1 && echo $$each && break; done)
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .venv-uv/bin/uv)

.PHONY: setup demo test check fix lock docs clean demo-seeds kills bed-faults backtest-skips parity-day bench-live bench-backtest

setup: $(READY) ## .venv with everything that tests and dashboard need

.venv-uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.9 or newer is needed, see README.md: Try it." >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || { \
		echo "This Python cannot make environments. Debian, Ubuntu: sudo apt install -y python3-venv" >&2; exit 1; }
	rm -rf .venv-uv
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check uv

$(READY): requirements.lock pyproject.toml .python-version | $(filter .venv-uv/bin/uv,$(UV))
	$(BIN)/python -c "import sys; sys.exit(sys.version_info[:2] != (3, 12))" 2>/dev/null \
		|| { rm -rf $(VENV) && $(UV) venv --quiet --python 3.12 $(VENV); }
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q bot dashboard database simulator strategies
	touch $@

demo: setup ## simulator, bot, alerts and dashboard; Ctrl-C ends them
	$(BIN)/act demo

test: setup ## every test, three at a time: many of them wait
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

check: setup ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## what the tools can mend by themselves
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: | $(filter .venv-uv/bin/uv,$(UV)) ## pin every dependency by hash, no host names
	$(UV) pip compile --universal --generate-hashes --no-header --no-annotate --all-extras --quiet --python-version 3.12 pyproject.toml -o requirements.lock

docs: setup ## the generated parts of the documentation
	$(BIN)/python -m docs.generate

demo-seeds: setup ## the demo with 20 seeds: round trips and equal books in each
	$(BIN)/python -m pytest -m slow tests/acceptance -k seeds --timeout 3600

kills: setup ## kill -9 at random moments, many times
	$(BIN)/python -m pytest -m slow tests/acceptance -k kill --timeout 3600

bed-faults: setup ## mixes of faults, kills and restarts on the deterministic bed, many seeds
	$(BIN)/python -m pytest -m slow tests/integration/test_bed_fault_mixes.py --timeout 3600

parity-day: setup ## a recorded day through the real processes beside its backtest; needs ACT_TEST_DATA
	$(BIN)/python -m pytest -m slow tests/acceptance/test_parity_day.py -s --timeout 3600

backtest-skips: setup ## skipping candles against stepping through them, thousands of random backtests
	$(BIN)/python -m pytest -m slow tests/integration/test_backtest_skipping.py --numprocesses 2 --timeout 3600

bench-live: setup ## the live path against the official SDK's, as ratios
	$(BIN)/python -m benchmarks.live

bench-backtest: setup | $(filter .venv-uv/bin/uv,$(UV)) ## our backtest and four other engines' on the same candles, as ratios
	UV=$(UV) $(BIN)/python -m benchmarks.backtest

clean:
	rm -rf $(VENV) .venv-uv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
