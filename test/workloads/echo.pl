# SPDX-License-Identifier: Apache-2.0
# perl echo.pl ADDRESS SECONDS: sends one echo request and prints what comes back: echo, unreachable, or nothing. In Perl,
# because Node has no raw sockets and every Debian has perl-base.

use strict;
use warnings;
use Socket qw(AF_INET AF_INET6 SOCK_RAW inet_pton pack_sockaddr_in pack_sockaddr_in6 unpack_sockaddr_in unpack_sockaddr_in6);

my ($address, $seconds) = @ARGV;
my $v6 = $address =~ /:/;
my $id = $$ & 0xffff;
my ($request, $reply, $unreachable) = $v6 ? (128, 129, 1) : (8, 0, 3);

sub checksum {
    my $sum = 0;
    $sum += $_ for unpack('n*', $_[0]);
    $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
    return ~$sum & 0xffff;
}

socket(my $socket, $v6 ? AF_INET6 : AF_INET, SOCK_RAW, $v6 ? 58 : 1) or die "socket: $!\n";
my $body = 'bpfsvc';
my $packet = pack('CCnnn', $request, 0, 0, $id, 1) . $body;
# The kernel fills the checksum of ICMPv6 in.
$packet = pack('CCnnn', $request, 0, checksum($packet), $id, 1) . $body unless $v6;
my $peer = inet_pton($v6 ? AF_INET6 : AF_INET, $address);
send($socket, $packet, 0, $v6 ? pack_sockaddr_in6(0, $peer) : pack_sockaddr_in(0, $peer)) or die "send: $!\n";

for (my $end = time + $seconds; (my $left = $end - time) > 0;) {
    my $ready = '';
    vec($ready, fileno($socket), 1) = 1;
    last unless select($ready, undef, undef, $left);
    my $from = recv($socket, my $data, 65535, 0);
    next unless defined $from;
    $data = substr($data, 4 * (ord($data) & 15)) unless $v6;
    my ($type, undef, undef, $got) = unpack('CCnn', $data);
    my (undef, $sender) = $v6 ? unpack_sockaddr_in6($from) : unpack_sockaddr_in($from);
    if ($type == $reply && $got == $id && $sender eq $peer) { print "echo\n"; exit }
    # The error quotes the request behind its own 8 bytes, with an IP header in front.
    if ($type == $unreachable) {
        my $quote = substr($data, 8);
        my $quoted = substr($quote, $v6 ? 40 : 4 * (ord($quote) & 15));
        if (length($quoted) >= 6 && (unpack('CCnn', $quoted))[3] == $id) { print "unreachable\n"; exit }
    }
}
print "nothing\n";
