# Everything runs in .venv, which is made once from requirements.lock.
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

.PHONY: help course test lab site save export weights table photo-table bottleneck specialists bench classroom grade stick showcase lock lint release
.DEFAULT_GOAL := help

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock settings.ini setup.py pyproject.toml
	$(PYTHON) -c "import sys; sys.version_info >= (3, 10) or sys.exit('Python 3.10 or newer is needed; name one with make PYTHON=...')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -r requirements.lock
	@# smalldocs asks for Python 3.11 and runs on 3.10; elsewhere this does nothing
	$(BIN)/python -m pip install --no-deps --ignore-requires-python $(shell sed -n 's/^\(smalldocs==[^ ]*\).*/\1/p' requirements.lock)
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@touch $@

course: $(VENV)/.installed  ## run every lesson and room on all of MNIST, print the results, build the site in _docs/
	$(BIN)/python tools/course.py

test: $(VENV)/.installed  ## run all tests
	$(BIN)/python -m pytest

lint: $(VENV)/.installed  ## ask ruff and mypy
	$(BIN)/ruff check
	$(BIN)/mypy

release: $(VENV)/.installed  ## check and build what would be published, into dist/
	$(BIN)/python tools/release.py $(TAG)

lab: $(VENV)/.installed  ## open JupyterLab at the course
	$(BIN)/jupyter lab nbs/index.ipynb

site: $(VENV)/.installed  ## build the site in _docs/ from the saved outputs
	$(BIN)/python tools/site_builder.py

save: $(VENV)/.installed  ## run the lessons and rooms and keep their outputs in the notebooks
	$(BIN)/python tools/course.py --save

export: $(VENV)/.installed  ## write the library and the README from the notebooks
	$(BIN)/python tools/export.py

weights: $(VENV)/.installed  ## train the packaged weights anew, or NAME=photo-grey only; on 2 cores an hour or two for each of photos, an hour for digits
	$(BIN)/python tools/weights.py $(NAME)

table: $(VENV)/.installed  ## make the σ-table on all test digits anew, half an hour or more
	$(BIN)/python tools/table.py
	$(BIN)/python tools/weights.py --cards

photo-table: $(VENV)/.installed  ## compare denoisers on photos, an hour or more with BM3D
	$(BIN)/python tools/photo_table.py --missing

bottleneck: $(VENV)/.installed  ## train autoencoders with more and fewer numbers in the middle, some hours
	$(BIN)/python tools/bottlenecks.py

specialists: $(VENV)/.installed  ## train U-Nets for one noise level each and compare, about 3 hours
	$(BIN)/python tools/specialists.py

bench: $(VENV)/.installed  ## measure the speed beside other libraries, about an hour
	$(BIN)/python tools/bench.py

classroom: $(VENV)/.installed  ## make copies, assignments, slides, handouts and plans for a class, in _class/
	$(BIN)/python tools/classroom.py

grade: $(VENV)/.installed  ## mark what students handed in: make grade SUBMISSIONS=folder LESSON=01
	$(if $(and $(SUBMISSIONS),$(LESSON)),,$(error say whose work and which lesson: make grade SUBMISSIONS=folder LESSON=01))
	$(BIN)/python tools/grade.py "$(SUBMISSIONS)" --lesson $(LESSON) $(if $(OUT),--out "$(OUT)") $(if $(ANONYMOUS),--anonymous)

stick: $(VENV)/.installed  ## make _stick/, a folder that sets the course up with no network; 4 GB to fetch
	$(BIN)/python tools/stick.py $(if $(SYSTEMS),--systems $(SYSTEMS)) $(if $(PYTHONS),--python $(PYTHONS)) $(if $(NO_SITE),--no-site)

showcase: $(VENV)/.installed  ## make the pictures on the page for teachers anew, in nbs/images/; needs Chromium
	$(BIN)/python tools/showcase.py

lock: $(VENV)/.installed  ## resolve requirements.lock anew, for all systems and Python versions
	$(BIN)/python -m pip install uv
	$(BIN)/uv pip compile --universal --python-version 3.10 --extra dev --no-annotate --no-header -o requirements.lock setup.py
