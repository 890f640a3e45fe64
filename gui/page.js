"use strict";
// What moves on the page. The server sends news; times in it are seconds of the station.

const $ = (id) => document.getElementById(id);
const GONE = 7, COMING = 1.6; // seconds of music left and right of the line where it is heard
const BARS = 5;
const RETRY = 1000, STUCK = 4000, SILENT = 3000; // milliseconds
const SHARP = (name) => name.replaceAll(".", " ").replaceAll("#", "♯");

const bach = {
  notes: [], start: null, links: {}, wanted: false, shown: 0, kind: "mp3", lowest: 48, highest: 76,
  settings: {}, held: null, testing: null, told: 0, retry: null, lost: false, cut: false, place: 0, moved: 0,

  // ---- sound

  url(path, host = location.hostname) {
    return `${BACH.sound || `${location.protocol}//${host}:${BACH.port}`}${path}`;
  },

  play() { // straight from the touch, or iPhones will not
    if (bach.wanted) return bach.stop();
    if (!bach.links.listen) return bach.say({ text: "Not connected yet; a moment, please.", bad: true });
    bach.wanted = true;
    bach.tune();
    bach.look();
  },

  tune() {
    const audio = $("audio");
    audio.src = bach.url(`${bach.links.listen}/bach.${bach.kind}`);
    bach.start = null;
    audio.play().catch((error) => {
      if (error.name === "NotAllowedError") { bach.stop(); bach.say({ text: "Touch Play once more.", bad: true }); }
    });
  },

  stop() {
    const audio = $("audio");
    bach.wanted = bach.lost = false;
    clearTimeout(bach.retry);
    bach.retry = null;
    audio.pause();
    audio.removeAttribute("src");
    audio.load(); // lets the connection go
    bach.start = null;
    bach.look();
  },

  async failed() { // the server may be restarting, or the network gone: try again until Stop
    if (!bach.wanted || bach.retry) return;
    bach.retry = setTimeout(() => { bach.retry = null; if (bach.wanted) bach.tune(); }, RETRY);
    bach.lost = true;
    bach.look();
    try {
      const answer = await fetch($("audio").src, { headers: { Range: "bytes=0-1" } });
      if (answer.ok || answer.status >= 500) return;
      bach.stop();
      bach.say({ text: (await answer.text()).trim(), bad: true });
    } catch { /* nobody answers: the next try is on its way */ }
  },

  alive() { // once a second: sound that stands still is fetched anew
    const audio = $("audio"), now = performance.now();
    if (!bach.wanted || bach.retry || audio.currentTime !== bach.place) { bach.place = audio.currentTime; bach.moved = now; }
    else if (now - bach.moved > STUCK) { bach.moved = now; bach.failed(); }
    if (bach.lost && bach.wanted && audio.currentTime > 0.5 && !audio.paused) {
      bach.lost = false;
      bach.say({ text: "The connection was lost for a moment; the music goes on." });
    }
    bach.look();
  },

  heard() { // the second of the station that is heard now
    return bach.start === null ? null : bach.start + $("audio").currentTime;
  },

  // ---- settings

  request(question) { remi.sendCallbackParam("bach", "request", question); },

  update(name, value) {
    bach.held = null;
    bach.show(name, value, false);
    bach.request({ what: "update", name, value });
  },

  show(name, value, moving = true) {
    if (moving) bach.held = name;
    const control = $(name);
    if (control.type === "range") {
      control.style.setProperty("--fill", `${100 * (value - control.min) / (control.max - control.min)}%`);
      const unit = { bpm: `${Math.round(value)} BPM`, temperature: Number(value).toFixed(2), volume: `${Math.round(100 * value)} %` };
      const text = unit[name] || bach.unit(name, value);
      $(`${name}-value`).textContent = text;
      control.setAttribute("aria-valuetext", text);
      bach.pressed(name, value);
    }
  },

  updated({ name, seconds }) {
    const label = { bpm: "The tempo", program: "The instrument", alto: "The alto", tenor: "The tenor", bass: "The bass", temperature: "The temperature", volume: "The volume", model: "The new model" }[name] || bach.named(name);
    const later = bach.wanted ? `will be heard in ${Math.max(seconds, 0.1).toFixed(1)} s` : "will be heard when you press Play";
    bach.say({ text: `${label} ${later}.` });
  },

  say({ text, bad = false }) {
    $("hint").textContent = text;
    $("hint").classList.toggle("bad", bad);
  },

  format(kind) {
    bach.kind = kind;
    if (bach.wanted) bach.tune();
  },

  // ---- keeping, sharing, testing

  keep() { bach.request({ what: "keep" }); },

  kept({ link, length }) {
    for (const kind of ["mid", "musicxml", "mp3", "wav"]) $(`keep-${kind}`).href = bach.url(`${link}/bach.${kind}`);
    $("kept").textContent = `${length} minutes are yours:`;
    $("downloads").hidden = false;
  },

  async share() {
    const link = bach.url(bach.links.share, BACH.dns || location.hostname);
    try {
      if (navigator.share) return await navigator.share({ title: "Play Bach", url: link });
      await navigator.clipboard.writeText(link);
      $("shared").textContent = "The link is copied: paste it to your friends.";
    } catch (error) {
      if (error.name !== "AbortError") $("shared").textContent = link;
    }
  },

  async ping() {
    const begun = performance.now();
    try {
      const answer = await fetch(bach.url("/ping"), { cache: "no-store" });
      const { ping } = await answer.json();
      $("tested").textContent = `${ping}: the server answered in ${Math.round(performance.now() - begun)} ms.`;
    } catch { $("tested").textContent = "The server does not answer."; }
  },

  scale() { // in the same audio element, so that the test says something of it
    bach.stop();
    const audio = $("audio");
    bach.testing = performance.now();
    $("tested").textContent = "You should hear a scale …";
    audio.src = bach.url(`${bach.links.scale}/scale.${bach.kind}`);
    audio.play().catch(() => { $("tested").textContent = "This browser did not play it."; });
  },

  // ---- news

  news(news) {
    bach.told = performance.now();
    if (bach.cut && bach.start !== null && news.start !== bach.start) { // the server was restarted
      bach.lost = true;
      bach.tune();
    }
    bach.cut = false;
    bach.start = news.start;
    for (const [number, onset, seconds, pitches, likely, chosen, corpus] of news.notes) {
      if (!bach.notes.some((n) => n.number === number)) bach.notes.push({ number, onset, seconds, pitches, likely, chosen, corpus });
    }
    if (news.resting) bach.notes = [];
    bach.notes = bach.notes.slice(-160);
    if (news.links) bach.links = news.links;
    if (news.figures) bach.figures(news.figures);
    if (news.piece) bach.piece(news.piece);
    if (news.settings) {
      bach.settle(news.settings);
      $("copied").textContent = news.copied;
    }
    bach.trouble = news.corpus ? `${news.trouble}; Bach himself plays on` : news.trouble;
    bach.look();
  },

  settle(settings) {
    bach.settings = settings;
    for (const [name, value] of Object.entries(settings)) {
      if (bach.held === name || document.activeElement === $(name) && $(name).type !== "range") continue;
      $(name).value = value;
      bach.show(name, value, false);
    }
    bach.settled(settings);
    const model = $("model").selectedOptions[0];
    $("score").textContent = model ? model.dataset.score : "";
    $("voices").hidden = !(model && model.dataset.voices);
  },

  figures(figures) {
    const s = figures.uptime;
    const time = s < 3600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    for (const [name, value] of Object.entries({ ...figures, uptime: time })) {
      const place = $(`figure-${name}`);
      if (place) place.textContent = value;
    }
  },

  look() { // the button and the pill
    const sounding = bach.wanted && !$("audio").paused && $("audio").currentTime > 0;
    $("play").classList.toggle("on", bach.wanted);
    $("play").classList.toggle("waiting", bach.wanted && !sounding);
    $("play").setAttribute("aria-label", bach.wanted ? "Stop" : "Play");
    const state = $("state");
    const gone = bach.told && performance.now() - bach.told > SILENT;
    if (gone || bach.lost) {
      state.textContent = "connection lost, trying again …";
      state.className = "pill bad";
      return;
    }
    state.textContent = bach.trouble ? bach.trouble : sounding ? "composing for you" : bach.wanted ? "tuning in …" : "ready";
    state.className = `pill ${bach.trouble ? "bad" : sounding ? "on" : ""}`;
  },

  // ---- drawing

  draw() {
    requestAnimationFrame(bach.draw);
    const heard = bach.heard();
    bach.roll(heard);
    const now = heard === null ? null : bach.notes.findLast((n) => n.onset <= heard);
    const next = now && bach.notes.find((n) => n.number === now.number + 1);
    if (!now && bach.shown !== 0) { bach.shown = 0; bach.tell(null); }
    if (now && next && bach.shown !== next.number) { bach.shown = next.number; bach.tell(now, next); }
  },

  tell(now, next) {
    const quiet = now && (now.corpus || ["hold", "silence"].includes(now.chosen[0]));
    const words = now ? quiet ? now.pitches.map(bach.spell).join(" ") || "rest" : SHARP(now.chosen[0].split("$")[0]).replace(/^R$/, "rest") : "Music nobody has heard yet";
    $("chord").textContent = words;
    $("chance").textContent = now ? now.corpus ? "from the corpus" : `drawn at ${bach.percent(now.chosen[1])}` : "";
    bach.bars(next && !next.corpus ? next.likely : []);
  },

  spell(pitch) {
    return ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"][pitch % 12] + (Math.floor(pitch / 12) - 1);
  },

  percent(p) { return p >= 0.0995 ? `${Math.round(100 * p)} %` : `${(100 * p).toFixed(1)} %`; },

  bars(likely) {
    const list = $("bars");
    if (!likely.length) {
      const empty = document.createElement("li");
      empty.className = "none";
      empty.textContent = "Before every note the network weighs all it knows. Its favourites appear here.";
      const ghosts = [62, 41, 25].map((wide) => {
        const row = document.createElement("li"), bar = document.createElement("i");
        row.className = "ghost";
        bar.style.width = `${wide}%`;
        row.append(bar);
        return row;
      });
      return list.replaceChildren(empty, ...ghosts);
    }
    if (list.children.length !== BARS || list.querySelector(".none")) {
      list.replaceChildren(...Array.from({ length: BARS }, () => {
        const row = document.createElement("li");
        row.append(document.createElement("i"), document.createElement("b"), document.createElement("em"));
        return row;
      }));
    }
    [...list.children].forEach((row, i) => {
      const [name, p] = likely[i] || ["", 0];
      row.children[0].style.width = `${p ? Math.max(100 * p * 0.82, 1.5) : 0}%`;
      row.children[1].textContent = SHARP(name.split("$")[0]).replace(/^R$/, "rest");
      row.children[2].textContent = p ? bach.percent(p) : "";
      row.classList.toggle("here", i === 0);
    });
  },

  roll(heard) {
    const canvas = $("roll");
    if (!canvas) return;
    const wide = canvas.clientWidth, high = canvas.clientHeight, dense = Math.min(devicePixelRatio || 1, 3);
    if (canvas.width !== Math.round(wide * dense)) { canvas.width = Math.round(wide * dense); canvas.height = Math.round(high * dense); }
    const g = canvas.getContext("2d");
    g.setTransform(dense, 0, 0, dense, 0, 0);
    g.clearRect(0, 0, wide, high);
    const scale = wide / (GONE + COMING), line = GONE * scale;
    const seen = heard === null ? [] : bach.notes.filter((n) => n.onset < heard + COMING && n.onset + n.seconds > heard - GONE);
    const pitches = seen.flatMap((n) => n.pitches);
    if (pitches.length) {
      bach.lowest += (Math.min(...pitches) - 3 - bach.lowest) * 0.06;
      bach.highest += (Math.max(...pitches) + 3 - bach.highest) * 0.06;
    }
    const step = high / Math.max(bach.highest - bach.lowest, 20), thick = Math.min(Math.max(step * 0.8, 4), 11);
    const y = (pitch) => high - (pitch - bach.lowest + 0.5) * step;
    g.strokeStyle = "rgba(255,255,255,.06)";
    g.fillStyle = "rgba(255,255,255,.25)";
    g.font = "10px system-ui, sans-serif";
    for (let c = 24; c < 108; c += 12) {
      if (c < bach.lowest || c > bach.highest) continue;
      g.beginPath(); g.moveTo(0, y(c)); g.lineTo(wide, y(c)); g.stroke();
      g.fillText(`C${c / 12 - 1}`, 6, y(c) - 3);
    }
    g.strokeStyle = "rgba(242,182,109,.35)";
    g.beginPath(); g.moveTo(line, 4); g.lineTo(line, high - 4); g.stroke();
    for (const note of seen) bach.bar(g, note, heard, scale, line, y, thick);
  },

  bar(g, note, heard, scale, line, y, thick) {
    const from = line + (note.onset - heard) * scale, long = note.seconds * scale;
    const now = note.onset <= heard && heard < note.onset + note.seconds, past = note.onset + note.seconds <= heard;
    const fade = past ? Math.max(0.25, 1 - (heard - note.onset) / GONE * 0.8) : 1;
    const before = bach.notes.find((n) => n.number === note.number - 1);
    const same = before && before.pitches.length === note.pitches.length && before.pitches.every((p, i) => p === note.pitches[i]);
    for (const pitch of note.pitches) {
      const held = before && !same && before.pitches.includes(pitch);
      const gap = held ? 0 : 1, round = thick / 2.5;
      g.globalAlpha = now || past ? fade : 0.28;
      g.fillStyle = now ? "#ffd08a" : past ? "#e3a45c" : "#f6f1e7";
      if (now) { g.shadowColor = "rgba(255,190,110,.75)"; g.shadowBlur = 12; }
      g.beginPath();
      g.roundRect(from + gap, y(pitch) - thick / 2, Math.max(long - gap - 1, 2), thick, held ? [0, round, round, 0] : round);
      g.fill();
      g.shadowBlur = 0;
    }
    g.globalAlpha = 1;
  },
};

document.addEventListener("DOMContentLoaded", () => {
  const audio = $("audio");
  if (!audio) return;
  for (const event of ["playing", "pause", "waiting", "timeupdate"]) audio.addEventListener(event, bach.look);
  audio.addEventListener("error", bach.failed);
  audio.addEventListener("ended", () => {
    if (bach.testing) { bach.testing = null; $("tested").textContent = "The scale was played to its end."; } else bach.failed();
  });
  for (const voice of ["alto", "tenor", "bass"]) {
    $(voice).append(new Option("As the first voice", "0"), ...[...$("program").children].map((x) => x.cloneNode(true)));
    $(voice).value = "0";
  }
  bach.tell(null);
  bach.draw();
  setInterval(bach.alive, 1000);
  setInterval(() => bach.request({ what: "here" }), 20000); // the server forgets pages that are silent
  const again = remi._renewConnection.bind(remi);
  remi._renewConnection = () => { // REMI would try without a pause, and load the page anew after three times
    remi._failedConnections = 0;
    bach.cut = true;
    if (!bach.told) sessionStorage.bach = BACH.session; // another tab has the one we asked for
    setTimeout(again, 1000);
  };
});
