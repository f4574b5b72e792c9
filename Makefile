# SPDX-License-Identifier: Apache-2.0
#
# hydroot: one non-recursive Makefile.  `make help` lists the targets.
#
# Packagers set CC, CFLAGS, LDFLAGS, PREFIX, DESTDIR …; what the project cannot do without is
# appended.  V=1 shows commands, WERROR=1 makes warnings errors, SAN=address,undefined or
# SAN=thread builds a sanitized variant in its own folder.

VERSION := 0.1.0

CC ?= cc
AR ?= ar
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
HYDROOT_SETUP ?= 1

ifdef SAN
BUILD ?= build-$(firstword $(subst $(comma), ,$(SAN)))
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer
override CPPFLAGS += -DHYDROOT_CHECK
else
BUILD ?= build
endif
comma := ,

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' '$(1)' '$(2)')

WARNINGS := -Wall -Wextra -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wimplicit-fallthrough -fno-common $(if $(WERROR),-Werror)

PKGS_IMG := libzstd libcrypto jansson
PKGS_DAEMON := fuse3 libcurl libssl libseccomp devmapper blkid $(PKGS_IMG)
PKGS_TOOL := blkid libcurl $(PKGS_IMG)
PKGS_CHECK := jansson

override CFLAGS += -std=gnu11 $(WARNINGS) $(SANFLAGS)
override CPPFLAGS += -D_GNU_SOURCE -DFUSE_USE_VERSION=314 -DHYDROOT_VERSION='"$(VERSION)"' \
	-I. -Ifuse-root -MMD -MP $(shell pkg-config --cflags $(PKGS_DAEMON) $(PKGS_CHECK))
override LDFLAGS += -Wl,--as-needed $(SANFLAGS)
LIBS_IMG = $(shell pkg-config --libs $(PKGS_IMG)) -pthread
LIBS_TOOL = $(shell pkg-config --libs $(PKGS_TOOL)) -pthread
LIBS_DAEMON = $(shell pkg-config --libs $(PKGS_DAEMON)) -laio -pthread
LIBS_CHECK = $(shell pkg-config --libs $(PKGS_CHECK))

# The arrows of the design: imgfmt <- fuse-root, never back.
objs = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))
OBJS_IMG := $(call objs,imgfmt/*.c)
OBJS_TOOL := $(call objs,imgfmt/tool/*.c)
OBJS_DAEMON := $(call objs,$(addprefix fuse-root/,base/*.c map/*.c source/*.c store/*.c \
	engine/*.c face/*.c keeper*.c serve*.c))
OBJS_MAIN := $(call objs,fuse-root/main.c fuse-root/await.c)
OBJS_CTL := $(call objs,fuse-root/ctl/*.c)
OBJS_CHECK := $(call objs,kmod-hints/*.c)
OBJS_FAKES := $(call objs,tests/fakes/*.c)
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*_test.c))

PROGRAMS := $(BUILD)/hydroot-image $(BUILD)/hydrootd $(BUILD)/hydroot $(BUILD)/hydroot-check

all: $(PROGRAMS)

help:
	@echo 'all  clean  install  install-strip  install-initramfs-tools  install-dracut  install-mkinitcpio  uninstall'
	@echo 'setup  check  check-unit  check-long  check-host  check-boot  check-asan  check-tsan  check-fuzz  check-slow'
	@echo 'demo  figures  bench-image  bench-levels  bench-read  chunk-table  lint  format  analyze'
	@echo 'variables: V=1 WERROR=1 SAN=… CC CFLAGS PREFIX DESTDIR'

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/libimgfmt.a: $(OBJS_IMG)
$(BUILD)/libhydroot.a: $(OBJS_DAEMON)
$(BUILD)/libfakes.a: $(OBJS_FAKES)
$(BUILD)/lib%.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

LINK = $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(BUILD)/hydroot-image: $(OBJS_TOOL) $(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_TOOL)

$(BUILD)/hydrootd: $(OBJS_MAIN) $(BUILD)/libhydroot.a $(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_DAEMON)

$(BUILD)/hydroot: $(OBJS_CTL) $(BUILD)/libhydroot.a $(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_DAEMON)

$(BUILD)/hydroot-check: $(OBJS_CHECK)
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_CHECK)

$(BUILD)/tests/unit/%_test: $(BUILD)/tests/unit/%_test.o $(BUILD)/libfakes.a \
		$(BUILD)/libhydroot.a $(BUILD)/libimgfmt.a
	$(call say,LD,$@)
	$(Q)$(LINK) $(LIBS_DAEMON) -lcmocka

# -- install -------------------------------------------------------------------------------------

LIBDIR ?= $(PREFIX)/lib
UNITDIR ?= $(LIBDIR)/systemd/system
INSTALL ?= install
INSTALL_PROGRAM ?= $(INSTALL)
# Scripts with a process of their own; the others in initramfs/ are sourced.
RUN_IN_ROOT := initramfs/release.sh initramfs/nosleep.sh

install: all
	$(INSTALL) -d $(addprefix $(DESTDIR),$(BINDIR) $(SBINDIR) $(DATADIR)/hydroot \
		$(DATADIR)/hydroot/initramfs/standalone $(DATADIR)/hydroot/initramfs/transport.d $(LIBDIR)/udev/rules.d $(UNITDIR) $(addprefix $(MANDIR)/man,1 5 7 8))
	$(INSTALL_PROGRAM) -m 755 $(BUILD)/hydroot-image $(DESTDIR)$(BINDIR)
	$(INSTALL_PROGRAM) -m 755 $(BUILD)/hydrootd $(BUILD)/hydroot $(BUILD)/hydroot-check $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 755 initramfs/standalone/hydroot-mkinitramfs $(DESTDIR)$(SBINDIR)
	$(INSTALL) -m 644 kmod-hints/modules.list kmod-hints/features.list kmod-hints/lists.sh \
		$(DESTDIR)$(DATADIR)/hydroot
	sed -i 's/^version=.*/version=$(VERSION)/' $(DESTDIR)$(SBINDIR)/hydroot-mkinitramfs
	$(INSTALL) -m 755 initramfs/standalone/init initramfs/standalone/dhcp.sh \
		$(DESTDIR)$(DATADIR)/hydroot/initramfs/standalone
	$(INSTALL) -m 644 $(addprefix initramfs/standalone/,links.sh address.sh net.sh) \
		$(DESTDIR)$(DATADIR)/hydroot/initramfs/standalone
	$(INSTALL) -m 644 $(filter-out $(RUN_IN_ROOT),$(wildcard initramfs/*.sh)) initramfs/60-hydroot.rules \
		$(DESTDIR)$(DATADIR)/hydroot/initramfs
	$(INSTALL) -m 755 $(RUN_IN_ROOT) $(DESTDIR)$(DATADIR)/hydroot/initramfs
	$(INSTALL) -m 755 initramfs/transport.d/* $(DESTDIR)$(DATADIR)/hydroot/initramfs/transport.d
	sed '$(PLACES)' initramfs/build.sh >$(DESTDIR)$(DATADIR)/hydroot/initramfs/build.sh
	chmod 644 $(DESTDIR)$(DATADIR)/hydroot/initramfs/build.sh
	$(INSTALL) -m 644 initramfs/60-hydroot.rules $(DESTDIR)$(LIBDIR)/udev/rules.d
	$(INSTALL) -d $(DESTDIR)$(LIBDIR)/modprobe.d
	{ echo '# From modules.list of hydroot, which says why.'; . ./kmod-hints/lists.sh; \
		hints_options kmod-hints/modules.list; } >$(DESTDIR)$(LIBDIR)/modprobe.d/hydroot.conf
	chmod 644 $(DESTDIR)$(LIBDIR)/modprobe.d/hydroot.conf
	sed 's|/usr/local/sbin|$(SBINDIR)|' fuse-root/hydroot-trace-end.service \
		>$(DESTDIR)$(UNITDIR)/hydroot-trace-end.service
	chmod 644 $(DESTDIR)$(UNITDIR)/hydroot-trace-end.service
	$(INSTALL) -m 644 imgfmt/hydroot-image.1 $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 fuse-root/hydroot.conf.5 $(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 644 fuse-root/hydroot.cmdline.7 $(DESTDIR)$(MANDIR)/man7
	$(INSTALL) -m 644 fuse-root/hydroot.8 fuse-root/hydrootd.8 \
		kmod-hints/hydroot-check.8 initramfs/standalone/hydroot-mkinitramfs.8 \
		$(DESTDIR)$(MANDIR)/man8

# Without what debuggers read: hydrootd goes into every initramfs.
install-strip:
	$(MAKE) install INSTALL_PROGRAM='$(INSTALL_PROGRAM) -s'

# The adapters go where the distribution's builder looks, whatever PREFIX is; each stands alone
# beside `make install`, and none replaces a file of the distribution.
DRACUTDIR ?= /usr/lib/dracut
INITRAMFSTOOLSDIR ?= /usr/share/initramfs-tools
INITCPIODIR ?= /usr/lib/initcpio
PLACES = s|@DATADIR@|$(DATADIR)|g
# place MODE FROM TO: installed with the places of this installation written in.
place = sed '$(PLACES)' $(2) >$(DESTDIR)$(3) && chmod $(1) $(DESTDIR)$(3)

install-initramfs-tools:
	$(INSTALL) -d $(addprefix $(DESTDIR)$(INITRAMFSTOOLSDIR)/,hooks conf-hooks.d scripts/init-premount)
	$(call place,755,initramfs/initramfs-tools/hooks/hydroot,$(INITRAMFSTOOLSDIR)/hooks/hydroot)
	$(call place,644,initramfs/initramfs-tools/conf-hooks.d/hydroot,$(INITRAMFSTOOLSDIR)/conf-hooks.d/hydroot)
	$(INSTALL) -m 644 initramfs/initramfs-tools/scripts/hydroot $(DESTDIR)$(INITRAMFSTOOLSDIR)/scripts
	$(INSTALL) -m 755 initramfs/initramfs-tools/scripts/init-premount/hydroot \
		$(DESTDIR)$(INITRAMFSTOOLSDIR)/scripts/init-premount

install-dracut: DRACUTMODULE = $(DRACUTDIR)/modules.d/50hydroot
install-dracut:
	$(INSTALL) -d $(DESTDIR)$(DRACUTMODULE) $(DESTDIR)$(DRACUTDIR)/dracut.conf.d
	$(INSTALL) -m 755 initramfs/dracut/50hydroot/*.sh $(DESTDIR)$(DRACUTMODULE)
	$(call place,755,initramfs/dracut/50hydroot/module-setup.sh,$(DRACUTMODULE)/module-setup.sh)
	$(INSTALL) -m 644 initramfs/dracut/50-hydroot.conf $(DESTDIR)$(DRACUTDIR)/dracut.conf.d

install-mkinitcpio:
	$(INSTALL) -d $(addprefix $(DESTDIR),$(INITCPIODIR)/install $(INITCPIODIR)/hooks \
		$(DATADIR)/hydroot/initramfs/mkinitcpio)
	$(call place,644,initramfs/mkinitcpio/install/hydroot,$(INITCPIODIR)/install/hydroot)
	$(INSTALL) -m 644 initramfs/mkinitcpio/hooks/hydroot $(DESTDIR)$(INITCPIODIR)/hooks
	$(INSTALL) -m 755 initramfs/mkinitcpio/boot-mkinitcpio.sh $(DESTDIR)$(DATADIR)/hydroot/initramfs/mkinitcpio
	$(INSTALL) -m 644 initramfs/mkinitcpio/hydroot-root.service $(DESTDIR)$(DATADIR)/hydroot/initramfs/mkinitcpio

# Called like what it undoes, with the same PREFIX.  Folders go that are hydroot's own.
uninstall:
	staged=$$(mktemp -d) && trap 'rm -rf "$$staged"' EXIT && \
		$(MAKE) -s install install-initramfs-tools install-dracut install-mkinitcpio DESTDIR="$$staged" && \
		(cd "$$staged" && find . -type f) | while read -r file; do rm -f "$(DESTDIR)/$$file"; done && \
		(cd "$$staged" && find . -depth -type d -path '*hydroot*') | while read -r folder; do \
			[ ! -d "$(DESTDIR)/$$folder" ] || rmdir --ignore-fail-on-non-empty "$(DESTDIR)/$$folder"; done

# -- tests ---------------------------------------------------------------------------------------

include $(wildcard tests/tests.mk)

clean:
	rm -rf build build-*

# What a header needs to compile alone, for lint.
print-cppflags:
	@echo $(filter-out -MMD -MP,$(CPPFLAGS))

.PHONY: all help clean install install-strip install-initramfs-tools install-dracut install-mkinitcpio uninstall \
	print-cppflags
.PRECIOUS: $(BUILD)/%.o
-include $(shell find $(addprefix $(BUILD)/,imgfmt fuse-root kmod-hints tests) \
	-name "*.d" -type f 2>/dev/null)
