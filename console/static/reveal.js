// Copies the code. Without this script it can still be selected: `user-select: all` takes it whole.
"use strict";

const code = document.getElementById("code");
const button = document.getElementById("copy");

button.addEventListener("click", async () => {
  let done = true;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Not over plain http: the older way works there.
    getSelection().selectAllChildren(code);
    done = document.execCommand("copy");
  }
  document.getElementById("copied").textContent = button.textContent = done ? button.dataset.done : button.dataset.failed;
  button.classList.toggle("done", done);
});
