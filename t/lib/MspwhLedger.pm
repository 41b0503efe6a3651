package MspwhLedger;

# A fast backend that outlives nginx's workers: one process, which records its requests. And ledgers: files
# of lines, each of which is written in one piece.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(_exit);
use Time::HiRes qw(time);
use MspwhTest;

our @EXPORT = qw(open_ledger ledger start_recorder stop_recorder recorder_port);

my $owner = $$;
my ($pid, %port);

sub open_ledger {
    my $name = shift;
    open my $fh, '>>', dir() . "/$name" or die "$name: $!";
    return sub { syswrite $fh, join(' ', @_, sprintf '%.6f', time) . "\n" };
}

# Returns the lines of the ledgers whose names match, each as its words, without a line that is just being
# written.
sub ledger {
    my $pattern = shift;
    my @lines;
    for my $file (sort glob dir() . "/$pattern") {
        open my $fh, '<', $file or die "$file: $!";
        push @lines, map { chomp; [split / /] } grep { /\n\z/ } <$fh>;
    }
    return @lines;
}

# Returns a port of the recorder, which may have several, with names.
sub recorder_port {
    my $name = shift // '';
    return $port{$name} //= free_port();
}

# Answers with $status, after $wait seconds. Writes a line for each complete request: the entity's id, the
# hash of the body, the port's name if it has one, and the time. Without a length, there is no body: 411.
sub start_recorder {
    my ($status, $wait) = @_;
    my %listen;
    recorder_port() if !%port;
    for my $name (keys %port) {
        my $s = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port{$name}, Listen => 1024, ReuseAddr => 1)
            or die "recorder: $!";
        $listen{$s} = [$s, $name];
    }
    $pid = fork // die "fork: $!";
    return if $pid;

    my $write = open_ledger('recorded');
    my $select = IO::Select->new(map { $_->[0] } values %listen);
    my (%buffer, %name, @due, $ending);
    # a request that has been recorded is answered
    $SIG{TERM} = sub { $ending = 1 };
    while (getppid() == $owner and !$ending || @due) {
        for my $socket ($select->can_read($ending || @due ? 0.002 : 0.5)) {
            last if $ending;
            if ($listen{$socket}) {
                my $client = $socket->accept or next;
                $buffer{fileno $client} = '';
                $name{fileno $client} = $listen{$socket}[1];
                $select->add($client);
                next;
            }
            my $buffer = \$buffer{fileno $socket};
            if (!$socket->sysread($$buffer, 65536, length $$buffer)) {
                $select->remove($socket);
                close $socket;
                next;
            }
            while (defined(my $body = take_request($buffer))) {
                if (!length $body) {
                    syswrite $socket, "HTTP/1.1 411 X\r\nContent-Length: 0\r\n\r\n";
                    next;
                }
                my ($id) = $body =~ /"entityId":"([^"]+)"/;
                $write->($id // '-', sha256_hex($body), grep { length } $name{fileno $socket});
                push @due, [time + $wait, $socket];
            }
        }
        while (@due and $due[0][0] <= time) {
            my (undef, $socket) = @{ shift @due };
            syswrite $socket, "HTTP/1.1 $status X\r\nContent-Length: 0\r\n\r\n" if defined fileno $socket;
        }
    }
    _exit(0);
}

sub take_request {
    my $buffer = shift;
    my $end = index $$buffer, "\r\n\r\n";
    return if $end < 0;
    my ($length) = substr($$buffer, 0, $end) =~ /^Content-Length: (\d+)/mi;
    $length //= 0;
    return if length $$buffer < $end + 4 + $length;
    my $request = substr $$buffer, 0, $end + 4 + $length, '';
    return substr $request, $end + 4;
}

sub stop_recorder {
    return if !$pid;
    local $?;
    kill TERM => $pid;
    waitpid $pid, 0;
    undef $pid;
}

END { stop_recorder() if $$ == $owner }

1;
