// The buyers' chat: messages come as server-sent events and are shown in order of their ids; what is typed stands at the end
// until the server sends it back. Every text goes in as text: nothing here ever makes HTML of it.
"use strict";

const $ = (id) => document.getElementById(id);
const [log, form, text, state, newer] = ["log", "composer", "text", "state", "newer"].map($);
const words = $("words").dataset;
const SHELF = "kadesk-unsent" + location.hash; // of this tab: what is not confirmed survives a reload, and keeps its id
const DRAFT = "kadesk-draft" + location.hash; // what is not even sent

const shown = new Map(); // message id → element
let unsent = take(SHELF, []); // [{id, text|handle|start|file+preview, shownAs, state: sending|sent|failed|refused, reason}]
let newest = 0;
const host = window.framed; // of framed.js, where the page stands in a shop's page: it may be out of sight there
const isOpen = () => !host || host.isOpen;

// ---- the wire

async function call(path, body) {
  const headers = { ...host?.headers(), ...(body && { "Content-Type": "application/json" }) };
  const request = body && { method: "POST", body: JSON.stringify(body) };
  const response = await fetch("/chat/api/" + path, { cache: "no-store", headers, ...request });
  host?.keep(response.headers);
  const answer = await response.json().catch(() => ({}));
  return { status: response.status, retryAfter: Number(response.headers.get("Retry-After")) || 0, answer };
}

// A random id that works over plain http too, where crypto.randomUUID is missing.
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function start() {
  try {
    const { status, answer } = await call(`history?after=${newest}`);
    if (status !== 200) throw new Error(status);
    isKnown = true;
    answer.messages.forEach(show);
    if (!isOpen()) return again(start, host.restsFor());
    const greeting = host ? host.takeIdentity() : takePayload();
    if (greeting) send(greeting);
    else if (!shown.size && !unsent.length) send({ start: true });
    listen();
    pump();
  } catch {
    lost(start);
  }
}

// What the shop's page of an order gave along, once: it opens that order, and must not stay in the address.
function takePayload() {
  const payload = new URLSearchParams(location.search).get("start");
  if (payload !== null) history.replaceState(null, "", location.pathname);
  return payload && { start: true, text: payload };
}

// By hand: an EventSource sends no header, and does not notice a connection that died in silence.
let stream = null;

async function listen() {
  const mine = (stream = new AbortController());
  let act = listen;
  try {
    const init = { headers: { ...host?.headers() }, cache: "no-store", signal: mine.signal };
    const response = await fetch(`/chat/api/events?after=${newest}`, init);
    if (response.ok) await hear(response.body, mine);
    else act = start; // the session may be gone, so begin anew
  } catch {} // broken off, by the network or by us
  if (isOpen()) lost(act);
  else again(start, host.restsFor());
}

async function hear(body, mine) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  reconnectIn = 1000;
  tell(words.online, true);
  pump();
  for (let rest = ""; ; ) {
    const watch = setTimeout(() => mine.abort(), SILENCE);
    const { done, value } = await reader.read().finally(() => clearTimeout(watch));
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: ")) show(JSON.parse(line.slice(6)));
  }
}

const SILENCE = 75000; // ms; the server says something every 30 s
let reconnectIn = 1000;
let waiting = null; // what is done when the wait is over
let timer = 0;

function again(act, wait) {
  waiting = act;
  timer = setTimeout(wake, wait);
}

function wake() {
  clearTimeout(timer);
  const act = waiting;
  waiting = null;
  if (act) act();
}

// Not all pages at once after a restart.
function lost(act) {
  tell(words.offline, false);
  again(act, reconnectIn * (0.75 + Math.random() / 4));
  reconnectIn = Math.min(reconnectIn * 2, 20000);
}

addEventListener("online", wake);
addEventListener("offline", () => stream?.abort());

function tell(sentence, isOnline) {
  if (state.textContent !== sentence) state.textContent = sentence;
  state.classList.toggle("online", isOnline);
}

// ---- sending, one after the other, so that order holds

function send(what) {
  unsent.push({ id: newId(), state: "sending", ...what });
  changed();
  pump();
}

let isPumping = false;
let isKnown = false; // that there is a session: two requests without one would make two

async function pump() {
  if (isPumping || !isKnown) return;
  isPumping = true;
  const next = () => unsent.find(({ state }) => state === "sending" || state === "failed");
  for (let message = next(); message && (await push(message)); message = next());
  isPumping = false;
}

// Whether the next one may go. A repeat has the same id, and the server takes that once.
async function push(message) {
  become(message, "sending");
  const { status, answer, retryAfter } = await carry(message).catch(() => ({ status: 0 }));
  if (status === 202) return become(message, "sent");
  if (status >= 400 && status < 500 && status !== 429) return become(message, "refused", answer.text);
  become(message, "failed", answer && answer.text);
  setTimeout(pump, (retryAfter || 5) * 1000);
  return false;
}

function carry(message) {
  if (message.file) return upload(message, words.language, (share) => noteOf(message, `${words.sending} ${Math.round(share * 100)} %`));
  const { shownAs: _shownAs, state: _state, reason: _reason, ...body } = message;
  return call("messages", { ...body, language: words.language });
}

function become(message, name, reason = "") {
  Object.assign(message, { state: name, reason });
  if (name === "sent" && !message.shownAs) unsent = unsent.filter((other) => other !== message);
  changed();
  return true;
}

function changed() {
  keepShelf();
  drawUnsent();
}

function keepShelf() {
  put(SHELF, unsent.filter(({ state, file }) => state !== "sent" && !file));
}

function put(key, what) {
  try {
    sessionStorage.setItem(key, JSON.stringify(what));
  } catch {} // a full or forbidden storage only loses the comfort
}

function take(key, otherwise) {
  try {
    return JSON.parse(sessionStorage.getItem(key)) || otherwise;
  } catch {
    return otherwise;
  }
}

// ---- showing

function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

// Only the links that lead to our own reveal page become links.
function withLinks(content) {
  const parts = document.createDocumentFragment();
  let from = 0;
  for (const found of content.matchAll(/https?:\/\/[^\s<>"'，。）)]+/g)) {
    const url = revealUrl(found[0]);
    if (!url) continue;
    parts.append(withNumbers(content.slice(from, found.index)));
    const link = element("a", "reveal", words.openLink);
    link.href = url.href;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    parts.append(link);
    from = found.index + found[0].length;
  }
  parts.append(withNumbers(content.slice(from)));
  return parts;
}

// The number of a ticket and the end of a code are read in one piece.
function withNumbers(content) {
  const parts = document.createDocumentFragment();
  for (const part of content.split(/(\bK-\d{6,}\b|\*{4}-\w{1,8})/)) {
    parts.append(/^(K-\d{6,}|\*{4}-\w{1,8})$/.test(part) ? element("span", "in-one-piece", part) : part);
  }
  return parts;
}

function revealUrl(address) {
  try {
    const url = new URL(address);
    const ours = [location.origin, words.publicUrl && new URL(words.publicUrl).origin];
    const isOurs = ours.includes(url.origin) && /^\/r\/[A-Za-z0-9_-]+$/.test(url.pathname) && !url.search;
    if (isOurs) url.search = "?lang=" + words.language;
    return isOurs ? url : null;
  } catch {
    return null;
  }
}

function bubble(author, name, content) {
  const item = element("div", author);
  item.append(element("span", "hidden", `${name}: `));
  if (author === "agent") item.append(element("span", "name", name));
  const body = element("div", "text");
  body.append(author === "buyer" ? content : withLinks(content));
  item.append(body);
  return item;
}

function show(message) {
  newest = Math.max(newest, message.id);
  host?.hear(message);
  if (message.client_id) forget(message.client_id);
  const stays = isAtEnd();
  const item = bubble(message.author, message.name || words[message.author === "buyer" ? "you" : message.author], message.text);
  for (const attachment of message.attachments) {
    const named = () => element("span", "attachment", attachment.kind === "photo" ? words.photo : words.attachment);
    item.lastChild.append(attachment.picture ? kept(attachment.picture, () => follow(stays)) : named());
  }
  if (message.buttons.length) item.append(buttonsOf(message));
  item.append(timeOf(message.at));
  place(message.id, item);
}

function place(id, item) {
  const stays = isAtEnd();
  const old = shown.get(id);
  shown.set(id, item);
  item.dataset.id = id;
  if (old) {
    old.replaceWith(item);
    return;
  }
  // Late ones come rarely, so looking from the end is short.
  let before = log.lastElementChild;
  while (before && !(Number(before.dataset.id) < id)) before = before.previousElementSibling;
  if (before) before.after(item);
  else log.prepend(item);
  follow(stays || item.className === "buyer");
}

function buttonsOf(message) {
  const group = element("div", "buttons");
  for (const { handle, text: label } of message.buttons) {
    const button = element("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => send({ handle, shownAs: label }));
    group.append(button);
  }
  return group;
}

function timeOf(at) {
  const when = new Date(at);
  const isToday = when.toDateString() === new Date().toDateString();
  const format = isToday ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
  const time = element("time", "", new Intl.DateTimeFormat(document.documentElement.lang, { ...format, hourCycle: "h23" }).format(when));
  time.dateTime = at;
  return time;
}

function forget(id) {
  unsent = unsent.filter((message) => message.id !== id);
  changed();
}

function drawUnsent() {
  const stays = isAtEnd();
  const seen = new Set();
  for (const message of unsent) {
    if (!message.shownAs) continue;
    seen.add(message.id);
    const item = log.querySelector(`[data-unsent="${CSS.escape(message.id)}"]`) || addUnsent(message);
    if (item.dataset.state === message.state) continue;
    item.dataset.state = message.state;
    const note = item.querySelector(".note");
    note.textContent = message.state === "sending" ? words.sending : message.state === "sent" ? words.sent : message.reason || words.failed;
    item.querySelector(".retry").hidden = message.state !== "failed";
  }
  for (const item of log.querySelectorAll("[data-unsent]")) if (!seen.has(item.dataset.unsent)) item.remove();
  follow(stays);
}

function noteOf(message, sentence) {
  const note = log.querySelector(`[data-unsent="${CSS.escape(message.id)}"] .note`);
  if (note) note.textContent = sentence;
}

function addUnsent(message) {
  const item = bubble("buyer", words.you, message.preview ? "" : message.shownAs);
  if (message.preview) item.lastChild.append(image(message.preview, message.shownAs, () => follow(true)));
  item.dataset.unsent = message.id;
  const retry = element("button", "retry", words.retry);
  retry.type = "button";
  retry.addEventListener("click", pump);
  item.append(element("span", "note"), retry);
  log.append(item);
  log.scrollTop = log.scrollHeight;
  return item;
}

// ---- staying at the end, unless the reader went up

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;

function follow(stays) {
  if (stays) log.scrollTop = log.scrollHeight;
  newer.hidden = isAtEnd();
}

log.addEventListener("scroll", () => isAtEnd() && (newer.hidden = true), { passive: true });
newer.addEventListener("click", () => follow(true));

// ---- typing

function say(content) {
  const typed = content.trim();
  if (typed) send({ text: typed, shownAs: typed });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  say(text.value);
  text.value = "";
  changedDraft();
  text.focus();
});

text.addEventListener("keydown", (event) => {
  // While an input method composes, Enter takes the word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  form.requestSubmit();
});

function changedDraft() {
  text.rows = Math.min(6, text.value.split("\n").length);
  put(DRAFT, text.value);
}

text.addEventListener("input", changedDraft);
for (const button of document.querySelectorAll("[data-say]")) button.addEventListener("click", () => say(button.dataset.say));

text.value ||= take(DRAFT, "");
changedDraft();
drawUnsent();
if (!host) start();
