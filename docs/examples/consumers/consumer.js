#!/usr/bin/node
// Processes a stream that mspwh_stream_pass fills: consumer.js STREAM GROUP NAME
//
// Needs node-redis 4 or later (Debian: node-redis). STORE is the URL of the primary. Several consumers
// with different NAMEs share the work of a GROUP; each group gets every event.

'use strict';

const redis = require('redis');

const STORE = process.env.STORE || 'redis://127.0.0.1:6379';
const IDLE = Number(process.env.IDLE || 60000);     // ms until another consumer's entry is taken over
const KNOWN = 24 * 3600;                            // s for which a finished event is remembered

const [stream, group, name] = process.argv.slice(2);
const store = redis.createClient({ url: STORE });
let stopping = false;

// Put your own work here. After an exception, the event is tried again.
async function work(event) {
    console.log(event.type, event.delivery_id, Buffer.byteLength(event.body));
}

async function handle({ id, message: event }) {
    const done = `mspwh:done:${group}:${event.delivery_id}`;
    if (!await store.exists(done)) {                // the same event may be in the stream twice
        await work(event);
    }
    await store.multi().set(done, 1, { EX: KNOWN }).xAck(stream, group, id).exec();
}

// The entries of consumers that have died, and new ones.
async function entries() {
    const dead = await store.xAutoClaim(stream, group, name, IDLE, '0-0', { COUNT: 10 });
    const fresh = await store.xReadGroup(group, name, { key: stream, id: '>' }, { COUNT: 10, BLOCK: 1000 });
    // null: it has been trimmed
    return dead.messages.filter((entry) => entry !== null).concat(fresh ? fresh[0].messages : []);
}

async function main() {
    store.on('error', (error) => console.error(error.message));
    await store.connect();
    try {
        await store.xGroupCreate(stream, group, '0', { MKSTREAM: true });
    } catch (error) {
        if (!error.message.includes('BUSYGROUP')) {
            throw error;
        }
    }
    while (!stopping) {
        for (const entry of await entries()) {
            try {
                await handle(entry);
            } catch (error) {
                console.error(`${entry.id}: ${error.message}`);
            }
        }
    }
    await store.quit();
}

process.on('SIGTERM', () => { stopping = true; });
process.on('SIGINT', () => { stopping = true; });
main().catch((error) => { console.error(error.message); process.exit(1); });
