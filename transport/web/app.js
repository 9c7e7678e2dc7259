/** The chat page: shows one thread, the one that the address names, and sends what is typed. */

import { Client, freshKey } from "./client.js";
import { MARKERS, arrange, drawItem, make, partsText, setText } from "./items.js";
import { Transcript } from "./transcript.js";

const THREAD_ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
// Pixels from the end within which the reader counts as following it.
const NEAR_END = 48;
// Milliseconds that the page stands still under a pressed button, at the most.
const PRESS = 1000;
const STATUS = {
  connecting: "Connecting",
  open: "Connected",
  reconnecting: "Reconnecting",
  offline: "Offline, reconnecting",
  refused: "Disconnected",
};
const ADVICE = {
  too_large: "Shorten it, or send it in parts.",
  queue_full: "Wait for an answer, or cancel a queued message, then send it again.",
  thread_deleted: "Sending it again begins the thread anew.",
  thread_failed: "Start a new thread; an operator can release this one.",
};

const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((el) => [el.id, el]));
const named = location.hash.slice(1) || new URLSearchParams(location.search).get("thread");
const thread = THREAD_ID.test(named ?? "") ? named : "main";
const transcript = new Transcript();
const sections = new Map();
const stopping = new Set();
let ready = false;
let following = true;
let drawing = false;
let stillUntil = 0;
let ticker = 0;

const client = new Client(new URL("ws", location.href.replace(/^http/, "ws")).href, {
  onStatus: showStatus,
  onError: showProblem,
  storage: sessionStorage,
});

// The transcript.

function queueNote(text, turn) {
  const note = make("p", { className: "queue" }, text);
  const onclick = () => cancel(turn);
  const properties = { type: "button", className: "quiet", onclick, data: { cancel: turn } };
  if (turn) note.append(make("button", properties, "Cancel"));
  return note;
}

function drawGroup({ id, state, items, version }) {
  const known = sections.get(id);
  if (known?.version === version) return known.section;
  const section = known?.section ?? make("section", { data: { turn: id } });
  const elements = items.map((item) => drawItem(section, item));
  section.dataset.state = state;
  arrange(section, state === "queued" ? [...elements, queueNote("Queued", id)] : elements);
  sections.set(id, { section, version });
  return section;
}

function drawWaiting({ message: { key, content } }) {
  if (sections.has(key)) return sections.get(key).section;
  const section = make("section", { data: { waiting: key } });
  const item = { item: key, kind: "message", content, at: Date.now() / 1000 };
  section.append(drawItem(section, item), queueNote("Sending…"));
  sections.set(key, { section });
  return section;
}

/** Bring the page in line with the transcript, once per frame however much has come. */
function draw() {
  drawing = false;
  const waiting = [...transcript.waiting.values()];
  const certain = waiting.filter(({ doubtful }) => !doubtful);
  arrange(page.transcript, [...transcript.groups.map(drawGroup), ...certain.map(drawWaiting)]);
  for (const [id, { section }] of sections) if (!section.isConnected) sections.delete(id);
  page.unconfirmed.hidden = certain.length === waiting.length;
  page.older.hidden = transcript.before === null;
  page.empty.hidden = !ready || page.transcript.children.length > 0;
  document.body.toggleAttribute("data-ready", ready);
  drawControls(transcript.running());
  if (following) page.scroller.scrollTop = page.scroller.scrollHeight;
  page.latest.hidden = following;
}

function drawControls(running) {
  document.body.toggleAttribute("data-busy", Boolean(running));
  if (!running && document.activeElement === page.stop) page.input.focus();
  page.stop.hidden = page.choice.hidden = !running;
  page.stop.textContent = stopping.has(running?.id) ? "Stopping…" : "Stop";
  if (!running) page.busy.value = "queue";
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  if (document.hidden) setTimeout(draw, 100);
  else requestAnimationFrame(drawOnceReleased);
}

/** What moves away between press and release is never clicked, so nothing moves until then. */
function drawOnceReleased() {
  if (performance.now() < stillUntil) requestAnimationFrame(drawOnceReleased);
  else draw();
}

// What the page says.

function showStatus({ state, at, reason }) {
  const word = state === "reconnecting" && !navigator.onLine ? "offline" : state;
  document.body.dataset.connection = word;
  setText(page.status, [STATUS[word], reason].filter(Boolean).join(": "));
  page.reconnect.hidden = state === "open" || state === "connecting";
  clearInterval(ticker);
  countDown(at);
  if (at) ticker = setInterval(countDown, 250, at);
}

function countDown(at = 0) {
  const left = Math.ceil((at - Date.now()) / 1000);
  setText(page.countdown, left > 0 ? `in ${left} s` : "");
}

function showProblem(error, prefix = "") {
  page.problem.hidden = !error;
  if (!error) return;
  const advice = ADVICE[error.code] ?? (error.retryable ? "Try again in a moment." : "");
  setText(page.problem, [prefix, error.message, advice].filter(Boolean).join(" "));
}

function announce({ type, turn }) {
  const ending = MARKERS[type.slice("turn.".length)];
  if (type === "turn.started") setText(page.announcer, "Answering");
  if (ending && transcript.running()?.id === turn) setText(page.announcer, ending);
}

// What a person does.

function send(event) {
  event.preventDefault();
  const content = page.input.value;
  if (!content.trim()) return;
  showProblem(null);
  transcript.wait(client.submit(thread, content, { on_busy: page.busy.value }));
  setInput("");
  following = true;
  drawSoon();
}

function refused({ key, content }, error) {
  transcript.waiting.delete(key);
  setInput([partsText(content), page.input.value].filter(Boolean).join("\n"));
  showProblem(error, "Not sent; the text is back in the box.");
  drawSoon();
}

function setInput(text = page.input.value) {
  if (text !== page.input.value) page.input.value = text;
  page.input.style.height = "auto";
  page.input.style.height = `${page.input.scrollHeight}px`;
}

async function cancel(turn) {
  if (stopping.has(turn)) return;
  stopping.add(turn);
  drawSoon();
  try {
    const { outcome } = await client.ask({ type: "cancel", thread, turn });
    if (outcome === "abandoned") showProblem({ message: "It would not stop: left behind." });
  } catch (error) {
    showProblem(error, "Not stopped.");
  }
  stopping.delete(turn);
  drawSoon();
}

async function showOlder() {
  const { before } = transcript;
  page.older.disabled = true;
  try {
    const reply = await client.ask({ type: "history", thread, before });
    const fromEnd = page.scroller.scrollHeight - page.scroller.scrollTop;
    transcript.older(before, reply);
    following = false;
    draw();
    page.scroller.scrollTop = page.scroller.scrollHeight - fromEnd;
  } catch (error) {
    showProblem(error, "Nothing older to show.");
  }
  page.older.disabled = false;
}

async function listThreads() {
  try {
    const { threads } = await client.ask({ type: "threads" });
    page.threads.replaceChildren(...threads.map(threadRow));
  } catch (error) {
    showProblem(error, "The threads cannot be listed.");
  }
}

function threadRow({ thread: id, state, active_at: activeAt }) {
  const format = { dateStyle: "medium", timeStyle: "short" };
  const when = new Date(activeAt * 1000).toLocaleString([], format);
  const note = make("small", {}, state === "idle" ? when : state);
  const link = make("a", { href: `?thread=${id}` }, make("span", {}, id), note);
  if (id === thread) link.setAttribute("aria-current", "page");
  return make("li", {}, link);
}

function onKey(event) {
  if (event.isComposing || event.key !== "Escape") return;
  const running = transcript.running();
  if (page.menu.open) page.menu.open = false;
  else if (running) cancel(running.id);
}

function onInputKey(event) {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
}

function onPress({ button }) {
  if (button === 0) stillUntil = performance.now() + PRESS;
}

function onRelease() {
  stillUntil = 0;
}

function onClick({ target }) {
  if (!page.menu.contains(target)) page.menu.open = false;
}

function onScroll() {
  const { scrollHeight, scrollTop, clientHeight } = page.scroller;
  following = scrollHeight - scrollTop - clientHeight < NEAR_END;
  page.latest.hidden = following;
}

function toEnd() {
  following = true;
  draw();
}

document.title = `${thread} · Holdfast`;
document.body.dataset.thread = page.thread.textContent = thread;
page.create.href = `?thread=t-${freshKey().slice(0, 10)}`;
page.composer.onsubmit = send;
page.input.oninput = () => setInput();
page.input.onkeydown = onInputKey;
page.stop.onclick = () => cancel(transcript.running()?.id);
page.older.onclick = showOlder;
page.latest.onclick = toEnd;
page.reconnect.onclick = () => client.connect();
page.menu.ontoggle = () => page.menu.open && listThreads();
page.scroller.onscroll = onScroll;
document.onkeydown = onKey;
document.onclick = onClick;
document.onpointerdown = onPress;
document.onpointerup = document.onpointercancel = onRelease;
document.onvisibilitychange = () => document.hidden || client.wake();
window.ononline = () => client.wake();
window.onhashchange = () => location.reload();
new ResizeObserver(() => following && toEnd()).observe(page.scroller);

for (const message of client.unanswered(thread)) transcript.wait(message);
client.attach(thread, {
  snapshot(message) {
    transcript.snapshot(message);
    drawSoon();
  },
  event(event) {
    announce(event);
    drawSoon();
    return transcript.event(event);
  },
  caughtUp() {
    ready = true;
    drawSoon();
  },
  accepted(message) {
    transcript.accepted(message);
    drawSoon();
  },
  failed: showProblem,
  refused,
});
client.connect();
