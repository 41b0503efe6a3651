# docs/rollout.md: monitor lets everything through and logs it, on rejects.

use strict;
use warnings;
use Test::More;
use MspwhDocs;
use MspwhTest;

my @conf = map { ready("server {\nlisten 8080;\n" . VARS . recipe('docs/rollout.md', $_)
    . "}\n") } '1. Watch', '3. Refuse';
my $secret = secret_of('webhook.secret');
my $body = '{"eventType":"ticket.created","entityId":17,"TicketId":17,"Details":"x","AdditionalFields":[]}';

my @events = (
    [$body, sign($secret, $body), 'verified', 200],
    [$body, sign('wrong', $body), 'bad_signature', 401],
    [$body, 'abc', 'malformed_signature', 401],
    [$body, undef, 'no_signature', 401],
    ['{}', sign($secret, '{}'), 'malformed_payload', 400],
);
sub deliver {
    my ($bytes, $signature) = @_;
    return post('/webhook', $bytes, 'X-Webhook-Signature' => $signature);
}

start_http($conf[0]);
for (@events) {
    my ($bytes, $signature, $verdict) = @$_;
    my $at = length error_log();
    my $r = deliver($bytes, $signature);
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}, scalar records()], [200, $verdict, 1],
        "monitor: $verdict goes through");
    clear_records();
    ok(scalar(log_matches(qr/mspwh: $verdict: /, $at)), '... and leaves a line') if $verdict ne 'verified';
}
stop();

for my $step (1, 0) {
    start_http($conf[$step]);
    for (@events) {
        my ($bytes, $signature, $verdict, $status) = @$_;
        $status = 200 if !$step;
        is(deliver($bytes, $signature)->{status}, $status,
            ($step ? 'on' : 'back to monitor') . ": $verdict gets $status");
        is(scalar(records()), $status == 200 ? 1 : 0, '... and arrives, or does not');
        clear_records();
    }
    stop();
}

done_testing();
