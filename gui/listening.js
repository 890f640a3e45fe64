// What a listener can do with the music: voices, key, room, pieces.

const SETTING_NAMES = { scale: "The key", room: "The room", new: "The new piece", back: "The beginning" };

Object.assign(bach, {
  louder: {}, // how loud a voice was before it was turned off

  unit(name, value) {
    if (!name.endsWith("_pan")) return `${Math.round(100 * value)} %`;
    const far = Math.round(100 * Math.abs(value));
    return far === 0 ? "middle" : `${far} % ${value < 0 ? "left" : "right"}`;
  },

  named(name) {
    const voice = name.split("_")[0];
    return SETTING_NAMES[name] || `The ${voice}`;
  },

  voice(voice) { // on or off
    const name = `${voice}_volume`, now = Number($(name).value);
    if (now > 0) bach.louder[voice] = now;
    $(name).value = now > 0 ? 0 : bach.louder[voice] || 1;
    bach.update(name, $(name).value);
  },

  pressed(name, value) {
    const voice = name.split("_")[0];
    if (name === `${voice}_volume`) $(`${voice}-on`).setAttribute("aria-pressed", String(value > 0));
  },

  settled(settings) {
    const key = $("key");
    if (document.activeElement === key) return;
    if (![...key.options].some((x) => x.value === settings.scale)) key.append(new Option(settings.scale, settings.scale));
    key.value = settings.scale;
  },

  piece({ seed, link }) {
    $("seed").textContent = seed;
    $("piece").href = location.origin + location.pathname + link.slice(1); // a proxy may have put a path before ours
  },
});

if (new URLSearchParams(location.search).has("piece")) {
  history.replaceState(null, "", location.pathname); // loaded anew it is the same station
}
