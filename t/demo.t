# The demonstration: what "make run" prints, ports that are taken, and a variable NGINX that nginx has left
# behind.

use strict;
use warnings;
use FindBin qw($Bin);
use IO::Socket::INET;
use Test::More;
use MspwhTest;

plan skip_all => 'the installed nginx and its own module are needed'
    if nginx() ne '/usr/sbin/nginx' or MspwhTest::is_static() or $ENV{MSPWH_REPORTS} or $ENV{MSPWH_LOAD};

my @listening;
sub listen_at { IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_[0], Listen => 1) }

# Returns the first of seven free ports in a row.
sub seven {
    my @free = map { free_port() } 1 .. 7;
    @free = (@free[1 .. 6], free_port()) while $free[6] != $free[0] + 6;
    return $free[0];
}

my $port = seven();
local @ENV{qw(DEMO_PORT DEMO_DIR)} = ($port, dir() . '/demo');
delete $ENV{NO_COLOR};
my @demo = ('sh', '-c', "$Bin/../demo/run");
END { my $status = $?; run("$Bin/../demo/stop") if $ENV{DEMO_DIR}; $? = $status }

{
    my $taken = listen_at($port + 3);
    my ($rc, $text) = run(@demo);
    is($rc, 1, 'a port is taken: 1');
    is($text, "demo/run: cannot listen on port @{[$port + 3]}: Address already in use; take other ports: "
        . "make run DEMO_PORT=9000\n", '... and is named');
    ok(!-e dir() . '/demo', '... before anything is started');
}

for my $bad ('80x', 0, 65530) {
    local $ENV{DEMO_PORT} = $bad;
    my ($rc, $text) = run(@demo);
    is($rc, 1, "DEMO_PORT=$bad: 1");
    like($text, qr/^demo\/run: DEMO_PORT=$bad is not /, '... and says why');
}

{
    local $ENV{NGINX} = '6;7;';
    my $terminal = installed('script');
    my ($rc, $text) = run($terminal ? ('script', '-qec', "$Bin/../demo/run", '/dev/null') : @demo);
    is($rc, 0, 'the demonstration, with NGINX in the environment: 0') or diag $text;
    my @lines = split /\r?\n/, $text;
    cmp_ok(scalar(@lines), '<', 60, '... under 60 lines');
    my $ok = $terminal ? qr/ \e\[32mok\e\[m$/ : qr/ ok$/;
    is(scalar(grep { /$ok/ } @lines), 24, '... every row is ok, in colour on a terminal');
    like($lines[-1], qr{^See every delivery: http://127\.0\.0\.1:$port/mspwh$},
        "... and the page's address is last");
    like((run('curl', '-s', '-H', 'Accept: text/html', "http://127.0.0.1:$port/mspwh"))[1], qr/<html/i,
        '... where the page is');
}

is((run("$Bin/../demo/stop"))[0], 0, 'demo/stop stops it');
ok(listen_at($port), '... and the port is free');

done_testing();
