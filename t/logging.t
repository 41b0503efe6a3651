# The log formats of docs/logging.md write one line per event, and JSON that can be parsed.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);
use MspwhDocs;
use MspwhTest;

my ($plain, $json) = map { $_->{text} } grep { $_->{text} =~ /^log_format/ } blocks('docs/logging.md');
my $secret = secret_of('webhook.secret');
my $good = '{"eventType":"Ticket note added","entityId":90817,"TicketId":48213,"Description":"x",'
    . '"AdditionalFields":[]}';
my $odd = '{"eventType":"Ticket \"merged\"\u0001 \u00eb","entityId":7,"TicketId":8}';
my @sent = (
    # body, signature, status, verdict, type, anomaly
    [$good, sign($secret, $good), 200, 'verified', 'ticket.note.added', ''],
    [$odd, sign($secret, $odd), 200, 'verified', qr/^ticket\.merged/, qr/^unknown_event_type/],
    [$good, sign('wrong', $good), 401, 'bad_signature', '', ''],
    [$good, undef, 401, 'no_signature', '', ''],
    ['{}', sign($secret, '{}'), 400, 'malformed_payload', '', ''],
);

sub lines_of {
    my ($conf, $log) = @_;
    start_http(ready($conf));
    my @lines;
    for my $n (1 .. @sent) {
        my ($body, $signature) = @{ $sent[$n - 1] };
        post('/webhook', $body, 'X-Webhook-Signature' => $signature);
        # a line is written after the answer, and two workers write
        for (1 .. 100) {
            open my $fh, '<:raw', dir() . "/var/log/nginx/$log" or die "$log: $!";
            last if (@lines = <$fh>) >= $n;
            sleep 0.02;
        }
    }
    stop();
    return @lines;
}

my $delivery = hmac_sha256_hex($good, $secret);

my @lines = lines_of($json, 'webhook.json');
is(scalar(@lines), scalar(@sent), 'JSON: one line each');
for my $i (0 .. $#sent) {
    my (undef, undef, $status, $verdict, $type, $anomaly) = @{ $sent[$i] };
    my $line = eval { decode_json($lines[$i]) };
    ok($line, "JSON: $verdict, parses") or diag $lines[$i];
    is_deeply([@$line{qw(status verdict)}], [$status, $verdict], "JSON: $verdict, status and verdict");
    ref $type ? like($line->{type}, $type, "JSON: $verdict, type")
        : is($line->{type}, $type, "JSON: $verdict, type");
    ref $anomaly ? like($line->{anomaly}, $anomaly, "JSON: $verdict, anomaly")
        : is($line->{anomaly}, $anomaly, "JSON: $verdict, anomaly");
    is($line->{size}, length $sent[$i][0], "JSON: $verdict, size");
}
my $first = decode_json($lines[0]);
is_deeply([@$first{qw(entity action entity_id ticket_id key delivery upstream_status)}],
    ['note', 'added', 90817, 48213, 1, $delivery, 200], 'JSON: the rest');

@lines = lines_of($plain, 'webhook.access.log');
is(scalar(@lines), scalar(@sent), 'plain: one line each');
for my $i (0 .. $#sent) {
    my (undef, undef, $status, $verdict) = @{ $sent[$i] };
    like($lines[$i], qr/"POST \/webhook" $status verdict=$verdict type=/, "plain: $verdict");
}
like($lines[0], qr/ entity=90817 ticket=48213 key=1 delivery=$delivery anomaly= size=\d+ /,
    'plain: the rest');
like($lines[0], qr/ time=[\d.]+ upstream=\S+ upstream_status=200\n\z/, '... to its end');

done_testing();
