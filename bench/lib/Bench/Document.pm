package Bench::Document;

# Documents of about a given size, in shapes that may be hard for a parser.  All
# are valid events, except "too deep".

use strict;
use warnings;

use Exporter qw(import);

use Bench::Event qw(event base64_text);

our @EXPORT_OK = qw(document);

my $head = '{"EventType":"Ticket created","EntityId":4711,"TicketId":4711,';

sub fill {
    my ($size, @pieces) = @_;
    my $block = join '', @pieces;
    return $block x ($size / length $block);
}

sub details { $head . "\"Details\":\"$_[0]\",\"AdditionalFields\":[]}" }

sub fields { $head . "\"Details\":\"\",\"AdditionalFields\":[$_[0]]}" }

# Returns small values of every kind.
sub dense {
    my $size = shift;
    my ($text, $i) = ('', 0);
    while (length $text < $size) {
        $i = ($i * 7 + 13) % 9973;
        $text .= "{\"id\":$i,\"n\":\"f$i\",\"v\":[" . $i / 8 . ",true,null,-3e5],\"on\":false,"
            . '"at":{"x":' . ($i & 63) . ',"y":"z"}},';
    }
    chop $text;
    return $text;
}

# "width" nested containers, again and again
sub nested {
    my ($size, $depth, $open, $close) = @_;
    my $one = $open x $depth . '1' . $close x $depth;
    return join ',', ($one) x ($size / (length($one) + 1));
}

my %document = (
    'base64' => sub { event($_[0]) },
    'type in the middle' => sub { event($_[0], 'middle') },
    'type at the end' => sub { event($_[0], 'end') },
    'base64 with \u002B' => sub {
        my $text = event($_[0] * 59 / 64);
        $text =~ s/\+/\\u002B/g;
        $text;
    },
    'all backslashes' => sub { details(fill($_[0], '\\\\')) },
    'all \u escapes' => sub { details(fill($_[0], '\u00e4\u4e2d\ud83d\ude00')) },
    'all non-ASCII' => sub { details(fill($_[0], "\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80")) },
    'a-umlaut after a' => sub { details(fill($_[0], "a\xc3\xa4")) },
    'dense, in an array' => sub { fields(dense($_[0])) },
    'dense, in objects' => sub { $head . "\"Custom\":{\"list\":" . kept($_[0]) . '}}' },
    'short strings' => sub { fields(substr fill($_[0], '"",'), 0, -1) },
    'arrays in arrays' => sub { fields(nested($_[0], 100, '[', ']')) },
    'objects in arrays' => sub { fields(nested($_[0], 100, '{"":', '}')) },
    'white space' => sub { fields(fill($_[0], " \n")) },
    'one number' => sub { fields('7' x $_[0]) },
    'one name' => sub { $head . '"' . base64_text($_[0]) . '":1}' },
    'small members' => sub { $head . '"Custom":' . members($_[0]) . '}' },
    'too deep' => sub { fields('[' x $_[0]) },
);

sub members {
    my $n = $_[0] / 11;
    return '{' . join(',', map { sprintf '"m%05d":1', $_ } 1 .. $n) . '}';
}

# dense values, as nested objects: names are not looked for in arrays
sub kept {
    my $i = 0;
    my @parts = split /(?<=\}\}),/, dense($_[0] * 0.92);
    return '{' . join(',', map { '"k' . $i++ . "\":$_" } @parts) . '}';
}

sub document {
    my ($name, $size) = @_;
    my $code = $document{$name} // die "no such document: $name\n";
    return $code->($size);
}

1;
