// What is played on: keys and pads under several fingers, the computer's keys, Web MIDI.

const WHITE = [0, 2, 4, 5, 7, 9, 11], NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];
const LETTERS = ["KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP"];
const PADS = [["bass", 36], ["snare", 38], ["clap", 39], ["tom", 45], ["hihat", 42], ["open", 46], ["crash", 49], ["ride", 51]];
const LOWEST = 24, HIGHEST = 96, WIDE_KEY = 36; // pitches; pixels of a white key at least
const TYPED = 88; // velocity of computer keys

class Keys {
  constructor(press, release) { // press(drum, pitch, velocity, when), release(drum, pitch)
    Object.assign(this, { press, release, first: 60, fingers: new Map(), held: new Map() });
    this.build();
    this.pads();
    new ResizeObserver(() => this.build()).observe($("keys"));
    for (const area of [$("keys"), $("pads")]) {
      area.addEventListener("pointerdown", (e) => this.down(e));
      area.addEventListener("pointermove", (e) => this.move(e));
      area.addEventListener("contextmenu", (e) => e.preventDefault());
    }
    for (const kind of ["pointerup", "pointercancel"]) addEventListener(kind, (e) => this.up(e.pointerId));
    addEventListener("keydown", (e) => this.typed(e));
    addEventListener("keyup", (e) => this.up(e.code));
    addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => document.hidden && this.letGo());
    $("lower").onclick = () => this.shift(-12);
    $("higher").onclick = () => this.shift(12);
    if (navigator.requestMIDIAccess && isSecureContext) {
      $("midi").hidden = false;
      $("midi").onclick = () => this.midi();
    }
  }

  build() {
    const count = Math.max(8, Math.min(24, Math.floor($("keys").clientWidth / WIDE_KEY)));
    if (this.shown === `${count} ${this.first}`) return;
    this.letGo();
    this.shown = `${count} ${this.first}`;
    const keys = [];
    for (let white = 0; white < count; white++) {
      const pitch = this.first + 12 * Math.floor(white / 7) + WHITE[white % 7];
      keys.push(this.key(pitch, "key"));
      if ([1, 3, 6, 8, 10].includes((pitch + 1) % 12) && white < count - 1) {
        const black = this.key(pitch + 1, "key black");
        black.style.left = `${(white + 0.68) / count * 100}%`;
        black.style.width = `${0.64 / count * 100}%`;
        keys.push(black);
      }
    }
    $("keys").replaceChildren(...keys);
  }

  key(pitch, css) {
    const key = document.createElement("button"), name = `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
    Object.assign(key, { type: "button", className: css, tabIndex: -1, textContent: pitch % 12 ? "" : name });
    key.setAttribute("aria-label", name);
    key.dataset.pitch = pitch;
    return key;
  }

  pads() {
    $("pads").replaceChildren(...PADS.map(([name, pitch]) => {
      const pad = document.createElement("button");
      Object.assign(pad, { type: "button", className: "pad", textContent: t(`duet_pad_${name}`) });
      Object.assign(pad.dataset, { pitch, drum: 1 });
      return pad;
    }));
  }

  shift(by) {
    this.first = Math.min(Math.max(this.first + by, LOWEST), HIGHEST - 12);
    this.build();
  }

  // ---- fingers: each has the key that it holds

  down(e) {
    const key = e.target.closest("[data-pitch]");
    if (!key) return;
    e.preventDefault();
    if (e.target.hasPointerCapture(e.pointerId)) e.target.releasePointerCapture(e.pointerId); // so that it may slide
    this.begin(e.pointerId, key, this.velocity(e, key), e.timeStamp);
  }

  move(e) { // a finger that slides plays the keys on its way
    const finger = this.fingers.get(e.pointerId);
    if (!finger || finger.drum) return;
    const key = document.elementFromPoint(e.clientX, e.clientY)?.closest("#keys [data-pitch]");
    if (key && Number(key.dataset.pitch) !== finger.pitch) {
      this.up(e.pointerId);
      this.begin(e.pointerId, key, this.velocity(e, key), e.timeStamp);
    }
  }

  velocity(e, key) { // louder further down on the key, and under a broad finger
    const box = key.getBoundingClientRect(), place = Math.min(Math.max((e.clientY - box.top) / box.height, 0), 1);
    const size = e.pointerType === "touch" ? Math.min(Math.max(e.width, e.height) / 60, 1) : 0;
    return Math.round(Math.min(45 + 70 * place + 12 * size, 127));
  }

  begin(id, key, velocity, when) {
    const pitch = Number(key.dataset.pitch), drum = !!key.dataset.drum;
    this.up(id);
    this.fingers.set(id, { drum, pitch });
    this.hold(drum, pitch, velocity, when);
  }

  up(id) {
    const finger = this.fingers.get(id);
    if (!finger) return;
    this.fingers.delete(id);
    this.drop(finger.drum, finger.pitch);
  }

  letGo() {
    for (const id of [...this.fingers.keys()]) this.up(id);
  }

  hold(drum, pitch, velocity, when) { // two fingers on one key are one note
    const key = `${drum}/${pitch}`;
    this.held.set(key, (this.held.get(key) || 0) + 1);
    this.light(drum, pitch, true);
    this.press(drum, pitch, velocity, when);
  }

  drop(drum, pitch) {
    const key = `${drum}/${pitch}`, left = (this.held.get(key) || 0) - 1;
    if (left > 0) { this.held.set(key, left); return; }
    this.held.delete(key);
    this.light(drum, pitch, false);
    this.release(drum, pitch);
  }

  light(drum, pitch, on) {
    document.querySelector(`#${drum ? "pads" : "keys"} [data-pitch="${pitch}"]`)?.classList.toggle("down", on);
  }

  typed(e) {
    if (e.repeat || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select")) return;
    if (e.target.dataset?.drum && /^(Enter|Space)$/.test(e.code)) this.begin(e.code, e.target, TYPED, e.timeStamp);
    if (e.code === "KeyZ") this.shift(-12);
    if (e.code === "KeyX") this.shift(12);
    const at = LETTERS.indexOf(e.code);
    if (at < 0 || this.fingers.has(e.code)) return;
    this.fingers.set(e.code, { drum: false, pitch: this.first + at });
    this.hold(false, this.first + at, TYPED, e.timeStamp);
  }

  // ---- Web MIDI

  async midi() {
    try {
      const access = await navigator.requestMIDIAccess(), listen = () => access.inputs.forEach((i) => { i.onmidimessage = (e) => this.heard(e); });
      access.onstatechange = (e) => { listen(); if (e.port.state === "disconnected") this.letGo(); };
      listen();
      $("midi").textContent = t("duet_midi_on", { count: access.inputs.size });
    } catch { $("midi").textContent = t("duet_midi_refused"); }
  }

  heard({ data: [status, number, value], timeStamp }) {
    const kind = status & 0xf0, drum = (status & 0x0f) === 9, id = `midi ${status & 0x0f} ${number}`;
    if (kind === 0x90 && value) {
      this.up(id);
      this.fingers.set(id, { drum, pitch: number });
      this.hold(drum, number, value, timeStamp);
    } else if (kind === 0x80 || kind === 0x90) this.up(id);
    else if (kind === 0xb0 && number < 120) this.onknob?.(number, value);
  }
}
