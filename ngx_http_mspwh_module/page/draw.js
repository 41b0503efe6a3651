/* text is always inserted as text, never as HTML */

const $ = id => document.getElementById(id);

function make(tag, name, text) {
  const e = document.createElement(tag);
  if (name) e.className = name;
  if (text !== undefined) e.textContent = text;
  return e;
}

function show(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

/* a name that may be broken after each dot or underscore */
function broken(text) {
  return text.split(/(?<=[._])/).flatMap((part, i) => i ? [make("wbr"), part] : [part]);
}

/* rows are { name, code, sub, n, parts: [[class, n]], note }; they are rebuilt only if a name changes */
function bars(id, rows) {
  const table = $(id), max = Math.max(1, ...rows.map(r => r.n));
  const body = table.tBodies[0] || table.createTBody();
  const name = rows.map(r => r.name + r.code).join("\n");
  if (table.names !== name) {
    table.names = name;
    body.replaceChildren(...rows.map(barRow));
  }
  rows.forEach((r, i) => {
    const tr = body.rows[i], bar = tr.cells[1].firstChild;
    tr.className = (r.n ? "" : "zero ") + (r.sub ? "sub" : "");
    r.parts.forEach(([kind, n], k) => {
      bar.children[k].className = kind + (n ? " some" : "");
      bar.children[k].style.width = 100 * n / max + "%";
    });
    show(tr.cells[2].firstChild, number.format(r.n));
    show(tr.cells[2].lastChild, r.note || "");
    tr.title = r.note || "";
  });
  const none = $("no-" + id);
  if (none) none.hidden = rows.length > 0;
}

function barRow(r) {
  const tr = make("tr"), th = make("th"), td = make("td"), bar = make("div", "bar");
  th.scope = "row";
  th.append(...broken(r.name));
  if (r.code) {
    const code = make("span", "code");
    code.append(...broken(r.code));
    th.append(" ", code);
  }
  bar.setAttribute("aria-hidden", "true");
  r.parts.forEach(() => bar.append(make("i")));
  td.append(bar);
  const n = make("td", "n");
  n.append(make("span"), make("span", "unseen"));
  tr.append(th, td, n);
  return tr;
}

const bar = (name, n, kind = "good", more = {}) => ({ name, n, parts: [[kind, n]], ...more });
const some = row => row.n > 0, most = (a, b) => b.n - a.n;

/* a table of texts; a cell is a text, or [class, text] */
function list(id, rows) {
  const table = $(id), text = JSON.stringify(rows);
  if (table.text === text) return;
  table.text = text;
  table.tBodies[0].replaceChildren(...rows.map(cells => {
    const tr = make("tr");
    tr.append(...cells.map(c => Array.isArray(c) ? make("td", ...c) : make("td", "", c)));
    return tr;
  }));
  table.hidden = !rows.length;
  $("no-" + id).hidden = rows.length > 0;
}

function drawn(name, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const a in attributes) e.setAttribute(a, attributes[a]);
  if (text !== undefined) e.textContent = text;
  return e;
}

function axis(peak) {
  const raw = Math.max(peak, 4) / 4, ten = 10 ** Math.floor(Math.log10(raw));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map(f => f * ten).find(n => n >= raw && n % 1 === 0);
}

function chart(list) {
  const svg = $("chart"), w = svg.clientWidth, h = svg.clientHeight;
  const left = 44, right = w - 2, top = 8, bottom = h - 22;
  if (w < 100) return;
  const peak = Math.max(0, ...list.map(b => b.good + b.disk + b.bad + b.off)), step = axis(peak);
  const y = n => bottom - n / (4 * step) * (bottom - top), parts = [];
  for (let i = 0; i <= 4; i++) {
    const at = Math.round(y(i * step)) + .5;
    parts.push(drawn("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }),
      drawn("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, number.format(i * step)));
  }
  const each = (right - left) / list.length, gap = Math.min(4, each * .2);
  list.forEach((bin, i) => {
    const x = left + i * each + gap / 2, width = each - gap;
    let from = 0;
    for (const kind of ["good", "disk", "bad", "off"]) {
      if (!bin[kind]) continue;
      const upper = y(from + bin[kind]), lower = y(from), line = kind === "off" ? .75 : 0;
      parts.push(drawn("rect", { class: kind, x: x + line, y: upper + line,
        width: Math.max(.5, width - 2 * line), height: Math.max(.5, lower - upper - 2 * line) }));
      from += bin[kind];
    }
  });
  const ticks = w < 500 ? [0, .5, 1] : [0, .25, .5, .75, 1];
  for (const at of ticks) {
    const date = new Date(data.time * 1000 - (1 - at) * shown.span * MINUTE);
    parts.push(drawn("text", { x: left + at * (right - left), y: h - 4,
      "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle" },
      at === 1 ? "now" : two(date.getHours()) + ":" + two(date.getMinutes())));
  }
  svg.replaceChildren(...parts);
  const of = kind => number.format(sum(list.map(b => b[kind])));
  svg.setAttribute("aria-label", "In the last " + spanWords() + ": " + of("good") + " delivered, "
    + of("disk") + " put on disk, " + of("bad") + " failed, " + of("off") + " rejected");
}
