/* the table of recent deliveries */

function matching() {
  return [...deliveries.values()].sort((a, b) => b.number - a.number).filter(d =>
    (!shown.outcome || outcome(d)[0] === shown.outcome)
    && (!shown.ticket || d.ticket_id === shown.ticket));
}

function recent() {
  const all = matching(), rows = all.slice(0, shown.rows), table = $("recent");
  const today = day(new Date(now() * 1000));
  const state = [rows.map(d => d.number).join(), shown.open, today, several()].join();
  if (table.state !== state) {
    table.state = state;
    const focus = document.activeElement && document.activeElement.dataset.number;
    table.tBodies[0].replaceChildren(...rows.flatMap(d => row(d, today)));
    const again = focus && table.querySelector(`button[data-number="${focus}"]`);
    if (again) again.focus();
  }
  table.hidden = !rows.length;
  $("no-recent").hidden = rows.length > 0;
  show($("no-recent"), deliveries.size ? "None of the last " + many(deliveries.size, "delivery", "deliveries")
    + " is like this." : "None yet.");
  show($("shown"), all.length ? `${rows.length} of ${number.format(all.length)}` : "");
  $("more").hidden = rows.length === all.length;
}

function row(d, today) {
  const tr = make("tr", "row"), button = make("button"), date = new Date(d.time);
  const open = d.number === shown.open, event = make("td");
  const [kind, what] = outcome(d);
  button.type = "button";
  button.dataset.number = d.number;
  button.setAttribute("aria-expanded", open);
  if (day(date) !== today) button.append(make("span", "day", day(date).slice(5) + " "));
  button.append(clock(date));
  tr.title = iso(date.getTime());
  event.append(...broken(d.type || "–"));
  const cells = [make("td"), make("td"), event, make("td", "", d.ticket_id || "–"),
    make("td", "hook", d.webhook), make("td", "n rare", d.status || "none"),
    make("td", "n rare", took(d.duration_ms))];
  cells[0].append(button);
  const dot = make("span", "dot " + kind);
  dot.setAttribute("aria-hidden", "true");
  cells[1].append(dot, make(kind === "bad" ? "b" : "span", kind === "bad" ? "bad" : "", what));
  if (d.attempt > 1) cells[1].append(make("span", "tag", "attempt " + d.attempt));
  tr.append(...cells.filter(c => several() || !c.classList.contains("hook")));
  tr.dataset.number = d.number;
  return open ? [tr, opened(d, tr.cells.length)] : [tr];
}

function opened(d, columns) {
  const tr = make("tr", "open"), td = make("td"), dl = make("dl"), help = outcome(d)[2];
  td.colSpan = columns;
  const put = (name, text) => {
    const div = make("div");
    div.append(make("dt", "", name), make("dd", "", text || "–"));
    dl.append(div);
  };
  put("time", iso(Date.parse(d.time)));
  put("webhook", d.webhook);
  put("verdict", d.verdict);
  put("reason", d.reason);
  put("event", d.type);
  put("entity id", d.entity_id);
  put("ticket id", d.ticket_id);
  put("secret", d.key_id);
  put("delivery id begins", d.delivery_id);
  put("body", d.bytes === null ? "" : size(d.bytes));
  put("sender", d.client);
  put("answer to the sender", d.status && d.status + " after " + took(d.duration_ms));
  put("service", d.upstream);
  put("its answer", d.upstream_status ? d.upstream_status + (d.upstream_ms === null ? "" : " after "
    + took(d.upstream_ms)) : d.upstream ? "none" : "");
  put("kept", d.spooled ? "on disk" : d.streamed ? "in the stream" : "");
  put("attempt", String(d.attempt));
  put("anomalies", d.anomalies.map(a => ANOMALY[a] || a).join(", "));
  if (help) td.append(make("p", "help", help));
  const run = make("p", "run soft", "Its lines in the error log: ");
  run.append(make("pre", "", logCommand(d)));
  td.append(dl, run);
  if (d.delivery_id) {
    const more = make("p", "run soft", "In an access log with $mspwh_delivery_id, and all of its repeats: ");
    more.append(make("pre", "", "grep " + d.delivery_id + " /var/log/nginx/*.log"));
    td.append(more);
  }
  tr.append(td);
  return tr;
}

/* the log has the server's local time; a slow request has lines of several seconds */
function logCommand(d) {
  const end = new Date(Date.parse(d.time) + data.utc_offset * MINUTE).toISOString();
  const start = new Date(Date.parse(d.time) + data.utc_offset * MINUTE - d.duration_ms).toISOString();
  let n = 0;
  while (n < 19 && start[n] === end[n]) n++;
  const when = end.slice(0, n < 10 ? 0 : n).replaceAll("-", "/").replace("T", " ");
  return "grep " + quoted("^" + when + ".*client: " + d.client + ",") + " "
    + quoted(data.error_log || "/var/log/nginx/error.log");
}

/* webhooks that are used or named; the target of an error_page often has no name */
const names = () => data.webhooks.filter(w => w.requests || w.webhook !== "default"
  || data.webhooks.length < 2).map(w => w.webhook);

/* whether there is more than one webhook */
const several = () => names().length > 1 && !shown.webhook;
