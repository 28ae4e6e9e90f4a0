// The chat on a page of a shop: <script src="https://…/widget.js" data-accent="#0a7" data-lang="zh" async></script>
// A button and a frame of our chat page, in a shadow root: its style is adopted and its elements are made one by one, so that the
// page's policy has to allow script-src and frame-src, and nothing else. See docs/widget.md.
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.kadeskWidget) return;
  window.kadeskWidget = true;

  const desk = new URL(script.src).origin;
  const { accent = "#0f6b5c", lang = document.documentElement.lang, customer = "" } = script.dataset;
  const isChinese = !lang || lang.toLowerCase().startsWith("zh");
  const words = isChinese
    ? { open: "在线客服", close: "关闭在线客服", unread: (n) => `${n} 条新消息`, away: "客服窗口打不开。", apart: "在新窗口打开" }
    : { open: "Support chat", close: "Close support chat", unread: (n) => `${n} new message${n > 1 ? "s" : ""}`, away: "The chat does not open here.", apart: "Open in a new window" };
  const PATIENCE = 10000; // ms that the frame may take until it speaks
  const SEEN = "kadesk-seen-" + customer; // in the shop's storage: the last message that was seen; so there is a chat to watch

  const STYLE = `
  :host { all: initial; color-scheme: light dark; --ink: #fff; }
  @supports (color: oklch(from red l c h)) { :host { --ink: oklch(from var(--accent) clamp(.15, (.63 - l) * 1000, 1) 0 h); } }
  * { box-sizing: border-box; }
  [hidden] { display: none !important; }
  .launcher, .panel { position: fixed; z-index: 2147483000; right: max(20px, env(safe-area-inset-right)); }
  .launcher { bottom: max(20px, env(safe-area-inset-bottom)); width: 56px; height: 56px; padding: 0; border: 0; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--ink); cursor: pointer; box-shadow: 0 4px 16px #0004; }
  .launcher:focus-visible, .away :focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; box-shadow: 0 0 0 3px Canvas; }
  svg { width: 28px; height: 28px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
  .badge { position: absolute; top: -4px; right: -4px; min-width: 22px; padding: 0 6px; border-radius: 11px; background: #b3261e; color: #fff; font: 600 13px/22px system-ui, sans-serif; text-align: center; }
  .panel { bottom: calc(max(20px, env(safe-area-inset-bottom)) + 70px); width: 384px; height: min(640px, 100dvh - 110px); border-radius: 16px; overflow: hidden; background: Canvas; box-shadow: 0 10px 40px #0005; }
  iframe { position: absolute; inset: 0; width: 100%; height: 100%; border: 0; }
  .away { position: absolute; inset: 0; display: grid; place-content: center; gap: 12px; padding: 24px; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif; text-align: center; }
  .away button, .away a { font: inherit; color: inherit; padding: 8px 16px; border: 1px solid; border-radius: 10px; background: none; text-decoration: none; cursor: pointer; }
  .quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  @media (max-width: 480px) {
    .panel { inset: 0; width: auto; height: 100dvh; border-radius: 0; }
    .launcher[aria-expanded="true"] { display: none; }
  }`;
  const narrow = matchMedia("(max-width: 480px)");

  // ---- what is there

  function make(name, attributes, ...content) {
    const made = name === "svg" || name === "path" ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  }

  const icon = (path) => make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, make("path", { d: path }));
  const [talk, cross] = [icon("M21 11.5a8 8 0 0 1-8 8c-1.4 0-2.7-.3-3.8-.9L4 20l1.4-4.6A8 8 0 1 1 21 11.5ZM9 11.5h.01M13 11.5h.01M17 11.5h.01"), icon("M6 6l12 12M18 6 6 18")];
  const badge = make("span", { class: "badge", "aria-hidden": "true", hidden: "" });
  const launcher = make("button", { type: "button", class: "launcher", "aria-expanded": "false", "aria-controls": "panel" });
  const news = make("span", { class: "quiet", role: "status" });
  const apart = make("a", { href: desk + "/chat?lang=" + (isChinese ? "zh" : "en"), target: "_blank", rel: "noopener" }, words.apart);
  const shut = make("button", { type: "button" }, words.close);
  const away = make("div", { class: "away", role: "alert", hidden: "" }, words.away, apart, shut);
  const [before, after] = [make("div", { tabindex: "0" }), make("div", { tabindex: "0" })];
  const panel = make("div", { id: "panel", class: "panel", role: "dialog", "aria-label": words.open, hidden: "" }, before, away, after);
  const host = make("kadesk-widget", { lang: isChinese ? "zh-CN" : "en" });

  // ---- the frame

  let frame = null;
  let isReady = false;
  let isOpen = false;
  let unread = 0;
  let linked = "";
  let patience = 0;

  function load() {
    frame?.remove();
    isReady = false;
    away.hidden = true;
    frame = make("iframe", { title: words.open, src: `${desk}/chat?embed=1&lang=${isChinese ? "zh" : "en"}#${encodeURIComponent(customer)}` });
    frame.addEventListener("load", () => tell("hello", { accent, seen: seen() }));
    before.after(frame);
    clearTimeout(patience);
    patience = setTimeout(() => (away.hidden = isReady), PATIENCE);
  }

  function tell(what, facts) {
    frame?.contentWindow?.postMessage({ kadesk: what, ...facts }, desk);
  }

  addEventListener("message", ({ source, origin, data }) => {
    if (!frame || source !== frame.contentWindow || origin !== desk || !data) return;
    if (data.kadesk === "ready") ready();
    else if (data.kadesk === "unread") count(Number(data.count) || 0, data.seen);
    else if (data.kadesk === "close") close();
  });

  function ready() {
    isReady = true;
    away.hidden = true;
    if (isOpen) enter();
    else tell("watch");
  }

  // The identity is read now: a page may have put it there after we came.
  function enter() {
    frame.focus();
    tell("open", { identity: linked || script.dataset.identity || "" });
  }

  // The shop's link to the chat about an order opens it here.
  function follow(event) {
    const link = event.target.closest?.(`a[href^="${desk}/chat?start="]`);
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    linked = new URL(link.href).searchParams.get("start");
    open();
  }

  // ---- open, closed, unread

  function open() {
    isOpen = true;
    draw();
    fit();
    if (isReady) enter();
    else load();
  }

  function close() {
    isOpen = false;
    tell("close");
    draw();
    launcher.focus();
  }

  function count(number, last) {
    seen(last);
    if (number > unread && !isOpen) news.textContent = words.unread(number);
    unread = number;
    draw();
  }

  function draw() {
    panel.hidden = !isOpen;
    panel.setAttribute("aria-modal", String(narrow.matches));
    before.hidden = after.hidden = !narrow.matches;
    launcher.replaceChildren(isOpen ? cross : talk, badge);
    badge.hidden = isOpen || !unread;
    badge.textContent = unread > 99 ? "99+" : unread;
    launcher.setAttribute("aria-expanded", String(isOpen));
    launcher.setAttribute("aria-label", isOpen ? words.close : words.open + (unread ? ", " + words.unread(unread) : ""));
  }

  // A phone's keyboard covers what is fixed to the bottom.
  function fit() {
    const view = narrow.matches && window.visualViewport;
    panel.style.height = view ? view.height + "px" : "";
    panel.style.top = view ? view.offsetTop + "px" : "";
  }

  function seen(last) {
    try {
      if (last !== undefined) localStorage.setItem(SEEN, last);
      return localStorage.getItem(SEEN);
    } catch {
      return null; // then there is no badge on the next page
    }
  }

  launcher.addEventListener("click", () => (isOpen ? close() : open()));
  document.addEventListener("click", follow);
  shut.addEventListener("click", close);
  panel.addEventListener("focusin", (event) => [before, after].includes(event.target) && (away.hidden ? frame : apart).focus());
  host.addEventListener("keydown", (event) => event.key === "Escape" && isOpen && close());
  narrow.addEventListener("change", () => (draw(), fit()));
  addEventListener("online", () => isOpen && !isReady && load());
  for (const change of ["resize", "scroll"]) window.visualViewport?.addEventListener(change, fit);

  function begin() {
    const root = host.attachShadow({ mode: "open" });
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    } catch {
      root.append(make("style", {}, STYLE)); // a browser of before 2023
    }
    host.style.setProperty("--accent", CSS.supports("color", accent) ? accent : "#0f6b5c");
    root.append(panel, launcher, news);
    draw();
    document.body.append(host);
    if (seen() !== null) load();
  }

  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin);
})();
