// Pictures beside a reply: chosen, pasted or dropped, shown before they are sent, and taken away again. Without this
// script the browser's own field does it all.
"use strict";

(() => {
  const picker = document.getElementById("picture");
  if (!picker) return; // a ticket that has ended takes none
  const shelf = document.getElementById("enclosed");
  const [list, told] = [shelf.querySelector("ul"), shelf.querySelector("[role=status]")];
  const form = picker.form;
  const words = form.elements.text;
  const KINDS = picker.accept.split(",");
  let chosen = new DataTransfer(); // what the field holds: it cannot be added to by itself

  function faultOf(file) {
    if (!KINDS.includes(file.type)) return shelf.dataset.kind;
    if (file.size > Number(picker.dataset.bytes)) return shelf.dataset.large;
    return chosen.items.length < Number(picker.dataset.most) ? "" : shelf.dataset.most;
  }

  function add(files) {
    const faults = [];
    for (const file of files) {
      const fault = faultOf(file);
      if (fault) faults.push(fault.replace("{name}", file.name));
      else chosen.items.add(file);
    }
    changed([...new Set(faults)].join(" · "));
  }

  function changed(sentence = "") {
    picker.files = chosen.files;
    words.required = !chosen.items.length;
    list.replaceChildren(...[...chosen.files].map(shown));
    told.textContent = sentence;
    told.hidden = !sentence;
    shelf.hidden = !sentence && !chosen.items.length;
    document.dispatchEvent(new Event("live")); // the thread has less room, and stays at its end
  }

  function shown(file, place) {
    const [item, picture, button] = ["li", "img", "button"].map((name) => document.createElement(name));
    const reader = new FileReader();
    reader.onload = () => (picture.src = reader.result);
    reader.readAsDataURL(file);
    picture.alt = file.name;
    button.type = "button";
    button.textContent = "×";
    button.title = shelf.dataset.remove.replace("{name}", file.name);
    button.setAttribute("aria-label", button.title);
    button.addEventListener("click", () => remove(place));
    item.append(picture, button);
    return item;
  }

  function remove(place) {
    chosen.items.remove(place);
    changed();
    (list.querySelectorAll("button")[Math.min(place, chosen.items.length - 1)] || picker).focus();
  }

  const picturesIn = (transfer) => [...(transfer?.files || [])].filter((file) => file.type.startsWith("image/"));

  picker.addEventListener("change", () => add(picker.files));
  form.addEventListener("paste", (event) => {
    const found = picturesIn(event.clipboardData);
    if (!found.length) return;
    event.preventDefault();
    add(found);
  });
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    add(picturesIn(event.dataTransfer));
  });
  add(picker.files); // coming back, a browser may remember some
})();
