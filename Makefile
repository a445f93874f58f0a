# The commands of this repository. Plain `make` lists them. Needs Python 3.11 or newer and make, nothing else.

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.locked

.DEFAULT_GOAL := help
.PHONY: help env demo test quick check audit faults fuzz mutants gallery pictures screenshots year lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' Makefile

env: $(STAMP) ## make .venv with the locked versions, and nothing else

demo: env ## run engage on sample data, with a local mailbox in place of real email
	@$(BIN)/engage demo

# A process for each processor, each with a PostgreSQL and a Valkey of its own.
test: env ## run the whole suite, on SQLite and PostgreSQL (ARGS="-k name" for a part)
	@$(BIN)/pytest -n logical --maxprocesses 8 --dist worksteal $(ARGS)

quick: env ## only the tests that are not slow, on SQLite: some minutes (ARGS as for test)
	@$(MAKE) test ARGS='-m "not slow" $(ARGS)'

check: env ## lint, types, floors, then the whole suite
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive engage
	@$(MAKE) test

audit: env ## look up known vulnerabilities of all that is locked (needs pypi.org)
	$(BIN)/pip-audit --require-hashes --disable-pip --requirement requirements.lock

faults: env ## kill, stop, fill and lose all that can be, and count the mail: half an hour (ARGS="kills --small")
	@$(BIN)/python -m tests.faults $(ARGS)

fuzz: env ## send the intake API 20,000 requests that schemathesis makes up: ten minutes (CASES=n for others)
	@ENGAGE_TEST_FUZZ=$(or $(CASES),20000) $(BIN)/pytest -n logical --maxprocesses 8 --dist worksteal \
		-o faulthandler_timeout=0 tests/web/test_api_fuzz.py $(ARGS)

mutants: env ## take nineteen guards out, one by one, and show that tests notice each
	@$(BIN)/python -m scripts.mutants

gallery: env ## write var/gallery/index.html: every email, language and sample (ARGS=--pictures for screenshots)
	@$(BIN)/python -m scripts.gallery $(ARGS)

pictures: env ## make the pictures of README and docs anew (needs Chromium)
	@$(BIN)/python -m scripts.pictures

screenshots: env ## make the pictures of docs/consoles.md anew (needs Chromium)
	@$(BIN)/python -m scripts.screenshots

year: env ## live docs/a-partners-year.md anew, with its pictures (needs Chromium): some minutes
	@$(BIN)/python -m scripts.partners_year --write

# The resolution is for every platform and Python that pyproject.toml allows, so one file serves all.
lock: $(BIN)/uv ## resolve pyproject.toml anew into requirements.lock (UPGRADE=--upgrade for newest versions)
	$(BIN)/uv pip compile pyproject.toml --extra embedded --extra sentry --extra otel --group dev --universal --generate-hashes \
		--no-annotate --no-header --quiet $(UPGRADE) -o requirements.lock

clean: ## remove the environment and the caches (what engage holds in var stays)
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# hatchling, which builds engage itself, is in the lock too: hence --no-build-isolation.
$(STAMP): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Installing the locked versions into $(VENV) ..."
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q engage
	@touch $(STAMP)

$(BIN)/uv:
	@new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if command -v "$$python" >/dev/null 2>&1 && "$$python" -c "$$new_enough"; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "engage needs Python 3.11 or newer, and found none on the PATH;" \
			"install one, or name it: make env PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found comes without venv, which makes Python environments;" \
			"on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
