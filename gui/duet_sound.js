// The sound of the page: notes of instruments, sounded at once or at a time to come.

const DRUMS = 0, RELEASE = 0.09, QUIET = 0.004; // the program of percussion; seconds; amplitude that counts as silence
const LISTENED = 400; // milliseconds for which a sound is waited for

class Sound {
  constructor() {
    this.samples = new Map(); // "program/pitch" -> AudioBuffer, or a promise of one
    this.voices = []; // what sounds or will: { owner, key, source, gain, from }
  }

  wake() { // browsers let a page sound once it was touched
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.analyser = this.context.createAnalyser();
      this.analyser.fftSize = 256;
      const limiter = this.context.createDynamicsCompressor();
      this.analyser.connect(limiter).connect(this.context.destination);
    }
    if (this.context.state === "suspended") this.context.resume();
  }

  load(program) { // the samples of an instrument, before they are needed
    const pitches = program === DRUMS ? [35, 36, 38, 39, 42, 44, 45, 46, 47, 48, 49, 50, 51] : BACH.pitches;
    this.wake();
    return Promise.all(pitches.map((pitch) => this.sample(program, pitch)));
  }

  sample(program, pitch) {
    const name = `${program}/${pitch}`;
    if (!this.samples.has(name)) {
      this.samples.set(name, fetch(`sample/${name}.wav`).then((r) => (r.ok ? r.arrayBuffer() : Promise.reject(r.status)))
        .then((data) => this.context.decodeAudioData(data)).then((buffer) => { this.samples.set(name, buffer); return buffer; })
        .catch(() => { setTimeout(() => this.samples.delete(name), 5000); return null; }));
    }
    return this.samples.get(name);
  }

  get latency() { return (this.context.baseLatency || 0) + (this.context.outputLatency || 0); } // seconds

  // at: milliseconds of performance.now(); returns when it sounds
  begin(owner, program, pitch, velocity, at) {
    if (!this.context) return at;
    const now = this.context.currentTime, when = Math.max(now, now + (at - performance.now()) / 1000);
    const near = program === DRUMS ? pitch : BACH.pitches.reduce((a, b) => (Math.abs(b - pitch) < Math.abs(a - pitch) ? b : a));
    const buffer = this.sample(program, near), gain = this.context.createGain();
    let source;
    if (buffer instanceof AudioBuffer) {
      source = this.context.createBufferSource();
      source.buffer = buffer;
      source.playbackRate.value = 2 ** ((pitch - near) / 12);
    } else { // not there yet: a plain tone is better than none
      source = this.context.createOscillator();
      source.frequency.value = 440 * 2 ** ((pitch - 69) / 12);
    }
    gain.gain.value = 0.5 * (velocity / 127) ** 1.5;
    source.connect(gain).connect(this.analyser);
    source.start(when);
    const voice = { owner, key: `${program === DRUMS}/${pitch}`, source, gain, from: when };
    if (!source.buffer) source.stop(when + 2);
    this.voices.push(voice);
    source.onended = () => { this.voices = this.voices.filter((v) => v !== voice); };
    return performance.now() + (when - now) * 1000;
  }

  end(owner, drum, pitch, at) {
    if (!this.context || drum) return; // percussion rings out
    const now = this.context.currentTime, when = Math.max(now, now + (at - performance.now()) / 1000);
    const voice = this.voices.find((v) => v.owner === owner && v.key === `false/${pitch}` && !v.ended && v.from <= when);
    if (voice) this.release(voice, when);
  }

  release(voice, when) {
    voice.ended = true;
    voice.gain.gain.setTargetAtTime(0, when, RELEASE / 3);
    voice.source.stop(when + RELEASE * 2);
  }

  silence(owner = null) { // all of somebody, also what was to come
    const now = this.context.currentTime;
    for (const voice of this.voices.filter((v) => owner === null || v.owner === owner)) {
      if (voice.from > now) voice.source.stop();
      else this.release(voice, now);
    }
  }

  get level() { // the loudest that is heard now
    if (!this.context) return 0;
    const data = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(data);
    return data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  }

  heard(since, tell) { // tells how many milliseconds after a moment a sound is measured
    const end = performance.now() + LISTENED, look = () => {
      if (this.level > QUIET) tell(performance.now() - since);
      else if (performance.now() < end) setTimeout(look, 1);
    };
    look();
  }
}
