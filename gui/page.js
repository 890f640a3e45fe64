// What moves on the page. The server sends news; times in it are seconds of the station.

const BARS = 5;
const RETRY = 1000, STUCK = 4000, SILENT = 3000; // milliseconds
const CHANGED = { bpm: "the_tempo", program: "the_instrument", soprano: "the_soprano", alto: "the_alto", tenor: "the_tenor", bass: "the_bass", temperature: "the_temperature", volume: "the_volume", model: "the_model", scale: "the_key", room: "the_room", new: "the_new_piece", back: "the_beginning" };
const SHARP = (name) => name.replaceAll(".", " ").replaceAll("#", "♯");

const bach = {
  notes: [], piece: null, start: null, links: {}, wanted: false, shown: 0, kind: "mp3",
  settings: {}, asked: 0, held: null, testing: null, told: 0, retry: null, lost: false, cut: false, place: 0, moved: 0, composed: 0,

  // ---- sound

  url: soundUrl,

  play() { // straight from the touch, or iPhones will not
    if (bach.wanted || bach.piece) return bach.stop();
    bach.moved = performance.now();
    if (!bach.links.listen) return bach.say({ text: t("not_connected"), bad: true });
    bach.wanted = true;
    bach.tune();
    bach.look();
  },

  tune() {
    const audio = $("audio");
    bach.piece = null;
    audio.src = bach.url(`${bach.links.listen}/bach.${bach.kind}`);
    bach.start = null;
    audio.play().catch((error) => {
      if (error.name !== "NotAllowedError" || document.hidden) return; // hidden: when it is seen again
      bach.stop();
      bach.say({ text: t("touch_again"), bad: true });
    });
  },

  stop(brief = false) { // brief: the sound keeps its place on the lock screen
    const audio = $("audio");
    bach.wanted = bach.lost = false;
    bach.piece = null;
    clearTimeout(bach.retry);
    bach.retry = null;
    audio.pause();
    if (!brief) {
      audio.removeAttribute("src");
      audio.load(); // lets the connection go
    }
    bach.start = null;
    bach.look();
  },

  async failed() { // the server may be restarting, or the network gone: try again until Stop
    if (!bach.wanted || bach.retry) return;
    bach.retry = setTimeout(() => { bach.retry = null; if (bach.wanted) bach.tune(); }, RETRY);
    bach.lost = true;
    bach.look();
    try {
      const answer = await fetch($("audio").src, { headers: { Range: "bytes=0-1", "Accept-Language": BACH.language } });
      if (answer.ok) return;
      if (answer.status < 500) bach.stop();
      bach.say({ text: (await answer.text()).trim(), bad: true }); // such as: no room
    } catch { /* nobody answers: the next try is on its way */ }
  },

  alive() { // once a second: sound that stands still is fetched anew
    const audio = $("audio"), now = performance.now();
    if (!bach.wanted || bach.retry || audio.currentTime !== bach.place) { bach.place = audio.currentTime; bach.moved = now; }
    else if (now - bach.moved > STUCK) { bach.moved = now; bach.failed(); }
    if (bach.lost && bach.wanted && audio.currentTime > 0.5 && !audio.paused) {
      bach.lost = false;
      bach.say({ text: t("goes_on") });
    }
    bach.look();
  },

  heard() { // the second of the station, or of the piece, that is heard now
    if (bach.piece) return $("audio").currentTime;
    return bach.start === null ? null : bach.start + $("audio").currentTime;
  },

  // ---- settings

  request(question) { remi.sendCallbackParam("bach", "request", { ...question, number: ++bach.asked }); },

  update(name, value) {
    bach.held = null;
    bach.touched = true;
    bach.show(name, value, false);
    bach.request({ what: "update", name, value });
  },

  show(name, value, moving = true) {
    if (moving) bach.held = name;
    const control = $(name);
    if (control.type === "range") {
      control.style.setProperty("--fill", `${100 * (value - control.min) / (control.max - control.min)}%`);
      const unit = { bpm: t("bpm", { value: Math.round(value) }), temperature: digits(value, 2), volume: t("percent", { value: Math.round(100 * value) }) };
      const text = unit[name] || bach.unit(name, value);
      $(`${name}-value`).textContent = text;
      control.setAttribute("aria-valuetext", text);
      bach.pressed(name, value);
    }
  },

  updated({ names, seconds }) {
    const name = names.length === 1 ? names[0].replace(/_(volume|pan)$/, "") : "";
    const what = t(CHANGED[name] || "the_setting");
    bach.say({ text: bach.wanted ? t("heard_in", { what, seconds: digits(Math.max(seconds, 0.1), 1) }) : t("heard_at_play", { what }) });
  },

  say({ text, bad = false }) {
    $("hint").textContent = text;
    $("hint").classList.toggle("bad", bad);
  },

  format(kind) {
    bach.kind = kind;
    bach.remember({ kind });
    if (bach.wanted) bach.tune();
  },

  // ---- keeping, sharing, testing

  keep() { bach.request({ what: "keep" }); },

  kept({ link, length }) {
    for (const kind of ["mid", "musicxml", "mp3", "wav"]) $(`keep-${kind}`).href = bach.url(`${link}/bach.${kind}`);
    $("kept").textContent = t("kept", { length });
    $("downloads").hidden = false;
  },

  share() { handOut(bach.url(bach.links.share, BACH.dns || location.hostname), (text) => { $("shared").textContent = text; }); },

  async ping() {
    const begun = performance.now();
    try {
      const answer = await fetch(bach.url("/ping"), { cache: "no-store" });
      const { ping } = await answer.json();
      $("tested").textContent = t("answered", { ping, ms: Math.round(performance.now() - begun) });
    } catch { $("tested").textContent = t("no_answer"); }
  },

  scale() { // in the same audio element, so that the test says something of it
    bach.stop();
    bach.mute(false);
    const audio = $("audio");
    bach.testing = performance.now();
    $("tested").textContent = t("scale_begins");
    audio.src = bach.url(`${bach.links.scale}/scale.${bach.kind}`);
    audio.play().catch(() => { $("tested").textContent = t("scale_failed"); });
  },

  // ---- news

  async locked() { // who has been logged out meanwhile, elsewhere or by a new password, gets the form
    try {
      const answer = await fetch("login", { method: "HEAD", redirect: "manual", headers: { Accept: "text/html" } });
      if (answer.headers.has("X-Login-Ended")) location.reload();
    } catch { /* nobody answers */ }
  },

  news(news) {
    bach.told = performance.now();
    if (bach.cut && bach.start !== null && news.start !== bach.start) { // the server was restarted
      bach.lost = true;
      bach.tune();
    }
    bach.cut = false;
    bach.start = news.start;
    bach.composed = news.composed;
    for (const [number, onset, seconds, pitches, likely, chosen, corpus, voices, key, cadence] of news.notes) {
      if (!bach.notes.some((n) => n.number === number)) bach.notes.push({ number, onset, seconds, pitches, likely, chosen, corpus, voices, key, cadence });
    }
    if (news.resting) bach.notes = [];
    bach.notes = bach.notes.slice(-160);
    if (news.links) bach.links = news.links;
    if (news.links && $("quiz")) $("quiz").href = bach.url(news.links.quiz);
    if (news.figures) bach.figures(news.figures);
    if (news.piece) bach.showPiece(news.piece);
    if (news.settings && (!bach.asked || news.heard === String(bach.asked))) { // else they are older than what was asked for
      bach.settle(news.settings);
      bach.settled(news.settings, news.fresh);
      $("copied").textContent = news.copied;
    }
    bach.trouble = news.corpus ? t("corpus_plays", { trouble: news.trouble }) : news.trouble;
    bach.look();
  },

  settle(settings) {
    bach.settings = settings;
    for (const [name, value] of Object.entries(settings)) {
      if (bach.held === name || document.activeElement === $(name) && $(name).type !== "range") continue;
      $(name).value = value;
      bach.show(name, value, false);
    }
    bach.showKey(settings);
    const model = $("model").selectedOptions[0];
    $("score").textContent = model ? model.dataset.score : "";
    const marks = model ? model.dataset : {};
    $("voices").hidden = !marks.voices;
    $("program").closest("label").hidden = Boolean(marks.ownInstruments);
    $("key").closest("label").hidden = Boolean(marks.unpitched);
  },

  figures(figures) {
    const s = figures.uptime;
    const time = s < 3600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
    for (const [name, value] of Object.entries({ ...figures, uptime: time })) {
      const place = $(`figure-${name}`);
      if (place) place.textContent = value;
    }
  },

  look() { // the button, the pill and the lock screen
    bach.announce();
    const on = bach.wanted || Boolean(bach.piece);
    const sounding = on && !$("audio").paused && $("audio").currentTime > 0;
    $("play").classList.toggle("on", on);
    $("play").classList.toggle("waiting", on && !sounding);
    $("play").setAttribute("aria-label", on ? t("stop") : t("play"));
    const state = $("state");
    const gone = bach.told && performance.now() - bach.told > SILENT;
    if (gone || bach.lost) {
      state.textContent = t("trying_again");
      state.className = "pill bad";
      return;
    }
    state.textContent = bach.trouble ? bach.trouble : bach.piece ? t("playing_kept") : sounding ? t("composing") : bach.wanted ? t("tuning_in") : t("ready");
    state.className = `pill ${bach.trouble ? "bad" : sounding ? "on" : ""}`;
  },

  // ---- drawing

  draw() {
    requestAnimationFrame(bach.draw);
    const heard = bach.heard();
    bach.roll.draw(bach.piece || bach.notes, heard);
    const now = heard === null || bach.piece ? null : bach.notes.findLast((n) => n.onset <= heard);
    const next = now && bach.notes.find((n) => n.number === now.number + 1);
    if (!now && bach.shown !== 0) { bach.shown = 0; bach.tell(null); }
    if (now && next && bach.shown !== next.number) { bach.shown = next.number; bach.tell(now, next); }
  },

  tell(now, next) {
    const quiet = now && (now.corpus || ["hold", "silence"].includes(now.chosen[0]));
    const words = now ? quiet ? now.pitches.map(bach.spell).join(" ") || t("rest") : bach.symbol(now.chosen[0]) : t("unheard");
    $("chord").textContent = words;
    $("chance").textContent = now ? now.corpus ? t("from_corpus") : t("drawn_at", { percent: bach.percent(now.chosen[1]) }) : "";
    bach.harmony(now);
    bach.bars(next && !next.corpus ? next.likely : []);
  },

  harmony(now) { // the key of the piece, and the chord on which its last phrase ended
    const { key } = now || {}, tonic = key ? key.replace("m", "").replace("#", "♯").replace("b", "♭") : "";
    const ended = key && bach.notes.findLast((n) => n.onset <= now.onset && n.cadence && n.key === key);
    const words = key ? [t("key_name", { tonic, mode: t(key.endsWith("m") ? "minor" : "major") }), ended ? ended.cadence : ""] : [];
    $("harmony").textContent = words.filter(Boolean).join(" · ");
    $("legend").hidden = !now || !now.voices.length;
  },

  spell(pitch) {
    return ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"][pitch % 12] + (Math.floor(pitch / 12) - 1);
  },

  symbol(name) {
    const named = { R: t("rest"), silence: t("rest"), hold: t("hold") };
    return named[name] || SHARP(name.split("$")[0]).replace(/^R$/, t("rest"));
  },

  percent(p) { return t("percent", { value: digits(100 * p, p >= 0.0995 ? 0 : 1) }); },

  bars(likely) {
    const list = $("bars");
    if (!likely.length) {
      const empty = document.createElement("li");
      empty.className = "none";
      empty.textContent = t("next_none");
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
      row.children[1].textContent = bach.symbol(name);
      row.children[2].textContent = p ? bach.percent(p) : "";
      row.classList.toggle("here", i === 0);
    });
  },
};

document.addEventListener("DOMContentLoaded", () => {
  const audio = $("audio");
  if (!audio) return;
  for (const event of ["playing", "pause", "waiting", "timeupdate"]) audio.addEventListener(event, bach.look);
  audio.addEventListener("error", bach.failed);
  audio.addEventListener("ended", () => {
    if (bach.piece) bach.stop();
    else if (bach.testing) { bach.testing = null; $("tested").textContent = t("scale_ended"); } else bach.failed();
  });
  for (const voice of ["alto", "tenor", "bass"]) {
    $(voice).append(new Option(t("as_first"), "0"), ...[...$("program").children].map((x) => x.cloneNode(true)));
    $(voice).value = "0";
  }
  bach.roll = new Roll($("roll"));
  [...$("legend").children].forEach((name, voice) => name.style.setProperty("--voice", BACH.voices[voice]));
  bach.tell(null);
  bach.draw();
  setInterval(bach.alive, 1000);
  setInterval(() => bach.request({ what: "here" }), 20000); // the server forgets pages that are silent
  const again = remi._renewConnection.bind(remi);
  remi._renewConnection = () => { // REMI would try without a pause, and load the page anew after three times
    remi._failedConnections = 0;
    bach.cut = true;
    bach.locked();
    if (!bach.told) sessionStorage.bach = BACH.session; // another tab has the one we asked for
    setTimeout(again, 1000);
  };
});
