#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# trunk.pl PORT NUMBER DEVICE: a cable between a guest and this machine which knows one VLAN only.  qemu connects to PORT
# (-netdev socket,connect=); DEVICE, a tap that is made here, sees what has the tag NUMBER, without it.  What the guest
# sends without that tag is lost.  For kernels without 8021q.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $number, $device) = @ARGV;
my $tag = pack('n n', 0x8100, $number);
open(my $tap, '+<', '/dev/net/tun') or die "/dev/net/tun: $!";
ioctl($tap, 0x400454ca, pack('a16 S x22', $device, 0x1002)) or die "TUNSETIFF: $!";
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1) or die "listen: $!";
# One guest after the other.
while (my $guest = $listener->accept) {
	my $select = IO::Select->new($tap, $guest);
	my $got = '';
	GUEST: while (1) {
		for my $ready ($select->can_read) {
			if ($ready == $tap) {
				sysread($tap, my $frame, 65536) or last GUEST;
				substr($frame, 12, 0) = $tag;
				syswrite($guest, pack('N/a*', $frame)) or last GUEST;
				next;
			}
			sysread($guest, $got, 65536, length $got) or last GUEST;
			# A length before each frame.
			while (length $got >= 4 && length $got >= 4 + unpack('N', $got)) {
				my $frame = unpack('N/a*', $got);
				substr($got, 0, 4 + length $frame) = '';
				substr($frame, 12, 4) eq $tag or next;
				substr($frame, 12, 4) = '';
				syswrite($tap, $frame);
			}
		}
	}
}
