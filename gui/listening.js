// What a listener can do with the music: voices, key, room, pieces.

Object.assign(bach, {
  louder: {}, // how loud a voice was before it was turned off

  unit(name, value) {
    if (!name.endsWith("_pan")) return t("percent", { value: Math.round(100 * value) });
    const far = Math.round(100 * Math.abs(value));
    return far === 0 ? t("middle") : t(value < 0 ? "left" : "right", { percent: t("percent", { value: far }) });
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

  showKey(settings) {
    const key = $("key");
    if (document.activeElement === key) return;
    if (![...key.options].some((x) => x.value === settings.scale)) key.append(new Option(settings.scale, settings.scale));
    key.value = settings.scale;
  },

  showPiece({ seed, link }) {
    $("seed").textContent = seed;
    $("piece").href = location.origin + location.pathname + link.slice(1); // a proxy may have put a path before ours
  },
});

if (new URLSearchParams(location.search).has("piece")) {
  history.replaceState(null, "", location.pathname); // loaded anew it is the same station
}
