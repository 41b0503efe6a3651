// The check in a Node.js receiver, which answers itself.
// receiver.js PORT SECRET-FILE

'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const secret = fs.readFileSync(process.argv[3]);

function check(body, header) {
    const mac = crypto.createHmac('sha256', secret).update(body).digest();
    const sent = Buffer.from(header || '', 'base64');

    if (sent.length !== mac.length || !crypto.timingSafeEqual(sent, mac)) {
        return 401;
    }

    try {
        const event = JSON.parse(body);
        return event.EventType && event.EntityId ? 200 : 400;

    } catch (e) {
        return 400;
    }
}

const server = http.createServer((request, response) => {
    const chunks = [];

    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
        response.statusCode = check(Buffer.concat(chunks),
                                    request.headers['x-webhook-signature']);
        response.end();
    });
});

server.keepAliveTimeout = 3600 * 1000;
server.listen(Number(process.argv[2]), '127.0.0.1');
