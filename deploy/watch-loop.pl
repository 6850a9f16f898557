#!/usr/bin/perl
# Watches the event loop of the process that began it, from outside (host/loop-watch.ts): usage
# watch-loop.pl <process> <look> <slow> <burned> <stalled> <head of an error>, the four in ms.
# The loop writes a byte for each beat, and reads one for each wait for the disk. This ends with it, as
# then nobody holds the other end. It loads nothing, not even strict: that would take 0.6 MB for as long
# as BaluPi runs, and its test looks through it instead. Perl's base package is on every Debian.
my ($process, $look, $slow, $burned, $stalled, $head) = @ARGV;
# A stop is told to all processes of a service or a terminal. That one has 10 s for it, watched.
$SIG{$_} = 'IGNORE' for qw(INT TERM HUP PIPE);

# Of the main thread, whose number is the process's: CPU time in ms, and its state.
# Linux tells times in hundredths of a second on every machine BaluPi runs on (proc(5)).
sub main_thread {
    open my $file, '<', "/proc/$process/task/$process/stat" or exit 1;
    # The name in brackets may hold spaces; what counts comes behind it, beginning with the state.
    my @fields = split ' ', <$file> =~ s/.*\)//r;
    return 10 * ($fields[11] + $fields[12]), $fields[0];
}

sub end {
    # Nobody else can have that number while it is the parent's.
    exit if getppid() != $process;
    syswrite STDERR, "$head$_[0]\n";
    # Nothing gentler reaches a loop that is held; what was accepted is on the disk.
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
    # Counted in looks: a machine that stood still has waited for nothing.
    $waited += $look;
    my ($cpu, $state) = main_thread();
    my $used = $cpu - $from;
    # It wants its turn, or was stopped: it does not wait for a disk.
    $waited = 0 if $state =~ /[Tt]/;
    my $is_waiting = $state ne 'R';
    if ($used >= $burned) {
        end(sprintf 'A flow or a node held everything else up for %.0f s of CPU time: '
            . 'BaluPi ends, to be started anew.', $used / 1000);
    } elsif ($waited >= $stalled && $is_waiting) {
        end(sprintf 'Everything waited %.0f s for the disk: BaluPi ends.', $waited / 1000);
    } elsif ($waited >= $slow && $is_waiting && !$is_told) {
        $is_told = syswrite STDOUT, '.';
    }
}
