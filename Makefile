# One door. `make` alone lists what it can do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
READY := .venv/.ready

help:            ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.txt requirements-dev.txt
	test -x $(PY) || python3 -m venv .venv
	$(PY) -m pip install --quiet --no-deps --require-hashes -r requirements.txt
	$(PY) -m pip install --quiet --no-deps --require-hashes -r requirements-dev.txt
	touch $@

setup: $(READY)  ## virtual environment with the locked packages

tools:           ## Debian packages that the checks need
	@tools/debian

up: $(READY)     ## run the office on http://localhost:8000
	@$(PY) -m notary up

lint: $(READY)   ## format and lint, import rules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	.venv/bin/lint-imports

types: $(READY)  ## mypy
	$(PY) -m mypy

test: $(READY)   ## every test
	$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone" --durations 10
	$(PY) -m pytest -m alone --durations 10

fix: $(READY)    ## let ruff repair what it can
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

demo: $(READY) tools  ## the main job without hands, in two real browsers; leaves var/demo/
	@$(PY) -m notary demo

try: $(READY) tools   ## the office with a dozen cases and two windows, so that one person can play all parts
	@$(PY) -m notary try

faults: $(READY) ## kills between reserve and commit, resumable: KILLS=10000 for the full number; SEED=... repeats a run
	@$(PY) tools/faults

flips: $(READY)  ## a hundred thousand flipped bits of a deed, none accepted; FLIPS=..., SEED=...
	FLIPS=$${FLIPS:-100000} $(PY) -m pytest tests/deeds/test_flips.py -s --timeout 0

fuzz: $(READY)  ## twenty times the fuzzed inputs of a check; SEED=..., FROM=... go on, FUZZ=name:number runs one
	TIMES=$${TIMES:-20} $(PY) -m pytest tests/fuzz -s --timeout 0

fuzz-port: $(READY)  ## a million inputs for the media worker's one UDP port; SEED=..., FROM=... go on
	TIMES=$${TIMES:-20} $(PY) -m pytest tests/fuzz/test_fuzz_port.py -s --timeout 0

bench-media: $(READY)  ## both media engines and Janus under one load, interleaved; CELLS="port:4 janus:4", ROUNDS=3
	@tools/debian janus
	$(PY) benchmarks/media/bench.py --rounds $${ROUNDS:-3} $${CELLS:-port:4 aiortc:4 janus:4 port:20 aiortc:20 janus:20}

bench-evidence: $(READY) tools  ## what of an interview is lost and for how long a picture stands; a bad line; a soak of ten minutes
	$(PY) benchmarks/media/evidence.py --rounds $${ROUNDS:-5}
	$(PY) benchmarks/media/network.py
	$(PY) benchmarks/media/soak.py

look: $(READY) tools  ## accessibility of every page in every language and look
	LOOK=all $(PY) -m pytest tests/portal/test_pages_look.py tests/journeys/test_journey_look.py tests/room/test_room_look.py \
	  tests/deeds/test_deed_look.py

vectors: $(READY) ## derive tests/vectors anew from their bases; NEW=1 makes the bases anew as well
	$(PY) tools/vectors.py $(if $(NEW),--new)

var/stock: benchmarks/requirements.txt $(READY)
	$(PY) -m pip install --quiet --no-deps --require-hashes --target $@ --upgrade -r $<
	touch $@

bench-signing: var/stock  ## what it takes to issue and verify deeds, beside stock tools; DEEDS=... (1000)
	$(PY) benchmarks/signing.py --deeds $${DEEDS:-1000}

bench-identity: $(READY)  ## what the machine's part of a challenge lets through; FACES=a folder of photographs, ARGS="--sheets 40"
	$(PY) benchmarks/identity/attacks.py $(or $(FACES),tests/faces) $(ARGS)

bench-forgeries: $(READY)  ## how often changed pictures of cards show signs, and unchanged ones; ARGS="--cards 60 --pictures FOLDER"
	$(PY) benchmarks/identity/forgeries.py $(ARGS)

templates: $(READY)  ## a hundred cases of faces, then tables and disk searched for every template; CASES=...
	CASES=$${CASES:-100} $(PY) -m pytest tests/journeys/test_journey_templates.py -s --timeout 0

docs: $(READY)   ## redraw what is drawn from the code
	@$(PY) tools/draw.py

check: $(READY) tools lint types test  ## everything that CI does

lock:            ## compile the closure anew (needs uv on the PATH)
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  --override requirements.override requirements.in -o requirements.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  requirements-dev.in -o requirements-dev.txt
	uv pip compile -q --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  -c requirements.txt benchmarks/requirements.in -o benchmarks/requirements.txt

.PHONY: help setup tools up lint types test fix demo try faults flips fuzz fuzz-port bench-media bench-evidence bench-signing bench-identity bench-forgeries templates look vectors docs check lock
