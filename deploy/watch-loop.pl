#!/usr/bin/perl
# Watches its parent's event loop from outside (host/loop-watch.ts). Usage:
# watch-loop.pl <process> <look> <slow> <burned> <stalled> <head of an error>, the four in ms.
# The loop writes a byte per beat and reads one per wait for the disk. This script ends with its
# parent, when the pipe's other end closes. It loads no modules, not even strict, which would take
# 0.6 MB for as long as BaluPi runs; its test checks it instead. Perl's base package is on every Debian.
my ($process, $look, $slow, $burned, $stalled, $head) = @ARGV;
# A stop signals every process of a service or terminal. The parent gets 10 s for it, still watched.
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);

# CPU time in ms and state of the main thread, whose id is the process's.
# Linux reports times in hundredths of a second on every machine BaluPi runs on (proc(5)).
sub main_thread {
    open my $file, '<', "/proc/$process/task/$process/stat" or exit 1;
    # The name in brackets may contain spaces; the fields after it begin with the state.
    my @fields = split ' ', <$file> =~ s/.*\)//r;
    return 10 * ($fields[11] + $fields[12]), $fields[0];
}

sub end {
    # The id cannot be reused while it is the parent's.
    exit if getppid() != $process;
    syswrite STDERR, "$head$_[0]\n";
    # A blocked loop handles no other signal; what was accepted is on the disk.
    kill 'KILL', $process;
    exit;
}

my ($waited, $is_told, $from) = (0, 0, main_thread());
while (getppid() == $process) {
    my $ready = '';
    vec($ready, fileno STDIN, 1) = 1;
    if (select $ready, undef, undef, $look / 1000) {
        sysread STDIN, my $beats, 4096 or exit;
        ($waited, $is_told, $from) = (0, 0, main_thread());
        next;
    }
    # Counted in looks: time while the whole machine was suspended does not count.
    $waited += $look;
    my ($cpu, $state) = main_thread();
    my $used = $cpu - $from;
    # Runnable or stopped: it is not waiting for a disk.
    $waited = 0 if $state =~ /[Tt]/;
    my $is_waiting = $state ne 'R';
    if ($used >= $burned) {
        end(sprintf 'A flow or a node held everything else up for %.0f s of CPU time: '
            . 'BaluPi exits, to be restarted.', $used / 1000);
    } elsif ($waited >= $stalled && $is_waiting) {
        end(sprintf 'Everything waited %.0f s for the disk: BaluPi exits.', $waited / 1000);
    } elsif ($waited >= $slow && $is_waiting && !$is_told) {
        $is_told = syswrite STDOUT, '.';
    }
}
