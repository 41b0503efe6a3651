package Chromium;

# Drives headless Chromium by the Chrome DevTools Protocol over a pipe: JSON messages, each followed by a
# null byte.

use strict;
use warnings;

use File::Temp qw(tempdir);
use IO::Select;
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use POSIX qw(_exit dup2 WNOHANG);
use Time::HiRes qw(sleep time);

my @options = qw(
    --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage
    --no-first-run --no-default-browser-check --disable-background-networking
    --disable-component-update --disable-sync --disable-extensions --disable-breakpad
    --disable-default-apps --disable-domain-reliability --no-pings --remote-debugging-pipe
    --hide-scrollbars --lang=en-US
);

sub start {
    my $class = shift;
    my $dir = tempdir('chromium-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    local $^F = 100;
    pipe my $theirs_in, my $ours_out or die "pipe: $!";
    pipe my $ours_in, my $theirs_out or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        # a process group of its own, so that all its processes can be ended together
        setpgrp;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        my ($in, $out) = map { POSIX::dup(fileno $_) } $theirs_in, $theirs_out;
        dup2($in, 3);
        dup2($out, 4);
        POSIX::close($_) for 5 .. 40;
        $ENV{HOME} = $dir;
        exec 'chromium', @options, "--user-data-dir=$dir/profile", 'about:blank' or _exit(127);
    }
    close $theirs_in;
    close $theirs_out;
    binmode $_ for $ours_in, $ours_out;
    $ours_out->autoflush(1);
    return bless { pid => $pid, owner => $$, in => $ours_in, out => $ours_out, buffer => '', id => 0,
        events => [], dir => $dir }, $class;
}

sub stop {
    my $self = shift;
    return if $$ != $self->{owner} or !$self->{pid};
    my $pid = delete $self->{pid};
    delete $self->{session};
    eval { $self->call('Browser.close') };
    close $self->{out};
    for (1 .. 50) {
        last if waitpid($pid, WNOHANG) == $pid;
        sleep 0.1;
    }
    kill KILL => -$pid;
    waitpid $pid, 0;
}

sub DESTROY { local ($?, $@); $_[0]->stop }

# Returns one message, or nothing if there is none in time.
sub message {
    my ($self, $seconds) = @_;
    my $until = time + $seconds;
    while ((my $end = index $self->{buffer}, "\0") < 0) {
        my $left = $until - time;
        return if $left <= 0 or !IO::Select->new($self->{in})->can_read($left);
        sysread $self->{in}, $self->{buffer}, 1 << 20, length $self->{buffer}
            or die "chromium has ended: " . $self->log;
    }
    my $text = substr $self->{buffer}, 0, index($self->{buffer}, "\0") + 1, '';
    chop $text;
    return JSON::PP->new->utf8->decode($text);
}

sub log { open my $fh, '<', "$_[0]{dir}/log" or return ''; local $/; return <$fh> }

sub call {
    my ($self, $method, $params) = @_;
    my $id = ++$self->{id};
    print { $self->{out} } JSON::PP->new->utf8->encode({
        id => $id, method => $method, params => $params // {},
        $self->{session} ? (sessionId => $self->{session}) : (),
    }), "\0";
    my $until = time + 60;
    while (time < $until) {
        my $m = $self->message($until - time) // last;
        push @{ $self->{events} }, $m if $m->{method};
        next if ($m->{id} // 0) != $id;
        die "$method: $m->{error}{message}\n" if $m->{error};
        return $m->{result};
    }
    die "$method: no answer\n" . $self->log;
}

# Opens a page, which all later calls refer to, and closes the one before it.
sub open_page {
    my ($self, $url, %o) = @_;
    delete $self->{session};
    my $last = $self->{target};
    $self->{target} = $self->call('Target.createTarget', { url => 'about:blank' })->{targetId};
    $self->call('Target.closeTarget', { targetId => $last }) if $last;
    $self->{session} = $self->call('Target.attachToTarget',
        { targetId => $self->{target}, flatten => JSON::PP::true })->{sessionId};
    $self->call("$_.enable") for qw(Page Runtime Log Network);
    $self->view(%o);
    @{ $self->{events} } = ();
    $self->call('Page.navigate', { url => $url });
    $self->wait_for('location.href !== "about:blank" && document.readyState === "complete"')
        or die "$url: not loaded\n";
}

sub view {
    my ($self, %o) = @_;
    $self->call('Emulation.setDeviceMetricsOverride',
        { width => $o{width} // 1280, height => $o{height} // 900, deviceScaleFactor => 1,
            mobile => JSON::PP::false });
    $self->call('Emulation.setEmulatedMedia',
        { features => [{ name => 'prefers-color-scheme', value => $o{dark} ? 'dark' : 'light' }] });
}

# Returns the value of a JavaScript expression.
sub value {
    my ($self, $expression) = @_;
    my $r = $self->call('Runtime.evaluate',
        { expression => $expression, returnByValue => JSON::PP::true, awaitPromise => JSON::PP::true });
    die "$expression: $r->{exceptionDetails}{exception}{description}\n" if $r->{exceptionDetails};
    return $r->{result}{value};
}

# Presses a key such as Enter or Tab.
sub key {
    my ($self, $key) = @_;
    my %text = (Enter => "\r");
    my %code = (Enter => 13, Tab => 9);
    for my $type ('keyDown', 'keyUp') {
        $self->call('Input.dispatchKeyEvent', { type => $type, key => $key, code => $key,
            windowsVirtualKeyCode => $code{$key},
            $type eq 'keyDown' && $text{$key} ? (text => $text{$key}) : () });
    }
}

# Waits until a JavaScript expression is true.
sub wait_for {
    my ($self, $expression, $seconds) = @_;
    my $until = time + ($seconds // 15);
    while (time < $until) {
        my $value = $self->value($expression);
        return $value if $value;
        sleep 0.1;
    }
    return $self->value($expression);
}

# Saves a screenshot of the whole page, or of that height from its top.
sub screenshot {
    my ($self, $file, $width, $height) = @_;
    my $clip = $width && { x => 0, y => 0, width => $width, height => $height, scale => 1 };
    my $r = $self->call('Page.captureScreenshot',
        { captureBeyondViewport => JSON::PP::true, $clip ? (clip => $clip) : () });
    open my $fh, '>:raw', $file or die "$file: $!";
    print $fh decode_base64($r->{data});
}

# Returns the console's errors and warnings: from scripts, policies and the network.
sub complaints {
    my $self = shift;
    $self->value('1');
    my @found;
    for (@{ $self->{events} }) {
        my $p = $_->{params};
        push @found, $p->{exceptionDetails}{exception}{description} // $p->{exceptionDetails}{text}
            if $_->{method} eq 'Runtime.exceptionThrown';
        push @found, "console: $p->{args}[0]{value}"
            if $_->{method} eq 'Runtime.consoleAPICalled' && $p->{type} =~ /error|warn/;
        push @found, "$p->{entry}{source}: $p->{entry}{text}"
            if $_->{method} eq 'Log.entryAdded' && $p->{entry}{level} =~ /error|warning/;
    }
    return @found;
}

# Returns the URLs that the page has fetched.
sub requests {
    my $self = shift;
    return map { $_->{params}{request}{url} }
        grep { $_->{method} eq 'Network.requestWillBeSent' } @{ $self->{events} };
}

1;
