# make demo    the main job on a simulated map; ends by itself, results in out/demo
# make test    all tests, on every core; TESTS='test/unit test/ros/test_qos.py' some of them, on one
# make test-jazzy        those of ROS (or TESTS) on the wheels of ROS 2 Jazzy, in .venv-jazzy
# make test-sanitizers   the compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer
# make test-minkowski    our engines against MinkowskiEngine's; takes it from .venv or a wheel, or builds it
# make fuzz    files and messages that are nearly right, for ten minutes: SECONDS=60 FIRST=100000
# make kill    writers that are killed, 200 of them: KILLS=20
# make load    a node under large clouds, many listeners and no CPU, for a minute: SECONDS=120
# make soak    a node under whatever may come, for ten minutes: SECONDS=60
# make gpu-wheels        what tools/gpu takes to a machine with a GPU and without a network, into .whl
# make lint    style of Python and C++, types
# make clean   remove what the build and the demo wrote; virtual environments and runs stay
#
# Each target first sets up what it needs in .venv, and is quick when that is done.
#   PYTHON=python3.12            another interpreter
#   TORCH='torch==2.13.0'        this is the default; another version or build is whatever `pip install`
#                                understands, such as 'torch --index-url ADDRESS-OF-THE-CPU-BUILDS'
#   DISTRO=jazzy                 any target with ROS 2 Jazzy instead of Kilted, in .venv-jazzy
#   WORKERS=4                    processes that share the tests; 0: none but pytest itself
#   MINKOWSKI_WHEELS=FOLDER      where a wheel of MinkowskiEngine lies, if one does
#   GPU_PYTHON=3.12              the Python of that machine
#   GPU_ROOMS='75 --textures D'  how many rooms to take there, and further options of `ssen simulate`

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH ?= torch==2.13.0
DISTRO ?= kilted
MINKOWSKI_WHEELS ?=
GPU_PYTHON ?= 3.12
GPU_ROOMS ?= 75

VENV := .venv$(if $(filter-out kilted,$(DISTRO)),-$(DISTRO))
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input

# Colcon and CMake find the venv's tools and packages; ROS 2 stays on this machine.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
# A ROS distribution or another venv that happens to be sourced must not leak into this one.
unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH COLCON_PREFIX_PATH CMAKE_PREFIX_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

# All that ends up in the installed package. The list itself is a prerequisite too: it tells of deleted files.
PACKAGE_FILES := CMakeLists.txt package.xml pyproject.toml setup.py $(wildcard README.md) \
  $(shell find cmake config examples launch msg scripts src srv ssen_ros -type f -not -name '*.pyc' | LC_ALL=C sort)

TORCH_STAMP := $(STAMPS)/torch-$(shell printf '%s' '$(TORCH)' | cksum | cut -d ' ' -f 1)

.PHONY: help setup demo test fuzz kill load soak test-sanitizers test-minkowski test-jazzy gpu-wheels lint clean FORCE

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: $(STAMPS)/package

demo: setup
	$(BIN)/ssen demo --out out/demo

# The whole suite on every core, some tests in this process alone, where they are quicker and can be debugged.
WORKERS ?= $(if $(TESTS),0,$(shell env -u OMP_NUM_THREADS nproc))

test: setup
	$(BIN)/pytest $(TESTS) -n $(WORKERS)

# The short forms of these are part of `make test`. Ten minutes are no hang.
LONG := -s -o faulthandler_timeout=0

fuzz: setup
	SSEN_FUZZ_S=$(or $(SECONDS),600) SSEN_FUZZ_FIRST=$(or $(FIRST),0) $(BIN)/pytest $(LONG) test/reliability/test_fuzz.py

kill: setup
	SSEN_KILLS=$(or $(KILLS),200) $(BIN)/pytest $(LONG) test/reliability/test_kill.py

load: setup
	SSEN_LOAD_S=$(or $(SECONDS),60) $(BIN)/pytest $(LONG) test/ros/test_load.py

soak: setup
	SSEN_SOAK_S=$(or $(SECONDS),600) $(BIN)/pytest $(LONG) test/ros/test_soak.py

test-jazzy:
	$(MAKE) test DISTRO=jazzy TESTS='$(or $(TESTS),test/ros)'

# Python itself is not built with the sanitizer, so its run-time library has to be there first. What Python and
# PyTorch leave allocated at exit is not ours to judge.
test-sanitizers: setup
	@$(BIN)/cmake -S src -B build/sanitizers -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSSEN_SANITIZE=address,undefined
	@$(BIN)/cmake --build build/sanitizers --parallel
	PYTHONPATH=$(CURDIR) SSEN_NATIVE_LIBRARY=$(CURDIR)/build/sanitizers/libssen_native.so \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so) \
	    $$($(CXX) -print-file-name=libstdc++.so)" \
	  $(BIN)/pytest test/unit/test_native_engine.py test/unit/test_sparse.py test/unit/test_hdbscan_native.py

test-minkowski: setup
	@PYTHON=$(BIN)/python tools/minkowski/install.sh $(MINKOWSKI_WHEELS)
	$(BIN)/pytest test/minkowski -s

# The rooms are made by this checkout; those that exist are kept.
gpu-wheels: setup
	@mkdir -p .whl
	@rm -f .whl/*.whl
	$(BIN)/python -m pip download -qq --disable-pip-version-check --no-deps --only-binary=:all: \
	  --python-version $(GPU_PYTHON) --dest .whl embreex spconv-triton
	@$(BIN)/cmake -S src -B build/native -DCMAKE_BUILD_TYPE=Release
	@$(BIN)/cmake --build build/native --parallel
	@cp build/native/libssen_native.so .whl/
	PYTHONPATH=$(CURDIR) $(BIN)/ssen simulate --seed 3000 --out .whl/rooms --rooms $(GPU_ROOMS) \
	  --workers $$(env -u OMP_NUM_THREADS nproc)
	@du -sh .whl

# Style first, which takes seconds; the type checker needs the libraries that the code imports.
lint: $(STAMPS)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror src/*.cpp src/*.hpp
	@$(MAKE) --no-print-directory setup
	$(BIN)/basedpyright

clean:
	rm -rf build install log out/demo .pytest_cache .ruff_cache .hypothesis ssen_ros.egg-info

$(STAMPS)/venv:
	@echo "== $(VENV): making a virtual environment with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# First and alone, so that the build asked for is the one that all that follows is resolved against.
$(TORCH_STAMP): | $(STAMPS)/venv
	@echo "== $(VENV): $(TORCH) (hundreds of megabytes, takes minutes)"
	@$(PIP) $(TORCH)
	@rm -f $(STAMPS)/torch-*
	@touch $@

$(STAMPS)/requirements: pyproject.toml scripts/requirements.py $(TORCH_STAMP)
	@echo "== $(VENV): ROS 2 $(DISTRO), the other libraries and the build tools (takes minutes)"
	@$(BIN)/python scripts/requirements.py --distro $(DISTRO) build run ros bags view test > $(STAMPS)/requirements.txt
	@$(PIP) -r $(STAMPS)/requirements.txt
	@touch $@

$(STAMPS)/package: $(PACKAGE_FILES) $(STAMPS)/package-files $(STAMPS)/requirements
	@echo "== $(VENV): ssen_ros with its messages"
	@$(PIP) --no-build-isolation --no-deps --force-reinstall .
	@touch $@

$(STAMPS)/package-files: FORCE | $(STAMPS)/venv
	@printf '%s\n' $(PACKAGE_FILES) | cmp -s - $@ || printf '%s\n' $(PACKAGE_FILES) > $@

# Alone, so that style is told before the rest is there.
$(STAMPS)/lint: pyproject.toml scripts/requirements.py | $(STAMPS)/venv
	@$(PIP) $$($(BIN)/python scripts/requirements.py lint)
	@touch $@
