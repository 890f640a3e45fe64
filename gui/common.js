// What the control page and the page of friends share.

const $ = (id) => document.getElementById(id);
const t = (key, values = {}) => BACH.texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name]); // a text of texts.json
const digits = (value, count) => Number(value).toLocaleString(BACH.language, { minimumFractionDigits: count, maximumFractionDigits: count });

function speak(language) { // the page comes anew in another language, and goes on playing
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${BACH.cookie}=${language}; Max-Age=31536000; Path=/; SameSite=Lax${secure}`;
  location.reload();
}
