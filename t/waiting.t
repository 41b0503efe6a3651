# The status shows the numbers that mspwh-redeliver has written into a spool, if they are well-formed.

use strict;
use warnings;
use JSON::PP ();
use POSIX qw(mkfifo);
use Test::More;
use MspwhMetrics;
use MspwhTest;

start(<<'CONF');
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location /a { mspwh_spool "%%DIR%%/a"; }
    location /b { mspwh_spool '%%DIR%%/b"\b'; }
    location /again { mspwh_spool %%DIR%%/a; if ($arg_x) { set $y 1; } }
    location = /status { mspwh_status; }
CONF

my $dir = dir();
my %good = (waiting => 3, waiting_bytes => 5_000_000_000, oldest => '2026-11-24T18:18:19Z', quarantined => 2,
    last_run => '2026-11-24T18:20:00.25Z', sent => 7, kept => 3);
my $json = JSON::PP->new->canonical->allow_nonref;
sub says { write_file("$dir/a/status.json", ref $_[0] ? $json->encode($_[0]) : $_[0], 0644) }
sub shown { return status_json('/status')->{spool} }
my %unknown = (path => "$dir/a", map { $_ => undef } keys %good);

is_deeply([map { $_->{path} } @{ shown() }], ["$dir/a", "$dir/b\"\\b"], 'each directory once');
is_deeply(shown()->[0], \%unknown, 'no status.json: nothing is known');
unlike(status_text('text/plain'), qr/^mspwh_spool_waiting/m, '... nor a metric');

says(\%good);
my %want = (%good, path => "$dir/a", last_run => '2026-11-24T18:20:00Z');
is_deeply(shown()->[0], \%want, 'what it says');
for (['waiting_events', 3], ['waiting_bytes', 5_000_000_000], ['quarantined_events', 2],
    ['oldest_timestamp_seconds', 1795544299], ['last_run_timestamp_seconds', 1795544400])
{
    my ($name, $value) = @$_;
    like(status_text('text/plain'), qr/^mspwh_spool_$name\{path="\Q$dir\E\/a"\} $value$/m,
        "... as a metric: $_->[0]");
}
says({ %good, waiting => 0, oldest => undef });
is_deeply(shown()->[0], { %want, waiting => 0, oldest => undef }, 'nothing waits');
says({ %good, more => [1, { a => 2 }] });
is_deeply(shown()->[0], \%want, 'unknown members are ignored');

my $text = $json->encode(\%good);
my @bad = ('', '{}', '[]', 'null', '3', substr($text, 0, -1), "$text " . 'x' x 5000, "\0", '{"waiting":"3"}',
    (map { my $name = $_; map { { %good, $name => $_ } } -1, 1e300, '3', undef, [], {} }
        qw(waiting waiting_bytes quarantined sent kept)),
    (map { my $name = $_; map { { %good, $name => $_ } } 3, '', 'now', '2026-11-24', '2026-11-24T18:18:19',
        '2026-11-24T18:18:19+01:00', '2026-11-24T18:18:19Zx', '1969-12-31T23:59:59Z' } qw(oldest last_run)));
for my $bad (@bad) {
    says($bad);
    my $differs = sub { $json->encode([$bad->{$_[0]}]) ne $json->encode([$good{$_[0]}]) };
    my $what = ref $bad
        ? join ' ', map { $json->encode([$_, $bad->{$_}]) } grep { $differs->($_) } sort keys %good
        : substr($bad, 0, 30) =~ s/\0/NUL/r;
    is_deeply(shown()->[0], \%unknown, "not believed: $what");
}
unlink "$dir/a/status.json";
mkfifo("$dir/a/status.json", 0644) or die "mkfifo: $!";
is_deeply(shown()->[0], \%unknown, 'a pipe blocks nothing');
unlink "$dir/a/status.json";
mkdir "$dir/a/status.json";
is_deeply(shown()->[0], \%unknown, 'a directory is no file');
rmdir "$dir/a/status.json";

write_file("$dir/b\"\\b/status.json", $text, 0644);
is(shown()->[1]{waiting}, 3, 'the path needs escapes: JSON');
like(status_text('text/plain'),
    qr/^mspwh_spool_waiting_events\{path="\Q$dir\E\/b\\"\\\\b"\} 3$/m, '... and metrics');

ok(stop(), 'nginx stops in time');
done_testing();
