# make demo   the example video (or VIDEO=...) with a new sound, in out/demo.mp4
# make test   every test, on every ComfyUI that is found;  make lint   style and types
PYTHON ?= python3
VIDEO ?= workflows/media/example.mp4
OUT ?= out/demo.mp4
PROMPT ?=
SEED ?= 0
export VIDEO OUT PROMPT SEED

BIN := .venv/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --root-user-action=ignore \
	--constraint constraints.txt
MADE_FROM := pyproject.toml setup.py requirements.txt constraints.txt

.PHONY: demo test lint comfyui browser node-texts node-pictures clean

demo: .venv/.demo-ready
	@mkdir -p out
	@set -- "$$VIDEO" -o "$$OUT" --plot "$${OUT%.*}.png" --seed "$$SEED"; \
	if [ -n "$$PROMPT" ]; then set -- "$$@" --prompt "$$PROMPT"; fi; \
	exec $(BIN)/foleystage generate "$$@"

test: .venv/.test-ready browser
	$(BIN)/python tests/comfy/runs.py

lint: .venv/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Lists the ComfyUIs for the tests; clones one into .comfyui where there is none.
comfyui:
	@$(PYTHON) tests/comfy/find_comfyui.py --clone

# The English locale and the tables of the help pages, from what the nodes say of themselves.
node-texts: .venv/.test-ready
	python=$$($(BIN)/python tests/comfy/environments.py) && \
	FOLEYSTAGE_WRITE_TEXTS=1 $$python -m pytest -q tests/nodes/test_texts.py

# Pictures of all nodes and workflows, from a browser in front of a real ComfyUI.
node-pictures: .venv/.test-ready browser
	python=$$($(BIN)/python tests/comfy/environments.py) && \
	$$python -m pytest -q tests/browser/pictures.py

clean:
	rm -rf .venv build dist *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo 'FoleyStage needs Python 3.10 or newer: name one, as in make PYTHON=python3.12 demo.'; exit 1; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo 'This Python cannot make virtual environments: install its venv module (python3-venv on Debian).'; exit 1; }

.venv/.demo-ready: $(MADE_FROM) .venv/bin/python
	@echo 'Setting up .venv (once; torch is a large download)...'
	@$(PIP) --editable .
	@touch $@

.venv/.test-ready: .venv/.demo-ready
	@$(PIP) --editable '.[test,evaluation]' || { $(PIP) --editable '.[test]' && \
		echo 'NOTE: pyworld could not be built here (it needs a C++ compiler): its tests are skipped.'; }
	@$(PIP) --editable '.[augment]' || \
		echo 'NOTE: pyroomacoustics could not be built here: its tests are skipped.'
	@touch $@

# A browser may come or go, so this is asked each time.
browser: .venv/.test-ready
	@if ! command -v chromium >/dev/null; then \
		echo 'NOTE: no chromium here: the browser tests are skipped.'; \
	elif ! $(BIN)/python -c 'import playwright' 2>/dev/null; then \
		$(PIP) playwright || \
		echo 'NOTE: playwright could not be installed: the browser tests are skipped.'; \
	fi
