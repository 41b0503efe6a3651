package Http2;

# A client that speaks HTTP/2 frame by frame, so that it can also violate the protocol. Header fields are
# literals without indexing (RFC 7541, section 6.2.2) and without Huffman code; of the answers' fields, only
# the status is read.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use Time::HiRes qw(time);
use MspwhTest;

use constant {
    DATA => 0, HEADERS => 1, PRIORITY => 2, RST_STREAM => 3, SETTINGS => 4, PUSH_PROMISE => 5,
    PING => 6, GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9,
    END_STREAM => 1, ACK => 1, END_HEADERS => 4, PADDED => 8,
    INITIAL_WINDOW_SIZE => 4,
};

our @EXPORT_OK = qw(
    DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION
    END_STREAM ACK END_HEADERS PADDED INITIAL_WINDOW_SIZE
    frame fields h2_connection h2_send h2_read h2_post h2_upload h2_wait window_update
);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

my %status_of = (8 => 200, 9 => 204, 10 => 206, 11 => 304, 12 => 400, 13 => 404, 14 => 500);

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length($payload // '')), 1) . pack('CCN', $type, $flags, $stream)
        . ($payload // '');
}

sub integer {
    my ($n, $prefix) = @_;
    my $max = (1 << $prefix) - 1;
    return chr $n if $n < $max;
    my $bytes = chr $max;
    for ($n -= $max; $n >= 128; $n >>= 7) {
        $bytes .= chr($n & 127 | 128);
    }
    return $bytes . chr $n;
}

sub text { integer(length $_[0], 7) . $_[0] }

# Returns a header block of names and values.
sub fields {
    my $block = '';
    while (my ($name, $value) = splice @_, 0, 2) {
        $block .= "\0" . text($name) . text($value);
    }
    return $block;
}

sub window_update { frame(WINDOW_UPDATE, 0, $_[0], pack 'N', $_[1]) }

# Opens a connection, with settings as in h2_connection('h2', INITIAL_WINDOW_SIZE, 0).
sub h2_connection {
    my ($port, @settings) = @_;
    my $c = connection($port);
    $c->{stream} = 1;
    my $payload = '';
    while (my ($id, $value) = splice @settings, 0, 2) {
        $payload .= pack 'nN', $id, $value;
    }
    h2_send($c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(SETTINGS, 0, 0, $payload));
    return $c;
}

sub h2_send { return send_bytes(@_) }

# Returns the frames of a POST on a stream of its own, with the body in pieces of the given size.
sub h2_post {
    my ($c, %o) = @_;
    my $stream = $c->{stream};
    $c->{stream} += 2;
    my $block = fields(':method', 'POST', ':scheme', 'http', ':path', $o{path} // '/', ':authority',
        'localhost',
        @{ $o{headers} // [] });
    my $body = $o{body} // '';
    my @pieces = unpack '(a' . ($o{piece} // 16384) . ')*', $body;
    my $frames = frame(HEADERS, END_HEADERS | (@pieces ? 0 : END_STREAM), $stream, $block);
    for my $n (0 .. $#pieces) {
        $frames .= frame(DATA, $n == $#pieces && !$o{open} ? END_STREAM : 0, $stream, $pieces[$n]);
    }
    return ($stream, $frames);
}

# Sends a POST on a stream of its own, no faster than the windows allow, and returns the status of the
# answer, or 0 if the stream or the connection is closed without one.
sub h2_upload {
    my ($c, %o) = @_;
    my $stream = $c->{stream};
    $c->{stream} += 2;
    my ($body, $at, $status, $until) = ($o{body} // '', 0, 0, time + TIMEOUT);
    my %window = (0 => 65535, $stream => 65535);
    h2_send($c, frame(HEADERS, END_HEADERS | (length $body ? 0 : END_STREAM), $stream,
        fields(':method', 'POST', ':scheme', 'http', ':path', $o{path}, ':authority', 'localhost',
            @{ $o{headers} // [] })));
    while (1) {
        while ($at < length $body) {
            my ($n) = sort { $a <=> $b } 16384, length($body) - $at, @window{0, $stream};
            last if $n <= 0;
            my $last = $at + $n == length $body;
            h2_send($c, frame(DATA, $last ? END_STREAM : 0, $stream, substr $body, $at, $n))
                or return $status;
            $_ -= $n for @window{0, $stream};
            $at += $n;
            $until = time + TIMEOUT;
        }
        my ($type, $flags, $of, $payload) = h2_read($c, $until - time) or return $status;
        if ($type == WINDOW_UPDATE) {
            $window{$of} += unpack 'N', $payload;
        }
        elsif ($type == SETTINGS and !($flags & ACK)) {
            my %settings = unpack '(nN)*', $payload;
            $window{$stream} += $settings{ +INITIAL_WINDOW_SIZE } - 65535
                if defined $settings{ +INITIAL_WINDOW_SIZE };
            h2_send($c, frame(SETTINGS, ACK, 0));
        }
        elsif ($of == $stream) {
            $status ||= status($payload) if $type == HEADERS;
            h2_send($c, window_update(0, length $payload)) if $type == DATA and length $payload;
            return $status if $type == RST_STREAM or $type != WINDOW_UPDATE && $flags & END_STREAM;
        }
        return $status if $type == GOAWAY;
    }
}

# Returns the next frame as (type, flags, stream, payload), or nothing at the end or after a timeout.
sub h2_read {
    my ($c, $seconds) = @_;
    my $until = time + $seconds;
    while (1) {
        if (length $c->{buffer} >= 9) {
            my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $c->{buffer};
            my $length = $high << 16 | $low;
            if (length $c->{buffer} >= 9 + $length) {
                my $payload = substr $c->{buffer}, 9, $length;
                substr $c->{buffer}, 0, 9 + $length, '';
                return ($type, $flags, $stream & 0x7fffffff, $payload);
            }
        }
        my $left = $until - time;
        return if $left <= 0 or !IO::Select->new($c->{socket})->can_read($left);
        return if !$c->{socket}->sysread($c->{buffer}, 65536, length $c->{buffer});
    }
}

sub status {
    my $block = shift;
    # skips changes of the dynamic table's size
    $block =~ s/\A(?:[\x20-\x3e]|\x3f[\x80-\xff]*[\x00-\x7f])+//;
    my $first = ord $block;
    return $status_of{ $first & 127 } // 0 if $first & 128;
    return $block =~ /\A.\x03([1-5]\d\d)/s ? $1 : 0;
}

# Reads until the streams are answered or reset, or the connection ends. Returns a hash by stream of {
# status, bytes, reset, done }, with { goaway, closed } under 0. Keeps the windows open, unless starve is
# set.
sub h2_wait {
    my ($c, $streams, %o) = @_;
    my $until = time + ($o{timeout} // TIMEOUT);
    my %got = map { $_ => { status => 0, bytes => 0 } } 0, @$streams;
    while (grep { !$got{$_}{done} } @$streams) {
        my ($type, $flags, $stream, $payload) = h2_read($c, $until - time);
        if (!defined $type) {
            $got{0}{closed} = time < $until;
            last;
        }
        my $s = $got{$stream} //= { status => 0, bytes => 0 };
        if ($type == HEADERS) {
            $s->{status} ||= status($payload);
            $s->{done} = 1 if $flags & END_STREAM;
        }
        elsif ($type == DATA) {
            $s->{bytes} += length $payload;
            $s->{done} = 1 if $flags & END_STREAM;
            h2_send($c, join '', map { window_update($_, length $payload) } 0,
                $flags & END_STREAM ? () : $stream)
                if length $payload and !$o{starve};
        }
        elsif ($type == RST_STREAM) {
            $s->{reset} = unpack 'N', $payload;
            $s->{done} = 1;
        }
        elsif ($type == GOAWAY) {
            $got{0}{goaway} = (unpack 'NN', $payload)[1];
        }
        elsif ($type == WINDOW_UPDATE) {
            $s->{window} += unpack 'N', $payload;
        }
        elsif ($type == SETTINGS and !($flags & ACK)) {
            h2_send($c, frame(SETTINGS, ACK, 0));
        }
        elsif ($type == PING and !($flags & ACK)) {
            h2_send($c, frame(PING, ACK, 0, $payload));
        }
    }
    return \%got;
}

1;
