# SPDX-License-Identifier: Apache-2.0
#
# tests.mk - the targets of the tests; included by the Makefile
#
#	make check		everything, installing what is missing first (HYDROOT_SETUP=0: not)
#	make check-unit		unit and sh tests: no root, no network, installs nothing
#	make check-long		like sh tests, but longer
#	make check-host		the parts for real: nginx, FUSE, loop, zram; as root
#	make check-boot		boots Debian under qemu, all rows of tests/matrix/rows, and boots that fail
#	make check-asan		unit, host and some other tests with address and undefined sanitizers
#	make check-tsan		the same with the thread sanitizer
#	make check-fuzz		the fuzz targets, 3 s each; make fuzz FUZZ_SECONDS=60: longer
#	make check-slow		what takes minutes: fuzzing 60 s each, a sparse terabyte, packages
#	make bench-image	hydroot-image beside zstd: speed and size
#	make bench-levels	the same for levels by chunk sizes, in CPU seconds
#	make bench-read		reads, fill and memory beside nbdkit and qemu-storage-daemon
#	make figures		boot times, bytes and memory beside other ways to boot
#	make chunk-table	login time and bytes by chunk size, over four kinds of network
#	make demo		a few minutes to watch

TEST_TOOLS := build/tests/guest build/tests/io build/tests/ioload build/tests/faultproxy \
	build/tests/readcheck build/tests/seekread build/tests/hangfs build/tests/crashload
TEST_CFLAGS := -O2 -std=gnu11 -D_GNU_SOURCE $(WARNINGS)
RUN_CHECK = HYDROOT_SETUP=$(HYDROOT_SETUP) MAKE='$(MAKE)' tests/check.sh

build/tests/guest build/tests/ioload: build/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -pthread -o $@ $<

# Static: they run inside the guests, where they must not need the root disk.
build/tests/io build/tests/crashload: build/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -static -pthread -o $@ $<

build/tests/faultproxy: tests/faultproxy.c $(wildcard tests/faultproxy/*.[ch])
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -I. -pthread -o $@ $(filter %.c,$^)

build/tests/seekread: tests/seekread.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -o $@ $< -lzstd

build/tests/hangfs: tests/hangfs.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) $(shell pkg-config --cflags fuse3) -o $@ $< $(shell pkg-config --libs fuse3)

build/tests/readcheck: tests/readcheck.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(TEST_CFLAGS) -static -pthread -o $@ $<

# The image tool that prepares test data is never the sanitized one.
check-programs: all $(UNIT_TESTS) $(TEST_TOOLS)
ifdef SAN
check-programs: plain-image-tool
plain-image-tool:
	+@$(MAKE) --no-print-directory SAN= build/hydroot-image
endif

include tests/fuzz/fuzz.mk

setup:
	@tests/setup.sh

check: setup
	@$(RUN_CHECK) all

check-unit:
	@$(RUN_CHECK) unit sh

check-boot:
	@$(RUN_CHECK) boot matrix

check-long check-host check-asan check-tsan check-fuzz check-slow lint:
	@$(RUN_CHECK) $(@:check-%=%)

image: check-programs
	@tests/image.sh all

bench-image: all
	@tests/bench-image.sh

bench-levels: all
	@tests/bench-image.sh --levels

bench-read: check-programs
	@tests/bench-read.sh

figures: check-programs
	@tests/figures.sh

chunk-table: check-programs
	@tests/chunk-table.sh

demo: setup
	+@$(MAKE) --no-print-directory check-programs
	@tests/demo.sh

# To be read, not to be obeyed: it knows neither what an assert promises nor, without unix.Malloc
# switched off, that cleanup attributes free.
analyze:
	find imgfmt fuse-root kmod-hints -name '*.c' | xargs -P $$(nproc) -n 8 \
		clang-14 --analyze -Xclang -analyzer-output=text -Xclang -analyzer-disable-checker=unix.Malloc \
		-Wthread-safety -std=gnu11 $(filter-out -MMD -MP,$(CPPFLAGS))

format:
	clang-format-14 -i $(shell find imgfmt fuse-root kmod-hints tests -name '*.[ch]')

.PHONY: check check-unit check-long check-host check-boot check-asan check-tsan check-fuzz check-slow \
	check-programs bench-image bench-levels bench-read \
	plain-image-tool setup lint image figures chunk-table demo analyze format
