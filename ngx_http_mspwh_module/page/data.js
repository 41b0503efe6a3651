/* the data from nginx, and how it is fetched */

const ROWS = 12, POLL = 2000, TIMEOUT = 8000, KEPT = 500, BATCH = 50, DAY = 1440, MINUTE = 60000;

const shown = { webhook: "", span: 10, outcome: "", ticket: "", open: 0, rows: ROWS };
const minutes = new Map(), deliveries = new Map();
let data = null, fetched = 0, lost = false, round = 0, timer = 0;

/* the server's clock, in seconds */
const now = () => data.time + (performance.now() - fetched) / 1000;

async function get(query) {
  const url = new URL(location.href);
  url.hash = "";
  url.search = new URLSearchParams(query);
  const answer = await fetch(url, {
    headers: { Accept: "application/json" }, cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (!answer.ok) throw new Error(answer.status);
  return answer.json();
}

function asked(whole) {
  const query = { recent: whole ? KEPT : BATCH, history: whole ? DAY : 3, sum: 1 };
  if (shown.webhook) query.webhook = shown.webhook;
  return query;
}

function forget() {
  minutes.clear();
  deliveries.clear();
  data = null;
}

/* whether no deliveries are missing between the new list and the known ones */
function joins(list) {
  return list.length < BATCH || deliveries.has(list.at(-1).number);
}

function take(got) {
  for (const h of got.history) minutes.set(Date.parse(h.time), h);
  for (const d of got.recent) deliveries.set(d.number, d);
  const last = Math.max(0, ...deliveries.keys());
  for (const n of deliveries.keys()) if (n <= last - 10000) deliveries.delete(n);
  for (const n of [...deliveries.keys()].sort((a, b) => b - a).slice(KEPT)) deliveries.delete(n);
  for (const t of minutes.keys()) if (t < got.time * 1000 - DAY * MINUTE) minutes.delete(t);
  data = got;
  fetched = performance.now();
}

async function poll() {
  const mine = ++round;
  clearTimeout(timer);
  let got = null;
  try {
    const whole = !data;
    got = await get(asked(whole));
    const anew = data && got.start !== data.start;
    if (!whole && (anew || !joins(got.recent) || performance.now() - fetched > 2 * MINUTE)) {
      if (anew) forget();
      got = await get(asked(true));
    }
  } catch (e) {
    /* the state line shows it */
  }
  if (mine !== round) return;
  timer = setTimeout(poll, POLL);
  lost = !got;
  if (got) {
    take(got);
    render();
  }
  tick();
}

/* the bins of the chosen span, oldest first, each of one or fifteen minutes */
function bins() {
  const step = shown.span === DAY ? 15 : 1;
  const end = Math.floor(data.time * 1000 / MINUTE / step) * step;
  const list = [];
  for (let at = end - shown.span + step; at <= end; at += step) {
    const bin = { at: at * MINUTE, good: 0, disk: 0, bad: 0, off: 0 };
    for (let m = at; m < at + step; m++) {
      const h = minutes.get(m * MINUTE);
      if (!h) continue;
      bin.good += Math.max(0, h.verified - h.failed - h.spooled);
      bin.disk += h.spooled;
      bin.bad += h.failed;
      bin.off += h.rejected;
    }
    list.push(bin);
  }
  return list;
}

const spanWords = () => ({ 10: "10 min", 60: "hour", 1440: "24 h" })[shown.span];

/* the events that failed in the last ten minutes */
function failing() {
  const since = data.time * 1000 - 10 * MINUTE;
  return sum([...minutes].filter(([t]) => t > since).map(([, h]) => h.failed));
}

/* what needs attention, in words */
function alarms() {
  const list = [];
  if (failing()) list.push(many(failing(), "event") + " failed in the last 10 min");
  const quarantined = sum(data.spool.map(s => s.quarantined || 0));
  if (quarantined) list.push(many(quarantined, "event") + " in quarantine");
  if (oldest() > 900) list.push("an event has waited on disk for " + ago(oldest()));
  return list;
}

/* how long the oldest event has waited on disk, in seconds */
function oldest() {
  const times = data.spool.filter(s => s.oldest).map(s => Date.parse(s.oldest) / 1000);
  return times.length ? now() - Math.min(...times) : 0;
}
