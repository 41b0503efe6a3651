package MspwhRecipes;

# Runs the configurations of a page of the documentation, each with the recording backends in place of the
# services, and finds out what arrived where.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Test::More;
use MspwhDocs;
use MspwhTest;

our @EXPORT = qw(read_recipes recipes_tested begin event deliver seen arrives refused);

my $name = 'X-Webhook-Signature';
my (%conf, %tested);

# Reads a recipe. This must happen before the backends start, because it opens their addresses. The second
# recipe under a heading is "HEADING 2".
sub read_recipes {
    for my $block (map { blocks($_) } @_) {
        my ($heading, $n) = ($block->{heading}, 1);
        $n++ while exists $conf{$n > 1 ? "$heading $n" : $heading};
        $conf{$n > 1 ? "$heading $n" : $heading} = ready(http_part($block->{text}));
    }
    return sort keys %conf;
}

sub recipes_tested { return sort keys %tested }

sub event {
    my ($type, $ticket, $entity) = @_;
    $ticket //= 48213;
    $entity //= $type =~ /ticket\.\w+$/ ? $ticket : 90817;
    return qq({"eventType":"$type","entityId":$entity,"TicketId":$ticket,)
        . '"AdditionalFields":[{"Name":"Site","Value":"Warehouse 2"}]}';
}

# Starts nginx with the recipe, and with these third-party $modules that it needs. Returns false if one is
# missing.
sub begin {
    my ($heading, $change, $modules) = @_;
    $tested{$heading} = 1;
    my $conf = $conf{$heading} // die "no recipe \"$heading\"";
    $conf = $change->($conf) if $change;
    my $there = $modules ? start_with($modules, $conf) : start_http($conf);
    clear_records();
    return $there;
}

# Sends a POST, signed with the secret in the named file; options for request() may follow.
sub deliver {
    my ($path, $body, $file, @headers) = @_;
    my $secret = secret_of($file // 'webhook.secret');
    return post($path, $body, $name => sign($secret, $body), @headers)->{status};
}

sub seen { my @r = records(); clear_records(); return @r }

sub arrives {
    my ($what, $path, $body, $backend, $uri, @more) = @_;
    is(deliver($path, $body, @more), 200, "$what: accepted");
    my @r = seen();
    is_deeply([map { [@$_{qw(backend uri sha256)}] } @r], [[$backend, $uri, sha256_hex($body)]],
        "$what: arrives at $backend$uri");
    return $r[0]{header};
}

sub refused {
    my ($what, $path, $body, $file, @headers) = @_;
    is(deliver($path, $body, $file, @headers), 401, "$what: refused");
    is(scalar(seen()), 0, "$what: arrives nowhere");
}

1;
