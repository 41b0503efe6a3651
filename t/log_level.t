# mspwh_log_level: by default, rejections are logged at "error", so an error_log of the default level shows
# them.

use strict;
use warnings;
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $body = '{"eventType":"Ticket created","entityId":"1"}';
my @levels = qw(info notice warn error);

start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    error_log %%DIR%%/default.log;
    error_log %%DIR%%/info.log info;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
@{[join '', map { "location /$_ { mspwh_log_level $_; proxy_pass http://%%A%%; location /$_/deep { }"
    . " location /$_/error { mspwh_log_level error; } }\n" } @levels]}
}
CONF

# [what, the verdict, body, headers]
my @rejected = (
    ['no signature', 'no_signature', $body],
    ['a malformed signature', 'malformed_signature', $body, $name => 'x'],
    ['a repeated signature', 'malformed_signature', $body, ($name => sign(SECRET, $body)) x 2],
    ['a forged signature', 'bad_signature', $body, $name => sign('x', $body)],
    ['no event', 'malformed_payload', '{}', $name => sign(SECRET, '{}')],
);

# Returns the module's lines in a log since an offset.
sub lines { my ($log, $at) = @_; return grep { /\bmspwh: / } split /\n/, substr slurp(dir() . "/$log"), $at }

sub logs { return map { -s dir() . "/$_" } 'default.log', 'info.log' }

for my $path ('/', map { ("/$_", "/$_/deep", "/$_/error") } @levels) {
    my $level = $path eq '/' || $path =~ m{/error} ? 'error' : (split m{/}, $path)[1];
    for (@rejected) {
        my ($what, $verdict, $body, @headers) = @$_;
        my ($default, $info) = logs();
        my $r = post($path, $body, @headers);
        is($r->{status}, $verdict eq 'malformed_payload' ? 400 : 401, "$path, $what: rejected");
        my @lines = lines('info.log', $info);
        is(scalar(@lines), 1, '... in one line') or diag join "\n", @lines;
        like($lines[0] // '', qr/\[$level\].*mspwh: $verdict: .*\b${\length $body}\b/, "... at $level");
        is(scalar(lines('default.log', $default)), $level eq 'error' ? 1 : 0,
            '... and in the log of the default level' . ($level eq 'error' ? '' : ' none'));
    }
}

my ($default, $info) = logs();
is(signed('/', $body)->{status}, 200, 'verified');
is_deeply([lines('default.log', $default)], [], '... with no line');

done_testing();
