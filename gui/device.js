// What the listener's device does: it remembers, wakes up, falls asleep, obeys keys and the lock screen.

const MEMORY = "play_bach"; // in localStorage
const FADE = 20000; // milliseconds in which the sleep timer lets the music fade
const SLEPT = 10000; // milliseconds without a tick, after which the device has slept
const BEHIND = 15; // seconds behind what is composed, after which the sound is begun anew, live

Object.assign(bach, {
  sleepAt: null, ticked: Date.now(), touched: false, announced: "",

  // ---- what is remembered, for a new page and a new session

  remembered() {
    try { return JSON.parse(localStorage.getItem(MEMORY)) || {}; } catch { return {}; }
  },

  remember(what) {
    try { localStorage.setItem(MEMORY, JSON.stringify({ ...bach.remembered(), ...what })); } catch { /* private browsing */ }
  },

  settled(settings, fresh) { // the settings of the station have come
    const { kind, ...wanted } = bach.remembered();
    if (fresh && !bach.touched) {
      bach.touched = true;
      if (Object.keys(wanted).length) bach.request({ what: "remembered", ...wanted });
    } else if (bach.touched) bach.remember(settings);
    for (const [name, values] of Object.entries(BACH.moods)) {
      const chosen = Object.entries(values).every(([key, value]) => settings[key] === value);
      $(name).setAttribute("aria-pressed", chosen);
    }
    bach.announce();
  },

  mood(name) {
    bach.touched = true;
    bach.request({ what: "settings", ...BACH.moods[name] });
  },

  // ---- sleep and waking up

  wake() { // the device has slept, or the network is back: go on at once, live
    if (!bach.wanted) return;
    const audio = $("audio"), stands = audio.paused || performance.now() - bach.moved > 1500;
    if (stands || bach.behind() > BEHIND) bach.again();
  },

  again() {
    clearTimeout(bach.retry);
    bach.retry = null;
    bach.lost = true;
    bach.tune();
    bach.look();
  },

  behind() { // seconds between what is composed and what is heard
    const heard = bach.heard();
    return heard === null ? 0 : bach.composed - heard;
  },

  tick() { // once a second
    const slept = Date.now() - bach.ticked > SLEPT;
    bach.ticked = Date.now();
    if (bach.wanted && (slept || bach.behind() > BEHIND)) bach.again();
  },

  sleep(minutes) {
    bach.sleepAt = Number(minutes) ? Date.now() + 60000 * minutes : null;
    bach.drowse();
  },

  drowse() {
    const left = bach.sleepAt === null ? null : bach.sleepAt - Date.now(), audio = $("audio");
    const seconds = Math.max(0, Math.ceil(left / 1000));
    $("sleep-left").textContent = left === null ? t("sleep") : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    audio.volume = left === null ? 1 : Math.min(1, Math.max(0, left / FADE)) ** 2;
    if (left === null || left > 0) return;
    bach.sleepAt = null;
    $("sleep").value = "0";
    bach.stop();
    bach.drowse();
    bach.say({ text: t("slept") });
  },

  mute(muted = !$("audio").muted) {
    $("audio").muted = muted;
    $("mute").setAttribute("aria-pressed", muted);
  },

  // ---- lock screen and keys

  announce() { // what the lock screen says
    if (!navigator.mediaSession) return;
    const named = (id) => $(id).selectedOptions[0] ? $(id).selectedOptions[0].text : "";
    const voices = $("voices").hidden ? [] : ["alto", "tenor", "bass"].filter((v) => $(v).value !== "0");
    const title = named("model"), album = [...new Set(["program", ...voices].map(named))].join(", ");
    navigator.mediaSession.playbackState = bach.wanted ? "playing" : "paused";
    if (bach.announced === title + album) return;
    bach.announced = title + album;
    const artwork = [192, 512].map((size) => ({ src: `/icon-${size}.png`, sizes: `${size}x${size}`, type: "image/png" }));
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist: "Play Bach", album, artwork });
  },

  actions: {
    play: () => { if (!bach.wanted) bach.play(); },
    pause: () => bach.stop(true), // the lock screen keeps its button
    stop: () => bach.stop(),
    nexttrack: () => bach.request({ what: "new" }),
    previoustrack: () => bach.request({ what: "back" }),
  },

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    const at = document.activeElement || document.body;
    if (event.key === "m" && !at.matches("select, textarea, input:not([type=range])")) bach.mute();
    if (event.key === " " && !at.matches("button, a, input, select, textarea, summary")) {
      event.preventDefault(); // it would scroll
      bach.play();
    }
  },
});

document.addEventListener("DOMContentLoaded", () => {
  if (!$("audio")) return;
  const { kind } = bach.remembered();
  if ([...$("format").options].some((x) => x.value === kind)) $("format").value = bach.kind = kind;
  setInterval(bach.tick, 1000);
  setInterval(bach.drowse, 250);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) bach.wake(); });
  window.addEventListener("online", bach.wake);
  window.addEventListener("pageshow", bach.wake);
  document.addEventListener("keydown", bach.key);
  for (const [action, handler] of Object.entries(navigator.mediaSession ? bach.actions : {})) {
    try { navigator.mediaSession.setActionHandler(action, handler); } catch { /* not known to this browser */ }
  }
});
