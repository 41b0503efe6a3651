/* the page: what it shows, and what clicks do */

function tiles(list) {
  const of = kind => sum(list.map(b => b[kind]));
  const [good, disk, bad, off] = ["good", "disk", "bad", "off"].map(of), events = good + disk + bad;
  const share = 100 * good / events;
  const last = "in the last " + spanWords();
  show($("delivered"), !events ? "–" : (good === events ? "100" : Math.min(99.9, share).toFixed(1)) + " %");
  $("delivered").className = "big" + (failing() ? " bad" : "");
  $("share").classList.toggle("any", events > 0);
  [["good", good], ["disk", disk], ["bad", bad]].forEach(([kind, n], i) => {
    $("share").children[i].className = kind + (n ? " some" : "");
    $("share").children[i].style.width = 100 * n / events + "%";
  });
  show($("delivered-more"), !events ? "no event " + last
    : number.format(good) + " of " + many(events, "event") + " " + last
      + (disk ? ", " + number.format(disk) + " put on disk" : "") + (bad ? ", " : ""));
  show($("failed"), bad ? number.format(bad) + " failed" : "");
  const spools = data.spool, known = spools.filter(s => s.waiting !== null);
  const waiting = sum(known.map(s => s.waiting)), held = sum(known.map(s => s.quarantined));
  show($("waiting"), known.length ? number.format(waiting) : "–");
  $("waiting").className = "big" + (held || oldest() > 900 ? " bad" : waiting ? " disk" : "");
  show($("waiting-more"), !spools.length ? "no spool is configured"
    : !known.length ? "mspwh-redeliver has not run"
      : (waiting ? "the oldest for " + ago(oldest()) : "nothing waits")
        + (held ? ", " + many(held, "event") + " in quarantine" : ""));
  const rate = off / shown.span;
  show($("rejected"), !off ? "0" : (rate < .1 ? "< 0.1" : rate.toFixed(rate < 10 ? 1 : 0)) + " / min");
  const since = new Date(data.start * 1000);
  show($("rejected-more"), number.format(off) + " " + last + ", "
    + number.format(sum(REJECTED.map(v => data.requests[v]))) + " since " + clock(since).slice(0, 5));
  const peak = Math.max(0, ...list.map(b => b.good + b.disk + b.bad));
  show($("peak"), "peak " + number.format(peak) + " in the last " + spanWords());
  show($("chart-title"), "Requests per " + (shown.span === DAY ? "15 minutes" : "minute"));
}

const why = (code, n) =>
  bar(words(code), n, "off", { code, sub: true, note: (REASON[code] || [])[1] });

function verdicts() {
  const rows = [];
  for (const [v, n] of Object.entries(data.requests)) {
    rows.push(bar(VERDICT[v] || v, n, v === "verified" ? "good" : "off", { code: v }));
    rows.push(...data.rejections.filter(r => r.verdict === v).map(r => why(r.reason, r.requests))
      .filter(some).sort(most));
  }
  const causes = Object.entries(data.without_verdict).map(([c, n]) => why(c, n)).filter(some).sort(most);
  if (causes.length) rows.push(bar("Not checked", sum(causes.map(r => r.n)), "off", { code: "" }), ...causes);
  bars("verdicts", rows);
}

function types() {
  bars("types", data.events.filter(e => e.events || e.type !== "unknown").map(e => {
    const u = e.upstream, disk = e.spooled;
    const failed = Math.max(0, u["4xx"] + u["5xx"] + u.none - disk), taken = e.events - disk - failed;
    return { name: e.type === "unknown" ? "another type" : e.type, n: e.events,
      parts: [["good", taken], ["disk", disk], ["bad", failed]],
      note: disk + failed ? number.format(taken) + " taken at once, " + number.format(disk) + " put on disk, "
        + number.format(failed) + " failed" : "" };
  }));
}

/* what to do about each secret of a webhook */
function keys() {
  const newest = {};
  for (const k of data.keys) newest[k.webhook] = Math.max(newest[k.webhook] || 0, k.last || 0);
  list("keys", data.keys.filter(k => names().includes(k.webhook)).map(k => {
    const idle = k.last ? now() - k.last : 0, used = k.last ? ago(idle) : "";
    const todo = !k.configured ? "removed" + (used ? ", last used " + used + " ago" : "")
      : !k.last ? "not used yet: keep it, and set it in MSP Manager"
        : idle > 86400 && newest[k.webhook] > k.last ? "not used for " + used + ", safe to remove"
          : "in use, last " + used + " ago";
    return [k.id].concat(several() ? [["hook", k.webhook]] : [], [["n", number.format(k.matches)], todo]);
  }));
}

function spools() {
  const run = s => s.last_run ? ago(now() - Date.parse(s.last_run) / 1000) + " ago" : "never";
  list("spools", data.spool.map(s => s.waiting === null
    ? [s.path, ["n", "–"], ["n", "–"], "mspwh-redeliver has not run"]
    : [s.path, ["n", number.format(s.waiting) + " (" + size(s.waiting_bytes) + ")"],
      ["n", number.format(s.quarantined)], run(s)]));
}

/* a store and streams, if the configuration has any */
function store() {
  const s = data.store, stream = data.stream;
  $("store").hidden = !s;
  if (!s) return;
  const failed = Object.entries(s.errors).map(([cause, n]) =>
    bar(cause, n + stream.failures[cause], "bad", { code: "" })).filter(some).sort(most);
  show($("store-state"), many(s.connected, "connection")
    + (s.waiting ? ", " + many(s.waiting, "delivery", "deliveries") + " not confirmed" : "")
    + (s.lost ? ", " + number.format(s.lost) + " lost" : ""));
  bars("claims", Object.entries(s.claims).map(([result, n]) => bar(CLAIM[result][0], n,
    result === "alone" || result === "rejected" ? "bad" : "good", { code: result, note: CLAIM[result][1] }))
    .filter(some));
  bars("streamed", [bar("appended to a stream", stream.events, "good",
    { note: size(stream.bytes) + " of bodies" })].filter(some));
  bars("store-errors", failed);
}

function distributions() {
  const times = data.delivery_times, all = sum(times.map(t => t.events));
  const within = share => {
    let n = 0;
    const t = times.find(t => (n += t.events) >= share * all);
    return t.up_to_ms ? "within " + took(t.up_to_ms) : "over " + took(times.at(-2).up_to_ms);
  };
  const half = all && within(.5), most95 = all && within(.95);
  show($("typical"), !all ? "" : (half === most95 ? "" : "half " + half + ", ") + "95 % " + most95);
  let from = 0;
  bars("delays", times.slice(0, Math.max(5, times.findLastIndex(t => t.events) + 1)).map(t => {
    const name = t.up_to_ms ? "to " + took(t.up_to_ms) : "over " + took(from);
    from = t.up_to_ms;
    return bar(name, t.events);
  }));
  const used = data.body_sizes.findLastIndex(s => s.events) + 1;
  bars("sizes", data.body_sizes.slice(0, Math.max(used, 5)).map(s => {
    const name = s.up_to ? "to " + size(s.up_to) : "over " + size(from);
    from = s.up_to;
    return bar(name, s.events);
  }));
  bars("anomalies", Object.entries(data.anomalies)
    .map(([a, n]) => bar(ANOMALY[a] || a, n, "off", { code: a })).filter(some).sort(most));
}

function webhooks() {
  const select = $("webhook"), known = names(), text = JSON.stringify(data.webhooks.map(w =>
    known.includes(w.webhook) && w.webhook + w.configured));
  $("webhooks").hidden = known.length < 2;
  for (const e of document.querySelectorAll("th.hook")) e.hidden = !several();
  if (select.text === text) return;
  select.text = text;
  const option = (value, text) => Object.assign(make("option", "", text), { value });
  select.replaceChildren(option("", "all " + known.length), ...data.webhooks
    .filter(w => known.includes(w.webhook)).sort((a, b) => a.webhook < b.webhook ? -1 : 1)
    .map(w => option(w.webhook, w.webhook + (w.configured ? "" : " (removed)"))));
  select.value = shown.webhook;
}

function render() {
  const list = bins();
  webhooks();
  tiles(list);
  chart(list);
  recent();
  verdicts();
  types();
  keys();
  spools();
  store();
  distributions();
  const start = new Date(data.start * 1000);
  const today = day(start) === day(new Date(now() * 1000));
  const since = (today ? "" : day(start) + " ") + clock(start).slice(0, 5);
  for (const e of document.querySelectorAll(".since")) show(e, "total since " + since);
  show($("about"), "ngx_http_mspwh_module " + data.version + ", nginx " + data.nginx + ". Counting since "
    + iso(data.start * 1000) + ", up " + ago(now() - data.start) + ".");
}

/* the parts that change as time passes */
function tick() {
  let alarm = [];
  if (data) {
    const last = data.last_verified, latest = data.events.filter(e => last && e.last === last);
    show($("last"), last ? ago(now() - last) + " ago" : "none");
    show($("last-type"), last ? latest[0].type : "since counting began");
    show($("last-time"), last ? iso(last * 1000) : "");
    alarm = alarms();
  }
  const state = $("state");
  document.documentElement.classList.toggle("lost", lost);
  state.className = lost ? "lost" : !data ? "" : alarm.length ? "alarm" : "live";
  show(state, lost ? "Connection lost" + (data ? ", shown as of " + iso(data.time * 1000) : "") + "; retrying"
    : !data ? "Connecting" : alarm.length ? alarm.join(", ") : "All is well");
  mark(lost || alarm.length > 0);
}

/* the title and the icon show it, too */
function mark(bad) {
  const title = (bad ? "(!) " : "") + "MSP Manager webhooks", icon = document.querySelector("link[rel=icon]");
  if (document.title === title && icon.dataset.bad === String(bad)) return;
  document.title = title;
  icon.dataset.bad = bad;
  icon.href = "data:image/svg+xml," + encodeURIComponent("<svg xmlns='http://www.w3.org/2000/svg' "
    + "viewBox='0 0 16 16'><circle cx='8' cy='8' r='7' fill='" + (bad ? "#d3303b" : "#1e8a4a") + "'/></svg>");
}

/* the address contains the selection, so that it can be shared */
function remember() {
  const hash = new URLSearchParams();
  for (const name of ["webhook", "outcome", "ticket"]) if (shown[name]) hash.set(name, shown[name]);
  if (shown.span !== 10) hash.set("span", shown.span);
  window.history.replaceState(null, "", hash.size ? "#" + hash : location.pathname + location.search);
}

function recall() {
  const hash = new URLSearchParams(location.hash.slice(1));
  for (const name of ["webhook", "outcome", "ticket"]) shown[name] = hash.get(name) || "";
  shown.span = [10, 60, DAY].includes(Number(hash.get("span"))) ? Number(hash.get("span")) : 10;
  $("outcome").value = shown.outcome;
  $("ticket").value = shown.ticket;
  pressed();
}

function pressed() {
  for (const b of document.querySelectorAll("[data-span]")) {
    b.setAttribute("aria-pressed", Number(b.dataset.span) === shown.span);
  }
}

function choose(name, value) {
  shown[name] = value;
  shown.rows = ROWS;
  remember();
  if (name === "webhook") {
    forget();
    poll();
  } else if (data) {
    render();
  }
}

show($("host"), location.host);
recall();
$("webhook").addEventListener("change", e => choose("webhook", e.target.value));
$("outcome").addEventListener("change", e => choose("outcome", e.target.value));
$("ticket").addEventListener("input", e => choose("ticket", e.target.value.trim()));
$("more").addEventListener("click", () => { shown.rows += 50; recent(); });
for (const b of document.querySelectorAll("[data-span]")) {
  b.addEventListener("click", () => { choose("span", Number(b.dataset.span)); pressed(); });
}
$("recent").addEventListener("click", e => {
  const tr = e.target.closest("tr.row");
  if (!tr || getSelection().toString()) return;
  shown.open = shown.open === Number(tr.dataset.number) ? 0 : Number(tr.dataset.number);
  recent();
});
addEventListener("resize", () => data && chart(bins()));
addEventListener("hashchange", () => { recall(); choose("webhook", shown.webhook); });
setInterval(tick, 1000);
poll();
