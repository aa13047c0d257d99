# Every target sets up what it needs in .venv; a second run starts at once.
#   make app                    start the suite in the browser
#   make test                   run the tests
#   make train APP=sentiment    train an application (ARGS="--epochs 3" passes options on)
#   make benchmark [WHAT=layers]
#   make screenshots           pictures of the pages for README, with Chromium
#   make lint

APP ?= sentiment
WHAT ?= layers
ARGS ?=
PORT ?= 8501
# The first Python that TensorFlow has wheels for; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/ready

.PHONY: app test train benchmark screenshots lint clean

# Each page runs in a thread of its own; with an arena of memory for each, the server would hold on to more and more.
app: $(READY)
	MALLOC_ARENA_MAX=2 $(BIN)/streamlit run apps/streamlit_app.py --server.port $(PORT)

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

train: $(READY)
	$(BIN)/python -m training.$(APP) $(ARGS)

benchmark: $(READY)
	@if [ -f requirements-bench.txt ]; then $(BIN)/pip install -q -r requirements-bench.txt; fi
	$(BIN)/python -m benchmarks.$(WHAT) $(ARGS)

screenshots: $(READY)
	$(BIN)/python -m tests.apps.browser docs/images --widths 1280 --schemes light

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

$(READY): requirements.txt pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "No Python 3.11, 3.12 or 3.13 was found. Install one, or say where it is: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; fi
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt
	touch $(READY)

clean:
	rm -rf .venv
