// The ticket page: one composer in four modes, drafts that survive a reload or a new sign-in, and a thread that stays at its end.
"use strict";

const composer = document.getElementById("composer");
const thread = document.getElementById("thread");
const MODES = { r: "reply", n: "note", m: "macro", e: "resolve" };
const draft = (mode) => `kadesk-draft-${composer.dataset.number}-${mode}`;
const field = (mode) => composer.querySelector(`.mode [data-mode="${mode}"]`);

// A refused form leaves its own address, which a reload would send again: this is the ticket's page. What was typed into the
// form stays the reader's, however often the page around it is made fresh.
const address = `/console/tickets/${composer.dataset.number}`;
if (location.pathname !== address) {
  const verb = location.pathname.slice(address.length + 1);
  document.querySelector(`#facts details[open] form[data-for="${CSS.escape(verb)}"]`)?.scrollIntoView({ block: "center" });
  history.replaceState(null, "", address + location.hash);
  for (const typed of document.querySelectorAll("#facts textarea, #facts select, #facts input:not([type=hidden], [type=checkbox])")) typed.value = typed.value;
  for (const box of document.querySelectorAll("#facts [type=checkbox]")) box.checked = box.checked;
}

// Which mode is shown is the style sheet's business; here only which one it is.
function choose(mode) {
  composer.dataset.mode = mode;
  for (const button of composer.querySelectorAll(".modes button")) button.setAttribute("aria-pressed", button.dataset.mode === mode);
}

// A draft goes when the server says that its form was done.
const sent = sessionStorage.getItem("kadesk-sent");
if (sent && document.querySelector(".flash.success")) sessionStorage.removeItem(sent);
sessionStorage.removeItem("kadesk-sent");

for (const mode of ["reply", "note", "resolve"]) {
  const text = field(mode);
  if (!text) continue; // a ticket that has ended takes notes only
  text.value = text.value || sessionStorage.getItem(draft(mode)) || "";
  text.addEventListener("input", () => sessionStorage.setItem(draft(mode), text.value));
}

composer.addEventListener("click", (event) => {
  const mention = event.target.closest("[data-login]");
  if (mention) {
    const text = field("note");
    text.setRangeText(`@${mention.dataset.login} `, text.selectionStart, text.selectionEnd, "end");
    text.focus();
    text.dispatchEvent(new Event("input"));
    return;
  }
  const mode = event.target.closest(".modes button")?.dataset.mode;
  if (!mode) return;
  choose(mode);
  field(mode).focus();
});

// The complaint to a supplier, into the clipboard.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.closest("details").querySelector("textarea");
  text.select();
  await navigator.clipboard?.writeText(text.value).catch(() => {});
  button.textContent = button.dataset.copy;
});

// Choosing a macro shows what it would do.
document.getElementById("macro-pick")?.addEventListener("change", (event) => event.target.value && event.target.form.requestSubmit());

composer.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.target.closest("form")?.requestSubmit();
});

// One press is one form: a second one while the first is under way would only be refused as stale.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  const mode = form.querySelector("textarea")?.dataset.mode;
  if (mode) sessionStorage.setItem("kadesk-sent", draft(mode));
});
window.addEventListener("pageshow", () => document.querySelectorAll("form").forEach((form) => delete form.dataset.sent));

// A screenshot is asked for by words that can be changed first: open them.
function ask(summary) {
  if (!summary) return;
  summary.parentElement.open = true;
  summary.parentElement.querySelector("textarea").focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const mode = MODES[event.key];
  if (mode && field(mode)) {
    choose(mode);
    field(mode).focus();
  } else if (event.key === "t" || event.key === "x") document.querySelector(`[data-key="${event.key}"]`)?.click();
  else if (event.key === "s") ask(document.querySelector('[data-key="s"]'));
  else if (event.key === "u") location.href = "/console/";
  else return;
  event.preventDefault();
});

let isAtEnd = true;
thread.addEventListener("scroll", () => (isAtEnd = thread.scrollHeight - thread.scrollTop - thread.clientHeight < 40), { passive: true });
const follow = () => isAtEnd && (thread.scrollTop = thread.scrollHeight);
document.addEventListener("live", follow);
thread.addEventListener("load", follow, true); // of a picture: it is as high as it is only then
choose(composer.dataset.mode);
follow();
