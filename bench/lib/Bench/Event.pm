package Bench::Event;

# Signed ticket events, as files that contain a whole HTTP request.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64);
use Exporter qw(import);

our @EXPORT_OK = qw(SECRET event base64_text signature write_request write_requests);

use constant SECRET => 'correct horse battery staple, forty-two';

my @alphabet = ('A' .. 'Z', 'a' .. 'z', '0' .. '9', '+', '/');
my $block;

# Returns the same text in every run; only its first 64 KB are without repetition.
sub base64_text {
    my $size = shift;
    if (!defined $block) {
        my $seed = 12345;
        for (1 .. 65_536) {
            $seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
            $block .= $alphabet[$seed >> 16 & 63];
        }
    }
    return substr $block x ($size / length($block) + 1), 0, $size;
}

# Returns an event of exactly this size, which the image in its Details fills up. "place" is the place of the
# event type: start, middle or end of the body.
sub event {
    my ($size, $place) = @_;
    my $type = '"EventType":"Ticket created",';
    my $head = '"EntityId":4711,"TicketId":4711,"CustomerId":"c-1207","Priority":3,'
        . '"Title":"Printer on 2nd floor prints blank pages",'
        . '"CreatedDate":"2026-03-14T09:26:53.589Z","IsBillable":true,"AssignedTo":null,';
    my $text = '<p>Hello,<br>since this morning the printer on the 2nd floor prints blank '
        . 'pages. Sch\u00f6ne Gr\u00fc\u00dfe</p><p>A photo is attached.</p>'
        . '<img alt=\"photo\" src=\"data:image/png;base64,';
    my $tail = '=\">","AdditionalFields":[{"Name":"Location","Value":"2nd floor"},'
        . '{"Name":"Asset","Value":"PRN-0042"},{"Name":"Seats","Value":12}]}';
    my $close = ',"EventType":"Ticket created"}';
    $place //= 'start';
    my $open = $place eq 'start' ? "{$type$head\"Details\":\"$text" : "{$head\"Details\":\"$text";
    if ($place eq 'end') {
        $tail =~ s/\}\z/$close/;
    }
    my $left = $size - length($open) - length $tail;
    if ($place eq 'middle') {
        my $second = '\">","EventType":"Ticket created","Note":"';
        $left -= length $second;
        return $open . base64_text($left >> 1) . $second . base64_text($left - ($left >> 1))
            . $tail;
    }
    die "no event is that small: $size\n" if $left < 0;
    return $open . base64_text($left) . $tail;
}

sub signature {
    my $mac = hmac_sha256_base64($_[0], SECRET);
    return $mac . '=' x (-length($mac) % 4);
}

sub head {
    my ($path, $signature) = @_;
    return "POST $path HTTP/1.1\r\nHost: localhost\r\n"
        . "User-Agent: MSPManager\r\nAccept: */*\r\n"
        . "Content-Type: application/json; charset=utf-8\r\n"
        . "X-Event-Type: ticket.created\r\nX-Webhook-Signature: $signature\r\n";
}

# Usage: write_request(file, body, signature => ..., path => ..., chunk => size)
sub write_request {
    my ($file, $body, %o) = @_;
    my $head = head($o{path} // '/', $o{signature} // signature($body));
    open my $fh, '>:raw', $file or die "$file: $!\n";
    if ($o{chunk}) {
        my $chunks = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
            unpack "(a$o{chunk})*", $body;
        print $fh "${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n";
    } else {
        print $fh "${head}Content-Length: ", length $body, "\r\n\r\n", $body;
    }
    close $fh or die "$file: $!\n";
    return $file;
}

# Returns a small event. Each number below 9e9 gives another one, and all have the same length.
sub numbered_event {
    my $id = 1_000_000_000 + $_[0];
    return "{\"EventType\":\"Ticket created\",\"EntityId\":$id,\"TicketId\":$id,"
        . '"Details":"","AdditionalFields":[]}';
}

# Writes this number of requests into one file; the code returns the number of each event.
sub write_requests {
    my ($file, $count, $number) = @_;
    open my $fh, '>:raw', $file or die "$file: $!\n";
    for my $i (0 .. $count - 1) {
        my $body = numbered_event($number->($i));
        print $fh head('/', signature($body)), 'Content-Length: ', length $body, "\r\n\r\n", $body;
    }
    close $fh or die "$file: $!\n";
    return $file;
}

1;
