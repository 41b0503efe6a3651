#!/usr/bin/python3
"""Processes a stream that mspwh_stream_pass fills: consumer.py STREAM GROUP NAME

Needs redis-py (Debian: python3-redis). STORE is the URL of the primary. Several consumers with
different NAMEs share the work of a GROUP; each group gets every event.
"""

import os
import signal
import sys

import redis

STORE = os.environ.get('STORE', 'redis://127.0.0.1:6379')
IDLE = int(os.environ.get('IDLE', 60_000))  # ms until another consumer's entry is taken over
KNOWN = 24 * 3600                           # s for which a finished event is remembered

stream, group, name = sys.argv[1:]
store = redis.Redis.from_url(STORE, socket_timeout=30)
stopping = False


def work(event):
    """Put your own work here. After an exception, the event is tried again."""
    print(event[b'type'].decode(), event[b'delivery_id'].decode(), len(event[b'body']), flush=True)


def stop(*_):
    global stopping
    stopping = True


def handle(entry, event):
    done = f'mspwh:done:{group}:' + event[b'delivery_id'].decode()
    if not store.exists(done):              # the same event may be in the stream twice
        work(event)
    with store.pipeline() as both:          # MULTI
        both.set(done, 1, ex=KNOWN)
        both.xack(stream, group, entry)
        both.execute()


def entries():
    """The entries of consumers that have died, then new ones."""
    for entry, event in store.xautoclaim(stream, group, name, IDLE, '0-0', count=10)[1]:
        if event:                           # none: it has been trimmed
            yield entry, event
    for _, new in store.xreadgroup(group, name, {stream: '>'}, count=10, block=1000):
        yield from new


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)

try:
    store.xgroup_create(stream, group, '0', mkstream=True)
except redis.ResponseError as error:
    if 'BUSYGROUP' not in str(error):
        raise

while not stopping:
    for entry, event in entries():
        try:
            handle(entry, event)
        except Exception as error:
            print(f'{entry}: {error}', file=sys.stderr)
