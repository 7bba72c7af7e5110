# The one door: `make` lists what can be done. CI goes through the same scripts.
.DEFAULT_GOAL := help
.PHONY: help deps build debug test one asan fuzz lint format bench profile budget run docs clean

help:   ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

deps:   ## install what everything needs (Debian 12, root)
	scripts/install-deps all

build:  ## the module and agwctl, into build/release
	scripts/build release

debug:  ## the same without optimisation, into build/debug
	scripts/build debug

test:   ## everything that CI runs; PART="unit e2e" runs parts (scripts/test --list)
	scripts/test $(PART)

one:    ## one test by name: make one T=Router.* (GoogleTest filter) or T=t/e2e/test_login.py
	scripts/test --one '$(T)'

asan:   ## unit and end-to-end tests under ASan and UBSan
	scripts/test asan

fuzz:   ## every fuzzer for a minute; ARGS="--seconds 600 jwt_fuzz" (t/fuzz/run --help)
	t/fuzz/run $(ARGS)

lint:   ## layout, clang-tidy, rooms, shell scripts
	scripts/test lint rooms

format: ## lay out all C++
	git ls-files -co --exclude-standard -- '*.cpp' '*.h' '*.c' | xargs clang-format-19 -i

bench:  ## speed, latency and memory beside bare nginx, six minutes; ARGS="--quick", "--peers", "--json out.json"
	scripts/install-deps bench
	scripts/build release module agwctl
	t/bench/run $(ARGS)

profile: ## where the instructions of a row go: make profile ARGS=full
	scripts/install-deps test
	scripts/build release module
	t/bench/profile $(ARGS)

budget: ## instructions of a governed call against those stored; ARGS=--update stores what is counted now
	scripts/install-deps test
	scripts/build release module
	t/bench/budget $(ARGS)

run:    ## the quickstart: nginx with the module, a login server, tickets, an agent; stays up until Ctrl-C
	scripts/quickstart

docs:   ## write the generated pages of docs/ anew
	scripts/docs

clean:  ## remove what was built
	rm -rf build
