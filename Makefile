# Every target does its own set-up: all that a machine needs is make and Python 3.11 or newer.
# Another interpreter: make test PYTHON=python3.13

PYTHON ?= python3
UV := .venv-uv
VENV := .venv
OLDEST := .venv-oldest
BENCH := benchmarks/.venv
BENCH_DISTRIBUTIONAL := benchmarks/.venv-distributional
BENCH_CALIBRATION := benchmarks/.venv-calibration
DOCS := docs/.venv
DIST := .venv-dist
RUN := $(VENV)/bin/python -m
# A worker per processor, each with one BLAS thread; then the tests that watch threads, memory or time, by themselves.
PARALLEL := -n logical --maxprocesses=8 --dist=worksteal
# To collect only these saves the time of collecting thousands of others.
ALONE = `grep -rl --include='test_*.py' mark.alone tests`
# And not to collect what is slow as a whole.
NOT_SLOW = `grep -rl --include='test_*.py' '^pytestmark = .*mark.slow' tests | sed 's/^/--ignore=/'`

# Environments come without bytecode, and the tests start many processes: each module is compiled once, at its first use.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo docs docs-quick test test-all test-together test-kernels lint format types layering doctest test-oldest check bench bench-quick bench-small bench-growth bench-coverage bench-inference bench-calibration bench-dask bench-distributional reliability test-pickles peers mutants dist test-wheel clean

help:
	@echo "make demo         the estimators beside LogisticRegression on real data, a choice of noise models, two pictures"
	@echo "make test         the tests but for the slow ones, with the newest versions of everything: some minutes"
	@echo "make test-all     all tests, with the slow ones"
	@echo "make test-together  every triple of options in every call (make test-all has every pair): ten minutes"
	@echo "make test-kernels the tests with linear algebra, under OpenBLAS's other kernels and with more threads"
	@echo "make test-oldest  the tests of what depends on other packages, with their oldest supported versions"
	@echo "make test-pickles fitted estimators, pickled with the oldest versions and loaded with the newest, and the reverse"
	@echo "make lint         style, formatting, spelling and prose    (make format repairs what can be repaired)"
	@echo "make types        mypy"
	@echo "make layering     import-linter: each package imports only from lower layers"
	@echo "make doctest      the examples in docstrings, README and docs"
	@echo "make check        all of these but demo"
	@echo "make docs         the documentation site in docs/_build/html, with its gallery; docs-quick runs no example"
	@echo "make layout       what make docs built, in Chromium: is anything cut off, or wider than a telephone?"
	@echo "make bench        time to solution beside the peers: hours; bench-quick tests it, bench-growth varies the size"
	@echo "make bench-small  fits of a few hundred rows, predictions, refits and summaries, beside scikit-learn's"
	@echo "make reliability  hard inputs, for us and the peers: the table of docs/reliability.md, in some minutes"
	@echo "make bench-coverage   how often 95% intervals hold the truth; bench-inference: fit and covariance beside statsmodels"
	@echo "make bench-calibration   methods of calibration beside scikit-learn's and the peers'; DATA=folder adds three data sets"
	@echo "make bench-dask   fits on a cluster of two worker processes, beside dask-ml"
	@echo "make bench-distributional  predictive distributions around one base, ours and the peers': DATA=folder, ARGS=--quick"
	@echo "make peers        scikit-learn's own tests, of the installed version, with our estimators in the place of its own"
	@echo "make mutants      small faults planted one at a time, a seeded sample of 200: which do the tests see? An hour or two"
	@echo "make dist         sdist and wheel in dist/, checked; the same commit gives the same bytes"
	@echo "make test-wheel   the wheel of make dist, installed in an empty environment outside the tree, fits"
	@echo "make check-release  what packaging/RELEASING.md still asks for before a release; TAG=v0.1.0 is compared, too"
	@echo "make clean        remove everything that these commands made"

demo: $(VENV)/.stamp
	$(VENV)/bin/python examples/demo.py
	$(VENV)/bin/python examples/choose_noise_model.py

test: $(VENV)/.stamp
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) -m 'not alone and not slow' $(NOT_SLOW)
	$(RUN) pytest -m 'alone and not slow' $(ALONE)

test-all: $(VENV)/.stamp
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) -m 'not alone'
	$(RUN) pytest -m alone $(ALONE)

test-together: $(VENV)/.stamp
	SKLEARN_MLE_TOGETHER=3 OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) tests/together

test-kernels: $(VENV)/.stamp
	$(RUN) tests.kernels

lint: $(VENV)/.stamp
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(VENV)/bin/codespell
	$(VENV)/bin/rumdl check --no-cache --quiet .
	$(VENV)/bin/proselint check *.md `ls docs/*.md`

format: $(VENV)/.stamp
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

types: $(VENV)/.stamp
	$(RUN) mypy

layering: $(VENV)/.stamp
	$(VENV)/bin/lint-imports

doctest: $(VENV)/.stamp
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) --doctest-modules sklearn_mle
	OMP_NUM_THREADS=1 $(RUN) pytest $(PARALLEL) --doctest-glob='*.md' README.md docs

# Left out: our own tools, the examples (tests/displays draws with the oldest matplotlib), and relations between fits of
# ours: what they call of other packages the tests beside them call, and tests/together with every kind of container.
NOT_OLDEST := --ignore=tests/benchmarks --ignore=tests/docs --ignore=tests/examples \
    --ignore=tests/fit/test_equivalences.py --ignore=tests/hard_inputs/test_invariances.py \
    --ignore=tests/inference/test_offsets.py --ignore=tests/estimators/test_fitted.py \
    --deselect=tests/estimators/test_check_estimator.py::test_scikit_learn_checks_of_other_settings

test-oldest: $(OLDEST)/.stamp
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest $(PARALLEL) -m 'not alone' $(NOT_OLDEST)
	$(OLDEST)/bin/python -m pytest -m alone $(ALONE)

# What one supported version of scikit-learn pickles, another loads, with at most scikit-learn's own warning.
test-pickles: $(VENV)/.stamp $(OLDEST)/.stamp
	@pickles=`mktemp` && trap 'rm -f $$pickles' EXIT && set -e; \
	$(OLDEST)/bin/python -m tests.hard_inputs.across_versions dump $$pickles; \
	$(RUN) tests.hard_inputs.across_versions load $$pickles; \
	$(RUN) tests.hard_inputs.across_versions dump $$pickles; \
	$(OLDEST)/bin/python -m tests.hard_inputs.across_versions load $$pickles

# -E: new names of the reference need a fresh start. -W --keep-going: warnings are errors, and all of them are shown.
docs: $(DOCS)/.stamp
	$(DOCS)/bin/python -m sphinx -E -W --keep-going -b html docs docs/_build/html
	$(DOCS)/bin/python docs/check_links.py docs/_build/html

docs-quick: $(DOCS)/.stamp
	$(DOCS)/bin/python -m sphinx -E -W --keep-going -D plot_gallery=0 -b html docs docs/_build/quick
	$(DOCS)/bin/python docs/check_links.py docs/_build/quick

.PHONY: paper-figure
paper-figure: $(VENV)/.stamp
	$(VENV)/bin/python paper/figure.py

# Left out of check: it needs a Chromium, named by CHROMIUM or in the path, or downloaded by `playwright install chromium`.
.PHONY: layout
layout: $(DOCS)/.stamp
	$(DOCS)/bin/python -m pip install --quiet playwright
	$(DOCS)/bin/python docs/check_layout.py docs/_build/html

bench: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.run

bench-quick: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.run --quick

bench-small: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.small
	$(BENCH)/bin/python -m benchmarks.many

bench-growth: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.run --growth

bench-dask: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.dask

bench-coverage: $(VENV)/.stamp
	$(VENV)/bin/python -m benchmarks.coverage
	$(VENV)/bin/python -m benchmarks.clustered_effects

bench-calibration: $(BENCH_CALIBRATION)/.stamp
	$(BENCH_CALIBRATION)/bin/python -m benchmarks.calibration $(if $(DATA),--data-dir $(DATA))

bench-inference: $(VENV)/.stamp
	$(VENV)/bin/python -m benchmarks.inference_speed

# DATA: the folder of the tables. ARGS: --quick, --splits 5, --rows 10000, --sets yacht,wine, ...
bench-distributional: $(BENCH_DISTRIBUTIONAL)/.stamp
	$(BENCH_DISTRIBUTIONAL)/bin/python -m benchmarks.distributional $(if $(DATA),--data $(DATA)) $(ARGS)

reliability: $(BENCH)/.stamp
	$(BENCH)/bin/python -m benchmarks.reliability

peers: $(VENV)/.stamp
	$(RUN) tests.peers.scikit_learn

mutants: $(VENV)/.stamp
	$(RUN) benchmarks.mutants

# The last commit's time stands in the archives, so that the same commit gives the same bytes.
dist: $(DIST)/.stamp
	rm -rf dist
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-`git log -1 --format=%ct`} $(DIST)/bin/python -m build
	$(DIST)/bin/twine check --strict dist/*
	$(DIST)/bin/check-wheel-contents dist/*.whl
	$(DIST)/bin/validate-pyproject pyproject.toml
	$(DIST)/bin/pyroma --min 10 dist/*.tar.gz
	@sha256sum dist/* 2>/dev/null || shasum -a 256 dist/*

test-wheel: dist
	@empty=`mktemp -d` && trap 'rm -rf "$$empty"' EXIT && set -e; \
	$(PYTHON) -m venv "$$empty/venv"; \
	"$$empty/venv/bin/python" -m pip install --quiet dist/*.whl; \
	cp packaging/smoke_test.py "$$empty"; \
	cd "$$empty" && env -u PYTHONPATH venv/bin/python -W error smoke_test.py

# Fails until the placeholders that packaging/RELEASING.md lists are filled in.
.PHONY: check-release
check-release:
	$(require_python)
	$(PYTHON) packaging/check_release.py $(TAG)

check: test-all test-together test-kernels lint types layering doctest test-oldest test-pickles docs

clean:
	rm -rf $(UV) $(VENV) $(OLDEST) $(BENCH) $(BENCH_DISTRIBUTIONAL) $(BENCH_CALIBRATION) $(DOCS) $(DIST) dist benchmarks/output examples/output
	rm -rf docs/_build docs/api docs/exercises docs/gallery
	rm -rf .rumdl_cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define require_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "sklearn-mle needs Python 3.11 or newer, and '$(PYTHON)' is `$(PYTHON) --version 2>&1`." >&2; \
	    echo "Name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
endef

# uv installs in seconds what takes pip minutes. Where it cannot be had, or finds no index, pip does the same.
# $(call install,environment,extras)
define install
	$(require_python)
	$(PYTHON) -m venv $(1)
	$(UV)/bin/uv pip install --quiet --python $(1)/bin/python --editable '.[$(2)]' || \
	    $(1)/bin/python -m pip install --quiet --editable '.[$(2)]'
endef

# The stamp is younger than what the installation reads once the environment is complete: a second run installs nothing.
$(VENV)/.stamp: pyproject.toml sklearn_mle/__init__.py | $(UV)/.stamp
	$(call install,$(VENV),dev)
	@touch $@

$(DOCS)/.stamp: pyproject.toml sklearn_mle/__init__.py | $(UV)/.stamp
	$(call install,$(DOCS),docs)
	@touch $@

# pip cannot choose the oldest versions that pyproject.toml allows; uv can.
$(OLDEST)/.stamp: pyproject.toml sklearn_mle/__init__.py | $(UV)/.stamp
	$(require_python)
	$(PYTHON) -m venv $(OLDEST)
	$(UV)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[test]'
	@touch $@

$(UV)/.stamp:
	$(require_python)
	$(PYTHON) -m venv $(UV)
	$(UV)/bin/python -m pip install --quiet uv && touch $@ || echo "uv cannot be installed: pip will do" >&2

# Groups of dependencies came with pip 25.1.
$(DIST)/.stamp: pyproject.toml
	$(require_python)
	$(PYTHON) -m venv $(DIST)
	$(DIST)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(DIST)/bin/python -m pip install --quiet --group dist
	@touch $@

# Peers bring their own pins, so they stay out of the environment that the tests run in.
$(BENCH)/.stamp: pyproject.toml sklearn_mle/__init__.py
	$(require_python)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python benchmarks/install_peers.py bench
	@touch $@

# NGBoost takes no scikit-learn of today, which the other benchmarks run beside.
$(BENCH_DISTRIBUTIONAL)/.stamp: pyproject.toml sklearn_mle/__init__.py
	$(require_python)
	$(PYTHON) -m venv $(BENCH_DISTRIBUTIONAL)
	$(BENCH_DISTRIBUTIONAL)/bin/python benchmarks/install_peers.py bench-distributional
	@touch $@

$(BENCH_CALIBRATION)/.stamp: pyproject.toml sklearn_mle/__init__.py
	$(require_python)
	$(PYTHON) -m venv $(BENCH_CALIBRATION)
	$(BENCH_CALIBRATION)/bin/python benchmarks/install_peers.py bench-calibration
	@touch $@
