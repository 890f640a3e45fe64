// The piano roll. Notes are { number, onset, seconds, pitches, voices, cadence }, in seconds of the station;
// voices: the pitch of each of four voices, -1: silent, or []; cadence: the chord where a phrase ends, or "".

const GONE = 7, COMING = 1.6; // seconds of music left and right of the line where it is heard

class Roll {
  constructor(canvas) {
    this.canvas = canvas;
    this.lowest = 48;
    this.highest = 76;
    this.still = matchMedia("(prefers-reduced-motion: reduce)"); // the line moves over notes that stand
  }

  // heard: the second of the station that is heard now; null: none
  draw(notes, heard) {
    const { canvas } = this, wide = canvas.clientWidth, high = canvas.clientHeight, dense = Math.min(devicePixelRatio || 1, 3);
    const [w, h] = [Math.round(wide * dense), Math.round(high * dense)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const g = canvas.getContext("2d");
    g.setTransform(dense, 0, 0, dense, 0, 0);
    g.clearRect(0, 0, wide, high);
    const scale = wide / (GONE + COMING), now = heard ?? 0;
    const from = this.still.matches ? Math.floor(now / GONE) * GONE - COMING / 2 : now - GONE;
    const seen = heard === null ? [] : notes.filter((n) => n.onset < from + GONE + COMING && n.onset + n.seconds > from);
    this.fit(seen.flatMap((n) => n.pitches));
    const step = high / Math.max(this.highest - this.lowest, 20);
    const place = { x: (second) => (second - from) * scale, y: (pitch) => high - (pitch - this.lowest + 0.5) * step, thick: Math.min(Math.max(step * 0.8, 4), 11) };
    this.lines(g, wide, high, place, place.x(now));
    for (const note of seen) this.cadence(g, note, high, place);
    for (const note of seen) this.note(g, note, notes.find((n) => n.number === note.number - 1), heard, place);
  }

  fit(pitches) { // slowly, so that nothing jumps
    if (!pitches.length) return;
    this.lowest += (Math.min(...pitches) - 3 - this.lowest) * 0.06;
    this.highest += (Math.max(...pitches) + 3 - this.highest) * 0.06;
  }

  lines(g, wide, high, { y }, line) {
    g.strokeStyle = "rgba(255,255,255,.06)";
    g.fillStyle = "rgba(255,255,255,.25)";
    g.font = "10px system-ui, sans-serif";
    for (let c = 24; c < 108; c += 12) {
      if (c < this.lowest || c > this.highest) continue;
      g.beginPath(); g.moveTo(0, y(c)); g.lineTo(wide, y(c)); g.stroke();
      g.fillText(`C${c / 12 - 1}`, 6, y(c) - 3);
    }
    g.strokeStyle = "rgba(242,182,109,.35)";
    g.beginPath(); g.moveTo(line, 4); g.lineTo(line, high - 4); g.stroke();
  }

  cadence(g, { onset, cadence }, high, { x }) { // the chord under the end of a phrase
    if (!cadence) return;
    g.fillStyle = "rgba(246,241,231,.85)";
    g.font = "600 12px system-ui, sans-serif";
    g.fillText(cadence, x(onset), high - 5);
  }

  note(g, note, before, heard, { x, y, thick }) {
    const from = x(note.onset), long = x(note.onset + note.seconds) - from;
    const now = note.onset <= heard && heard < note.onset + note.seconds, past = note.onset + note.seconds <= heard;
    const fade = past ? Math.max(0.25, 1 - (heard - note.onset) / GONE * 0.8) : 1;
    const same = before && before.pitches.length === note.pitches.length && before.pitches.every((p, i) => p === note.pitches[i]);
    for (const pitch of note.pitches) {
      const own = BACH.voices[(note.voices || []).indexOf(pitch)]; // of two voices in unison the higher one
      const held = before && !same && before.pitches.includes(pitch);
      const gap = held ? 0 : 1, round = thick / 2.5;
      g.globalAlpha = now || past ? fade : own ? 0.45 : 0.28;
      g.fillStyle = own || (now ? "#ffd08a" : past ? "#e3a45c" : "#f6f1e7");
      if (now) { g.shadowColor = own || "rgba(255,190,110,.75)"; g.shadowBlur = 12; }
      g.beginPath();
      g.roundRect(from + gap, y(pitch) - thick / 2, Math.max(long - gap - 1, 2), thick, held ? [0, round, round, 0] : round);
      g.fill();
      g.shadowBlur = 0;
    }
    g.globalAlpha = 1;
  }
}
