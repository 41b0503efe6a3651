
"use strict";

/* plain words for the names of the counters, and what to do */

const VERDICT = {
  verified: "Verified",
  duplicate: "Delivered before",
  in_flight: "Still being delivered",
  not_accepted: "Type not wanted here",
  no_signature: "No signature",
  malformed_signature: "Unreadable signature",
  bad_signature: "Wrong signature",
  malformed_payload: "Signed, but no usable event",
};

const REJECTED = ["no_signature", "malformed_signature", "bad_signature",
  "malformed_payload"];

/* [words, what to do] */

const REASON = {
  header_missing: ["no signature header", "The webhook has no signing secret in MSP Manager, a proxy on the "
    + "way drops the header, or it is a scanner."],
  header_repeated: ["signature header twice", "Something on the way adds a header of its own."],
  header_malformed: ["not a signature", "The header is not Base64 of 32 bytes. MSP Manager does not send "
    + "this; a proxy may change it."],
  no_secret: ["no secret here", "The location has no mspwh_secret."],
  mismatch: ["wrong secret or changed body", "Compare the secret with the one in MSP Manager. If it is "
    + "right, a proxy on the way changes the body; mspwh-inspect tells how."],
  body_gone: ["body no longer there", "Another module took the body before it could be checked."],
  body_incomplete: ["body did not arrive whole", "The connection ended, or nobody read the body to its end."],
  json_unexpected: ["not JSON", "The error log has the byte from which on the body is no JSON."],
  json_unfinished: ["JSON without an end", "The body ends too early."],
  json_control: ["control character in a text", "The body is not valid JSON. The error log has the byte."],
  json_escape: ["invalid escape in a text", "The body is not valid JSON. The error log has the byte."],
  json_utf8: ["invalid UTF-8", "The body is not in UTF-8. The error log has the byte."],
  nested_too_deeply: ["nested too deeply", "The body is not an event of MSP Manager."],
  json_byte_order_mark: ["half a byte order mark, or two", "The sender must send UTF-8."],
  json_utf16: ["UTF-16 instead of UTF-8", "The sender must send UTF-8."],
  not_object: ["not an object", "The body is not an event of MSP Manager."],
  no_event_type: ["no event type", "Tell where it is: mspwh_field event_type."],
  no_entity_id: ["no entity id", "Tell where it is: mspwh_field entity_id."],
  no_ticket_id: ["no ticket id", "Tell where it is: mspwh_field ticket_id."],
  bad_entity_id: ["entity id of another form", "Tell where the right one is: mspwh_field entity_id."],
  bad_ticket_id: ["ticket id of another form", "Tell where the right one is: mspwh_field ticket_id."],
  ambiguous_field: ["a field twice", "Tell which one counts: mspwh_field."],
  unchecked: ["answered before the check", "An access rule, a limit or “return” answered."],
  too_large: ["too large (413)", "Raise client_max_body_size: images make events of tens of megabytes."],
  timeout: ["too slow (408)", "The sender took longer than client_body_timeout."],
  client: ["sender went away", "The sender closed the connection or sent an invalid request."],
  error: ["server error (500)", "No memory, or a file could not be read. The error log has more."],
};

const CLAIM = {
  claimed: ["new events", ""],
  delivered: ["delivered before, here or elsewhere", ""],
  in_flight: ["still being delivered elsewhere", ""],
  alone: ["decided without the store", "A repeat at another edge may have been delivered again."],
  rejected: ["answered 503: no store", "fallback=reject says so."],
};

const ANOMALY = {
  unknown_event_type: "unknown event type",
  ticket_id_mismatch: "ticket id is not the entity id",
  response_type_mismatch: "note and response mixed up",
  missing_details: "no Details",
  unexpected_details: "Details not expected",
  missing_description: "no Description",
  unexpected_description: "Description not expected",
  missing_additional_fields: "no AdditionalFields",
};

const words = code => (REASON[code] || [code])[0];

/* the outcome of a delivery: [class, words, what to do] */

function outcome(d) {
  const taken = d.status >= 200 && d.status < 400;
  if (d.verdict === "verified") {
    if (d.spooled) return ["disk", "On disk", "No service took it. mspwh-redeliver delivers it later."];
    if (d.streamed) return ["good", "In the stream", ""];
    if (taken) return ["good", d.attempt > 1 ? "Redelivered" : "Delivered", ""];
    return ["bad", "Failed", d.upstream_status
      ? "The service answered " + d.upstream_status + ". Its own log tells why."
      : d.upstream ? "The service at " + d.upstream + " gave no answer."
        : "nginx answered " + (d.status || "nothing") + " itself."];
  }
  if (REJECTED.includes(d.verdict)) {
    const [what, todo] = REASON[d.reason] || [d.reason, ""];
    return d.status === 401 || d.status === 400 ? ["off", "Rejected: " + what, todo]
      : ["none", "Let through: " + what, todo];
  }
  if (d.verdict) return ["none", VERDICT[d.verdict] || d.verdict, ""];
  const [what, todo] = REASON[d.reason] || [d.reason, ""];
  return ["off", "Not checked: " + what, todo];
}

/* numbers, sizes and times */

const number = new Intl.NumberFormat("en");

const sum = list => list.reduce((a, b) => a + b, 0);

function size(n) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1024 && i < 4) { n /= 1024; i++; }
  return (n < 10 && i && n % 1 ? n.toFixed(1) : Math.round(n)) + " " + units[i];
}

function took(ms) {
  return ms < 1000 ? ms + " ms" : ms < 10000 ? (ms / 1000).toFixed(1) + " s" : Math.round(ms / 1000) + " s";
}

function ago(s) {
  if (s < 60) return Math.max(0, Math.floor(s)) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 172800) return Math.floor(s / 3600) + " h";
  return Math.floor(s / 86400) + " days";
}

function many(n, one, more = one + "s") {
  return number.format(n) + " " + (n === 1 ? one : more);
}

const two = n => String(n).padStart(2, "0");

/* in the viewer's time zone, which is shown, too */

function clock(date) {
  return two(date.getHours()) + ":" + two(date.getMinutes()) + ":" + two(date.getSeconds());
}

function day(date) {
  return date.getFullYear() + "-" + two(date.getMonth() + 1) + "-" + two(date.getDate());
}

function iso(ms) {
  const date = new Date(ms), zone = -date.getTimezoneOffset(), z = Math.abs(zone);
  return day(date) + "T" + clock(date) + (zone < 0 ? "-" : "+") + two(Math.floor(z / 60)) + ":" + two(z % 60);
}

/* quotes a text as one word for a shell */

const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";
