// The page for playing together: its WebSocket, its clock, its controls.

const FIRST = ["way", "ends", "scale", "bpm", "temperature", "answer", "metronome"];
const AHEAD = 150, MINE = "page"; // milliseconds that a note is given to the sound before it comes; who plays here
const SILENCE = 600, PAUSE = 1000, PINGS = 1000, KEPT_PINGS = 10;

const bach = {
  sound: new Sound(), roll: new Waterfall($("roll")), models: new Models(), socket: null, offset: null, pings: [], players: {}, bar: 4,
  line: null, planned: [], measured: {}, lastOff: null, fresh: false, answeredAt: -1e9, program: 1, told: 0, learning: "",

  // ---- time: the server's clock in milliseconds of performance.now()

  pong(sent, server) {
    const now = performance.now();
    bach.pings = [...bach.pings, { trip: now - sent, offset: server * 1000 - (now + sent) / 2 }].slice(-KEPT_PINGS);
    bach.offset = bach.pings.reduce((a, b) => (b.trip < a.trip ? b : a)).offset; // the quickest answer tells most
  },
  server: (when) => (when + bach.offset) / 1000, // seconds of the server
  beatNow(when = performance.now()) {
    if (!bach.line || bach.offset === null) return 0;
    const [time, beat, period, running] = bach.line;
    return running ? beat + (bach.server(when) - time) / period : beat;
  },
  timeOf(beat) {
    const [time, at, period] = bach.line;
    return (time + (beat - at) * period) * 1000 - bach.offset;
  },

  // ---- the socket

  connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${location.pathname}socket`);
    bach.socket = socket;
    socket.onmessage = (e) => { for (const [kind, ...rest] of JSON.parse(e.data)) bach[`on_${kind}`]?.(...rest); };
    socket.onclose = () => {
      bach.quiet();
      bach.pill(t("gone"), "bad");
      setTimeout(bach.connect, PAUSE);
    };
  },
  say(...message) { if (bach.socket?.readyState === 1) bach.socket.send(JSON.stringify(message)); },
  ping() { bach.say("ping", performance.now()); },
  pill(text, css) { $("pill").textContent = text; $("pill").className = `pill ${css}`; },

  on_friends(link, count) {
    const friends = $("friends");
    friends.dataset.link = soundUrl(link, BACH.dns || location.hostname);
    friends.hidden = false;
    if (count !== bach.listeners) $("shared").textContent = count ? t("duet_listen", { count }) : t("duet_friends");
    bach.listeners = count;
  },
  on_pong(sent, server) { bach.pong(sent, server); },
  on_players(players) {
    bach.players = Object.fromEntries(players.map((p) => [p.name, p]));
    bach.models.show(players);
    if (bach.sound.context) for (const p of players) if (p.model) bach.sound.load(p.program);
  },
  on_hello({ players, models, bar }) {
    bach.players = Object.fromEntries(players.map((p) => [p.name, p]));
    bach.models.show(players, models);
    bach.bar = bar;
    bach.pings = [];
    for (let i = 0; i < 4; i++) setTimeout(bach.ping, i * 40);
    bach.pill(t("ready"), "on");
    for (const p of players) if (p.model) bach.sound.load(p.program);
    bach.sound.load(bach.program);
    bach.sound.load(DRUMS);
    if (bach.program !== 1) bach.say("instrument", bach.program); // else another page's choice stays
  },

  // ---- notes

  model: (owner) => !!bach.players[owner]?.model || owner === "metronome",
  programOf(owner, drum) { return drum || owner === "metronome" ? DRUMS : bach.players[owner]?.program ?? bach.program; },
  press(drum, pitch, velocity, when) {
    bach.sound.wake();
    const quiet = bach.sound.level < QUIET, program = drum ? DRUMS : bach.program;
    bach.sound.begin(MINE, program, pitch, velocity, performance.now());
    if (quiet) bach.sound.heard(when, (ms) => { bach.measured.touch = ms; });
    if (bach.offset === null) return;
    if (when - bach.answeredAt > SILENCE) Object.assign(bach, { fresh: true, lastOff: null }); // a call, not a note into an answer
    bach.say("on", drum, pitch, velocity, bach.server(when));
    bach.roll.begin(MINE, false, drum, pitch, bach.beatNow(when));
  },
  release(drum, pitch) {
    bach.sound.end(MINE, drum, pitch, performance.now());
    if (bach.offset === null) return;
    bach.say("off", drum, pitch, bach.server(performance.now()));
    bach.roll.end(MINE, drum, pitch, bach.beatNow());
    if (!drum) bach.lastOff = performance.now();
  },
  on_now(owner, begins, drum, pitch, velocity) {
    const beat = bach.beatNow();
    if (begins) {
      bach.sound.begin(owner, bach.programOf(owner, drum), pitch, velocity, performance.now());
      bach.roll.begin(owner, bach.model(owner), drum, pitch, beat);
    } else {
      bach.sound.end(owner, drum, pitch, performance.now());
      bach.roll.end(owner, drum, pitch, beat);
    }
  },
  on_plan(owner, beat, begins, drum, pitch, velocity) {
    bach.planned.push({ owner, beat, begins, drum, pitch, velocity });
    if (owner !== "metronome") {
      if (begins) bach.roll.begin(owner, true, drum, pitch, beat);
      else bach.roll.end(owner, drum, pitch, beat);
    }
    bach.schedule();
  },
  on_cancel(owner, since) {
    const from = since ?? -Infinity, at = bach.line ? Math.max(bach.sound.context?.currentTime ?? 0, bach.contextTime(from)) : 0;
    bach.planned = bach.planned.filter((p) => p.owner !== owner || p.beat < from);
    for (const v of bach.sound.voices) if (v.owner === owner && v.from >= at - 0.001 && since !== null) v.source.stop();
    bach.roll.cancel(owner, since ?? bach.beatNow(), null);
  },
  contextTime: (beat) => bach.sound.context.currentTime + (bach.timeOf(beat) - performance.now()) / 1000,
  on_end(owner) {
    bach.planned = bach.planned.filter((p) => p.owner !== owner);
    if (bach.sound.context) bach.sound.silence(owner);
    bach.roll.silence(owner, bach.beatNow());
  },
  on_panic() { bach.quiet(); },
  quiet() {
    bach.planned = [];
    if (bach.sound.context) bach.sound.silence();
    bach.roll.silence(null, bach.beatNow());
  },
  schedule() { // gives to the sound what comes soon; tempo may change what comes later
    if (!bach.line || bach.offset === null) return;
    const soon = performance.now() + AHEAD, later = [];
    bach.planned.sort((a, b) => a.beat - b.beat || a.begins - b.begins);
    for (const p of bach.planned) {
      const at = bach.timeOf(p.beat);
      if (at > soon || !bach.line[3]) { later.push(p); continue; }
      if (!p.begins) { bach.sound.end(p.owner, p.drum, p.pitch, at); continue; }
      const when = bach.sound.begin(p.owner, bach.programOf(p.owner, p.drum), p.pitch, p.velocity, at);
      bach.answered(p, when);
    }
    bach.planned = later;
  },
  answered(p, when) { // the first note of an answer: how long after the last key was let go
    if (p.owner === "metronome") return;
    const fresh = bach.fresh && bach.lastOff !== null;
    Object.assign(bach, { fresh: false, answeredAt: when });
    if (!fresh) return;
    bach.measured.answer = when - bach.lastOff;
    bach.lastOff = null;
    setTimeout(() => bach.sound.heard(when, (ms) => { bach.measured.late = ms; }), Math.max(when - performance.now() - 20, 0));
  },

  // ---- controls, made of the table of settings

  build() {
    const rows = Object.fromEntries(BACH.controls.map((c) => [c.name, bach.control(c)]));
    $("first").replaceChildren(...FIRST.map((name) => rows[name]));
    $("others").replaceChildren(...Object.keys(rows).filter((n) => !FIRST.includes(n)).map((n) => rows[n]));
    $("actions").replaceChildren(...BACH.actions.map((name) => {
      const button = bach.element("button", { type: "button", className: "button", id: name, textContent: t(`duet_${name}`) });
      button.onclick = () => bach.say("do", name);
      return button;
    }));
  },
  element: (kind, values) => Object.assign(document.createElement(kind), values),
  control(c) {
    const label = t(`duet_${c.name}`), change = (value) => { $("refused").textContent = ""; bach.say("set", c.name, value); };
    const learn = bach.learner(c.name, label);
    learn.hidden = c.kind === "text";
    const row = bach.element("div", { className: "row" });
    row.append(c.kind === "switch" ? bach.switched(c, label, change) : bach.labelled(c, label, change), learn);
    return row;
  },
  learner(name, label) { // binds the next knob that is touched
    const learn = bach.element("button", { type: "button", className: "button learn", textContent: t("duet_learn") });
    learn.setAttribute("aria-label", t("duet_learn_long", { what: label }));
    learn.dataset.learn = name;
    learn.onclick = () => bach.say("learn", name);
    return learn;
  },
  switched(c, label, change) {
    const button = bach.element("button", { type: "button", className: "button switch", id: c.name, textContent: label });
    Object.assign(button.dataset, { on: t("switch_on"), off: t("switch_off") });
    button.onclick = () => change(button.getAttribute("aria-pressed") !== "true");
    return button;
  },
  labelled(c, label, change) {
    const knob = bach.element("label", { className: "knob" }), value = bach.element("span", { className: "value", id: `${c.name}-value` });
    knob.append(bach.element("span", { className: "name", textContent: label }), value);
    if (c.kind === "choice") {
      const select = bach.element("select", { id: c.name, onchange: () => change(select.value) });
      select.append(...c.choices.map((x) => bach.element("option", { value: x, textContent: t(`duet_${c.name}_${x}`) })));
      const chooser = bach.element("span", { className: "chooser" });
      chooser.append(select);
      knob.append(chooser);
    } else if (c.kind === "number") {
      const bar = bach.element("input", { type: "range", min: c.low, max: c.high, step: c.whole || c.high > 30 ? 1 : 0.01, id: c.name });
      bar.oninput = () => bach.show(c, Number(bar.value));
      bar.onchange = () => change(Number(bar.value));
      knob.append(bar);
    } else {
      const text = bach.element("input", { type: "text", id: c.name, maxLength: 60, placeholder: "G major", autocomplete: "off", spellcheck: false });
      text.onchange = () => change(text.value);
      knob.append(text);
    }
    return knob;
  },
  show(c, value) {
    const control = $(c.name), busy = document.activeElement === control;
    if (c.kind === "switch") control.setAttribute("aria-pressed", value);
    else if (c.kind !== "number") { if (!busy && control.value !== value) control.value = value; }
    else {
      control.style.setProperty("--fill", `${100 * (value - c.low) / (c.high - c.low)}%`);
      $(`${c.name}-value`).textContent = digits(value, c.whole || Number.isInteger(value) ? 0 : 2);
      if (Number(control.value) !== value && !control.matches(":active")) control.value = value;
    }
  },
  on_refused(sentence) {
    $("refused").textContent = sentence;
    bach.settings = null; // what is shown follows what holds
    bach.models.refused();
  },

  // ---- what goes on

  on_state(state) {
    bach.line = state.line;
    const settings = JSON.stringify(state.settings);
    if (settings !== bach.settings) for (const c of BACH.controls) bach.show(c, state.settings[c.name]);
    bach.settings = settings;
    $("doing").textContent = state.line[3] ? state.doing : t("duet_waits");
    for (const b of document.querySelectorAll("[data-learn]")) b.setAttribute("aria-pressed", b.dataset.learn === state.learning);
    $("listening").textContent = state.hearing.map(([who, whom]) => t("duet_hears", { who, whom })).join("; ");
    bach.models.state(state);
    bach.surprises(state.told);
    bach.figures(state);
    bach.schedule();
  },
  surprises(told) {
    if (!told.length || told[0][0] === bach.told) return;
    bach.told = told[0][0];
    const line = ([, who, what, nats]) => t("duet_nats", { what, nats: digits(nats, 2), who });
    $("told").textContent = line(told[0]);
    $("surprises").replaceChildren(...told.map((row) => {
      const item = bach.element("li", { textContent: line(row) }), range = bach.players[row[1]]?.range;
      if (range) {
        item.append(` (${t("duet_range", { low: digits(range[0], 1), high: digits(range[1], 1) })})`);
        item.append(bach.scale(row[3], range));
      }
      return item;
    }));
  },
  scale(nats, [low, high]) { // the range of the corpus, and where this stands
    const most = Math.max(nats, high) * 1.1 || 1, svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const bar = (x, width, colour) => {
      const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [k, v] of Object.entries({ x: `${x / most * 100}%`, width, y: 2, height: 6, rx: 3, fill: colour })) rect.setAttribute(k, v);
      svg.append(rect);
    };
    bar(low, `${Math.max(high - low, 0.01) / most * 100}%`, "#7fb8ff");
    bar(nats, 4, "#b4552d");
    svg.setAttribute("aria-hidden", "true");
    return svg;
  },
  figures(state) {
    const ms = (x) => (x === undefined ? "–" : `${digits(x, 0)} ms`), trip = Math.min(...bach.pings.map((p) => p.trip));
    const rows = { duet_touch: ms(bach.measured.touch), duet_after: ms(bach.measured.answer), duet_trip: ms(Number.isFinite(trip) ? trip : undefined),
      duet_late: `${digits(state.late_ms, 1)} ms`, duet_missed: state.missed, duet_dropped: state.dropped };
    $("figures").replaceChildren(...Object.entries(rows).map(([key, value]) => {
      const figure = bach.element("div", { className: "figure" });
      figure.append(bach.element("dt", { textContent: t(key) }), bach.element("dd", { textContent: value }));
      return figure;
    }));
  },
  frame() {
    const beat = bach.beatNow();
    bach.roll.draw(beat, bach.bar);
    $("beat").textContent = bach.line ? `${Math.floor(Math.max(beat, 0) / bach.bar) + 1}.${Math.floor(Math.max(beat, 0)) % bach.bar + 1}` : "";
    requestAnimationFrame(bach.frame);
  },
};

bach.build();
bach.keys = new Keys(bach.press, bach.release);
bach.keys.onknob = (number, value) => bach.say("knob", number, value, bach.server(performance.now()));
for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => bach.sound.wake(), { capture: true });
$("instrument").onchange = (e) => { bach.program = Number(e.target.value); bach.sound.load(bach.program); bach.say("instrument", bach.program); };
$("share").onclick = () => handOut($("friends").dataset.link, (text) => { $("shared").textContent = text; });
$("language").onchange = (e) => speak(e.target.value);
setInterval(bach.ping, PINGS);
setInterval(bach.schedule, 25);
bach.connect();
bach.frame();
