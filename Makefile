# Every target sets up .venv by itself; a second call installs nothing.
# Needs python3 (3.11 or newer), make, and PyPI the first time.
.DEFAULT_GOAL := help
.PHONY: help book test test-cpus fuzz lint serve refresh tables playground benchmarks clean

PYTHON ?= python3
BIN := .venv/bin
HTML := _build/html/index.html
CHECK := $(BIN)/check-jsonschema --quiet --builtin-schema vendor
WORKERS ?= 2
# One thread a process: small training is far slower with two that fight.
export OMP_NUM_THREADS ?= 1
export SOURCE_DATE_EPOCH ?= 1767225600
# Progress bars hold times, which no stored output should.
export TQDM_DISABLE ?= 1

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "snnl-tutorial needs Python 3.11 or newer; '$(PYTHON)' is" \
	  "$$($(PYTHON) -V 2>&1). Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[run,book,test,lint]'
	@touch $@

book: .venv/installed  ## render the book from its stored outputs
	$(BIN)/jupyter-book build book --config _config.yml --path-output . -W -n --keep-going --quiet
	@echo "$(CURDIR)/$(HTML)"

test: .venv/installed book  ## unit tests, every chapter re-executed, the pages in a browser
	$(BIN)/python -m pytest --doctest-modules --numprocesses $(WORKERS) --dist loadfile
	$(BIN)/python -m pytest book --nbval --numprocesses $(WORKERS) --dist loadfile

test-cpus: .venv/installed  ## the stored outputs again: AVX2, two threads, first weights nudged
	ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest book --nbval
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest book --nbval
	profile=$$(mktemp -d) && mkdir -p $$profile/profile_default/startup && \
	  cp tools/nudge_weights.py $$profile/profile_default/startup/ && \
	  IPYTHONDIR=$$profile $(BIN)/python -m pytest book --nbval; \
	  status=$$?; rm -rf $$profile; exit $$status

fuzz: .venv/installed  ## the loss against the float64 loop, in thousands of random cases
	$(BIN)/python -m pytest tests/loss/test_fuzz.py --hypothesis-profile fuzz --numprocesses $(WORKERS)

lint: .venv/installed  ## ruff, mypy, GitHub's files, and whether tables and playground are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CHECK).github-workflows .github/workflows/*.yml
	$(CHECK).github-issue-forms .github/ISSUE_TEMPLATE/[0-9]-*.yml
	$(CHECK).github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(CHECK).dependabot .github/dependabot.yml
	$(CHECK).citation-file-format CITATION.cff
	$(BIN)/python tools/chapter_tables.py --check
	$(BIN)/python tools/bundle_playground.py --check

serve: book  ## serve the rendered book on http://localhost:8000
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

refresh: .venv/installed  ## re-execute the chapters and store clean outputs (CHAPTERS="book/chapters/01*.ipynb" for some)
	$(BIN)/python tools/refresh.py $(CHAPTERS)

tables: .venv/installed  ## write the tables of chapters in README.md and book/index.md
	$(BIN)/python tools/chapter_tables.py

playground: .venv/installed  ## bundle the playground's modules into the script that its page loads
	$(BIN)/python tools/bundle_playground.py

benchmarks: .venv/installed  ## measure again, on an idle machine (half an hour); MNIST=folder of the raw files
	for name in loss layers scaling; do env -u OMP_NUM_THREADS -u TQDM_DISABLE $(BIN)/python -m benchmarks.$$name || exit 1; done
	env -u OMP_NUM_THREADS $(BIN)/python -m benchmarks.memory $(if $(MNIST),--mnist $(MNIST),--dry-run)

clean:  ## remove what was built (.venv stays)
	rm -rf _build build dist
