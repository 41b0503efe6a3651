# bin/mspwh-redeliver rejects wrong arguments, and systemd accepts its units.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Test::More;
use MspwhTest;

my $repo = abs_path(dirname(__FILE__) . '/..');
my $us   = 'mspwh-redeliver';
my $tool = "$repo/bin/$us";

{
    my $dir = dir();
    my $url = url('/webhook');
    my ($rc, $text) = run($tool, '--help');
    is($rc, 0, '--help');
    like($text, qr/--\Q$_\E\b/, "... has --$_") for qw(loop jobs no-order now timeout retry-first retry-max
        client-errors max-age quiet status json dry-run requeue discard help version);
    is_deeply([run($tool, '--version')], [0, "$us " . slurp("$repo/VERSION")], '--version');
    my @misused = (
        [[], 'no directory'], [[$dir], 'no URL'], [[$dir, $url, 'x'], 'one argument too many: "x"'],
        [['--x', $dir, $url], 'unknown option "--x"'], [['--timeout'], '"--timeout" requires'],
        [[$dir, 'ftp://127.0.0.1/'], 'must begin with http:// or'], [[$dir, 'localhost:80'], 'must begin'],
        [["$dir/none", $url], 'No such file'], [[$tool, $url], 'is not a directory'],
        [['--jobs=0', $dir, $url], 'from 1 to 64'], [['--jobs', '65', $dir, $url], 'from 1 to 64'],
        [['--loop=0', $dir, $url], 'number of seconds'], [['--timeout=x', $dir, $url], 'number of seconds'],
        [['--status', '--requeue', $dir], 'exclude each'], [['--discard', '--requeue', $dir], 'exclude each'],
        [['--client-errors=0', $dir, $url], 'from 1 to 999999'], [['--max-age=7', $dir, $url], 'such as 7d'],
        [['--max-age=0d', $dir, $url], 'such as 7d'], [['--json', $dir, $url], 'for --status only'],
        [['--discard', $dir], 'no NAME'], [['--discard', $dir, 'x'], 'not the name of an event'],
        [['--requeue', $dir, 'a,b,c,d,e,f', '../x'], 'not the name of an event'],
        [[$dir, 'http://user:word@127.0.0.1/'], 'that can be used'], [[$dir, 'http://'], 'that can be used'],
        [[$dir, 'http://127.0.0.1:x/'], 'that can be used'],
        [['--retry-first=9', '--retry-max=8', $dir, $url], 'less than'],
    );
    push @misused, [[$dir, 'https://[::1]/'], 'needs the Perl module'] if !eval { require IO::Socket::SSL };
    for (@misused) {
        my ($args, $why) = @$_;
        ($rc, $text) = run($tool, @$args);
        is($rc, 2, "refused: $why");
        like($text, qr/^$us: .*\Q$why\E/, '... and said');
    }
}

SKIP: {
    skip 'there is no systemd-analyze', 1 if !-x '/usr/bin/systemd-analyze';
    my @units = map { write_file(basename($_), slurp($_) =~ s{/usr/local/bin/\Q$us\E}{$tool}r, 0644) }
        sort glob "$repo/systemd/*";
    is_deeply([run('/usr/bin/systemd-analyze', 'verify', '--man=no', @units)], [0, ''],
        'systemd accepts the units');
}

# The service can access a spool wherever nginx may have one.
{
    my $service = slurp("$repo/systemd/mspwh-redeliver.service");
    unlike($service, qr/^(?:$_)=/m, "$_ hides no spool") for qw(ProtectSystem ProtectHome PrivateTmp
        ReadOnlyPaths InaccessiblePaths RootDirectory RootImage TemporaryFileSystem);
    like($service, qr/^User=(?!root)\w/m, '... it runs as an ordinary user');
    like($service, qr/^CapabilityBoundingSet=$/m, '... with no capabilities');
    like($service, qr/^NoNewPrivileges=yes$/m, '... and cannot get any');
}

# The installed scripts find their library, and nothing is left once they are removed.
{
    my $to = dir() . '/installed';
    my @install = ('sh', "$repo/tools/install-tools");
    is((run(@install, '', $to, "$to/units"))[0], 0, 'the tools are installed');
    my $version = slurp("$repo/VERSION");
    is_deeply([run("$to/bin/$us", '--version')], [0, "$us $version"], '... with their version');
    is_deeply([run("$to/bin/$us", '--status', dir())], [0, <<'TEXT'], '... and find the library');
waiting: 0 events, 0 bytes
quarantined: 0 events, 0 bytes
unfinished or left-over files: 0
TEXT
    like(slurp("$to/units/$us.service"), qr{^ExecStart=\Q$to\E/bin/$us }m, '... the service starts them');
    is((run(@install, '--remove', '', $to, "$to/units"))[0], 0, '... and removed');
    is((run('find', $to, '!', '-type', 'd'))[1], '', '... all of them');
}

done_testing();
