// The chat in a frame of a shop's page. Its session stands in the storage that the frame has on that site; widget.js around it tells
// when it is seen, and what the shop vouches for.
"use strict";

window.framed = (() => {
  const SESSION = "X-Kadesk-Session";
  const FIRST_LOOK = 3000; // ms: who closes the chat may have an answer coming
  const LAST_LOOK = 60000;
  const origins = document.getElementById("words").dataset.origins.split(" ");
  const KEPT = "kadesk-session" + location.hash; // the hash says whose chat of this browser it is
  const fresh = new Set(); // ids that came while nobody looked
  let session = read() || (location.hash ? "-" : ""); // "-" is none, and not that of the cookie, which knows no customers
  let seen = 0;
  let hasBegun = false;
  let shop = ""; // the origin of the page around us, once it has spoken
  let identity = "";
  let rest = FIRST_LOOK;

  function read() {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return ""; // then there is the cookie over https, else the chat lasts as long as the page
    }
  }

  function keep(given) {
    session = given;
    try {
      localStorage.setItem(KEPT, session);
    } catch {}
  }

  const say = (what, facts) => shop && parent.postMessage({ kadesk: what, ...facts }, shop);

  // ---- what chat.js asks

  const framed = {
    isOpen: false,
    headers: () => ({ [SESSION]: session }),

    keep(headers) {
      const given = headers.get(SESSION);
      if (given && given !== session) keep(given);
    },

    hear({ id, author }) {
      if (author !== "buyer" && id > seen) fresh.add(id);
      if (framed.isOpen) look();
      else say("unread", { count: fresh.size });
    },

    // While nobody looks no connection is held.
    restsFor() {
      rest = document.hidden ? LAST_LOOK : Math.min(rest * 1.5, LAST_LOOK);
      return rest;
    },

    // What the shop signed for an order. The id is that of the hour, so that going from page to page presents it once.
    takeIdentity() {
      const order = identity.slice(9, -16);
      const isGood = order && Number(identity.slice(1, 9)) * 60000 > Date.now();
      const message = { start: true, text: identity, id: `${order}-${Math.floor(Date.now() / 36e5)}` };
      identity = "";
      return isGood && message;
    },

    // A picture needs the header too, and the page lets only data: in.
    fetched(address, onLoad) {
      const made = image("", words.photo, onLoad);
      fetch(address, { headers: framed.headers() })
        .then((response) => (response.ok ? response.blob() : Promise.reject()))
        .then(previewOf)
        .then((data) => (made.src = data))
        .catch(() => made.replaceWith(element("span", "attachment", words.photo)));
      return made;
    },
  };

  function look() {
    fresh.forEach((id) => (seen = Math.max(seen, id)));
    fresh.clear();
    say("unread", { count: 0, seen });
  }

  // ---- what widget.js says

  addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || !origins.includes(origin) || !data) return;
    shop = origin;
    if (data.kadesk === "hello") {
      document.body.style.setProperty("--brand", String(data.accent));
      seen = Number(data.seen) || 0;
      say("ready");
    } else if (data.kadesk === "watch") {
      begin();
    } else if (data.kadesk === "open") {
      opened(String(data.identity || ""));
    } else if (data.kadesk === "close") {
      framed.isOpen = false;
      rest = FIRST_LOOK;
      stream?.abort();
    }
  });

  function opened(given) {
    identity = given;
    const again = framed.isOpen && hasBegun && framed.takeIdentity(); // by another link, while it was open
    framed.isOpen = true;
    look();
    if (again) send(again);
    else begin();
    text.focus();
    follow(true);
  }

  function begin() {
    if (hasBegun) wake();
    else start();
    hasBegun = true;
  }

  const close = () => say("close");
  document.getElementById("close").addEventListener("click", close);
  addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && close());

  if (parent === window) location.replace("/chat" + location.search.replace("embed=1&", ""));
  return framed;
})();
