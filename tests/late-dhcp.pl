#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
#
# late-dhcp.pl SECONDS ADDRESS: a DHCP server that answers those only who say that they have been asking for so long, as
# the second of two servers does; ADDRESS is what it gives, of a /24 whose .1 it is.
use strict;
use warnings;
use Socket;

my ($seconds, $address) = @ARGV;
my $server = inet_aton($address =~ s/\d+$/1/r);
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die "socket: $!";
setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1) or die "broadcast: $!";
bind($s, sockaddr_in(67, INADDR_ANY)) or die "bind: $!";
while (defined recv($s, my $packet, 1500, 0)) {
	my ($xid, $secs, $flags) = unpack('x4 a4 n n', $packet);
	my $chaddr = substr($packet, 28, 16);
	my ($kind) = $packet =~ /\x63\x82\x53\x63.*?\x35\x01(.)/s or next;
	# OFFER for DISCOVER, ACK for REQUEST.
	my $answer = { "\1" => "\2", "\3" => "\5" }->{$kind} or next;
	next if $kind eq "\1" && $secs < $seconds;
	my $options = "\x63\x82\x53\x63\x35\x01$answer\x36\x04${server}\x33\x04\0\0\x0e\x10\x01\x04\xff\xff\xff\0\xff";
	send($s, pack('C4 a4 n n a4 a4 a4 a4 a16 x192 a*', 2, 1, 6, 0, $xid, $secs, $flags, "\0" x 4, inet_aton($address), $server,
			"\0" x 4, $chaddr, $options), 0, sockaddr_in(68, INADDR_BROADCAST));
}
