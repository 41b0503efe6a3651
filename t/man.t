# The man pages have every option of --help, every directive and every variable, in the same form.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;
use MspwhDocs qw(page_text);
use MspwhTest qw(run installed inspect_program);

my $repo = abs_path(dirname(__FILE__) . '/..');

# Returns an item's text, without mdoc's macros.
sub plain {
    my $text = ' ' . shift;
    $text =~ s/ Oo(?= )/ [ Ns/g;
    $text =~ s/ Oc(?= |$)/ Ns ]/g;
    $text =~ s/ Op (.*)/ [$1]/;
    $text =~ s/ Fl -/ --/g;
    $text =~ s/ (?:Ic|Ar|Va)(?= )//g;
    $text =~ s/ ([;:])(?= |$)/$1/g;
    $text =~ s/ Ns(?: Ns)* / Ns /g;
    $text =~ s/ ?(?<=.) Ns | Ns$//g;
    return $text =~ s/^ //r;
}

sub items {
    my ($page, $macro) = @_;
    return sort map { plain($_) } page_text("docs/man/$page") =~ /^\.It ($macro .*)/mg;
}

for my $tool (qw(mspwh-send mspwh-redeliver mspwh-streamtrim mspwh-inspect)) {
    my $program = $tool eq 'mspwh-inspect' ? inspect_program() : "$repo/bin/$tool";
    my ($rc, $help) = run($program, '--help');
    my @options = sort $help =~ /^  (--\S*(?: [A-Z.=]+\b)?(?: \.\.\.)?)/mg;
    cmp_ok(scalar @options, '>', 6, "$tool --help has options");
    is_deeply([items("$tool.1", 'Fl')], \@options, "$tool(1) has these options");
    my ($status) = $help =~ /^Exit status: (.*?)\n\n/ms;
    my ($said) = page_text("docs/man/$tool.1") =~ /^\.Sh EXIT STATUS\n(.*?)^\.Sh /ms;
    is_deeply([$said =~ /\b(\d)\s+if\b/g], [$status =~ /\b(\d)\s+if\b/g], '... and these exit statuses');
}

my $page = 'ngx_http_mspwh_module.7';
is_deeply([items($page, 'Ic')], [sort map { /^Syntax: \*\*`(.*?)`\*\*/mg } page_text('docs/directives.md')],
    "$page has the directives");
my @rows = page_text('docs/variables.md') =~ /^\| (`\$mspwh_.*?) \|/mg;
is_deeply([items($page, 'Va')], [sort map { /`(\$\w+)`/g } @rows],
    '... and the variables');

SKIP: {
    skip 'there is no mandoc', 1 if !installed('mandoc');
    my @complaints = grep { !/Xr|outdated mandoc.db/ } split /\n/,
        (run('mandoc', '-T', 'lint', '-W', 'warning', sort glob "$repo/docs/man/*"))[1];
    is("@complaints", '', 'mandoc accepts the pages');
}

done_testing();
