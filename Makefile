# Thin: every target is a script or a CMake preset, so that CI and people run the same thing.
MODEL ?=
CANDIDATE ?=
AGAINST ?= finetuned
OUT ?=

.PHONY: setup build demo garrison test asan tsan docs format tidy fuzz clean

setup:            ## install what is needed from the distribution (root or sudo)
	scripts/setup

build: setup      ## release build: build/release/vauban
	cmake --preset release
	cmake --build --preset release --target vauban

demo: build       ## audit a model against a changed one and print where the report lies
	MODEL="$(MODEL)" CANDIDATE="$(CANDIDATE)" AGAINST="$(AGAINST)" OUT="$(OUT)" scripts/demo

garrison: build   ## rebuild the embedded demo model from its recipe, and the program around it
	models/garrison/rebuild
	cmake --build --preset release --target vauban

test:             ## install, build with warnings as errors, pass every test, then again under ASan and UBSan
	scripts/setup --tests
	scripts/test

asan tsan:        ## the tests under a sanitizer
	scripts/setup --tests
	cmake --preset $@
	cmake --build --preset $@
	ctest --preset $@ --timeout 600

docs: build       ## regenerate docs/parity.md and the other generated pages
	scripts/generate-docs

format:           ## rewrite the sources in the project's format
	git diff --name-only --diff-filter=d HEAD -- '*.cpp' '*.h' | xargs -r clang-format -i

tidy:             ## static checks over what the dev build compiles
	cmake --preset dev
	git ls-files 'src/*.cpp' | xargs clang-tidy -p build/dev --quiet

fuzz:             ## coverage-guided fuzzing with clang; see tests/fuzz/CMakeLists.txt
	scripts/fuzz

clean:
	rm -rf build
