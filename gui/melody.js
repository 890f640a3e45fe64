// Somebody's own tune: tapped in or taken from a file, sent to a model; and the list of what was kept.

const MOST_QUARTERS = 64, MOST_NOTES = 256, LARGEST_FILE = 1 << 20; // as the server has it
const KINDS = { mid: "audio/midi", midi: "audio/midi", mxl: "application/vnd.recordare.musicxml", musicxml: "application/vnd.recordare.musicxml+xml", xml: "application/vnd.recordare.musicxml+xml" };
const FOLLOW_AGAIN = 3000; // milliseconds after a finger has moved the score

bach.melody = {
  notes: [], quarters: 1, sound: null, playing: null, shown: null, touched: 0, rows: [],

  get length() { return bach.melody.notes.reduce((sum, [, quarters]) => sum + quarters, 0); },

  // ---- writing

  tap(pitch) {
    bach.melody.beep(pitch);
    bach.melody.add(pitch);
  },

  rest() { bach.melody.add(null); },

  add(pitch) {
    const { notes, quarters, length } = bach.melody;
    if (!notes.length) bach.request({ what: "tune" }); // the server may make itself ready
    if (length + quarters > MOST_QUARTERS || notes.length >= MOST_NOTES) return bach.melody.say(t("tune_full"), true);
    $("tune-file").value = "";
    notes.push([pitch, quarters]);
    bach.melody.changed();
  },

  undo() { bach.melody.notes.pop(); bach.melody.changed(); },

  clear() { bach.melody.notes.length = 0; $("tune-file").value = ""; bach.melody.changed(); },

  long(quarters) {
    bach.melody.quarters = quarters;
    for (const b of document.querySelectorAll("[data-quarters]")) b.setAttribute("aria-pressed", String(Number(b.dataset.quarters) === quarters));
  },

  changed() {
    const { notes, length } = bach.melody;
    const last = notes.at(-1);
    const name = last ? bach.melody.name(last[0]) : t("nothing_yet");
    $("draft").setAttribute("aria-label", t("tune_label", { notes: notes.map(([p]) => bach.melody.name(p)).join(" ") || t("nothing_yet") }));
    bach.melody.say(last ? t("tune_far", { name, length, most: MOST_QUARTERS }) : name);
    bach.melody.draw();
  },

  name(pitch) { return pitch === null ? t("rest") : bach.spell(pitch); },

  say(text, bad = false) {
    $("tuned").textContent = text;
    $("tuned").classList.toggle("bad", bad);
  },

  beep(pitch) { // at once, in the browser
    const own = bach.melody;
    own.sound ||= new (window.AudioContext || window.webkitAudioContext)();
    own.sound.resume();
    const now = own.sound.currentTime, seconds = own.quarters * 60 / (bach.settings.bpm || 90);
    const wave = own.sound.createOscillator(), loud = own.sound.createGain();
    wave.type = "triangle";
    wave.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    loud.gain.setValueAtTime(0, now);
    loud.gain.linearRampToValueAtTime(0.25, now + 0.01);
    loud.gain.exponentialRampToValueAtTime(0.001, now + Math.max(seconds, 0.2));
    wave.connect(loud).connect(own.sound.destination);
    wave.start(now);
    wave.stop(now + Math.max(seconds, 0.2));
  },

  draw() {
    const canvas = $("draft"), wide = canvas.clientWidth, high = canvas.clientHeight, dense = Math.min(devicePixelRatio || 1, 3);
    canvas.width = Math.round(wide * dense);
    canvas.height = Math.round(high * dense);
    const g = canvas.getContext("2d"), style = getComputedStyle(canvas);
    g.setTransform(dense, 0, 0, dense, 0, 0);
    const { notes, length } = bach.melody, scale = wide / Math.max(16, Math.ceil(length / 4) * 4);
    g.fillStyle = style.borderTopColor;
    for (let bar = 4; bar * scale < wide; bar += 4) g.fillRect(bar * scale, 0, 1, high);
    g.fillStyle = style.color;
    let now = 0;
    for (const [pitch, quarters] of notes) {
      if (pitch !== null) g.fillRect(now * scale + 1, high - 6 - (pitch - 59) * (high - 10) / 26, Math.max(quarters * scale - 2, 2), 5);
      now += quarters;
    }
  },

  // ---- sending

  took() { // a file was chosen
    const [file] = $("tune-file").files;
    if (!file) return;
    bach.request({ what: "tune" });
    if (file.size > LARGEST_FILE) {
      $("tune-file").value = "";
      return bach.melody.say(t("tune_large"), true);
    }
    bach.melody.say(t("tune_ready", { name: file.name }));
  },

  asked(way) { // the address and the request
    const [file] = $("tune-file").files, { model, program, bpm } = bach.settings;
    const voices = [...$("model").options].some((o) => o.value === model && o.dataset.voices);
    const told = { way, program, model: way === "continue" || voices ? model : "" };
    if (!file) return ["", "application/json", JSON.stringify({ ...told, bpm, notes: bach.melody.notes })];
    const title = file.name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, " ").slice(0, 80);
    return [`?${new URLSearchParams({ ...told, title })}`, KINDS[file.name.split(".").pop().toLowerCase()] || "application/octet-stream", file];
  },

  async send(way) {
    const own = bach.melody, buttons = [$("harmonise"), $("go-on")];
    if (!own.notes.some(([pitch]) => pitch !== null) && !$("tune-file").files.length) return own.say(t("tune_empty"), true);
    if (!bach.links.tunes) return own.say(t("not_connected"), true);
    const [query, type, body] = own.asked(way);
    for (const b of buttons) b.disabled = true;
    own.say(t("tune_composing"));
    try {
      const answer = await fetch(bach.url(bach.links.tunes + query), { method: "POST", headers: { "Content-Type": type }, body });
      if (!answer.ok) return own.say((await answer.text()).trim(), true);
      const made = await answer.json();
      own.say(t("tune_done"));
      bach.request({ what: "recordings" });
      own.play(made, made.events);
    } catch {
      own.say(t("no_answer"), true);
    } finally {
      for (const b of buttons) b.disabled = false;
    }
  },

  play(row, events = []) { // in the element of the station, which a touch has allowed to sound
    const audio = $("audio");
    bach.stop();
    bach.melody.playing = row;
    bach.piece = events.map(([onset, seconds, pitches, voices, cadence], number) => ({ number, onset, seconds, pitches, voices, cadence }));
    audio.src = bach.url(row.links.mp3);
    audio.play().catch((error) => {
      if (error.name === "AbortError") return;
      bach.stop();
      bach.melody.say(error.name === "NotAllowedError" ? t("tune_listen") : t("scale_failed"));
    });
    bach.look();
  },

  // ---- what was kept

  model(name) {
    return [...$("model").options].find((o) => o.value === name)?.text || name;
  },

  row(kept) {
    const row = document.createElement("li"), more = document.createElement("details"), head = document.createElement("summary");
    const title = document.createElement("b"), told = document.createElement("span");
    title.textContent = kept.title;
    const s = Math.round(kept.seconds), when = new Date(1000 * kept.made).toLocaleString(BACH.language, { dateStyle: "medium", timeStyle: "short" });
    told.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")} · ${bach.melody.model(kept.model)} · ${when}`;
    head.append(title, told);
    const name = document.createElement("input");
    Object.assign(name, { type: "text", value: kept.title, maxLength: Number($("kept-list").dataset.longest), onchange: () => bach.request({ what: "rename", name: kept.name, title: name.value }) });
    name.setAttribute("aria-label", t("title_of", { title: kept.title }));
    more.append(head, bach.melody.buttons(kept), bach.melody.files(kept), name);
    more.open = bach.melody.rows.some((r) => r.name === kept.name && r.open);
    more.ontoggle = () => { kept.open = more.open; };
    kept.open = more.open;
    row.append(more);
    return row;
  },

  buttons(kept) {
    const place = document.createElement("div");
    place.className = "lengths";
    const add = (text, action) => {
      const b = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: text, onclick: action });
      place.append(b);
    };
    add(t("listen"), () => bach.melody.play(kept));
    if ($("kept-list").dataset.score === "yes") add(t("score"), () => bach.melody.score(kept));
    add(t("delete"), () => { if (confirm(t("delete_really", { title: kept.title }))) bach.request({ what: "delete", name: kept.name }); });
    return place;
  },

  files(kept) {
    const place = document.createElement("div");
    place.className = "chips";
    for (const [kind, text] of Object.entries({ mid: "MIDI", musicxml: "MusicXML", mp3: "MP3", wav: "WAV" })) {
      const link = Object.assign(document.createElement("a"), { className: "chip", textContent: text, href: bach.url(kept.links[kind]), download: "" });
      place.append(link);
    }
    return place;
  },

  score(kept) {
    const view = $("score-view"), picture = $("score-picture");
    bach.melody.shown = kept;
    view.hidden = false;
    view.scrollLeft = 0;
    picture.alt = t("score_coming");
    picture.onload = () => { picture.alt = t("score_of", { title: kept.title }); };
    picture.onerror = () => { picture.alt = t("score_failed"); };
    picture.src = bach.url(kept.links.svg);
    view.scrollIntoView({ block: "nearest" });
  },

  follow() { // the score moves as the music does, unless a finger has moved it just now
    requestAnimationFrame(bach.melody.follow);
    const { playing, shown, touched } = bach.melody, audio = $("audio");
    if (!bach.piece || !shown || playing?.name !== shown.name || performance.now() - touched < FOLLOW_AGAIN) return;
    const view = $("score-view"), total = Number.isFinite(audio.duration) ? audio.duration : shown.seconds;
    view.scrollLeft = view.scrollWidth * audio.currentTime / total - view.clientWidth / 2;
  },
};

bach.recordings = (rows) => {
  const list = $("kept-list");
  if (list.contains(document.activeElement) && document.activeElement.tagName === "INPUT") document.activeElement.blur();
  list.replaceChildren(...rows.map(bach.melody.row));
  bach.melody.rows = rows;
  $("kept-none").hidden = rows.length > 0;
  if (bach.melody.shown && !rows.some((r) => r.name === bach.melody.shown.name)) { bach.melody.shown = null; $("score-view").hidden = true; }
};

document.addEventListener("DOMContentLoaded", () => {
  if (!$("draft")) return;
  $("tune").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.target.type === "file") return;
    const key = event.key.length === 1 && document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
    if (key) { event.preventDefault(); bach.melody.tap(Number(key.dataset.pitch)); }
    else if (event.key === "Backspace") bach.melody.undo();
  });
  for (const event of ["pointerdown", "wheel", "keydown"]) $("score-view").addEventListener(event, () => { bach.melody.touched = performance.now(); }, { passive: true });
  bach.melody.draw();
  bach.melody.follow();
  addEventListener("resize", bach.melody.draw);
});
