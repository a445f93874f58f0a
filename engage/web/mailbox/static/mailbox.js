// Times in the reader's zone, new mail without a reload, and the button that empties the mailbox. All of the mailbox
// can be read without it.
"use strict";

const EVERY = 3000;

function localTimes(root) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll("time")) {
    const then = new Date(time.dateTime);
    const full = then.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    time.title = full;
    if ("full" in time.dataset) time.textContent = full;
    else if (then.toDateString() === today) time.textContent = then.toLocaleTimeString(undefined, { timeStyle: "short" });
    else time.textContent = then.toLocaleDateString(undefined, { dateStyle: "medium" });
  }
}

function follow(inbox) {
  const fresh = document.getElementById("fresh");
  let waiting = null;

  // Who has scrolled down, or is choosing or filtering by keyboard, is reading: ask before moving anything.
  const reading = () => window.scrollY > 40 || inbox.contains(document.activeElement);

  function show() {
    const known = new Set([...inbox.querySelectorAll(".messages a")].map((link) => link.href));
    inbox.replaceChildren(...waiting.querySelector("#inbox").childNodes);
    inbox.dataset.version = waiting.querySelector("#inbox").dataset.version;
    document.title = waiting.title;
    for (const link of inbox.querySelectorAll(".messages a")) {
      if (known.size && !known.has(link.href)) link.parentElement.classList.add("new");
    }
    waiting = null;
    fresh.hidden = true;
    prepare(inbox);
  }

  async function look() {
    if (document.hidden) return;
    const version = (waiting ? waiting.querySelector("#inbox") : inbox).dataset.version;
    const answer = await fetch(location.href, { cache: "no-store", headers: { "If-None-Match": `"${version}"` } });
    if (answer.status !== 200) return;
    waiting = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (reading()) fresh.hidden = false;
    else show();
  }

  fresh.addEventListener("click", () => {
    window.scrollTo(0, 0);
    show();
  });
  const again = () => look().catch(() => {}).finally(() => setTimeout(again, EVERY));
  setTimeout(again, EVERY);
}

function prepare(root) {
  localTimes(root);
  const empty = root.querySelector("#empty");
  if (!empty) return;
  empty.hidden = false;
  empty.addEventListener("click", async () => {
    if (!confirm("Remove every message from the mailbox?")) return;
    await fetch("/mailbox/messages", { method: "DELETE" });
    location.href = "/mailbox";
  });
}

prepare(document);
const inbox = document.querySelector("#inbox[data-follow]");
if (inbox) follow(inbox);
