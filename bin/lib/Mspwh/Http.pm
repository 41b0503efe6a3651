package Mspwh::Http;

# A client of one server, over one persistent connection: HTTP/1.1, with headers of any bytes, and a body
# that is read from a file while it is being sent.

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Exporter qw(import);
use IO::Socket::IP;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);
use Time::Local qw(timegm);

our @EXPORT_OK = qw(parse_url retry_after);

use constant { PIECE => 65536, MOST_HEAD => 65536, MOST_BODY => 1 << 20 };
use constant NEVER => 'the connection was closed before an answer came';

# Returns the parts of a URL, or undef. "path" is undef if there is none.
sub parse_url {
    my ($scheme, $host, $port, $path) = ($_[0] // '')
        =~ m{^(https?)://(\[[0-9A-Fa-f:.]+\]|[^/?#\s:@\[\]]+)(?::(\d{1,5}))?(?:([/?][^\s#]*))?(?:#\S*)?\z}
            or return;
    $path = "/$path" if defined $path and $path =~ /^\?/;
    return {
        scheme => $scheme, host => $host =~ tr/[]//dr, port => $port // ($scheme eq 'https' ? 443 : 80),
        authority => defined $port ? "$host:$port" : $host, path => $path,
    };
}

my %month = do { my $n = 0; map { $_ => $n++ } qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec) };

# Returns the seconds that a Retry-After asks for (RFC 9110, section 10.2.3), or undef.
sub retry_after {
    my $value = shift // return;
    return 0 + $value if $value =~ /^\d{1,9}\z/;
    my ($day, $month, $year, $hour, $minute, $second)
        = $value =~ /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT\z/ or return;
    my $then = eval { timegm($second, $minute, $hour, $day, $month{$month}, $year) } // return;
    my $wait = $then - time;
    return $wait > 0 ? $wait : 0;
}

sub new {
    my ($class, $url, $timeout) = @_;
    return bless { %$url, timeout => $timeout, buffer => '' }, $class;
}

# Sends a request with these header lines and a file of "size" bytes. Returns the status and the headers,
# keyed by their lowercase names; or undef, the kind of failure and a text.
#
# If the server closes a persistent connection just as the request is sent, it is sent once more.
sub request {
    my ($self, $method, $target, $lines, $body, $size) = @_;
    my $bytes = join "\r\n", "$method $target HTTP/1.1", @$lines, "Content-Length: $size", '', '';
    $self->{bodiless} = $method eq 'HEAD';
    my $kept = $self->alive;
    my @answer = $self->try_request($bytes, $body, $size);
    return @answer if defined $answer[0] or !$kept or $answer[2] ne NEVER;
    sysseek $body, 0, 0;
    return $self->try_request($bytes, $body, $size);
}

sub try_request {
    my ($self, @request) = @_;
    my @answer = eval {
        $self->connect if !$self->{socket};
        $self->send_request(@request);
        $self->read_answer;
    };
    return @answer if @answer;
    $self->close;
    my ($kind, $text) = ref $@ ? @{$@} : ('error', $@);
    return undef, $kind, $text =~ s/[^ -~]+/ /gr =~ s/ +\z//r;
}

sub fail { die [@_] }

sub close { my $self = shift; close delete $self->{socket} if $self->{socket}; $self->{buffer} = '' }

# Returns whether the connection can be used again: the server has neither closed it nor sent anything.
sub alive {
    my $self = shift;
    return 0 if !$self->{socket};
    return 1 if !defined sysread $self->{socket}, my $byte, 1 and would_block();
    $self->close;
    return 0;
}

sub would_block { $! == EAGAIN || $! == EWOULDBLOCK }

sub connect {
    my $self = shift;
    my $socket = IO::Socket::IP->new(PeerHost => $self->{host}, PeerService => $self->{port},
        Timeout => $self->{timeout}) or fail('no connection', "$self->{authority}: " . ($@ || $!));
    # the headers and the body may be two writes: the second one must not wait for an ACK
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    if ($self->{scheme} eq 'https') {
        IO::Socket::SSL->start_SSL($socket, Timeout => $self->{timeout}, SSL_hostname => $self->{host},
            SSL_verifycn_name => $self->{host}, SSL_verifycn_scheme => 'http')
                or fail('no connection', "$self->{authority}: TLS: $IO::Socket::SSL::SSL_ERROR");
    }
    $socket->blocking(0);
    @$self{qw(socket buffer)} = ($socket, '');
}

# Waits until the socket is readable or writable; returns false if that takes too long. Returns "answered" if
# the server has answered already, before it has read the whole request.
sub wait_for {
    my ($self, $what) = @_;
    my $tls = $self->{scheme} eq 'https';
    $what = $IO::Socket::SSL::SSL_ERROR == IO::Socket::SSL::SSL_WANT_READ() ? 'read' : 'write' if $tls;
    vec(my $socket = '', fileno $self->{socket}, 1) = 1;
    my $until = time + $self->{timeout};
    while ((my $left = $until - time) > 0) {
        my $readable = $what eq 'read' || !$tls ? $socket : '';
        my $writable = $what eq 'write' ? $socket : '';
        my $n = select $readable, $writable, undef, $left;
        next if $n < 0 and $! == EINTR;
        return 0 if $n <= 0;
        return $what eq 'write' && $readable eq $socket ? 'answered' : 'ready';
    }
    return 0;
}

sub timed_out { fail('timeout', "no answer within $_[0]{timeout} s") }

# Returns false if the server answers before it has read everything, or has closed the connection.
sub send_bytes {
    my ($self, $bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
        if (defined $n) {
            $at += $n;
            next;
        }
        next if $! == EINTR;
        return 0 if !would_block();
        my $ready = $self->wait_for('write') or $self->timed_out;
        return 0 if $ready eq 'answered';
    }
    return 1;
}

sub send_request {
    my ($self, $bytes, $body, $size) = @_;
    do {
        my $n = sysread $body, my $piece, $size > PIECE ? PIECE : $size;
        fail('unreadable', "its .body cannot be read: $!") if !defined $n;
        fail('unreadable', 'its .body has become shorter') if !$n and $size;
        $size -= $n;
        $self->send_bytes($bytes . $piece) or return;
        $bytes = '';
    } while ($size);
}

# Reads more of the answer; returns false at its end, however it ends.
sub fill {
    my $self = shift;
    while (1) {
        my $n = sysread $self->{socket}, $self->{buffer}, PIECE, length $self->{buffer};
        return $n if defined $n;
        next if $! == EINTR;
        return 0 if !would_block();
        $self->wait_for('read') or $self->timed_out;
    }
}

sub take_line {
    my $self = shift;
    my $at;
    while (($at = index $self->{buffer}, "\n") < 0) {
        fail('no answer', 'its line is too long') if length $self->{buffer} > MOST_HEAD;
        my $empty = !length $self->{buffer};
        $self->fill or fail('no answer', $empty ? NEVER : 'the connection was closed within it');
    }
    return substr($self->{buffer}, 0, $at + 1, '') =~ s/\r?\n\z//r;
}

sub read_head {
    my $self = shift;
    my $line = $self->take_line;
    my ($minor, $status) = $line =~ m{^HTTP/1\.(\d) (\d{3})(?: |\z)}a
        or fail('no answer', 'what came is not HTTP/1');
    my (%header, $size);
    while (length($line = eval { $self->take_line } // fail('no answer', 'its headers have no end'))) {
        fail('no answer', 'its headers are too long') if ($size += length $line) > MOST_HEAD;
        my ($name, $value) = $line =~ /^([^:\s]+):[ \t]*(.*?)[ \t]*\z/ or next;
        $name = lc $name;
        $header{$name} = exists $header{$name} ? "$header{$name}, $value" : $value;
    }
    return $status, \%header, $minor;
}

# The status counts even if the body of the answer is cut short.
sub read_answer {
    my $self = shift;
    my ($status, $header, $minor);
    do { ($status, $header, $minor) = $self->read_head } while ($status < 200);
    my $left = eval { $self->skip_body($status, $header) };
    $self->close if !$left or $minor < 1 or ($header->{connection} // '') =~ /\bclose\b/i
        or length $self->{buffer};
    return $status, $header;
}

# Returns whether the whole answer has been read.
sub skip_body {
    my ($self, $status, $header) = @_;
    return 1 if $status == 204 or $status == 304 or $self->{bodiless};
    if (($header->{'transfer-encoding'} // '') =~ /\bchunked\b/i) {
        my $all = 0;
        while (1) {
            my ($size) = $self->take_line =~ /^([0-9A-Fa-f]{1,7})\b/ or return 0;
            last if !hex $size;
            return 0 if ($all += hex $size) > MOST_BODY or !$self->skip(hex($size) + 2);
        }
        1 while length $self->take_line;
        return 1;
    }
    my $length = $header->{'content-length'};
    return $self->skip($length) if defined $length and $length =~ /^\d{1,15}\z/ and $length <= MOST_BODY;
    my $n = 0;
    while ($n <= MOST_BODY and my $more = $self->fill) {
        $n += $more;
        $self->{buffer} = '';
    }
    return 0;
}

sub skip {
    my ($self, $n) = @_;
    while ($n > length $self->{buffer}) {
        $n -= length $self->{buffer};
        $self->{buffer} = '';
        $self->fill or return 0;
    }
    substr $self->{buffer}, 0, $n, '';
    return 1;
}

1;
