# make demo   the example video (or VIDEO=...) with a new sound, in out/demo.mp4
# make test   every test;  make lint   the style checks
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

.PHONY: demo test lint comfyui comfyui-packages node-texts node-pictures clean

demo: .venv/.demo-ready
	@mkdir -p out
	@set -- "$$VIDEO" -o "$$OUT" --plot "$${OUT%.*}.png" --seed "$$SEED"; \
	if [ -n "$$PROMPT" ]; then set -- "$$@" --prompt "$$PROMPT"; fi; \
	exec $(BIN)/foleystage generate "$$@"

test: comfyui-packages
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest tests

lint: .venv/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Finds a ComfyUI for the node tests, or clones one into .comfyui.
comfyui:
	@$(PYTHON) tests/comfy/find_comfyui.py --clone

# The English locale and the tables of the help pages, from what the nodes say of themselves.
node-texts: comfyui-packages
	FOLEYSTAGE_WRITE_TEXTS=1 $(BIN)/python -m pytest -q tests/nodes/test_texts.py

# Pictures of all nodes and workflows, from a browser in front of a real ComfyUI.
node-pictures: comfyui-packages
	$(BIN)/python -m pytest -q tests/browser/pictures.py

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
	@touch $@

# What ComfyUI needs, where there is one: it may come or go, so this is asked each time.
comfyui-packages: .venv/.test-ready
	@if folder=$$($(BIN)/python tests/comfy/find_comfyui.py); then \
		$(BIN)/python -c 'import comfyui_frontend_package, requests' 2>/dev/null || \
		$(PIP) --requirement "$$folder/requirements.txt" requests || \
		echo 'NOTE: what ComfyUI needs could not be installed: its tests are skipped.'; \
		if command -v chromium >/dev/null; then \
			$(BIN)/python -c 'import playwright' 2>/dev/null || $(PIP) playwright || \
			echo 'NOTE: playwright could not be installed: the browser tests are skipped.'; \
		fi; \
	else echo "$$folder"; fi
