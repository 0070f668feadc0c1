# make run · make test · make check · make lock · make audit · make fuzz
.PHONY: run test check lock audit fuzz clean
PY := .venv/bin/python

run: .venv/.run
	$(PY) app.py

test: .venv/.test
	sh scripts/chromium.sh
	$(PY) tests/databases.py $(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder

check: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) -m mypy guard chat

.venv/.run: requirements.txt
	sh scripts/venv.sh requirements.txt
	touch $@

.venv/.test: .venv/.run requirements-dev.txt
	sh scripts/venv.sh requirements-dev.txt
	touch $@

# newest versions that fit requirements*.in; needs uv (pip install uv)
lock:
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-audit.in -o requirements-audit.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-scan.in -o requirements-scan.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-ray.in -o requirements-ray.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-otel.in -o requirements-otel.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
	uv pip compile -q --universal --python-version 3.11 --custom-compile-command "make lock" requirements-fuzz.in -o requirements-fuzz.txt

# every locked package against PyPI's list of vulnerabilities; exit code 3 where it cannot be asked
audit:
	test -x .venv-audit/bin/pip-audit || { python3 -m venv .venv-audit && .venv-audit/bin/pip install -q pip-audit; }
	.venv-audit/bin/python scripts/audit.py $(wildcard requirements*.txt)

# each target in turn, FUZZ_SECONDS each; what breaks one lands in fuzz/found
FUZZ_SECONDS ?= 600
fuzz: .venv/.test requirements-fuzz.txt
	sh scripts/venv.sh requirements-fuzz.txt
	for target in text topics stream body markdown; do \
		$(PY) -m fuzz $$target --seconds $(FUZZ_SECONDS) || exit 1; \
	done

clean:
	rm -rf .venv .venv-audit .pytest_cache .mypy_cache .ruff_cache
