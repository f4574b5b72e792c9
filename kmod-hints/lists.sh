# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# lists.sh - modules.list for the initramfs builders: which modules, how loaded, with which options
#
# Sourced, POSIX sh, no side effects.  The first argument is always the path of modules.list.  What
# is printed is one item a line.  `class:net` is among the names and is no module: it stands for all
# drivers of network cards, to which each builder has its own way (`instmods =drivers/net`,
# `auto_add_modules net`, hints_net_drivers …).

# hints_names LIST [ship|load|nfs]: the names of the modules of every initramfs, or of those with that `when`
hints_names()
{
	awk -v when="${2:-}" '!/^#/ && NF && (when == "" ? $5 == "ship" || $5 == "load" : $5 == when) {
		print $1 }' "$1"
}

# hints_required LIST: NAME FOR of the modules of every initramfs without which something does not work
hints_required()
{
	awk '!/^#/ && $3 == "required" && $1 !~ /:/ && ($5 == "ship" || $5 == "load") { print $1, $4 }' "$1"
}

# hints_options LIST: lines for /etc/modprobe.d
hints_options()
{
	awk '!/^#/ && NF > 5 && $6 != "-" { gsub(/,/, " ", $6); print "options", $1, $6 }' "$1"
}

# hints_net_drivers MODULES_DIR: names of the drivers of network cards in modules.dep, of the buses
# of virtual machines and of USB, and of what a card needs beside them
hints_net_drivers()
{
	sed -n 's/:.*//; /\/drivers\/net\/\(ethernet\|usb\|phy\|mdio\|pcs\|hyperv\)\//p' "$1/modules.dep" |
		sed 's/.*\///; s/\.ko.*//'
	echo hv_vmbus
	echo pci_hyperv
	hints_usb_hosts
}

# hints_usb_hosts: names of the drivers without which nothing that is plugged into USB is seen
hints_usb_hosts()
{
	printf '%s\n' xhci_pci xhci_plat_hcd ehci_pci
}
