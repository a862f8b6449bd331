# Neo-Apex. `make studio` turns a fresh clone into a running studio; `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

PYTHON := .venv/bin/python
# The long runs are commands of their own.
LONG_RUNS := chaos or fuzz or screenshots
# Two at a time, in the order that tests/conftest.py gives them: each may start a studio of its own.
IN_PARALLEL := --numprocesses=2 --no-loadscope-reorder
# What the type checker and Django's own checks need to read the settings; nothing is connected to.
CHECK_ENVIRONMENT := DATABASE_URL=$${DATABASE_URL:-postgresql://nobody@127.0.0.1/none} REDIS_URL=$${REDIS_URL:-redis://127.0.0.1/0} \
	NEOAPEX_HOME=$(CURDIR)/.neoapex/checks
PRODUCTION_ENVIRONMENT := NEOAPEX_ENV=production SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_hex(40))') \
	ALLOWED_HOSTS=studio.example.com NEOAPEX_PUBLIC_URL=https://studio.example.com EMAIL_URL=smtp://127.0.0.1 FAL_KEY=check:check \
	AWS_STORAGE_BUCKET_NAME=check

.PHONY: help studio test check lint types fences migrations deploy-check bench pins screenshots chaos fuzz sbom audit

help:
	@echo 'make studio       a running studio, everything included; Ctrl-C stops it'
	@echo 'make test         the tests, but for the slow ones'
	@echo 'make check        lint, types, fences, migrations, deployment checks and all tests'
	@echo 'make lint · types · fences · bench · chaos · fuzz · screenshots · pins'
	@echo 'make sbom         the bill of materials, as CycloneDX'
	@echo 'make audit        whether what is installed fits together, and known weaknesses of it where pip-audit is installed'

# --- What has to be installed ---------------------------------------------------------------------------------------

# Stamps hold back what is up to date: each is newer than the list that it was made from.
.venv/bin/python:
	@neoapex/embedded/bootstrap.sh venv

.venv/.installed: requirements.txt | .venv/bin/python
	@neoapex/embedded/bootstrap.sh packages requirements.txt
	touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@neoapex/embedded/bootstrap.sh packages requirements-dev.txt
	touch $@

.venv/.installed-bench: requirements-bench.txt .venv/.installed-dev
	@neoapex/embedded/bootstrap.sh packages requirements-bench.txt
	touch $@

node_modules/.installed: package-lock.json requirements-npm.txt | .venv/bin/python
	@neoapex/embedded/bootstrap.sh npm
	touch $@

# --- Running --------------------------------------------------------------------------------------------------------

studio: .venv/.installed node_modules/.installed
	@exec $(PYTHON) -m neoapex.embedded

test: .venv/.installed-dev node_modules/.installed
	@exec $(PYTHON) -m pytest $(IN_PARALLEL) -m "not (slow or $(LONG_RUNS))"

# --- Checking -------------------------------------------------------------------------------------------------------

# The tests come last, so that their summary is the end of the output.
check: lint types fences migrations deploy-check
	@exec $(PYTHON) -m pytest $(IN_PARALLEL) -m "not ($(LONG_RUNS))"

lint: .venv/.installed-dev
	@.venv/bin/ruff check
	.venv/bin/ruff format --check

types: .venv/.installed-dev
	@$(CHECK_ENVIRONMENT) .venv/bin/mypy .

fences: .venv/.installed-dev
	@.venv/bin/lint-imports

migrations: .venv/.installed-dev node_modules/.installed
	@$(CHECK_ENVIRONMENT) $(PYTHON) -W "ignore:Got an error checking a consistent migration history" \
		manage.py makemigrations --check --dry-run

deploy-check: .venv/.installed-dev node_modules/.installed
	@$(CHECK_ENVIRONMENT) $(PRODUCTION_ENVIRONMENT) $(PYTHON) manage.py check --deploy --fail-level WARNING

bench: .venv/.installed-bench node_modules/.installed
	@exec $(PYTHON) -m benchmarks

chaos: .venv/.installed-dev node_modules/.installed
	@exec $(PYTHON) -m pytest -m chaos -s

fuzz: .venv/.installed-dev node_modules/.installed
	@exec $(PYTHON) -m pytest -m fuzz -s

screenshots: .venv/.installed-dev node_modules/.installed
	@exec $(PYTHON) -m tests.browser.screenshots

sbom: .venv/.installed
	@$(PYTHON) -m neoapex.sbom

# What is known of a package's weaknesses lies at a service of the package index, which not every network reaches.
audit: .venv/.installed-dev
	@$(PYTHON) -m pip check
	if [ -x .venv/bin/pip-audit ]; then .venv/bin/pip-audit --require-hashes --disable-pip -r requirements.txt
	else echo 'pip-audit is not installed: known weaknesses were not looked for.'; fi

# --- Maintenance ----------------------------------------------------------------------------------------------------

pins:
	@neoapex/embedded/bootstrap.sh pins
