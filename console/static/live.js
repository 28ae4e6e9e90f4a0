// Keeps the parts of a page that carry `data-live` as fresh as the server's page at the same address. Elements stay the same
// elements: only what differs is changed, so nothing flickers, and focus, selection and open menus survive.
"use strict";

const EVERY = 4000;
const html = window.trustedTypes
  ? trustedTypes.createPolicy("kadesk-live", { createHTML: (page) => page })
  : { createHTML: (page) => page };
// What this browser's user changed by hand is theirs.
const KEPT = ["open", "data-selected"];

async function refresh() {
  const response = await fetch(location.href, { headers: { "X-Live": "1" }, cache: "no-store" });
  if (response.redirected) return location.assign(response.url); // signed out; a reload could send a form again
  if (!response.ok) throw new Error(response.status);
  const fresh = new DOMParser().parseFromString(html.createHTML(await response.text()), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next) morph(part, next);
  }
  document.dispatchEvent(new Event("live"));
}

function morph(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name) && !KEPT.includes(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (!KEPT.includes(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const child of [...next.childNodes]) {
    const match = child.id ? known.get(child.id) : place && !place.id && place.nodeName === child.nodeName ? place : null;
    if (!match) {
      old.insertBefore(document.adoptNode(child), place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else old.insertBefore(match, place);
    morph(match, child);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

let failures = 0;
let isRunning = false;

async function tick() {
  if (document.hidden || isRunning) return;
  isRunning = true;
  try {
    await refresh();
    failures = 0;
  } catch {
    failures += 1;
  }
  isRunning = false;
  document.getElementById("lost").hidden = failures < 2;
}

setInterval(tick, EVERY);
document.addEventListener("visibilitychange", tick);
