# Every target sets the environment up first, so each works as the first command in a
# fresh clone. Needed: Python >= 3.11 with venv and pip, make, git.
#
#   PYTHON=python3.12        the interpreter that .venv is made from
#   JOBS=4                   processes that `make test` uses
#   PYTEST_ARGS='-k union'   what `make test` hands to pytest
#   TORCH_INDEX=URL          take torch and torchvision from this package index, such as
#                            PyTorch's CPU-only one, and leave the CUDA libraries out. The
#                            default is PyPI's build, which on Linux brings CUDA and also
#                            runs on a CPU. Another value needs a `make clean-venv` first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PY := $(VENV)/bin/python
UV := $(PY) -m uv
STAMP := $(VENV)/.set-up
UNFINISHED := $(VENV)/.unfinished
TORCH_INDEX ?=
PYTEST_ARGS ?=
# Each process imports torch and MMPose, about 1 GB: more than four gain nothing.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))

# The wheels of CUDA PyTorch are large; the certificates of a company proxy are the system's.
export UV_HTTP_TIMEOUT ?= 300
export UV_SYSTEM_CERTS ?= 1
# The environment of this checkout, whatever else is active.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
find_python = $(or $(PYTHON),$(shell for check in '$(SUPPORTED)' '$(NEW_ENOUGH)'; do \
	for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c "$$check" 2>/dev/null && echo $$p && exit; done; done))

# What tests/integration/test_report_in_browser.py looks for.
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
find_browser := for name in $(BROWSERS); do command -v $$name && break; done

.PHONY: help setup browser test demo matrix weights lint format types wheel lock clean clean-venv

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Create .venv with everything pinned, about a minute

# $(UNFINISHED) is there while packages are being copied. A set-up that was killed leaves it
# behind, and the next one starts from nothing rather than trust half-copied packages.
$(STAMP): requirements/setup.txt requirements/dev.txt setup.py pyproject.toml
	@if [ -e $(UNFINISHED) ] || ! $(PY) -m pip --version >/dev/null 2>&1; then \
	  python="$(find_python)"; \
	  if ! "$${python:-false}" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    echo "Needed: Python >= 3.11. Found: $${python:-none}$${python:+, which is not that}." \
	         'Install one, or name it: make setup PYTHON=...' >&2; \
	    exit 1; \
	  elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$python lacks venv or ensurepip. Debian and Ubuntu: apt install python3-venv;" \
	         'elsewhere name another interpreter: make setup PYTHON=...' >&2; \
	    exit 1; \
	  fi; \
	  echo "Creating $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear --without-pip $(VENV); \
	fi; \
	touch $(UNFINISHED)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements/setup.txt
ifeq ($(TORCH_INDEX),)
	$(UV) pip install --python $(PY) --no-deps -r requirements/dev.txt
else
	grep -E '^(torch|torchvision)==' requirements/dev.txt >$(VENV)/torch.txt
	grep -vE '^(cuda-|nvidia-|triton)' requirements/dev.txt >$(VENV)/rest.txt
	$(UV) pip install --python $(PY) --no-deps --default-index '$(TORCH_INDEX)' -r $(VENV)/torch.txt
	$(UV) pip install --python $(PY) --no-deps -r $(VENV)/rest.txt
endif
	$(UV) pip install --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $(UNFINISHED) && mv $(UNFINISHED) $@

browser: ## Bring a Chromium for the tests of reports, where apt-get may
	@if [ -z "$$($(find_browser))" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo 'No Chromium yet: apt-get install chromium'; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes \
	      --no-install-recommends -o DPkg::Lock::Timeout=120 chromium; } >/dev/null || true; \
	fi
	@found=$$($(find_browser)) || true; \
	echo "$${found:-No Chromium and no way to install one: its tests will be skipped.}"

test: $(STAMP) ## Run the tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

DEMO := configs/multihead/multihead_micro_12e_mannequin_128x96.py
DEMO_DIR := work_dirs/demo

demo: $(STAMP) ## Render mannequins, train one model on all of their skeletons, score and draw it
	$(PY) -m hpemap_mm.datasets.mannequin data/mannequin --images 960 --workers 2
	rm -rf $(DEMO_DIR)
	$(PY) -W ignore tools/train.py $(DEMO) --work-dir $(DEMO_DIR)
	$(PY) -W ignore tools/test.py $(DEMO) $(DEMO_DIR)/epoch_12.pth --out $(DEMO_DIR)/test

MATRIX := configs/multihead/multihead_micro_8e_coco-subset_lspet_128x128.py
MATRIX_DIR := work_dirs/matrix

matrix: $(STAMP) ## Train on photographs of COCO and LSPET, judge on four datasets: a report
	$(PY) -W ignore tools/train.py $(MATRIX) --work-dir $(MATRIX_DIR) --resume
	$(PY) -W ignore tools/test.py $(MATRIX) $(MATRIX_DIR)/epoch_8.pth --out $(MATRIX_DIR)/test

TRANSLATORS := coco-to-mpii mpii-to-coco
WEIGHTS := hpemap_mm/translators/weights

weights: $(STAMP) ## Train the translators that come along anew (needs HPEMAP_DATA, 3 minutes)
	for pair in $(TRANSLATORS); do \
	  config=configs/translators/residual_60e_$$pair.py; work=work_dirs/weights/$$pair; \
	  rm -rf $$work; \
	  $(PY) -W ignore tools/train.py $$config --work-dir $$work; \
	  $(PY) tools/publish_translator.py $$config $$work/epoch_60.pth $(WEIGHTS)/$$pair.pth \
	    --for-any-detector; \
	done

lint: $(STAMP) ## Check style, formatting and spelling
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	git ls-files -z | xargs -0 $(PY) -m codespell_lib

format: $(STAMP) ## Format, and fix what can be fixed
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(STAMP) ## Check the types
	$(PY) -m mypy

wheel: $(STAMP) ## Build dist/, install the wheel into an empty environment, use it there
	rm -rf dist
	$(PY) -m build --no-isolation --outdir dist . >/dev/null
	@ls -1 dist
	scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(UV) venv --quiet --python $(PY) "$$scratch/venv"; \
	install='$(UV) pip install --quiet --python'; \
	$$install "$$scratch/venv" --constraint requirements/base.txt dist/*.whl; \
	$$install "$$scratch/venv" --no-deps $$(grep -E '^(mmpose|mmcv-lite)==' requirements/base.txt); \
	cp .ci/check_wheel.py "$$scratch"; cd "$$scratch"; venv/bin/python -P check_wheel.py

lock: $(STAMP) ## Pin requirements/*.in anew
	for name in base dev; do \
	  $(UV) pip compile --universal --python-version 3.11 --quiet \
	    --custom-compile-command 'make lock' --override requirements/overrides.txt \
	    requirements/$$name.in --output-file requirements/$$name.txt; \
	done

clean: ## Remove what building, testing and linting leave
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-venv: ## Remove the environment
	rm -rf $(VENV)
