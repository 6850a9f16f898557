#!/usr/bin/perl
# Gives up privileges, then becomes the given program. Usage:
# confine.pl <megabytes> <program> [argument …]. The program may read files and write to descriptors
# it inherits. It may not open sockets, write, create, rename or remove files, or start, signal or
# inspect processes. Its memory is limited, its priority is the lowest, and it is killed first when
# memory runs out: an exploited picture decoder would otherwise run code as the user who owns
# everybody's files. If a restriction is unavailable (another kernel or processor), nothing is started.
# Perl's base package is on every Debian.
use strict;
use warnings;
use POSIX ();

# Numbers of Linux: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
my %machines = (
    x86_64 => {
        audit => 0xC000003E, prctl => 157, prlimit => 302, open => [2, 257], own => [62, 234],
        clone => 56,
        denied => [
            41, 42, 49, 50,                                      # socket connect bind listen
            76, 82 .. 88, 90, 92, 94, 132, 133, 188, 189, 197, 198, 235, # truncate … rename … chmod …
            258 .. 261, 263 .. 266, 268, 280, 316, 452,          # the same, ending in at
            57, 58, 101, 310, 311,                               # fork vfork ptrace, another's memory
            129, 200, 297, 424, 434, 438,                        # signals to others, pidfd
            272, 308, 425, 437,                                  # unshare setns io_uring openat2
            141, 142, 144, 203, 251, 314,                        # whose turn it is, of others too
        ],
    },
    aarch64 => {
        audit => 0xC00000B7, prctl => 167, prlimit => 261, open => [undef, 56], own => [129, 131],
        clone => 220,
        denied => [
            198, 203, 200, 201,
            5, 6, 14, 15, 33 .. 38, 45, 53, 54, 88, 276, 452,
            117, 270, 271,
            130, 138, 240, 424, 434, 438,
            97, 268, 425, 437,
            140, 118, 119, 122, 30, 274,
        ],
    },
);
my $machine = $machines{(POSIX::uname())[4]} or die "No numbers for this processor.\n";

my $megabytes = shift @ARGV;
setpriority(0, 0, 19);
if (open my $score, '>', '/proc/self/oom_score_adj') { print {$score} '1000'; close $score; }
# Data, core dumps, size of files, open files.
for my $limit ([2, $megabytes << 20], [4, 0], [1, 0], [7, 64]) {
    my ($which, $most) = @$limit;
    my $pair = pack 'QQ', $most, $most;
    syscall($machine->{prlimit}, 0, $which, $pair, 0) == 0 or die "Limit $which: $!\n";
}

# The kernel's seccomp filter: each step is [code, k, jump if true, jump if false].
my ($LOAD, $EQUAL, $ANY_OF, $AT_LEAST, $RETURN) = (0x20, 0x15, 0x45, 0x35, 0x06);
my $argument = sub { 16 + 8 * $_[0] };
my $WRITES = 3 | 0100 | 01000 | 02000;    # O_WRONLY O_RDWR O_CREAT O_TRUNC O_APPEND
my @steps = ([$LOAD, 4], [$EQUAL, $machine->{audit}, 'next', 'deny'], [$LOAD, 0]);
push @steps, [$AT_LEAST, 0x40000000, 'deny', 'next'];
push @steps, map { [$EQUAL, $_, 'deny', 'next'] } @{ $machine->{denied} };
for my $place (0, 1) {
    my $number = $machine->{open}[$place];
    next unless defined $number;
    push @steps, [$EQUAL, $number, 'next', 3];
    push @steps, [$LOAD, $argument->(1 + $place)], [$ANY_OF, $WRITES, 'deny', 'allow'], [$LOAD, 0];
}
for my $number (@{ $machine->{own} }) {
    push @steps, [$EQUAL, $number, 'next', 3];
    push @steps, [$LOAD, $argument->(0)], [$EQUAL, $$, 'allow', 'deny'], [$LOAD, 0];
}
push @steps, [$EQUAL, $machine->{prlimit}, 'next', 3];
push @steps, [$LOAD, $argument->(0)], [$EQUAL, 0, 'allow', 'deny'], [$LOAD, 0];
# Threads are allowed. clone3 takes its flags by pointer, unreadable here; libc falls back to clone.
push @steps, [$EQUAL, $machine->{clone}, 'next', 2], [$LOAD, $argument->(0)];
push @steps, [$ANY_OF, 0x10000, 'allow', 'deny'], [$EQUAL, 435, 'unknown', 'allow'];
push @steps, [$RETURN, 0x7fff0000], [$RETURN, 0x00050000 | 1], [$RETURN, 0x00050000 | 38];
my $program = '';
for my $at (0 .. $#steps) {
    my ($code, $k, @jumps) = @{ $steps[$at] };
    my %places = (next => 0);
    @places{qw(allow deny unknown)} = map { $#steps - $_ - $at - 1 } 2, 1, 0;
    my @offsets = map { $places{$_} // $_ } @jumps;
    $program .= pack 'SCCL', $code, $offsets[0] // 0, $offsets[1] // 0, $k;
}
my $filter = pack 'Sx6P', scalar @steps, $program;
syscall($machine->{prctl}, 38, 1, 0, 0, 0) == 0 or die "No new privileges: $!\n";
syscall($machine->{prctl}, 22, 2, $filter, 0, 0) == 0 or die "No filter: $!\n";
exec { $ARGV[0] } @ARGV or die "Cannot start $ARGV[0]: $!\n";
