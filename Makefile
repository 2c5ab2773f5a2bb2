# Each target does all of its own set-up. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-strip-extras --custom-compile-command "make requirements" $(UPGRADE)

# As pip does with what it installs: where Python may not write bytecode, each start would compile it all anew.
COMPILE_BYTES := $(BIN)/python -m compileall -q protocol relay client scripts

# Seconds for each fuzz target, and the factor by which `make campaign` lengthens the long tests.
FUZZ_SECONDS ?= 60
SCALE ?= 10

# One more than there are cores: tests of whole programs wait for sockets and disks.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# Other MLS engines that tests run beside ours, in a folder of their own; and how many histories `make test-oracles` runs.
ORACLES := build/oracles
HISTORIES ?= 500
LEAVES ?= 100000
MESSAGES ?= 100000

TYPED = $(sort $(dir $(wildcard */amanah_*/__init__.py tests/*.py bench/*.py scripts/*.py)))

# What `make campaign` lengthens; tests/test_house.py holds that all who read the factor are in it.
LENGTHENED := tests/simulation tests/adversary tests/faults tests/verify tests/protocol/log tests/protocol/mls tests/relay/store \
	tests/client/core tests/client/incident tests/client/report tests/client/test_feed_followed.py tests/end_to_end/test_demo.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-browser test-oracles check compiled bench bench-audit bench-desk bench-keys bench-mls fuzz campaign oracles wheel catalogues requirements clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.base  ## a relay, three national CERTs, one incident, told step by step
	@$(BIN)/python -m scripts.demo

test: check  ## everything that shows the project works
	@rm -rf build/coverage && mkdir -p build/coverage
	@AMANAH_ROOT=$(CURDIR) COVERAGE_FILE=$(CURDIR)/build/coverage/data $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup \
		--cov --cov-report= --cov-report=json:build/coverage.json
	@$(BIN)/python scripts/check_coverage.py build/coverage.json

check: $(VENV)/.dev  ## format, lint, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(TYPED)
	@$(BIN)/lint-imports

# Assertions of all the tests are rewritten once: by itself each worker does that anew where they start at once, and at
# each start where Python may not write bytecode.
compiled: $(VENV)/.dev
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq >/dev/null

test-fast: $(VENV)/.dev  ## the loop for work: no slow tests, no coverage; TESTS=path narrows it
	@$(BIN)/ruff check --quiet .
	@$(BIN)/python -m pytest --quiet --numprocesses $(WORKERS) --dist loadgroup -m "not slow" $(TESTS)

test-browser: $(VENV)/.dev  ## the desk and the auditors' console in an installed Chromium; screenshots under build/screenshots
	@$(BIN)/python -m pytest --quiet tests/browser

oracles: $(ORACLES)/.python $(ORACLES)/.tlog $(ORACLES)/.node  ## install other MLS engines and another log's reader for the tests to run beside ours (wants npm)

test-oracles: $(VENV)/.dev oracles  ## HISTORIES (500) random group histories shared with other MLS engines, and a tally
	@$(BIN)/python -m tests.oracles --histories $(HISTORIES)

bench-mls: $(VENV)/.dev $(ORACLES)/.python  ## our MLS engine beside another one, in one run
	@$(BIN)/python -m bench.mls

bench: $(VENV)/.base  ## real sockets, durable, verified; writes build/bench.json
	@mkdir -p build
	@$(BIN)/python bench/run.py

bench-audit: $(VENV)/.base  ## a long log, copied and verified by an auditor; LEAVES (100000); writes build/bench-audit.json
	@mkdir -p build
	@$(BIN)/python bench/audit.py --leaves $(LEAVES)

bench-keys: $(VENV)/.dev  ## from a key press at one desk to the other desk's screen, in Chromium; writes build/bench-keys.json
	@$(BIN)/python bench/desk_keys.py

bench-desk: $(VENV)/.base  ## a desk's store: open, scroll, search; MESSAGES (100000); writes build/bench-desk.json
	@mkdir -p build
	@$(COMPILE_BYTES)
	@$(BIN)/python bench/desk_store.py --messages $(MESSAGES)

fuzz: $(VENV)/.dev  ## every decoder under atheris, FUZZ_SECONDS (60) each
	@$(BIN)/python scripts/fuzz.py --seconds $(FUZZ_SECONDS)

campaign: $(VENV)/.dev  ## the long tests, SCALE (10) times as long
	@AMANAH_SCALE=$(SCALE) $(BIN)/python -m pytest -o faulthandler_timeout=0 --numprocesses $(WORKERS) --dist loadgroup \
		$(LENGTHENED)

wheel: $(VENV)/.base  ## the wheel, the same bytes from the same sources
	@$(BIN)/hatchling build -t wheel -d dist

catalogues: $(VENV)/.dev  ## bring the catalogues of other languages up to the source, and name what is missing
	@$(BIN)/python -m scripts.catalogues

requirements: $(VENV)/.dev  ## pin all requirements anew; UPGRADE=--upgrade moves to the newest
	@$(COMPILE) --extra reports pyproject.toml requirements/base.in -o requirements/base.txt
	@$(COMPILE) --all-extras pyproject.toml requirements/base.in -o requirements/relay.txt
	@$(COMPILE) --all-extras pyproject.toml requirements/base.in requirements/dev.in -o requirements/dev.txt
	@$(COMPILE) requirements/fuzz.in -o requirements/fuzz.txt
	@$(COMPILE) requirements/oracles.in -o requirements/oracles.txt
	@$(COMPILE:3.11=3.12) requirements/tlog.in -o requirements/tlog.txt
	@command -v npm >/dev/null || { echo "tests/oracles/package-lock.json is as it was: npm is not installed"; exit 0; }; \
		cd tests/oracles && npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

clean:  ## remove everything that was made, the environment too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. A stamp is newer than what it was made from, so nothing is installed twice.

$(VENV)/.made:
	@sh scripts/make_venv.sh "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.base: requirements/relay.txt pyproject.toml | $(VENV)/.made
	@echo "installing what it takes to run (pinned by hash) into $(VENV)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/relay.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(COMPILE_BYTES)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.made
	@echo "installing what it takes to test (pinned by hash) into $(VENV)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@$(COMPILE_BYTES)
	@touch $@ $(VENV)/.base

$(ORACLES)/.python: requirements/oracles.txt | $(VENV)/.made
	@mkdir -p $(ORACLES) && rm -rf $(ORACLES)/python
	@$(PIP) install --require-hashes --only-binary :all: --target $(ORACLES)/python -r requirements/oracles.txt
	@touch $@

$(ORACLES)/.tlog: requirements/tlog.txt
	@mkdir -p $(ORACLES) && rm -rf $(ORACLES)/tlog
	@python=$$(sh scripts/find_python.sh 12); if [ -n "$$python" ]; then \
		"$$python" -m venv $(ORACLES)/tlog && $(ORACLES)/tlog/bin/python -m pip --disable-pip-version-check --no-input --quiet \
			install --require-hashes --only-binary :all: -r requirements/tlog.txt; \
	else echo "another log's reader needs Python 3.12, which is not here; its test will be skipped and named"; fi
	@touch $@

$(ORACLES)/.node: tests/oracles/package.json tests/oracles/package-lock.json
	@mkdir -p $(ORACLES)/node && cp tests/oracles/package.json tests/oracles/package-lock.json $(ORACLES)/node
	@cd $(ORACLES)/node && npm ci --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --silent
	@touch $@
