package Mspwh::Attempt;

# One attempt to deliver one event, and what the answer does to the event.

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(time);

use Mspwh::Http qw(retry_after);
use Mspwh::Spool qw(
    absent age_of epoch open_event_file quarantine_event read_headers remove_event rfc3339 write_state
);

our @EXPORT_OK = qw(SENT KEPT QUARANTINED BROKEN GONE STUCK longest_wait);

use constant {
    SENT => 'sent',
    KEPT => 'kept',
    QUARANTINED => 'quarantined',
    BROKEN => 'broken',      # kept; the event itself is at fault
    GONE => 'gone',          # moved or removed by someone else
    STUCK => 'stuck',        # delivered, but it cannot be removed
};

use constant LONGEST_RETRY_AFTER => 3600;

my %meaning = (
    400 => 'not a usable event to the server: its error log says why (mspwh: malformed_payload)',
    401 => 'not verified. Most likely a secret was taken away before the spool was empty: '
        . 'put it back, reload nginx, then run "mspwh-redeliver --requeue DIR"',
    403 => 'refused by an access rule (allow, deny, auth_request) or by the backend',
    404 => 'no such location at this URL, or the backend does not know the path',
    405 => 'the location or the backend does not take this method',
    408 => 'the server did not get all of the event in time',
    409 => 'the backend does not take the event now',
    410 => 'the backend no longer takes events at this path',
    413 => 'the body is over client_max_body_size at this URL, or over the limit of the backend',
    415 => 'the backend does not take this Content-Type or Content-Encoding',
    421 => 'the server does not answer for this Host',
    422 => 'the backend cannot use the event',
    429 => 'a limit (limit_req, limit_conn) at this URL or of the backend',
    502 => 'the backend does not answer',
    503 => 'the backend is not ready, or a limit (limit_req, limit_conn) at this URL',
    504 => 'the backend does not answer in time',
    changed => 'not verified, as its .body was changed on disk after it had been spooled',
    duplicate => 'not delivered: mspwh_dedup at this URL took it for a repeat. Set "mspwh_dedup off" there',
    in_flight => 'the same event is being delivered: mspwh_dedup must be off at this URL',
    not_accepted => 'mspwh_accept at this URL does not let this type through',
);

sub meaning {
    my $status = shift;
    return $meaning{$status} // ($status =~ /^3/ ? 'a redirect, which is not followed: give the right URL'
        : 'see the error log of nginx and that of the backend');
}

# 4xx that concern the moment, not the event: --client-errors does not count them.
my %passing = map { $_ => 1 } 408, 409, 421, 423, 425, 429;

# url (see Mspwh::Http), timeout, retry_first, retry_max, client_errors, max_age, max_age_text
sub new {
    my ($class, %options) = @_;
    my $http = Mspwh::Http->new($options{url}, $options{timeout});
    return bless { %options, http => $http }, $class;
}

# The longest wait for an event's next attempt, unless the clock is set back.
sub longest_wait {
    my $retry_max = 1.2 * shift;
    return $retry_max > LONGEST_RETRY_AFTER ? $retry_max : LONGEST_RETRY_AFTER;
}

# Returns the outcome, the kind of failure and a text about it; and, if the event is kept, the seconds until
# the next attempt.
sub run {
    my ($self, $name, $state) = @_;
    my @result = eval { $self->deliver($name, $state) };
    @result = (BROKEN, 'error', $@) if !@result;
    return @result if $result[0] ne KEPT and $result[0] ne BROKEN;
    return $self->keep($name, $state, @result);
}

sub deliver {
    my ($self, $name, $state) = @_;
    my ($event, $wrong) = read_headers($name);
    return GONE if !$event and absent("$name.headers");
    return BROKEN, 'unreadable', $wrong if !$event;
    my $body = open_event_file("$name.body") or return bodiless($name, "$!");
    my ($target, $unknown) = $self->target($event);
    return BROKEN, 'unreadable', $unknown if $unknown;
    my $lines = $self->lines($name, $event, $state);
    my ($status, @answer) = $self->{http}->request(method($event), $target, $lines, $body, -s $body);
    return settle($self, $name, $state, $status, @answer) if $status;
    return $answer[0] eq 'unreadable' || $answer[0] eq 'error' ? BROKEN : KEPT, @answer;
}

# The body is missing: a move into quarantine was cut short, or somebody removed the event or its body.
sub bodiless {
    my ($name, $error) = @_;
    return quarantine($name, 'as begun', 'its body was there already') if !absent("quarantine/$name.body");
    return absent("$name.headers") ? GONE : (BROKEN, 'unreadable', "its .body cannot be read: $error");
}

sub method {
    my $method = shift->{'x-mspwh-method'} // '';
    return $method =~ /^[\w!#\$%&'*+.^`|~-]+\z/a ? $method : 'POST';
}

sub target {
    my ($self, $event) = @_;
    return $self->{url}{path} if defined $self->{url}{path};
    my $uri = $event->{'x-mspwh-uri'} // return undef, 'its .headers has no URI: give a URL with a path';
    return undef, 'the URI in its .headers cannot be sent' if $uri !~ m{^[^\x00-\x20\x7f]+\z};
    return $uri =~ m{^/} ? $uri : "/$uri";
}

sub lines {
    my ($self, $name, $event, $state) = @_;
    my $host = $self->{url}{authority};
    $host = $event->{host} if !defined $self->{url}{path} and length($event->{host} // '');
    my $received = $event->{'x-mspwh-received'} // '';
    $received = rfc3339(epoch($name) // time) if !defined epoch($received);
    # attempt 1 was the sender's own
    return ["Host: $host", 'User-Agent: mspwh-redeliver', @{ $event->{lines} },
        'X-Mspwh-Attempt: ' . ($state->{attempts} + 2), "X-Mspwh-Received: $received"];
}

sub settle {
    my ($self, $name, $state, $status, $header) = @_;
    $state->{answer} = $status;
    my $verdict = $header->{'mspwh-verdict'} // '';
    if ($status =~ /^2/) {
        return KEPT, 'duplicate', meaning('duplicate') if $verdict eq 'duplicate';
        return remove($name, $verdict eq 'not_accepted' ? ($verdict, meaning($verdict)) : ());
    }
    return quarantine($name, $status, meaning(is_changed($name) ? 'changed' : 401)) if $status == 401;
    return quarantine($name, $status, meaning($status)) if $status == 400;
    if ($status =~ /^4/ and !$passing{$status}) {
        my $times = ++$state->{'client-errors'};
        return quarantine($name, $status, meaning($status) . "; it was answered 4xx $times times")
            if $times >= $self->{client_errors};
    }
    return KEPT, $status, meaning($verdict eq 'in_flight' ? $verdict : $status),
        retry_after($header->{'retry-after'});
}

# nginx writes the headers after the body, so a body that is newer was changed later.
sub is_changed {
    my ($body, $headers) = map { (Time::HiRes::lstat("$_[0].$_"))[9] // 0 } qw(body headers);
    return $body > $headers;
}

sub remove {
    my ($name, @note) = @_;
    return remove_event($name) ? (SENT, @note) : (STUCK, 'cannot be removed', "$!");
}

sub quarantine {
    my ($name, $kind, $text) = @_;
    return quarantine_event($name) ? (QUARANTINED, $kind, $text) : (BROKEN, 'cannot be quarantined', "$!");
}

# Records when the next attempt is due.
sub keep {
    my ($self, $name, $state, $outcome, $kind, $text, $asked) = @_;
    return quarantine($name, $kind, "$text; it is older than --max-age $self->{max_age_text}")
        if (age_of($name) // 0) > $self->{max_age} and $kind ne 'cannot be quarantined';
    my $wait = $self->wait($state->{attempts}++, $asked);
    $state->{answer} = $kind =~ tr/ /-/r if $kind !~ /^\d/;
    @$state{qw(tried next)} = map { rfc3339($_) } time, time + $wait;
    my $written = write_state($name, $state);
    $text .= "; its .state cannot be written: $!" if !$written;
    return $outcome, $kind, $text, $wait;
}

sub wait {
    my ($self, $failed, $asked) = @_;
    my ($first, $most) = @$self{qw(retry_first retry_max)};
    if (defined $asked) {
        $asked = LONGEST_RETRY_AFTER if $asked > LONGEST_RETRY_AFTER;
        return $asked > $first ? $asked : $first;
    }
    my $wait = $failed < 20 ? $first * 2**$failed : $most;
    return ($wait < $most ? $wait : $most) * (1 + rand 0.2);
}

1;
