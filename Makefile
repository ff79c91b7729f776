# `make demo` shows the main job, `make test` runs the suite; both set up .venv first and need nothing but
# Python >= 3.11 with venv. Kept to what GNU make 3.81 (macOS) and a plain POSIX shell understand.

# make test VENV=.venv-3.13 PYTHON=python3.13 tries another Python beside the first
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# processes that share the tests: most of them wait for real servers
WORKERS ?= 5
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

# the tests start this program hundreds of times: it need not be compiled anew for each
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo run test chaos check format bench words clean

help:
	@echo 'make demo          the main job, live, in under a minute (ONCE=1: stop at its end)'
	@echo 'make test          the whole test suite (ARGS=... is passed to pytest)'
	@echo 'make run           lastseen serve on this computer'
	@echo 'make chaos         random lives of the outbox against an oracle, and of three nodes on PostgreSQL (LIVES=200)'
	@echo '                   before it SEEDS=20 runs on real servers that are broken, with an auditor (FIRST=seed)'
	@echo 'make check         format, lint, types, import contracts, tests'
	@echo 'make format        put the format right'
	@echo 'make bench         the figures, each beside its baseline'
	@echo 'make words         lastseen.pot: the texts of the pages, for translators'
	@echo 'make … VENV=.venv-3.13 PYTHON=python3.13   any of these with another Python'
	@echo 'make clean         remove .venv and the caches'

demo: $(STAMP)
	@$(BIN)/lastseen demo $(if $(ONCE),--once)

run: $(STAMP)
	@$(BIN)/lastseen serve $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

# random lives of the outbox against the oracle and of nodes on PostgreSQL, other ones each time; a failing one is printed
chaos: $(STAMP)
	@$(BIN)/python -W ignore -m tests.chaos --seeds $(or $(SEEDS),20) $(if $(FIRST),--first $(FIRST))
	@LASTSEEN_TEST_LIVES=$(or $(LIVES),200) $(BIN)/python -m pytest tests/notifiers/test_outbox_oracle.py \
		tests/storage/postgres/test_all_at_once.py tests/storage/postgres/test_partitioned_suite.py \
		tests/storage/test_past.py tests/storage/test_retention_life.py tests/redis/test_suite_beside.py tests/chaos \
		tests/api/test_described.py tests/server/test_described_routes.py $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	@set -e; for program in benchmarks/bench_*.py; do \
		[ -e "$$program" ] || { echo 'no benchmarks/bench_*.py here'; exit 1; }; \
		echo "== $$program"; $(BIN)/python -m "benchmarks.$$(basename "$$program" .py)"; done

words: $(STAMP)
	@$(BIN)/python docs/collect_words.py lastseen.pot

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build

# Only made anew when there is none or its Python is gone; installed again when what it is made from changes.
$(STAMP): pyproject.toml constraints.txt
	@if ! $(BIN)/python -c '' 2>/dev/null; then \
		python='$(PYTHON)'; \
		if [ -z "$$python" ]; then \
			echo 'lastseen needs Python 3.11 or newer with venv.' >&2; \
			echo 'Debian, Ubuntu: apt-get install python3-venv    macOS: brew install python' >&2; \
			echo 'Or name one: make PYTHON=/path/to/python3' >&2; \
			exit 1; \
		fi; \
		if [ -e '$(VENV)' ] && [ ! -e '$(VENV)/pyvenv.cfg' ]; then echo '$(VENV) is no virtual environment'; exit 1; fi; \
		echo "making $(VENV) with $$($$python -V)"; \
		rm -rf '$(VENV)' && $$python -m venv '$(VENV)' || exit 1; \
	fi
	@echo 'installing into $(VENV) (constraints.txt has the versions)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[server,dev]'
	@touch $(STAMP)
