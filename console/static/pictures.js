// Pictures in the buyers' chat: chosen, pasted or dropped; sent by chat.js in turn with the words, and shown where they came.
"use strict";

const picker = document.getElementById("picture");
const KINDS = picker.accept.split(",");

// One request per picture, with the id of its message: sent again, it is the same one. Progress is the browser's to tell.
function upload({ id, file }, language, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/chat/api/pictures?id=${id}&language=${language}`);
    request.responseType = "json";
    for (const [name, value] of Object.entries({ "Content-Type": file.type, ...host?.headers() })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => total && onProgress(loaded / total);
    request.onload = () =>
      resolve({ status: request.status, answer: request.response || {}, retryAfter: Number(request.getResponseHeader("Retry-After")) || 0 });
    request.onerror = request.ontimeout = request.onabort = () => resolve({ status: 0, answer: {} });
    request.timeout = 120000;
    request.send(file);
  });
}

// What is no picture, or too large, is told before it is sent.
function faultOf(file) {
  if (!KINDS.includes(file.type)) return words.pictureKind;
  return file.size > Number(picker.dataset.limit) ? words.pictureLarge : "";
}

// As a data: address, since the page lets no other local one in.
function previewOf(file) {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => resolve("");
    reader.readAsDataURL(file);
  });
}

async function sendPicture(file) {
  const reason = faultOf(file);
  const preview = reason ? "" : await previewOf(file);
  send({ file, preview, shownAs: words.photo, ...(reason && { state: "refused", reason }) });
}

function image(address, description, onLoad) {
  const made = document.createElement("img");
  made.className = "picture";
  made.alt = description;
  made.addEventListener("load", onLoad, { once: true });
  made.src = address;
  return made;
}

// The picture itself, as it was kept; a press opens it larger in a page of its own.
function kept(number, onLoad) {
  const address = `/chat/api/pictures/${number}`;
  if (host) return host.fetched(address, onLoad);
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener";
  link.append(image(address, words.photo, onLoad));
  return link;
}

const picturesIn = (list) => [...list].filter((file) => file.type.startsWith("image/"));

document.getElementById("pick").addEventListener("click", () => picker.click());
picker.addEventListener("change", () => {
  [...picker.files].forEach(sendPicture);
  picker.value = ""; // the same one may be chosen again
});
document.addEventListener("paste", (event) => {
  const found = picturesIn(event.clipboardData?.files || []);
  if (!found.length) return;
  event.preventDefault();
  found.forEach(sendPicture);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault(); // else the browser leaves the chat for the file
  [...event.dataTransfer.files].forEach(sendPicture);
});
