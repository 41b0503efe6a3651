package MspwhStore;

# Real stores: Valkey or Redis servers, each with a directory of its own, which may be stopped, killed and
# started again; and a client in a few lines.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);
use MspwhTest;

our @EXPORT = qw(
    has_store all_need_store start_store stop_store signal_store store_pid ask entries follow replica_of
    start_proxy start_liar connect_store command read_reply store_log
);

my $slow   = $ENV{MSPWH_SLOW} || 1;
my $owner  = $$;
my ($server) = grep { -x } map { my $dir = $_; map { "$dir/$_" } qw(valkey-server redis-server) }
    split /:/, $ENV{PATH};
my (%pid, %arguments, %client);

sub has_store { return defined $server }

sub all_need_store {
    return if has_store();
    require Test::More;
    Test::More::plan(skip_all => 'neither valkey-server nor redis-server is installed');
}

# Starts a store, with the arguments of the last time if none are given. Waits until it answers unless
# "nowait" is given.
sub start_store {
    my ($name, @arguments) = @_;
    my $wait = 1;
    if (@arguments and $arguments[-1] eq 'nowait') {
        $wait = 0;
        pop @arguments;
    }
    $arguments{$name} = [@arguments] if @arguments or !$arguments{$name};
    my $dir = dir() . "/store-$name";
    mkdir $dir;
    my @base = (port => port("store_$name"), bind => '127.0.0.1', dir => $dir, save => '',
        daemonize => 'no', logfile => "$dir/log");
    my @options = (@base, @{ $arguments{$name} });
    my @command = ($server);
    # the configuration file has to be the first argument
    push @command, (splice @options, @base, 2)[1] if ($options[@base] // '') eq 'file';
    while (my ($option, $value) = splice @options, 0, 2) {
        push @command, "--$option", ref $value ? @$value : $value;
    }
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>>', "$dir/stdout";
        open STDERR, '>&', \*STDOUT;
        exec @command or _exit(127);
    }
    $pid{$name} = $pid;
    delete $client{$name};
    return 1 if !$wait;
    return 1 if wait_until { answers($name) } 10;
    die "the store $name did not start:\n" . slurp("$dir/stdout") . slurp("$dir/log");
}


sub answers {
    my $name = shift;
    my $reply = eval { ask($name, 'PING') } // return 0;
    return $reply eq 'PONG' || $reply =~ /^-(?:NOAUTH|MASTERDOWN)/;
}

sub store_pid { return $pid{ $_[0] } }
sub store_log { return slurp(dir() . "/store-$_[0]/log") }
sub signal_store { my ($signal, $name) = @_; return kill $signal => $pid{$name} }

# Kills a store, like a machine that loses power, unless TERM is given.
sub stop_store {
    my ($name, $signal) = @_;
    my $pid = delete $pid{$name} // return;
    local $?;
    kill $signal // 'KILL', $pid;
    kill CONT => $pid;
    waitpid $pid, 0;
    delete $client{$name};
}

END {
    if ($$ == $owner) {
        my $status = $?;
        stop_store($_) for keys %pid;
        $? = $status;
    }
}

# --- a client ---------------------------------------------------------------------------

sub connect_store {
    my $name = shift;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port("store_$name"), Timeout => 5);
}

sub command { return join '', '*' . @_ . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @_ }

# Returns a string, a number, an error as "-...", undef for nil, or a list.
sub read_reply {
    my $s = shift;
    defined(my $line = readline $s) or die "the store has closed the connection\n";
    my ($type, $rest) = $line =~ /^(.)(.*)\r\n\z/s or die "not RESP2: $line";
    return $rest if $type eq '+' or $type eq ':';
    return "-$rest" if $type eq '-';
    return undef if $rest == -1;
    if ($type eq '*') {
        return [map { scalar read_reply($s) } 1 .. $rest];
    }
    my $text = '';
    while (length $text < $rest + 2) {
        read $s, $text, $rest + 2 - length $text, length $text or die "the store has closed the connection\n";
    }
    return substr $text, 0, $rest;
}

# Each process has a connection of its own.
sub ask {
    my ($name, @command) = @_;
    my $s = $client{$name}{$$} //= connect_store($name) // die "no connection to the store $name: $!\n";
    my $reply = eval {
        local $SIG{ALRM} = sub { die "the store $name does not answer\n" };
        alarm 20;
        binmode $s;
        print $s command(@command);
        my $r = read_reply($s);
        alarm 0;
        [$r];
    };
    alarm 0;
    if (!$reply) {
        delete $client{$name}{$$};
        die $@;
    }
    return $reply->[0];
}

# Returns the entries of a stream, each with its fields, and its id as "id".
sub entries {
    my ($name, $key) = @_;
    my $list = ask($name, 'XRANGE', $key // 'mspwh', '-', '+');
    die "$list\n" if !ref $list;
    return map { +{ id => $_->[0], @{ $_->[1] } } } @$list;
}

# Starts a proxy in front of a store, at port "proxy_NAME". If drops(answer) returns true, it closes both
# connections instead of passing the answer on: the store has carried out the command, but its client does
# not know.
sub start_proxy {
    my ($name, $drops) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => port("proxy_$name"),
        Listen => 128, ReuseAddr => 1) or die "proxy: $!";
    my $pid = $pid{"proxy_$name"} = fork // die "fork: $!";
    return if $pid;
    my %peer;
    my $select = IO::Select->new($listen);
    while (getppid() == $owner) {
        for my $s ($select->can_read(1)) {
            if ($s == $listen) {
                my $client = $listen->accept or next;
                my $store = connect_store($name) or next;
                @peer{$client, $store} = ([$store, 'command'], [$client, 'answer']);
                $select->add($client, $store);
                next;
            }
            my ($other, $what) = @{ $peer{$s} // next };
            my $n = sysread $s, my $bytes, 65536;
            next if $n and !($what eq 'answer' and $drops->($bytes)) and pass_on($other, $bytes);
            $select->remove($s, $other);
            delete @peer{$s, $other};
            close $_ for $s, $other;
        }
    }
    _exit(0);
}

# Starts a server that is not a store, at port "liar_NAME": it sends the bytes that answer(command, ...)
# returns.
sub start_liar {
    my ($name, $answer) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => port("liar_$name"),
        Listen => 128, ReuseAddr => 1) or die "liar: $!";
    my $pid = $pid{"liar_$name"} = fork // die "fork: $!";
    return if $pid;
    while (my $s = $listen->accept) {
        next if fork;
        close $listen;
        pass_on($s, $answer->(@{ read_reply($s) })) or last while !eof $s;
        _exit(0);
    }
    _exit(0);
}

sub pass_on {
    my ($to, $bytes) = @_;
    my $at = 0;
    while ($at < length $bytes) {
        $at += syswrite($to, $bytes, length($bytes) - $at, $at) // return 0;
    }
    return 1;
}

# Makes one a replica of another, which may still be busy. Returns whether it has the data in time.
sub follow {
    my ($replica, $primary, $seconds) = @_;
    ask($replica, 'REPLICAOF', '127.0.0.1', port("store_$primary"));
    return wait_until {
        (eval { ask($replica, 'INFO', 'replication') } // '') =~ /master_link_status:up/;
    } $seconds // 20;
}

# ... and waits until it has caught up.
sub replica_of {
    my ($replica, $primary) = @_;
    follow($replica, $primary) or return 0;

    # replication of commands starts only after the replica has said that it is ready
    ask($primary, 'SET', 'replicated', 1);
    my $replicas = ask($primary, 'WAIT', 1, 5000);
    ask($primary, 'DEL', 'replicated');
    return $replicas;
}

1;
