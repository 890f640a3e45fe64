// What the control page and the page of friends share.

const $ = (id) => document.getElementById(id);
const t = (key, values = {}) => BACH.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]); // a text of texts.json
const digits = (value, count) => Number(value).toLocaleString(BACH.language, { minimumFractionDigits: count, maximumFractionDigits: count });

// where friends reach the sound
const soundUrl = (path, host = location.hostname) => `${BACH.sound || `${location.protocol}//${host}:${BACH.port}`}${path}`;

async function handOut(link, say) { // a link for friends, as this device hands it out; say: tells what came of it
  try {
    if (navigator.share) return await navigator.share({ title: "Play Bach", url: link });
    await navigator.clipboard.writeText(link);
    say(t("copied"));
  } catch (error) {
    if (error.name !== "AbortError") say(link);
  }
}

function speak(language) { // the page comes anew in another language, and goes on playing
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${BACH.cookie}=${language}; Max-Age=31536000; Path=/; SameSite=Lax${secure}`;
  location.reload();
}
