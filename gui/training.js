// Teaching a network one's own music: files go up, a table comes back, a curve grows, every epoch can be heard.

bach.learning = {
  told: null, table: null, sending: false, heard: 0, problems: [],

  say(text, bad = false) {
    $("trained").textContent = text;
    $("trained").classList.toggle("bad", bad);
  },

  get type() { return $("train-type").value; },

  // ---- files

  async took(files) { // chosen or dropped: sent one after the other
    const own = bach.learning, chosen = [...files], problems = own.problems = [];
    if (!chosen.length || own.sending) return;
    if (!bach.links.upload) return own.say(t("not_connected"), true);
    own.sending = true;
    let sent = 0;
    for (const file of chosen) {
      own.say(t("train_sending", { number: sent + problems.length + 1, all: chosen.length }));
      const problem = await own.send(file);
      if (problem) problems.push(problem); else sent++;
    }
    own.sending = false;
    $("train-files").value = "";
    own.settle(t("train_sent", { sent, all: chosen.length }));
    if (sent) own.read();
  },

  settle(text) { // with what could not be sent
    const { problems } = bach.learning;
    bach.learning.say([text, ...problems.slice(0, 3)].join(" "), problems.length > 0);
  },

  async send(file) { // returns what is wrong, or nothing
    const { score, zip } = $("train-files").dataset, most = Number(/\.zip$/i.test(file.name) ? zip : score);
    if (file.size > most) return t("train_large", { name: file.name, mb: Math.round(most / (1 << 20)) });
    try {
      const query = new URLSearchParams({ name: file.name });
      const answer = await fetch(bach.url(`${bach.links.upload}?${query}`), { method: "POST", headers: { "Content-Type": "application/octet-stream", "Accept-Language": BACH.language }, body: file });
      return answer.ok ? "" : (await answer.text()).trim();
    } catch { return t("no_answer"); }
  },

  read() { bach.request({ what: "train-read", model_type: bach.learning.type, base: $("train-base").value }); },

  remove() {
    if (!confirm(t("train_remove_really"))) return;
    bach.request({ what: "train-remove" });
    bach.learning.problems = [];
    bach.learning.say("");
  },

  // ---- wishes

  chosen() {
    const from = Boolean($("train-base").value);
    $("train-type").closest("label").hidden = from; // it is that of the model
    bach.learning.read();
    bach.learning.look();
  },

  start() {
    bach.request({ what: "train-start", app: $("train-app").value.trim(), model_type: bach.learning.type, base: $("train-base").value });
  },

  stop() { bach.request({ what: "train-stop" }); },

  resume() { bach.request({ what: "train-resume" }); },

  play() { // the new model, on the station
    const { model } = bach.learning.told.training;
    $("model").value = model;
    bach.update("model", model);
    if (bach.piece) bach.stop();
    if (!bach.wanted) bach.play();
  },

  hear({ epoch, link }) {
    bach.melody.play({ links: { mp3: `${link}/sample.mp3` } });
    bach.learning.heard = epoch;
    bach.learning.samples();
  },

  // ---- what is shown

  look() {
    const { told, table, sending } = bach.learning, { training } = told;
    const running = Boolean(training?.running), ready = !told.reading && Boolean(table?.pieces);
    $("train-wishes").hidden = running;
    $("train-drop").hidden = running;
    $("train-remove").disabled = !told.files || sending;
    $("train-start").disabled = sending || told.busy || !ready;
    $("train-progress").hidden = !training;
    if (training) bach.learning.progress(training);
    if (told.busy) bach.learning.say(t("train_busy"));
  },

  progress(training) {
    const { app, phase, running, stopping, history, batch, batches, epochs, left, samples } = training;
    const epoch = Math.min(history.length + (phase === "learning" ? 1 : 0), epochs);
    $("train-what").textContent = t("train_what", { app });
    const phases = { reading: t("train_reading"), starting: t("train_starting"), learning: t("train_learning", { epoch, epochs }), finishing: t("train_finishing") };
    const now = stopping ? t("train_stopping") : phases[phase];
    const ended = training.told || (training.model && phase === "done" ? t("train_done", { epochs: history.length }) : t("train_stopped"));
    bach.learning.text("train-phase", running ? now : ended);
    $("train-phase").classList.toggle("bad", !running && Boolean(training.told));
    $("train-bar").hidden = !running;
    const share = epochs ? (history.length + (phase === "learning" && batches && batch < batches ? batch / batches : 0)) / epochs : 0;
    if (phase === "learning") $("train-bar").value = share; else $("train-bar").removeAttribute("value");
    $("train-left").hidden = !running || phase !== "learning";
    bach.learning.text("train-left", left === null ? t("train_left_soon") : left < 60 ? t("train_left_seconds") : t("train_left", { minutes: Math.round(left / 60) }));
    for (const name of ["curve", "curve-hint", "train-samples"]) $(name).hidden = !history.length;
    $("train-stop").hidden = !running;
    $("train-stop").disabled = stopping || phase === "finishing";
    $("train-resume").hidden = running;
    $("train-resume").disabled = bach.learning.told.busy;
    $("train-play").hidden = running || ![...$("model").options].some((o) => o.value === training.model);
    bach.learning.draw();
    if (samples.length !== $("train-samples").children.length) bach.learning.samples();
  },

  text(name, text) { // screen readers are told what is new only
    if ($(name).textContent !== text) $(name).textContent = text;
  },

  samples() {
    const { samples, history } = bach.learning.told.training, list = $("train-samples");
    list.replaceChildren(...samples.map((sample) => {
      const row = document.createElement("li"), b = document.createElement("button"), nats = document.createElement("small");
      Object.assign(b, { type: "button", className: "button", onclick: () => bach.learning.hear(sample) });
      b.textContent = t("train_epoch", { epoch: sample.epoch });
      b.setAttribute("aria-pressed", String(sample.epoch === bach.learning.heard));
      const valid = history.find((e) => e.epoch === sample.epoch)?.valid;
      nats.textContent = valid == null ? "" : t("train_nats", { nats: digits(valid, 2) });
      b.append(nats);
      row.append(b);
      return row;
    }));
    list.scrollLeft = list.scrollWidth; // the latest
  },

  draw() { // nats by epoch: in training, on held-out pieces, and of what learns nothing
    const { history, epochs, baseline } = bach.learning.told.training, canvas = $("curve");
    const wide = canvas.clientWidth, high = canvas.clientHeight, dense = Math.min(devicePixelRatio || 1, 3);
    if (!wide || !history.length) return;
    canvas.width = Math.round(wide * dense);
    canvas.height = Math.round(high * dense);
    const g = canvas.getContext("2d"), css = getComputedStyle(canvas), soft = css.borderBottomColor;
    g.setTransform(dense, 0, 0, dense, 0, 0);
    const known = history.flatMap((e) => [e.train, e.valid]).concat(baseline).filter((x) => x !== null);
    const most = Math.max(...known, 0.1) * 1.08, last = history.at(-1);
    const x = (epoch) => 8 + (wide - 16) * (epoch - 1) / Math.max(Math.max(epochs, last.epoch) - 1, 1), y = (nats) => high - 8 - (high - 16) * nats / most;
    const line = (points, colour, dashes = []) => {
      g.strokeStyle = g.fillStyle = colour;
      g.lineWidth = 2;
      g.setLineDash(dashes);
      g.beginPath();
      for (const [a, b] of points) g.lineTo(x(a), y(b));
      g.stroke();
      if (!dashes.length) for (const [a, b] of points) { g.beginPath(); g.arc(x(a), y(b), 3, 0, 7); g.fill(); }
    };
    if (baseline !== null) line([[1, baseline], [Math.max(epochs, last.epoch, 2), baseline]], soft, [5, 4]);
    line(history.filter((e) => e.train !== null).map((e) => [e.epoch, e.train]), soft);
    line(history.filter((e) => e.valid !== null).map((e) => [e.epoch, e.valid]), css.color);
    const nats = (n) => n === null ? "?" : digits(n, 2), write = (text, value) => g.fillText(text, 12, Math.max(y(value) - 6, 12));
    g.font = `12px ${css.fontFamily}`;
    g.fillStyle = soft;
    if (baseline !== null) write(nats(baseline), baseline);
    canvas.setAttribute("aria-label", t("curve_label", { epoch: last.epoch, valid: nats(last.valid), train: nats(last.train), baseline: nats(baseline) }));
  },

  rows(table) { // what was read of each file, or why it was not
    const list = $("train-table");
    list.hidden = !table;
    if (!table) return;
    const { refused, lines: all } = table, lines = refused ? [refused] : [...all.slice(-1), ...all.slice(0, -1)]; // the sum first
    list.replaceChildren(...lines.map((line) => {
      const row = document.createElement("li"), [name, ...rest] = line.trim().split(/\s{2,}/);
      const first = rest.length ? document.createElement("b") : document.createElement("span");
      first.textContent = name;
      row.append(first, rest.length ? ` ${rest.join(" ")}` : "");
      return row;
    }));
  },
};

bach.training = (told) => { // how far it is
  if (!$("train-drop")) return;
  const before = bach.learning.told;
  bach.learning.told = told;
  if (!before && told.files && !bach.learning.table) bach.learning.read();
  if (told.reading && !before?.reading) bach.learning.say(t("train_reading"));
  if (before?.reading && !told.reading) bach.learning.settle(t("train_files_there", { files: told.files }));
  bach.learning.look();
};

bach.table = (table) => {
  if (!$("train-drop")) return;
  bach.learning.table = table;
  bach.learning.rows(table);
  if (bach.learning.told) bach.learning.look();
};

bach.trained = (text) => { // what a request came to
  bach.learning.say(text, Boolean(text));
};

bach.models = (rows) => { // there is a new one
  const list = $("model"), chosen = list.value;
  list.replaceChildren(...rows.map(([value, text, data]) => {
    const option = new Option(text, value);
    for (const [name, value] of Object.entries(data)) option.setAttribute(`data-${name.replaceAll("_", "-")}`, value);
    return option;
  }));
  list.value = chosen;
  if (bach.learning.told?.training) bach.learning.look();
};

document.addEventListener("DOMContentLoaded", () => {
  const place = $("train-drop");
  if (!place) return;
  for (const event of ["dragenter", "dragover", "dragleave", "drop"]) {
    place.addEventListener(event, (e) => {
      e.preventDefault();
      place.classList.toggle("over", event === "dragenter" || event === "dragover");
      if (event === "drop") bach.learning.took(e.dataTransfer.files);
    });
  }
  addEventListener("resize", () => { if (bach.learning.told?.training) bach.learning.draw(); });
});
