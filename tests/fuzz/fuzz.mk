# SPDX-License-Identifier: Apache-2.0
#
# fuzz.mk - the fuzz targets; included by tests.mk
#
#	make fuzz FUZZ_SECONDS=60	each target with libFuzzer, in build-fuzz/
#	make fixtures			tests/fixtures/should-fail-* and the corpus, made anew
#	make fuzz-replay		each without it, over its corpus, with $(CC)

FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang-14
FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(BUILD)/tests/fuzz/%_fuzz)
FUZZ_TESTS := $(FUZZ_TARGETS:%=tests/fuzz/%.sh)
FUZZ_ENGINE := $(if $(FUZZ),-fsanitize=fuzzer)
OBJS_FUZZ := $(addprefix $(BUILD)/tests/fuzz/,fuzz.o fuzz_image.o $(if $(FUZZ),,replay.o))

# What the targets need of the daemon: its options, and how it reads requests.
$(BUILD)/tests/fuzz/%_fuzz: $(BUILD)/tests/fuzz/%_fuzz.o $(OBJS_FUZZ) \
		$(call objs,fuse-root/base/*.c fuse-root/face/control_request.c) \
		$(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(FUZZ_ENGINE) $(LIBS_IMG)

# And of the image tool: what verify is made of.
$(BUILD)/tests/fuzz/verify_fuzz: $(BUILD)/tests/fuzz/verify_right.o \
		$(call objs,$(addprefix imgfmt/tool/,hot_check.c hot_table.c image_file.c progress.c \
		ring.c verify.c verify_pack.c))

fuzz-programs: $(FUZZ_PROGRAMS)

# In a build of its own: every object counts its branches for the fuzzer.
fuzz-build:
	+@$(MAKE) --no-print-directory CC=$(FUZZ_CC) FUZZ=1 BUILD=build-fuzz \
		SAN=address,undefined,fuzzer-no-link CFLAGS='-O1 -g -fno-sanitize-recover=undefined' \
		fuzz-programs

fuzz: fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run.sh $(FUZZ_TESTS)

fuzz-replay: fuzz-programs
	@for t in $(FUZZ_TARGETS); do \
		$(BUILD)/tests/fuzz/$${t}_fuzz tests/fuzz/corpus/$$t/* || exit; done

# The images that must be refused, and the seeds; both are in the tree.
FIXTURE_TOOLS := $(addprefix $(BUILD)/tests/fixtures/,make-should-fail make-seeds)

$(FIXTURE_TOOLS): %: %.o $(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_IMG)

fixtures: all $(FIXTURE_TOOLS)
	$(BUILD)/tests/fixtures/make-should-fail tests/fixtures
	BUILD=$(BUILD) tests/fixtures/real-seeds.sh tests/fuzz/corpus

.PHONY: fixtures fuzz fuzz-build fuzz-programs fuzz-replay
