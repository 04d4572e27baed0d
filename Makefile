# The project's commands; `make` alone lists them. Everything is installed for .venv, nothing needs root.

PYTHON ?= python3
VENV := .venv
# The environment itself, not the link to it: a command keeps its packages while another one installs new ones.
BIN = $(shell readlink $(VENV))/bin

.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# Variables that change where Python and pip look, install or run: only those for the network and for diagnosis are kept.
unexport $(filter-out \
  PYTHONASYNCIODEBUG PYTHONDEVMODE PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONIOENCODING PYTHONMALLOC PYTHONTRACEMALLOC \
  PYTHONUNBUFFERED PYTHONUTF8, $(filter PYTHON%,$(.VARIABLES)))
unexport $(filter-out \
  PIP_CACHE_DIR PIP_CERT PIP_CLIENT_CERT PIP_CONFIG_FILE PIP_DEFAULT_TIMEOUT PIP_EXTRA_INDEX_URL PIP_FIND_LINKS \
  PIP_INDEX_URL PIP_KEYRING_PROVIDER PIP_NO_CACHE_DIR PIP_NO_INDEX PIP_PROXY PIP_RESUME_RETRIES PIP_RETRIES PIP_TIMEOUT \
  PIP_TRUSTED_HOST PIP_USE_DEPRECATED PIP_USE_FEATURE, $(filter PIP_%,$(.VARIABLES)))

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: .installed ## Run Valkey, a worker and the API until Ctrl-C (HOST, PORT, DATA_DIR, REDIS_URL, WORKERS)
	@$(BIN)/python -m gql.explorer.build --optional
	@exec $(BIN)/python -m gql.local

.PHONY: test
test: .installed-dev ## Run the tests in parallel, in at most 4 processes
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal

.PHONY: e2e
e2e: .installed-dev ## Run the slow tests in parallel: whole systems, browsers, other clients, injected faults
	@$(BIN)/python -m gql.explorer.build --optional
	@$(BIN)/python -m tests.e2e.telemetry.binaries
	@$(BIN)/python -m pytest tests/e2e tests/simulation -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder -o timeout=300

.PHONY: bench
bench: .installed-dev ## Measure performance beside its floor and a naive system (BENCH_OPTIONS=--help); exit with 1 if a target is missed
	@$(BIN)/python -m tests.bench.performance $(BENCH_OPTIONS)

.PHONY: overhead
overhead: .installed-dev ## Measure the cost of telemetry; exit with 1 if a target is missed
	@$(BIN)/python -m tests.bench.telemetry_overhead

.PHONY: attacks
attacks: .installed-dev ## Measure how much attacks slow other clients down; exit with 1 if a target is missed
	@$(BIN)/python -m tests.bench.attacks

.PHONY: results
results: .installed-dev ## Measure results of up to 100 million primes (RESULTS_STAGES=billion: of a billion)
	@$(BIN)/python -m tests.bench.results $(RESULTS_STAGES)

.PHONY: loadtest
loadtest: .installed-dev ## Run a load test against a running system (SCENARIO=light, TARGET=http://127.0.0.1:8000, LOADTEST_OPTIONS=--huge)
	@$(BIN)/python -m loadtest $(or $(SCENARIO),light) $(if $(TARGET),--host $(TARGET)) $(LOADTEST_OPTIONS)

.PHONY: soak
soak: .installed-dev ## Run a load test of MINUTES=30 on a new system; exit with 1 if memory, file descriptors or keys grow
	@$(BIN)/python -m tests.bench.soak $(if $(MINUTES),--minutes $(MINUTES)) $(SOAK_OPTIONS)

.PHONY: simulate
simulate: .installed-dev ## Search HISTORIES=10000 new histories of the simulated job system; exit with 1 if an invariant is violated
	@$(BIN)/python -m tests.simulation --histories $(or $(HISTORIES),10000) $(SIMULATION_OPTIONS)

.PHONY: check
check: .installed-dev ## Check format, lint, types, imports, spelling, schema compatibility and generated dashboards
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell
	@$(BIN)/python -m tests.wording
	@$(BIN)/python -m schema.breaking_changes
	@$(BIN)/python -m observability.grafana --check

.PHONY: format
format: .installed-dev ## Format the code and fix what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: configuration
configuration: .installed-dev ## Write docs/configuration.md from the settings classes
	@$(BIN)/python -m gql.configuration > docs/configuration.md

.PHONY: dashboards
dashboards: .installed-dev ## Write Grafana's dashboards from observability/grafana
	@$(BIN)/python -m observability.grafana

.PHONY: explorer
explorer: .installed ## Build the pages at / and /graphql; report what is missing if that fails
	@$(BIN)/python -m gql.explorer.build

UV_COMPILE = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --quiet

.PHONY: lock
lock: .installed-dev ## Pin dependencies after a change in pyproject.toml (UPGRADE=1: to the newest versions)
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	@$(UV_COMPILE) $(if $(UPGRADE),--upgrade) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@$(subst pyproject.toml,--group loadtest,$(UV_COMPILE)) --constraint requirements-dev.lock --output-file loadtest/requirements.lock

.PHONY: audit
audit: .installed-dev ## Look up the locked dependencies in advisory databases (on the internet)
	@$(BIN)/uv tool run pip-audit==2.10.1 --disable-pip --require-hashes --strict -r requirements.lock
	@npm --prefix gql/explorer audit

.PHONY: clean
clean: ## Remove everything that was installed or cached; keep the jobs in .data
	@rm -rf $(VENV) .cache gql/explorer/dist gql/explorer/generated gql/explorer/node_modules
	@rm -rf examples/javascript/node_modules tests/e2e/clients/node_modules
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -type d -name __pycache__ -prune -exec rm -rf {} +

# Installing. gql/local/environment.py builds an environment beside the current one; nothing changes if that fails.

.PHONY: .installed .installed-dev
.installed:
	@$(call INSTALL,requirements.lock)

# Contains everything of the other one.
.installed-dev:
	@$(call INSTALL,requirements-dev.lock)

# With the Python of the current environment, or with $(PYTHON).
define INSTALL
new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
python=$(VENV)/bin/python; \
if ! $$python -I -c "import ensurepip; $$new_enough" 2> /dev/null; then \
  python=$(PYTHON); \
  command -v $$python > /dev/null || { \
    echo "error: $(PYTHON) not found: install Python 3.11 or newer, or set PYTHON, e.g. make PYTHON=python3.12 run" >&2; exit 1; }; \
  $$python -I -c "$$new_enough" || { \
    echo "error: $(PYTHON) is $$($$python --version 2>&1), 3.11 or newer is required: set PYTHON, e.g. make PYTHON=python3.12 run" >&2; exit 1; }; \
  $$python -I -c 'import venv, ensurepip' 2> /dev/null || { \
    echo "error: $(PYTHON) can't create environments: install its venv package, e.g. apt-get install python3-venv" >&2; exit 1; }; \
fi; \
$$python -I gql/local/environment.py $(1)
endef
