# Everything is set up inside this folder; nothing system-wide is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARTS := $(sort $(dir $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)))
READY := $(VENV)/.ready
SOURCES := libs services tests bench conftest.py

.PHONY: demo run test test-mutants test-keycloak check format bench lock clean

demo: $(READY)  ## the main job on the synthetic sample list; ends by itself
	@rm -rf build/demo && mkdir -p build/demo
	$(BIN)/homeward demo --data build/demo/data --report build/demo/report.json

run: $(READY)  ## the platform on this machine, until interrupted
	@mkdir -p build/run
	$(BIN)/homeward up --data build/run --port $${PORT:-8080}

test: $(READY)  ## all tests, on real PostgreSQL and Apache Kafka
	$(BIN)/pytest -q

test-mutants: $(READY)  ## whether the tests notice a broken runtime; a quarter of an hour
	$(BIN)/python tests/mutants.py

test-keycloak: $(READY)  ## a partner whose own Keycloak vouches for it; fetches 150 MB by Maven
	$(BIN)/pytest -q libs/onebox/tests/check_keycloak.py

check: $(READY)  ## format, lint, types, walls, contract and interface snapshots
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/python -m homeward.common.contracts.snapshots check docs/schemas
	$(BIN)/python -m homeward.onebox.interfaces check docs/api

format: $(READY)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: $(READY)  ## rates as ratios against floors measured in the same run
	$(BIN)/python -m bench.run

lock:  ## resolve requirements.lock anew, for Python 3.11 to 3.13
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --upgrade \
		$(foreach part,$(PARTS),--no-emit-package homeward-$(notdir $(patsubst %/,%,$(part)))) \
		--output-file requirements.lock

clean:
	rm -rf build $(VENV)

$(READY): requirements.lock $(addsuffix pyproject.toml,$(PARTS))
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	@echo "setting up $(VENV) (once; a minute or so)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(PARTS))
	@touch $@
