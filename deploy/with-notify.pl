#!/usr/bin/perl
# Opens systemd's notification socket, then becomes the given program.
# Node.js cannot open a datagram Unix socket but can write to one it inherits. The process stays the
# same, so systemd can accept messages from its main process alone (NotifyAccess=main), and no child
# is needed per watchdog message. Perl's base package is on every Debian.
use strict;
use warnings;
use Socket;

our $socket;
my $address = $ENV{NOTIFY_SOCKET} // '';
if ($address ne '') {
    $^F = 9;    # what perl opens up to here stays open in the program that follows
    $address =~ s/^\@/\0/;
    socket($socket, AF_UNIX, SOCK_DGRAM, 0) or die "No socket for systemd: $!\n";
    connect($socket, pack_sockaddr_un($address)) or die "systemd does not listen: $!\n";
    $ENV{SD_NOTIFY_FD} = fileno $socket;
}
exec { $ARGV[0] } @ARGV or die "Cannot start $ARGV[0]: $!\n";
