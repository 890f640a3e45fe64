// The page of friends: the sound of a station, and what is told of it.

const RETRY = 1000, STUCK = 4000, SILENT = 4000; // milliseconds
const OFTEN = 1000, SELDOM = 5000; // milliseconds between two questions for news
const audio = $("audio"), roll = new Roll($("roll"));
let on = false, retry = null, place = 0, moved = 0, lost = false, back = 0;
let told = {}, notes = [], last = 0, refusal = "", asked = 0, answered = 0;

function state() { // one sentence, the most important one
  if (refusal) return refusal;
  if (lost || answered && performance.now() - answered > SILENT + SELDOM) return t("trying_again");
  if (told.trouble) return told.trouble;
  const sounding = on && !audio.paused && audio.currentTime > 0;
  if (on && !sounding) return t("tuning_in");
  if (on && performance.now() < back) return t("friend_goes_on");
  if (BACH.live && answered) return t(on ? "duet_friend_hears" : "duet_friend_play");
  if (on) return told.owner === false ? t("friend_stopped") : t("friend_hears");
  if (!answered) return "";
  return told.owner ? t("friend_listens") : told.resting ? t("friend_quiet") : t("friend_others");
}

function show() {
  $("play").setAttribute("aria-label", on ? t("stop") : t("play"));
  $("play").classList.toggle("on", on);
  if ($("state").textContent !== state()) $("state").textContent = state(); // else it would be read out again
  $("title").textContent = told.title || "";
}

function tune() {
  audio.src = BACH.source;
  told.start = null;
  audio.play().catch((error) => {
    if (error.name === "NotAllowedError" && !document.hidden) stop(t("touch_again"));
  });
}

function stop(why = "") {
  on = lost = false;
  refusal = why;
  clearTimeout(retry);
  retry = null;
  audio.pause();
  audio.removeAttribute("src");
  audio.load(); // lets the connection go
  told.start = null;
  show();
}

async function failed() { // the server may be restarting, or the network gone: try again until Stop
  if (!on || retry) return;
  lost = true;
  retry = setTimeout(() => { retry = null; if (on) tune(); }, RETRY);
  show();
  try {
    const answer = await fetch(BACH.source, { headers: { Range: "bytes=0-1", "Accept-Language": BACH.language } });
    if (answer.ok) return;
    if (answer.status < 500) return stop(answer.status === 403 ? t("friend_old") : t("friend_ended"));
    refusal = (await answer.text()).trim(); // such as: no room
  } catch { /* nobody answers: the next try is on its way */ }
}

async function news() {
  asked = performance.now();
  try {
    const answer = await fetch(`${BACH.news}?after=${last}`, { headers: { "Accept-Language": BACH.language } });
    if (answer.status === 403 || answer.status === 410) return stop(answer.status === 403 ? t("friend_old") : t("friend_ended"));
    if (!answer.ok) return;
    take(await answer.json());
  } catch { /* nobody answers; `answered` tells */ }
}

function take(latest) {
  if (latest.last < last || latest.resting) notes = []; // the server was restarted, or nobody listens
  last = latest.last;
  answered = performance.now();
  if (!on) refusal = "";
  for (const [number, onset, seconds, pitches, voices, cadence] of latest.notes) {
    if (!notes.some((n) => n.number === number)) notes.push({ number, onset, seconds, pitches, voices, cadence });
  }
  notes = notes.slice(-160);
  told = latest;
  show();
  if (navigator.mediaSession) navigator.mediaSession.metadata = new MediaMetadata({ title: told.title, artist: "Play Bach" });
}

function wake() { // the device has slept, or the network is back
  if (on && (audio.paused || performance.now() - moved > 1500)) { lost = true; tune(); }
  news();
}

function draw() {
  requestAnimationFrame(draw);
  const heard = typeof told.start === "number" && on ? told.start + audio.currentTime : null;
  roll.draw(notes, heard);
}

$("play").onclick = () => {
  if (on) return stop();
  on = true;
  refusal = "";
  moved = performance.now();
  tune();
  show();
};
$("volume").oninput = () => { audio.volume = Number($("volume").value); };
$("language").onchange = () => speak($("language").value);
audio.onerror = audio.onended = failed;
audio.onplaying = () => {
  if (lost) back = performance.now() + 5000;
  lost = false;
  refusal = "";
  show();
  news();
};
document.addEventListener("visibilitychange", () => { if (!document.hidden) wake(); });
window.addEventListener("online", wake);
setInterval(() => {
  const now = performance.now();
  if (!on || retry || audio.currentTime !== place) { place = audio.currentTime; moved = now; }
  else if (now - moved > STUCK) { moved = now; failed(); }
  if (now - asked > (on && !document.hidden ? OFTEN : SELDOM) - 100) news();
  show();
}, 500);
show();
news();
draw();
