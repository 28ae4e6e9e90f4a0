// The queue by keyboard: j and k move, Enter opens, t takes, n takes the next. The selection follows its ticket when the order changes.
"use strict";

let selected = sessionStorage.getItem("kadesk-selected");

const rows = () => [...document.querySelectorAll("tr[data-href]")];

function mark() {
  for (const row of rows()) row.toggleAttribute("data-selected", row.id === selected);
}

const current = () => rows().find((row) => row.id === selected);

function move(step) {
  const all = rows();
  const at = all.findIndex((row) => row.id === selected);
  const row = all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)];
  if (!row) return;
  selected = row.id;
  sessionStorage.setItem("kadesk-selected", selected);
  mark();
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("a").focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const row = current();
  if (event.key === "j" || event.key === "ArrowDown") move(1);
  else if (event.key === "k" || event.key === "ArrowUp") move(-1);
  else if (event.key === "Enter" && row && !event.target.closest("a, button, summary")) location.href = row.dataset.href;
  else if (event.key === "t" && row) row.querySelector(".take")?.click();
  else if (event.key === "n") document.getElementById("next")?.click();
  else return;
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-href]");
  if (!row || event.target.closest("a, button") || String(getSelection())) return;
  location.href = row.dataset.href;
});

document.addEventListener("live", mark);
mark();
