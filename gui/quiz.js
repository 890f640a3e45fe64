// "Bach or not?": plays one excerpt after the other, fetches the next one meanwhile, and asks.

const RETRY = 2000; // milliseconds until what the server had no room for is asked again
const audio = $("audio");
let round = null, number = 0, answered = false, sounds = [];

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function say(text) {
  $("state").textContent = text;
}

async function ask(path, options = {}) { // until the server has room; throws a sentence
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: { "Accept-Language": BACH.language, ...options.headers } });
    } catch { throw t("no_answer"); }
    if (answer.ok) return answer;
    if (answer.status === 403) throw t("quiz_old");
    if (answer.status === 410) throw t("quiz_ended");
    if (answer.status !== 503) throw (await answer.text()).trim();
    say(t("quiz_busy"));
    await wait(RETRY);
  }
}

async function sound(of, which) { // the address of an excerpt in this browser's memory
  const answer = await ask(`${of.sound}${which}.mp3`);
  return URL.createObjectURL(await answer.blob());
}

async function begin() {
  letGo();
  show({ begun: true });
  say(t("quiz_preparing"));
  try {
    round = await (await ask(BACH.round, { method: "POST" })).json();
    await next();
  } catch (error) { failed(error); }
}

async function next() {
  number += 1;
  answered = false;
  show({ begun: true });
  $("number").textContent = t("quiz_number", { number, total: round.excerpts });
  say(t("quiz_preparing"));
  try {
    audio.src = await coming(number);
    if (number < round.excerpts) coming(number + 1).catch(() => { delete sounds[number + 1]; }); // asked again when it is wanted
    $("play").disabled = false;
    say(t("quiz_question"));
    $("play").focus();
  } catch (error) { delete sounds[number]; failed(error, () => { number -= 1; next(); }); }
}

function coming(which) {
  return sounds[which] ||= sound(round, which);
}

async function guess(bach) {
  const button = $(bach ? "bach" : "composed");
  for (const x of [$("bach"), $("composed")]) x.disabled = true;
  button.classList.add("said");
  try {
    const body = JSON.stringify({ number, bach });
    const answer = await ask(round.guess, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    tell(await answer.json());
  } catch (error) { failed(error, () => { show({ begun: true, heard: true }); guess(bach); }); }
}

function tell(answer) {
  answered = true;
  const was = answer.bach ? t("quiz_was_bach", { piece: answer.piece }) : t("quiz_was_composed", { seed: answer.seed });
  say(`${t(answer.right ? "quiz_right" : "quiz_wrong")} ${was}`);
  const last = number === round.excerpts;
  const counts = { right: answer.score, answers: answer.answers };
  $("score").textContent = last ? t("quiz_result", { ...counts, chance: round.excerpts / 2 }) : t("quiz_score", counts);
  offer(last ? t("quiz_again") : t("quiz_next"), last ? begin : next);
  if (last) $("state").append(` ${$("score").textContent}`); // said in one go; the score is for the eye
  $("score").hidden = last;
}

function failed(error, again = begin) {
  say(String(error));
  offer(t("quiz_retry"), error === t("quiz_ended") ? begin : again);
}

function offer(text, action) {
  $("go").textContent = text;
  $("go").onclick = action;
  $("go").hidden = false;
  $("go").focus();
}

function show({ begun, heard = false }) { // what stands on the page while an excerpt is asked about
  $("intro").hidden = $("go").hidden = begun;
  $("language").parentElement.hidden = begun; // another language would begin anew
  for (const name of ["play", "place", "guess"]) $(name).hidden = false;
  $("play").disabled = !heard;
  for (const x of [$("bach"), $("composed")]) {
    x.disabled = !heard;
    x.classList.remove("said");
  }
  audio.pause();
}

function letGo() { // of the round before
  for (const address of sounds) address?.then(URL.revokeObjectURL, () => {});
  sounds = [];
  number = 0;
  $("score").textContent = "";
  $("score").hidden = false;
}

function look() {
  $("play").classList.toggle("on", !audio.paused);
  $("play").setAttribute("aria-label", audio.paused ? t("play") : t("stop"));
}

$("play").onclick = () => {
  if (!audio.paused) return audio.pause();
  audio.currentTime = 0;
  audio.play().catch(() => say(t("touch_again")));
};
audio.onplay = audio.onpause = audio.onended = look;
audio.onplaying = () => { if (!answered) for (const x of [$("bach"), $("composed")]) x.disabled = false; };
audio.ontimeupdate = () => { $("place").value = audio.duration ? audio.currentTime / audio.duration : 0; };
$("bach").onclick = () => guess(true);
$("composed").onclick = () => guess(false);
$("go").onclick = begin;
$("language").onchange = () => speak($("language").value);
