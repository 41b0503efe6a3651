# nginx accepts every configuration in the documentation, and every link has a target.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Test::More;
use MspwhDocs;
use MspwhTest;

for my $block (blocks()) {
    my $where = "$block->{page}:$block->{line}";
    if (defined $block->{unchecked}) {
        pass("$where is not checked: $block->{unchecked}");
        next;
    }
    my $why = lacks(conf => $block->{text});
    if (defined $why) {
        SKIP: { skip("$where: $why", 1) }
        next;
    }
    my $conf = write_file('docs.conf', whole($block->{text}));
    my ($rc, $text) = run(nginx(), '-t', '-q', '-p', dir(), '-e', 'error.log', '-c', $conf);
    is_deeply([$rc, $text], [0, ''], "$where, $block->{heading}: nginx accepts it silently");
}

for my $page (pages()) {
    my $text = page_text($page);
    for (grep { !/^nginx/ } $text =~ /^```(.*?)^```/msg) {
        unlike($_, qr/^\s*mspwh\w*\s[^\n]*;\s*$/m,
            "$page: no configuration hides in a block of another kind");
    }

    my $prose = $text =~ s/^```.*?^```//msgr;
    for my $link ($prose =~ /\]\(([^)\s]+)\)/g) {
        next if $link =~ /^https?:/;
        my ($file, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
        my $target = $file eq '' ? $page : ($page =~ m{^(.*/)} ? $1 : '') . $file;
        1 while $target =~ s{[^/]+/\.\./}{};
        my $there = eval { page_text($target) };
        ok(defined $there, "$page: $link leads to a file") or next;
        next if !defined $anchor;
        my @anchors = map { lc s/[^\w -]//gr =~ s/ /-/gr } $there =~ /^#+ (.*)/mg;
        ok(scalar(grep { $_ eq $anchor } @anchors), "$page: $link leads to a heading");
    }
}

# The design matches the code: whatever it names exists, and each file has one line in a table.
{
    my $design = page_text('docs/design.md');
    my $module = abs_path(dirname(__FILE__) . '/../ngx_http_mspwh_module');
    my %source = map { basename($_) => page_text("ngx_http_mspwh_module/$_") }
        map { substr $_, length "$module/" } grep { -f } glob "$module/* $module/core/*";
    my %listed;
    for my $row ($design =~ /^\| `([\w.\[\]]+)` \|/mg) {
        $listed{$_}++ for $row =~ /^(.*)\.\[ch\]$/ ? ("$1.c", "$1.h") : $row;
    }
    is_deeply(\%listed, { map { $_ => 1 } keys %source }, 'docs/design.md has each source file once');

    my $found = 0;
    for my $line (split /\n/, $design) {
        my ($file) = $line =~ /(\w+\.c)$/;
        for my $function ($line =~ /\b((?:ngx_http_)?mspwh_\w+)\(\)/g) {
            my @in = grep { $source{$_} =~ /^\Q$function\E\(/m } sort keys %source;
            is("@in", $file // $in[0] // 'somewhere', "docs/design.md: $function() is where it says");
            $found++;
        }
    }
    cmp_ok($found, '>=', 20, 'docs/design.md: the functions are found');
}

done_testing();
