// The waterfall: time runs downwards; above the beat line stands what is planned, below what was played.

const LINE = 0.55, COMING = 4, PAST = 5; // where the line stands; quarters above and below it
const COLOURS = { person: "#f2b66d", model: "#7fb8ff" };

class Waterfall {
  constructor(canvas) {
    this.canvas = canvas;
    this.notes = []; // { owner, model, drum, pitch, from, to } in beats; to null: it sounds
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  begin(owner, model, drum, pitch, from) {
    this.notes.push({ owner, model, drum, pitch, from, to: drum ? from + 0.2 : null });
    if (this.notes.length > 600) this.notes.splice(0, 200);
  }

  end(owner, drum, pitch, to) {
    const note = this.notes.find((n) => n.owner === owner && n.drum === drum && n.pitch === pitch && n.to === null && n.from <= to + 1e-6);
    if (note) note.to = to;
  }

  cancel(owner, since, now) { // what was planned does not come; what sounds then goes on, or ends now
    this.notes = this.notes.filter((n) => n.owner !== owner || n.from < since);
    for (const n of this.notes) if (n.owner === owner && !n.drum && n.to !== null && n.to >= since) n.to = null;
    if (now !== null) this.silence(owner, now);
  }

  silence(owner, now) {
    this.notes = this.notes.filter((n) => (owner !== null && n.owner !== owner) || n.from <= now);
    for (const n of this.notes) if (owner === null || n.owner === owner) if (n.to === null || n.to > now) n.to = now;
  }

  draw(beat, bar) {
    const { canvas } = this, wide = canvas.clientWidth, high = canvas.clientHeight, dense = Math.min(devicePixelRatio || 1, 3);
    if (canvas.width !== Math.round(wide * dense)) canvas.width = Math.round(wide * dense);
    if (canvas.height !== Math.round(high * dense)) canvas.height = Math.round(high * dense);
    const g = canvas.getContext("2d"), now = this.still.matches ? Math.floor(beat) : beat;
    g.setTransform(dense, 0, 0, dense, 0, 0);
    g.clearRect(0, 0, wide, high);
    const line = high * LINE, y = (b) => (b > now ? line - (b - now) * line / COMING : line + (now - b) * (high - line) / PAST);
    for (let b = Math.ceil(now - PAST); b <= now + COMING; b++) {
      g.fillStyle = b % bar === 0 ? "rgba(255,255,255,.22)" : "rgba(255,255,255,.07)";
      g.fillRect(0, y(b), wide, 1);
    }
    const seen = this.notes.filter((n) => n.from < now + COMING && (n.to ?? now) > now - PAST);
    const pitches = seen.map((n) => n.pitch), low = Math.min(48, ...pitches) - 2, most = Math.max(84, ...pitches) + 2;
    const step = wide / (most - low);
    for (const n of seen) this.note(g, n, beat, now, y, (n.pitch - low) * step, Math.max(step * 0.85, 4));
    g.fillStyle = "rgba(242,182,109,.8)"; // the beat line
    g.fillRect(0, line - 1, wide, 2);
  }

  note(g, n, beat, now, y, x, thick) {
    const top = y(n.to ?? Math.max(beat, n.from)), high = Math.max(y(n.from) - top, 3);
    const sounds = n.from <= beat && (n.to === null || n.to > beat);
    g.fillStyle = COLOURS[n.model ? "model" : "person"];
    g.globalAlpha = n.from > beat ? 0.45 : sounds ? 1 : 0.7;
    g.beginPath();
    g.roundRect(x, top, thick, high, 3);
    g.fill();
    g.globalAlpha = 1;
  }
}
