# Two commands are all a newcomer needs: `make run` and `make test`. Both set themselves up.

PYTHON ?= python3
UV := .tools/bin/uv
UV_VERSION := 0.13.9
RUN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
# Where Python may not keep what it compiled, each process compiles 900 modules anew: 2 seconds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo-info test check format bench soak clean screenshots

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: .venv/ready ## start everything with demo data and print where to click
	@exec $(RUN)/kadesk serve --demo

demo-info: .venv/ready ## print the demo's addresses, orders and staff accounts again
	@$(RUN)/kadesk demo-info

test: .venv/ready-dev ## run the whole suite, on SQLite and on private PostgreSQL and MariaDB servers
	@$(RUN)/python -m pytest -q -rs -n auto --dist worksteal -m "not measured and not alone and not browser"
	@$(RUN)/python -m pytest -q -rs -n 2 --dist worksteal -m browser
	@$(RUN)/python -m pytest -q -rs -m "alone and not browser"
	@$(RUN)/python -m pytest -q -rs -n auto --dist worksteal -m measured --cov --cov-report=
	@$(RUN)/coverage report --include='tickets/*,shop/*,faq/*' --skip-covered
	@$(RUN)/coverage report --include='tickets/*,shop/*,faq/*' --fail-under=95 --format=total >/dev/null \
		|| { echo "Less than 95 % of the lines of tickets/, shop/ and faq/ are covered."; exit 1; }

check: .venv/ready-dev ## formatting, lint, types, import rules, docs
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy kadesk console bot tickets shop faq audit benchmarks scheduler.py
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -q tests/test_docs.py tests/test_architecture.py

format: .venv/ready-dev ## put the code into its form
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

bench: .venv/ready-dev ## run the benchmarks, other desks beside ours
	@$(UV) sync --quiet --frozen --inexact --extra semantic --group bench --python $(PYTHON)
	@for name in benchmarks/[a-z]*.py; do $(RUN)/kadesk bench $$(basename $$name .py); done

soak: .venv/ready-dev ## try for an hour what the suite tries for seconds
	FUZZED=1000000 POWER_CUTS=50000 STEPS=1500000 DESK_STEPS=150000 LOSSY_CHATS=500 $(RUN)/python -m pytest -q -n auto \
		tests/faq/test_fuzz.py tests/shop/test_power_cut.py tests/shop/test_stateful.py tests/tickets/test_stateful.py \
		tests/bot/test_lossy_telegram.py
	TELEGRAM_UPDATES=100000 TELEGRAM_KILLS=300 $(RUN)/python -m pytest -q tests/stories/test_telegram_kill.py
	WECHAT_CALLS=10000 WECHAT_KILLS=30 $(RUN)/python -m pytest -q tests/stories/test_wechat_kill.py
	TEST_STOCK=5000 $(RUN)/python -m pytest -q tests/stories/test_stock.py

screenshots: .venv/ready-dev ## draw the screenshots of the docs anew
	SCREENSHOTS=docs/screenshots $(RUN)/python -m pytest -q tests/stories/test_first_day.py

clean: ## remove what the set-up made; your data stays
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

.tools/ready:
	@command -v $(PYTHON) >/dev/null || { echo "Kadesk needs Python 3.11 or newer, and there is no $(PYTHON) here."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Kadesk needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11."; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; \
		then $(PYTHON) -m venv .tools && .tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
		else $(PYTHON) .ci/get_uv.py $(UV_VERSION) .tools/bin; fi
	@touch $@

.venv/ready: .tools/ready pyproject.toml uv.lock
	@echo "Installing Kadesk from the lock file (once)."
	@$(UV) sync --quiet --frozen --inexact --no-dev --extra semantic --python $(PYTHON)
	@touch $@

.venv/ready-dev: .tools/ready pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --inexact --extra semantic --python $(PYTHON)
	@touch $@ .venv/ready
