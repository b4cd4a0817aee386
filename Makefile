# make run     serve Keyway with its demo on http://127.0.0.1:8000 (PORT= changes it)
# make dev     the same, and reload the server when a file changes
# make check   the quick part of the gate, before each commit
# make test    the whole gate
# make one     run some tests: make one T=tests/apikeys/test_secret.py
# make fmt     format the code, and mend what the linter can
# make shell   a Python shell with the demo's database
# make docs    test that the documents say what the code does
# make proofs  the long proofs: crashes, revocation under load, fuzzing, escalation (hours)
# make bench   measure Keyway beside its peers; writes docs/performance.md
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run dev test check one fmt shell docs proofs bench
.PHONY: lint lint-static quick sqlite browsers postgresql tools install install-dev

PYTHON ?= python3
# uv is taken from the PATH or put under var/; the machine's own Python is never changed.
UV := $(shell command -v uv || echo var/uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
# Where the environment forbids compiled modules, each of a run's many processes would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
RUN := $(UV) run --locked --no-sync
PORT ?= 8000
export PORT

help:
	@sed -n '1,10s/^# //p' Makefile

run: install
	@exec $(UV) run --no-sync python -m config.serving.run

dev: install-dev
	@exec $(RUN) python -m config.serving.run --reload

test: tools lint sqlite browsers postgresql
	@echo "The gate is passed."

check:
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint quick

one: install-dev
	$(RUN) pytest -q -n 0 $(T)

fmt: install-dev
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

shell: install-dev
	@KEYWAY_LOG_FORMAT=console $(RUN) python manage.py shell

docs: install-dev tools
	$(RUN) pytest -q -n 2 tests/config/test_docs.py tests/test_prose.py $$(git ls-files 'tests/**/test_docs.py' 'tests/**/test_readme.py' 'tests/**/test_*_docs.py')

proofs: install-dev tools
	$(RUN) python -m tests.proofs

install: $(UV)
	@$(UV) sync --quiet --locked --no-dev --inexact

install-dev: $(UV)
	@$(UV) sync --quiet --locked

var/uv/bin/uv:
	@echo "Installing uv under var/uv"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --target var/uv uv

lint: install-dev lint-static
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) djlint --quiet --lint templates
	$(RUN) mypy
	$(RUN) mypy --strict clients/agent/src
	$(RUN) mypy --strict clients/python/src
	$(RUN) lint-imports --no-cache
	@DJANGO_SETTINGS_MODULE=tests.settings $(RUN) python manage.py makemigrations --check --dry-run
	@$(RUN) python -m tests.deploy_check

# keyway.js and the CSS. npm installs the linter once for each version of its lock file.
BIOME := var/npm/lint/node_modules/.bin/biome
lint-static:
	@if command -v npm >/dev/null; then \
		$(MAKE) --no-print-directory --silent $(BIOME) && $(BIOME) lint --config-path=.ci/lint --error-on-warnings static; \
	else \
		echo "Skipped: lint-static needs npm"; \
	fi

$(BIOME): .ci/lint/package-lock.json
	@mkdir -p var/npm/lint && cp .ci/lint/package.json .ci/lint/package-lock.json var/npm/lint
	@npm ci --no-audit --no-fund --ignore-scripts --loglevel=error --prefix var/npm/lint
	@touch $@

# Every rule that needs no server, browser, second database or patience; of a rule told in many cases, any two.
quick: install-dev
	$(RUN) pytest -q -n 2 --cases 2 -m "not server and not browser and not slow"

# Three at a time on two cores: tests of servers and clocks wait more than they work.
sqlite: install-dev tools
	$(RUN) pytest -q -n 3 -m "not browser"

browsers: install-dev tools
	$(RUN) pytest -q -n 2 -m browser

# Browsers and servers were driven above; here it is what the code asks of the database.
postgresql: install-dev tools
	$(RUN) python -m tests.servers.postgres -- pytest -q -n 2 -m "not browser and not server"

bench: install-dev
	@.ci/tools wrk
	@$(UV) sync --quiet --locked --group bench
	$(RUN) python -m benchmarks --write docs/performance.md

tools:
	@.ci/tools
