# The metrics, the alert rules and the dashboard, as Prometheus sees them.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP ();
use POSIX qw(_exit WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;
use MspwhMetrics;

my $monitoring = abs_path(dirname(__FILE__) . '/../docs/monitoring');

start(<<'CONF');
    mspwh on;
    mspwh_secret "%%SECRET%%" id=new-1.x~y:z;
    mspwh_secret old id=old;
    location / { proxy_pass http://%%A%%; }
    location /returned { return 204; }
    location /safe { mspwh_spool %%DIR%%/spool; }
    location = /mspwh { mspwh_status; }
CONF

sub event { qq({"eventType":"$_[0]","entityId":5,"TicketId":5,"Details":"@{['d' x ($_[1] // 1)]}"}) }
sub traffic {
    signed('/', event($_, 3000)) for qw(ticket.created ticket.merged);
    post('/status/503', event('note.added'), 'X-Webhook-Signature' => sign('old', event('note.added')));
    signed('/', '{}');
    signed('/safe', event('ticket.created'));
    post($_, '{}') for '/', '/returned';
    post('/', '{}', 'X-Webhook-Signature' => sign('forged', '{}'));
}
traffic();
metrics_when(8, '/mspwh');
write_file(dir() . '/spool/status.json', '{"waiting":3,"waiting_bytes":4000,"oldest":"2026-11-24T18:18:19Z",'
    . '"quarantined":2,"last_run":"2026-11-24T18:20:00Z","sent":1,"kept":3}');

# --- promtool --------------------------------------------------------------------

my $file = write_file('metrics', status_text('text/plain', '/mspwh'));
SKIP: {
    skip 'there is no promtool', 3 if !installed('promtool');
    my ($rc, $text) = run('sh', '-c', "promtool check metrics < $file");
    is_deeply([$rc, $text], [0, ''], 'promtool check metrics: silent');
    ($rc, $text) = run('promtool', 'check', 'rules', "$monitoring/alerts.yml");
    is($rc, 0, 'promtool check rules') or diag $text;
    ($rc, $text) = run('promtool', 'test', 'rules', abs_path(dirname(__FILE__) . '/alerts.yml'));
    is($rc, 0, 'promtool test rules') or diag $text;
}

# --- only metrics that exist -----------------------------------------------------

my $metrics = slurp($file);
my %exists = map { $_ => 1 } $metrics =~ /^(mspwh_\w+)/mg;
my %values;
push @{ $values{$1} }, $2 while $metrics =~ /(\w+)="([^"]*)"/g;

my $dashboard = JSON::PP->new->decode(slurp("$monitoring/grafana.json"));
my (@exprs, @titles);
for my $panel (@{ $dashboard->{panels} }) {
    push @titles, $panel->{title};
    push @exprs, map { [$panel->{title}, $_->{expr}] } @{ $panel->{targets} };
    ok(!(grep { $_->{datasource}{uid} ne '${datasource}' } $panel, @{ $panel->{targets} }),
        "$panel->{title}: of the chosen data source");
}
push @exprs, map { [$_->{name}, $_->{expr}] } @{ $dashboard->{annotations}{list} };
push @exprs, map { [$_->{name}, $_->{definition} =~ /\((.*), \w+\)$/ ? $1 : '?'] }
    grep { $_->{type} eq 'query' } @{ $dashboard->{templating}{list} };
my %ids = map { $_->{id} => 1 } @{ $dashboard->{panels} };
is(scalar(keys %ids), scalar(@titles), 'every panel has an id of its own');
my $rules = slurp("$monitoring/alerts.yml");
$rules =~ s/^\s*#.*//mg;
push @exprs, [$1, $2] while $rules =~ /- alert: (\w+)\n\s+expr: >\n(.*?)(?=\n\s+(?:for|labels):)/sg;
cmp_ok(scalar(grep { $_->[0] =~ /^Mspwh/ } @exprs), '==', scalar(() = $rules =~ /- alert:/g),
    'every alert is tested');

for (@exprs) {
    my ($what, $expr) = @$_;
    my @names = $expr =~ /\b(mspwh_\w+)/g;
    ok(@names > 0, "$what: names metrics");
    is_deeply([grep { !$exists{$_} } @names], [], "$what: only metrics that exist");
    while ($expr =~ /(\w+)=(~?)"([^"\$]+)"/g) {
        my ($label, $words) = ($1, $3);
        my %known = map { $_ => 1 } @{ $values{$label} // [] };
        is_deeply([grep { !$known{$_} } split /\|/, $words], [], "$what: only values that exist of $label");
    }
}
my $all = join ' ', map { $_->[1] } @exprs;
my @unused = grep { !/_(?:sum|count)$/ && index($all, $_) < 0 } sort keys %exists;
is_deeply(\@unused, ['mspwh_key_configured'], 'all metrics are used, but for one');

if (!installed('prometheus')) {
    SKIP: { skip 'there is no prometheus', 1 }
    done_testing();
    exit;
}

# --- a real Prometheus -----------------------------------------------------------

my $config = write_file('prometheus.yml', expand(<<"YAML"));
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files:
  - $monitoring/alerts.yml
scrape_configs:
  - job_name: mspwh
    metrics_path: /mspwh
    static_configs:
      - targets: ['127.0.0.1:%%PORT%%']
YAML
my $port = port('prometheus');
my $pid = fork // die "fork: $!";
if (!$pid) {
    open STDOUT, '>', dir() . '/prometheus.log';
    open STDERR, '>&', \*STDOUT;
    exec 'prometheus', "--config.file=$config", '--storage.tsdb.path=' . dir() . '/prometheus',
        "--web.listen-address=127.0.0.1:$port" or _exit(127);
}
sub stop_prometheus {
    return if !$pid;
    kill TERM => $pid;
    waitpid $pid, 0;
    undef $pid;
}

sub api {
    my ($path, %query) = @_;
    my $query = join '&',
        map { my $v = $query{$_}; $v =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; "$_=$v" } keys %query;
    my $r = eval { request(method => 'GET', path => "/api/v1/$path?$query", port => 'prometheus') }
        // return {};
    return eval { JSON::PP->new->decode($r->{body}) } // {};
}
sub answer {
    my $r = api('query', query => $_[0]);
    return [map { "$_->{value}[1]" } @{ $r->{data}{result} // [] }];
}

my $until = time + 30;
sleep 0.2 while time < $until && !@{ answer('mspwh_start_time_seconds') };
my ($target) = @{ api('targets')->{data}{activeTargets} // [] };
is_deeply([@{ $target // {} }{qw(health lastError)}], ['up', ''], 'the target is up');
is_deeply(answer('sum(mspwh_requests_total)'), ['7'], 'requests');
is_deeply(answer('mspwh_events_total{type="unknown"}'), ['1'], 'an unknown type');
is_deeply(answer('mspwh_key_matches_total{key="new-1.x~y:z"}'), ['4'], 'a key');
is_deeply(answer('mspwh_spool_quarantined_events'), ['2'], 'what a spool says');
is_deeply(answer('mspwh_delivery_duration_seconds_count{webhook="default"}'), ['3'], 'a time to deliver');
is_deeply(answer('mspwh_body_size_bytes_count - on() mspwh_body_size_bytes_bucket{le="+Inf"}'), ['0'],
    'a histogram');
is_deeply(answer('count(scrape_samples_scraped) and on() (scrape_samples_scraped > 100)'), ['1'],
    'some hundred samples');
traffic();
sleep 3;
is_deeply(answer('sum(increase(mspwh_requests_total[1m])) > bool 5'), ['1'], 'an increase');

for (@exprs) {
    my ($what, $expr) = @$_;
    $expr =~ s/\$(?:job|instance|webhook)/.*/g;
    $expr =~ s/\$__\w+/1m/g;
    my $r = api('query', query => $expr);
    is($r->{status}, 'success', "$what: understood") or diag "$expr: $r->{error}";
    ok(@{ $r->{data}{result} // [] } > 0, "$what: something to show") if $what !~ /^Mspwh|nginx started/;
}
my @rules = map { @{ $_->{rules} } } @{ api('rules')->{data}{groups} // [] };
is_deeply([map { "$_->{name} $_->{health} @{[$_->{lastError} // '']}" } grep { $_->{health} ne 'ok' } @rules],
    [], 'all rules are evaluated');
is(scalar(@rules), scalar(() = $rules =~ /- alert:/g), '... and all are there');

stop_prometheus();
ok(stop(), 'nginx stops in time');

END { my $status = $?; stop_prometheus(); $? = $status }

done_testing();
