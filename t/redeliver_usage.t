# bin/mspwh-redeliver refuses what is not right, and systemd takes its units.

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
    like($text, qr/--\Q$_\E\b/, "... has --$_")
        for qw(loop jobs timeout retry-first retry-max quiet status dry-run requeue help version);
    is_deeply([run($tool, '--version')], [0, "$us " . slurp("$repo/VERSION")], '--version');
    my @misused = (
        [[], 'no directory'], [[$dir], 'no URL'], [[$dir, $url, 'x'], 'one argument too many: "x"'],
        [['--x', $dir, $url], 'unknown option "--x"'], [['--timeout'], '"--timeout" requires'],
        [[$dir, 'ftp://127.0.0.1/'], 'must begin with http:// or'], [[$dir, 'localhost:80'], 'must begin'],
        [["$dir/none", $url], 'No such file'], [[$tool, $url], 'is not a directory'],
        [['--jobs=0', $dir, $url], 'from 1 to 64'], [['--jobs', '65', $dir, $url], 'from 1 to 64'],
        [['--loop=0', $dir, $url], 'number of seconds'], [['--timeout=x', $dir, $url], 'number of seconds'],
        [['--status', '--requeue', $dir], 'exclude each'],
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
        'systemd takes the units');
}

done_testing();
