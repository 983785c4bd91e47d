# Two commands do all the set-up on a machine that has Python >= 3.11 and make:
# `make quickstart` and `make test`. `make help` lists the rest.

VENV ?= .venv
# The release that every figure of this project was made with; installed first, exactly.
TORCH ?= torch==2.13.0
# Options for both pip calls, for example --extra-index-url with an index of CPU wheels.
PIP_FLAGS ?=
WORKSPACE ?= quickstart
# Narrows `make test`, for example TESTS=tests/recipes.
TESTS ?=

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# Each candidate is run, not only looked up: a version manager's shim may stand for nothing.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,\
	$(shell $(name) -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $(name))))

BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed.stamp

.DEFAULT_GOAL := help
.PHONY: help setup quickstart results test lint check check-exports bench results-speed results-elastic results-headstart results-cost claim bench-claims verify-claims claim-largest results-claims bench-curation results-curation bench-vllm clean results-planner results-plan

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: $(INSTALLED) ## create the virtual environment and install everything, pinned

quickstart: $(INSTALLED) ## the whole flow at small size on the embedded sample
	$(BIN)/farthing quickstart --workspace $(WORKSPACE)

# One thread per process: two workers share two cores, and a sum has one order; where a test wants
# two, the one that waits does not spin. The slow tests stand together: who has nothing left to do
# takes over half of them.
test: $(INSTALLED) ## every test, warnings as errors
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n 2 --dist worksteal $(TESTS)

lint: $(INSTALLED) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Size limits and the other habits are tests, in tests/architecture.
check: lint test ## lint, then every test: what CI runs

results: quickstart ## the quick start, and its output into README.md and docs/results
	$(BIN)/python scripts/refresh_results.py --workspace $(WORKSPACE)

# One run a hardware thread; what docs/results/elastic keeps is not run again.
ELASTIC ?= build/elastic
JOBS ?= $(shell nproc)
results-elastic: $(INSTALLED) ## elastic training against its controls (five minutes a seed on two cores), into docs/results
	$(BIN)/farthing compare --workspace $(ELASTIC) --jobs $(JOBS) \
		$(if $(wildcard docs/results/elastic/compare-sample),--known docs/results/elastic/compare-sample)
	$(BIN)/python scripts/refresh_elastic.py --workspace $(ELASTIC)

results-headstart: $(INSTALLED) ## members trained on and supernets grown (ten minutes a seed on one core), into docs/results
	$(BIN)/farthing headstart --workspace $(ELASTIC) --jobs $(JOBS) \
		$(if $(wildcard docs/results/headstart/headstart-sample),--known docs/results/headstart/headstart-sample)
	$(BIN)/python scripts/refresh_headstart.py --workspace $(ELASTIC)

CLAIM ?= build/claim
claim: $(INSTALLED) ## a small claim, made under one key and verified under another (four minutes on a core)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/claim_quickstart.py --to $(CLAIM)

bench-claims: $(INSTALLED) ## what booking costs, and what verifying costs and sees (minutes on one core), into docs/results/claims
	test -f $(CLAIM)/quickstart.claim || $(MAKE) claim
	OMP_NUM_THREADS=1 $(BIN)/python bench/claims/mutations.py --claim $(CLAIM)/quickstart.claim
	OMP_NUM_THREADS=1 $(BIN)/python bench/claims/verify_speed.py
	OMP_NUM_THREADS=1 $(BIN)/python bench/claims/booking.py
	OMP_NUM_THREADS=1 $(BIN)/python bench/claims/share_of_replay.py

verify-claims: $(INSTALLED) ## every claim of claims/ checked from its signatures and arithmetic (levels 0 and 1, seconds)
	@for claim in claims/*/*.claim; do \
		echo; echo "$$claim"; $(BIN)/farthing verify "$$claim" || exit 1; \
	done

# Text that nobody trained on, to score the models of a claim on: FRESH="one.txt two.jsonl".
FRESH ?=
LARGEST ?= build/four-members
claim-largest: $(INSTALLED) ## the largest claim made again, verified to level 4, and forged (an hour on one core)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/claim_story.py claims/four-members/claim.yaml --to $(LARGEST) \
		--rerun $(foreach text,$(FRESH),--fresh $(text))

results-claims: $(INSTALLED) ## what is known of claims into docs/results; with LARGEST=FOLDER that claim instead of the committed one
	$(BIN)/python scripts/refresh_claims.py $(if $(wildcard $(LARGEST)/story.json),--story $(LARGEST))

results-cost: $(INSTALLED) ## counts and footprints against published ones, peak memory and metering measured, into docs/results
	OMP_NUM_THREADS=1 $(BIN)/python bench/cost/memory.py
	$(BIN)/python scripts/refresh_cost.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/refresh_metering.py

results-planner: $(INSTALLED) ## predicted hours against published ones, each left out of its own prediction, into docs/results
	OMP_NUM_THREADS=1 $(BIN)/python scripts/refresh_planner.py

results-plan: $(INSTALLED) ## plans for several sums and machines, into docs/plan.md, with their recipes
	OMP_NUM_THREADS=1 $(BIN)/python scripts/refresh_plan.py

# Other people's engines, each in an environment of its own: none is a dependency of farthing.
ENGINES ?= .venv-exports

# A checkout of nanoGPT and the text that it trains on, to measure against it; without them the
# benchmarks that need them say where they are to be had.
NANOGPT ?=
TINYSHAKESPEARE ?=
export NANOGPT TINYSHAKESPEARE
SPEED ?= build/speed

bench: $(INSTALLED) $(ENGINES)/rivals/installed.stamp ## every measurement on the CPU, and what docs/results/speed.md shows
	$(BIN)/farthing bench --recipe quickstart --workspace $(SPEED)
	$(ENGINES)/rivals/bin/python bench/rivals/run_all.py --results $(SPEED)

results-speed: bench ## the measurements against rivals, and their figures into docs/results
	$(BIN)/python scripts/refresh_speed.py --results $(SPEED)

# Raw text (files or folders of JSON lines) and a folder of published evaluation sets to run the
# races of curation on; without them they run on the embedded sample and on the tests' strings.
TEXT ?=
PUBLISHED ?=
CURATION ?= build/curation

bench-curation: $(ENGINES)/curation/installed.stamp ## curation against rivals: speed, duplicates found, languages told (TEXT=FOLDER)
	$(ENGINES)/curation/bin/python bench/curation/run_races.py --results $(CURATION) \
		$(if $(TEXT),--text $(TEXT)) $(if $(PUBLISHED),--published $(PUBLISHED))

results-curation: $(INSTALLED) bench-curation ## the same, and its figures into docs/results
	$(BIN)/python scripts/refresh_curation.py --results $(CURATION)

ENGINE_CHECKS := \
	transformers-4.57/check_transformers \
	transformers-5/check_transformers \
	llama-cpp/check_llama_cpp
# A trained supernet and a shape of it, to check besides the tiny random members.
SUPERNET ?=
SHAPE ?=
MAKE_CASES = OMP_NUM_THREADS=1 $(BIN)/python tests/exports/make_cases.py $$cases \
	$(if $(SUPERNET),--supernet "$(SUPERNET)" --shape "$(SHAPE)")

check-exports: $(INSTALLED) $(patsubst %,$(ENGINES)/%/installed.stamp,transformers-4.57 transformers-5 llama-cpp) ## extracted members in other engines, against the supernet
	@cases=$$(mktemp -d); trap 'rm -rf "$$cases"' EXIT; $(MAKE_CASES) || exit 1; \
	failed=; for pair in $(ENGINE_CHECKS); do \
		engine=$${pair%/*}; check=$${pair#*/}; echo; echo "$$check in $$engine"; \
		OMP_NUM_THREADS=1 $(ENGINES)/$$engine/bin/python tests/exports/$$check.py $$cases \
			|| failed="$$failed $$pair"; \
	done; \
	for asked in sample endings; do \
		echo; echo "lm-eval on the $$asked questions"; questions=$$cases/uniform/questions/$$asked; \
		OMP_NUM_THREADS=1 $(ENGINES)/transformers-5/bin/python tests/exports/check_lm_eval.py \
			$$cases/uniform/member $$questions/tasks $$questions/benchmarks.json \
			|| failed="$$failed lm-eval/$$asked"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

bench-vllm: $(INSTALLED) $(ENGINES)/vllm/installed.stamp ## the same members in vLLM on the CPU (3.5 GB)
	@cases=$$(mktemp -d); trap 'rm -rf "$$cases"' EXIT; $(MAKE_CASES) || exit 1; \
	$(ENGINES)/vllm/bin/python bench/exports/vllm_tokens.py $$cases

# torch first and exactly, as for farthing itself; llama.cpp's server does without.
$(ENGINES)/%/installed.stamp: tests/exports/requirements-%.txt
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(@D)
	$(if $(filter llama-cpp,$*),,$(@D)/bin/python -m pip install $(PIP_FLAGS) "$(TORCH)")
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -r $<
	@touch $@

# Both sides of a comparison run in this one.
$(ENGINES)/rivals/installed.stamp: bench/rivals/requirements.txt pyproject.toml constraints.txt
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt "$(TORCH)"
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -r $< -e .
	@touch $@

# Some of the rivals of curation name versions of others that they run well without.
$(ENGINES)/curation/installed.stamp: bench/curation/requirements.txt bench/curation/requirements-alone.txt pyproject.toml constraints.txt
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt "$(TORCH)"
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -r bench/curation/requirements.txt -e ".[web]"
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --no-deps -r bench/curation/requirements-alone.txt
	@touch $@

$(ENGINES)/vllm/installed.stamp: bench/exports/requirements-vllm.txt
	@echo "vLLM's environment takes 3.5 GB of disk, once, in $(@D). It wants torch's CPU build:" \
		"where pip finds another, set PIP_FLAGS to an index of CPU wheels."
	@$(@D)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) "$(TORCH)"
	$(@D)/bin/python -m pip install $(PIP_FLAGS) -r $<
	@# Built for accelerators: with them, importing vllm ends in "torchvision::nms does not exist".
	$(@D)/bin/python -m pip uninstall --yes torchvision torchaudio torchcodec
	@touch $@

clean: ## remove the environment, builds and caches; workspaces and their books stay
	rm -rf $(VENV) $(ENGINES) build dist src/farthing.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 was found. Install one (on Debian and Ubuntu:" \
		"apt install python3 python3-venv), or name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "$(PYTHON) is not a Python >= 3.11." \
		"Name another one: make PYTHON=/path/to/python3"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment" \
		"(on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt "$(TORCH)"
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@
