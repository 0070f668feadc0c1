# make run · make test · make check · make lock
.PHONY: run test check lock clean
PY := .venv/bin/python

run: .venv/.run
	$(PY) app.py

test: .venv/.test
	sh scripts/chromium.sh
	$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: .venv/.test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PY) -m mypy guard

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

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
