#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# One exchange over a socket whose packets carry IPv4 options, which Node's sockets cannot ask for: tcp|udp HOST PORT BYTES.
# Prints the answer, or why there is none. Perl's core is on every Debian.

use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_IP);
use constant IP_OPTIONS => 4;

my ($proto, $host, $port, $bytes) = @ARGV;
# Record route: the one harmless option that a TCP server sends back, so that its answers carry one as well.
my $options = pack 'CCC x8 x', 7, 11, 4;

socket my $socket, PF_INET, $proto eq 'tcp' ? SOCK_STREAM : SOCK_DGRAM, 0 or die "socket: $!";
setsockopt $socket, IPPROTO_IP, IP_OPTIONS, $options or die "IP_OPTIONS: $!";
alarm 15;
my $padding = 'x' x $bytes;
my $request = $proto eq 'tcp' ? "GET / HTTP/1.1\r\nHost: x\r\nX: $padding\r\nConnection: close\r\n\r\n" : $padding;
my $answer = '';
if (connect($socket, pack_sockaddr_in($port, inet_aton($host))) && defined syswrite $socket, $request) {
    while (my $n = sysread $socket, $answer, 65536, length $answer) {
        last if $proto eq 'udp';
    }
}
print $answer eq '' ? "$!" : $answer;
