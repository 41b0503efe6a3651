package MspwhClient;

# An HTTP/1 client that can send anything, as slowly as it likes, and reads the answers.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Socket ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
    connection send_bytes send_slowly read_response at_eof take_head take_body
    request request_bytes post TIMEOUT
);

use constant TIMEOUT => 30 * ($ENV{MSPWH_SLOW} || 1);

sub connection {
    my $name = shift // 'main';
    my $s = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => MspwhTest::port($name), Timeout => TIMEOUT)
        or die "connect: $!";
    $s->autoflush(1);
    $s->setsockopt(Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1);
    return { socket => $s, buffer => '', deadline => time + TIMEOUT };
}

# Returns false if the peer has stopped reading; its answer can still be read.
sub send_bytes {
    my ($c, $bytes) = @_;
    my $select = IO::Select->new($c->{socket});
    my ($at, $until) = (0, time + 30);
    while ($at < length $bytes) {
        return 0 if time > $until or !$select->can_write($until - time);
        my $n = $c->{socket}->syswrite($bytes, 16384, $at) // return 0;
        $at += $n;
    }
    $c->{deadline} = time + TIMEOUT;
    return 1;
}

sub send_slowly {
    my ($c, $bytes, $pause) = @_;
    for (split //, $bytes) {
        send_bytes($c, $_) or return 0;
        sleep $pause // 0.0005;
    }
    return 1;
}

sub fill {
    my $c = shift;
    my $left = $c->{deadline} - time;
    return 0 if $left <= 0 or !IO::Select->new($c->{socket})->can_read($left);
    return $c->{socket}->sysread($c->{buffer}, 262144, length $c->{buffer});
}

sub at_eof {
    my ($c, $seconds) = @_;
    $c->{deadline} = time + ($seconds // TIMEOUT);
    return 0 if length $c->{buffer};
    return 0 if !IO::Select->new($c->{socket})->can_read($c->{deadline} - time);
    return !fill($c);
}

sub take_head {
    my $c = shift;
    while ($c->{buffer} !~ /\r\n\r\n/) {
        return if !fill($c);
    }
    $c->{buffer} =~ s/\A(.*?)\r\n\r\n//s;
    return $1;
}

sub take {
    my ($c, $n) = @_;
    while (length $c->{buffer} < $n) {
        return if !fill($c);
    }
    return substr $c->{buffer}, 0, $n, '';
}

sub take_body {
    my ($c, $header, $until_close) = @_;
    if (($header->{'transfer-encoding'} // '') =~ /chunked/i) {
        my $body = '';
        while (1) {
            while ($c->{buffer} !~ /\r\n/) {
                return if !fill($c);
            }
            $c->{buffer} =~ s/\A([0-9a-fA-F]+)[^\r\n]*\r\n// or return;
            my $data = take($c, hex($1) + 2) // return;
            return $body if !hex $1;
            $body .= substr $data, 0, -2;
        }
    }
    return take($c, $header->{'content-length'}) if defined $header->{'content-length'};
    if ($until_close) {
        1 while fill($c);
        return substr $c->{buffer}, 0, length $c->{buffer}, '';
    }
    return '';
}

# Returns undef if no complete response arrives in time.
sub read_response {
    my ($c, %o) = @_;
    $c->{deadline} = time + ($o{timeout} // TIMEOUT);
    my $head = take_head($c) // return { status => 0, header => {}, body => '' };
    my ($line, @lines) = split /\r\n/, $head;
    my ($status) = $line =~ m{^HTTP/1\.[01] (\d+)};
    my %header;
    for (@lines) {
        my ($n, $v) = split /:\s*/, $_, 2;
        push @{ $header{lc $n} }, $v;
    }
    %header = map { $_ => join ', ', @{ $header{$_} } } keys %header;
    my $empty = $status < 200 || $status == 204 || $status == 304 || ($o{method} // '') eq 'HEAD';
    my $body = $empty ? '' : take_body($c, \%header, 1);
    return { status => $status, header => \%header, body => $body };
}

sub request_bytes {
    my %o = @_;
    my @headers = @{ $o{headers} // [] };
    my $text = ($o{method} // 'POST') . " $o{path} HTTP/" . ($o{http} // '1.1') . "\r\nHost: localhost\r\n";
    while (my ($n, $v) = splice @headers, 0, 2) {
        $text .= "$n: $v\r\n" if defined $v;
    }
    my $body = $o{body};
    if ($o{chunked}) {
        $text .= "Transfer-Encoding: chunked\r\n\r\n";
        for (my $at = 0; $at < length $body; $at += $o{chunked}) {
            my $piece = substr $body, $at, $o{chunked};
            $text .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
        }
        return "${text}0\r\n\r\n";
    }
    $text .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    return "$text\r\n" . ($body // '');
}

# Usage: request(path => ..., method, headers => [name => value ...], body, chunked, http).
sub request {
    my %o = @_;
    my $c = $o{connection} // connection($o{port});
    my $close = $o{connection} ? [] : [Connection => 'close'];
    send_bytes($c, request_bytes(%o, headers => [@{ $o{headers} // [] }, @$close]));
    return read_response($c, method => $o{method});
}

sub post {
    my ($path, $body, @headers) = @_;
    return request(path => $path, body => $body, headers => \@headers);
}

1;
