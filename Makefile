# Two commands do all set-up on a fresh machine: make demo, make test.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.PHONY: api-fuzz axe letters demo test check lint types shape attacks fuzz crash situations bench flood interop lookups sabotage powercut clean help

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: .venv/.demo ## a whole four-corner network on loopback, three real invoices (KEEP=1 stays up)
	@$(BIN)/gateway demo $(if $(KEEP),--keep)

test: .venv/.dev .venv/.debian .venv/.clamav check ## everything: lint, types, import contracts, tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.dev lint types shape ## lint, types and import contracts

lint: .venv/.dev
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "ruff: clean"

types: .venv/.dev
	@$(BIN)/mypy

shape: .venv/.dev
	@$(BIN)/lint-imports --no-cache | tail -n 3

axe: .venv/.dev .venv/.debian ## every page of the web tool in Chromium, both languages and themes, wide and on a phone: axe finds nothing
	@$(BIN)/python -m tests.portal.axe

attacks: .venv/.dev ## the attack table: some 400,000 wrapped messages and every hostile input of the catalogue
	@$(BIN)/python -m tests.attacks

fuzz: .venv/.dev ## fuzz every reader of AS4 (MINUTES=1 each); finds lie in tests/fuzz/found
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),1)

api-fuzz: .venv/.dev .venv/.api-fuzz ## 100,000 generated calls of the API by schemathesis, three accounts (CALLS=100000 SEED=1 MINUTES=…)
	@$(BIN)/python -m tests.fuzz.api --calls $(or $(CALLS),100000) --seed $(or $(SEED),1) $(if $(MINUTES),--minutes $(MINUTES))

crash: .venv/.dev ## kill -9 at random moments under load, and ledgers outside that must still agree (KILLS=300 SEED=1 SUMMARY=file)
	@$(BIN)/python -m tests.crash --kills $(or $(KILLS),300) --seed $(or $(SEED),1) \
		$(if $(FROM),--from $(FROM)) $(if $(SUMMARY),--summary $(SUMMARY))

situations: .venv/.dev ## every network situation of a look-up and its verdict, as a table
	@$(BIN)/python -m tests.smp.situations

sabotage: .venv/.dev ## small patches that each break one promise, and which test notices
	@$(BIN)/python -m tests.sabotage

powercut: .venv/.dev ## cut the power under a running gateway: what was not fsynced is forgotten (CUTS=100 SEED=1 SUMMARY=file)
	@$(BIN)/python -m tests.crash --power --kills $(or $(CUTS),100) --seed $(or $(SEED),1) \
		$(if $(FROM),--from $(FROM)) $(if $(SUMMARY),--summary $(SUMMARY))

bench: .venv/.dev ## messages per second and CPU per message, beside the RSA operation of the same run
	@$(BIN)/python -m benchmarks.gateway

flood: .venv/.dev ## how long honest messages wait while the endpoint is attacked, each way alone and all at once
	@$(BIN)/python -m benchmarks.flood

letters: .venv/.dev ## 1,000 letters against pdftotext, a batch of 1,000 killed 100 times, milliseconds of a page (LETTERS=1000 KILLS=100)
	@$(BIN)/python -m benchmarks.letters --letters $(or $(LETTERS),1000) --kills $(or $(KILLS),100)

interop: .venv/.dev ## foreign access points and we, both ways, 1,000 messages and every fault; table in var/interop
	@$(BIN)/python -m conformance.interop

lookups: .venv/.dev ## look-ups both ways: ours in a foreign network with every fault, published clients in ours; table in var/interop
	@$(BIN)/python -m conformance.interop.lookups

clean: ## remove the virtual environment and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed"; exit 2; }
	@echo "making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml | .venv/bin/python
	@echo "installing the gateway (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

.venv/.dev: pyproject.toml | .venv/bin/python
	@echo "installing the gateway with what its tests need (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ .venv/.demo

# schemathesis has needs of its own: it lives beside the gateway, not with it.
.venv/.api-fuzz: | .venv/bin/python
	@echo "installing schemathesis (once)"
	@$(BIN)/python -m venv .venv/api-fuzz
	@.venv/api-fuzz/bin/pip install --quiet --disable-pip-version-check 'schemathesis>=4.32'
	@touch $@

# Debian packages of the tests: pdftotext and pdftoppm look at pages as a reader would, chromium at the web tool, tesseract
# reads pictures of text, ippeveprinter is a printer that speaks IPP, fuse3 mounts a lossy disk, softhsm2 keeps keys, postgresql
# is the other database, postfix and dovecot are mail servers (each test runs its own; the system's is left off), systemd
# judges our unit for it, and strace what the service does.
DEBIAN := poppler-utils chromium tesseract-ocr tesseract-ocr-swe cups-ipp-utils avahi-daemon dbus fuse3 softhsm2 postgresql \
	postfix dovecot-imapd dovecot-lmtpd systemd strace
# clamd is unpacked, not installed: 7 MB, no service on this machine, and nothing that fetches 300 MB of signatures.
.venv/.clamav: | .venv/bin/python
	@if command -v clamd >/dev/null 2>&1 || test -x /usr/sbin/clamd; then :; \
	else mkdir -p .venv/clamav && cd .venv/clamav && apt-get download -qq clamav-daemon libclamav12 libmspack0 >/dev/null 2>&1 \
		&& for package in *.deb; do dpkg -x $$package .; done && rm -f *.deb \
		|| echo "clamav-daemon: could not be fetched: tests that need it are skipped"; fi
	@touch $@

.venv/.debian: | .venv/bin/python
	@if command -v pdftotext >/dev/null 2>&1 && command -v chromium >/dev/null 2>&1 && command -v tesseract >/dev/null 2>&1 \
		&& command -v ippeveprinter >/dev/null 2>&1 && command -v fusermount3 >/dev/null 2>&1 \
		&& command -v strace >/dev/null 2>&1 && command -v systemd-analyze >/dev/null 2>&1 \
		&& command -v softhsm2-util >/dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
		&& test -x /usr/lib/postfix/sbin/master && test -x /usr/sbin/dovecot; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "installing $(DEBIAN)"; export DEBIAN_FRONTEND=noninteractive; \
		(echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DEBIAN)) >/dev/null 2>&1 || echo "$(DEBIAN): not all could be installed: tests that need them are skipped"; \
	else echo "$(DEBIAN): not all are installed and you are not root: tests that need them are skipped"; fi
	@touch $@
