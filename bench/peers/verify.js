// The check in njs 0.7.  r.requestBuffer has the body only if it is in memory,
// and njs has no comparison in constant time.

import crypto from 'crypto';

function check(r) {
    const body = r.requestBuffer;
    const mac = crypto.createHmac('sha256', r.variables.secret)
                      .update(body).digest('base64');

    if (mac !== r.headersIn['X-Webhook-Signature']) {
        r.return(401);
        return;
    }

    let event;

    try {
        event = JSON.parse(r.requestText);
    } catch (e) {
        r.return(400);
        return;
    }

    if (!event.EventType || !event.EntityId) {
        r.return(400);
        return;
    }

    r.variables.pool = event.EventType.startsWith('Ticket note') ? 'notes'
                                                                 : 'tickets';
    r.internalRedirect('@upstream');
}

export default { check };
