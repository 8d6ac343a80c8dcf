// What the pages do beyond links and forms. Every page works without it.
const root = document.documentElement;
const find = (selector, within = document) => within.querySelector(selector);

// The theme: the one that is not shown now.
function changeTheme() {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* It lasts as long as the page. */ }
}

// Toasts: what happened goes to the corner, where it can be closed; what went wrong or may do so stays where it is.
function toast(message) {
  const close = document.createElement("button");
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.textContent = "×";
  close.addEventListener("click", () => message.remove());
  message.append(close);
  find(".toasts")?.append(message);
  if (!message.matches(".bad")) leave(message);
}

// Goes by itself after a while, but not while somebody is at it.
function leave(message) {
  setTimeout(() => (message.matches(":hover, :focus-within") ? leave(message) : message.remove()), 8000);
}

function say(text) {
  const message = document.createElement("p");
  message.className = "toast bad";
  message.textContent = text;
  toast(message);
}

// Says what happened, and is at an address that does not say it again when the page is reloaded.
function arrive(address) {
  for (const message of document.querySelectorAll(".main > .toast.good")) toast(message);
  const here = new URL(address);
  for (const said of ["done", "told"]) if (here.searchParams.has(said)) here.searchParams.delete(said);
  if (here.href !== location.href) history.replaceState(history.state, "", here);
}
arrive(location.href);

// Confirmations: the part of the page that asks, as a dialog.
async function confirmed(link) {
  const answer = await fetch(link.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const asked = find("[data-confirmation]", page);
  const form = asked && find("form", asked);
  if (!answer.ok || answer.redirected || !form) throw new Error("no question");
  if (!form.getAttribute("action")) form.setAttribute("action", link.href);
  const title = find("h1, h2", asked);
  title.id = "asked";
  const dialog = document.createElement("dialog");
  dialog.className = "card";
  dialog.setAttribute("aria-labelledby", "asked");
  dialog.append(...asked.childNodes);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    const keep = event.target.closest("[data-keep]");
    if (keep || event.target === dialog) { event.preventDefault(); dialog.close(); }
  });
  document.body.append(dialog);
  dialog.showModal();
  find("[data-keep]", dialog)?.focus();
}

document.addEventListener("click", (event) => {
  const plain = !event.defaultPrevented && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const link = event.target.closest("a[data-confirm]");
  if (link && plain) {
    event.preventDefault();
    confirmed(link).catch(() => { location.href = link.href; });
  }
  if (event.target.closest("[data-theme-toggle]")) changeTheme();
  for (const menu of document.querySelectorAll("details:is(.menu, .panel)[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  if (!event.target.closest(".search")) find("[data-results]")?.replaceChildren();
});

// What opens below a button, and closes on Escape.
const OPENS = ".menu, .panel, .tokens";

// Keys: `/` or Ctrl+K to search, arrows through what was found, Escape to leave.
document.addEventListener("keydown", (event) => {
  const search = find("[data-search]");
  const results = find("[data-results]");
  if (event.key === "Escape") {
    const menu = event.target.closest(`details:is(${OPENS})[open]`) ?? find("details.menu[open]");
    if (menu) { menu.open = false; find("summary", menu).focus(); }
    if (results?.firstChild) { results.replaceChildren(); search.focus(); }
    return;
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const bare = !event.ctrlKey && !event.metaKey && !event.altKey;
  const asked = (event.key === "/" && bare && !typing) || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey));
  if (search && asked && !find("dialog[open]")) { event.preventDefault(); search.focus(); search.select(); return; }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.closest(".search")) return;
  const stops = [search, ...results.querySelectorAll("a")];
  const next = stops[stops.indexOf(document.activeElement) + step];
  if (next) { event.preventDefault(); next.focus(); }
});

// What looks for news by itself: only while somebody is there, so that it keeps no session alive, and without a word.
const QUIET = 10 * 60 * 1000;
let seen = Date.now();
for (const sign of ["pointerdown", "keydown", "scroll"]) {
  addEventListener(sign, () => { seen = Date.now(); }, { capture: true, passive: true });
}
const isQuiet = ({ detail }) => (detail.requestConfig?.elt ?? detail.elt).matches("[data-quiet]");
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isQuiet(event) && (document.hidden || Date.now() - seen > QUIET)) event.preventDefault();
});

// What htmx asked for.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig: asked } = event.detail;
  // A bell that cannot be had any more stays as it is: reloading would lose what somebody is writing.
  if (isQuiet(event) && !xhr.responseText.includes('id="bell"')) { event.detail.shouldSwap = false; return; }
  // The session is over, or the page leads elsewhere: go where the answer came from.
  const came = xhr.responseURL && new URL(xhr.responseURL);
  if (came && came.pathname === "/app/login") { event.detail.shouldSwap = false; location.reload(); return; }
  if (asked?.verb !== "post") return;
  if (xhr.status < 400) {
    if (came && came.pathname !== location.pathname) { event.detail.shouldSwap = false; location.assign(came); }
    return;
  }
  // A form that was refused: as a page that says where, or in words.
  const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
  const words = [...page.querySelectorAll("main :is(h1, p:not(:has(a)))")].map((part) => part.textContent.trim()).join(" – ");
  event.detail.shouldSwap = Boolean(find("main.main", page));
  event.detail.isError = !event.detail.shouldSwap && !words;
  if (!event.detail.shouldSwap && words) say(words);
});
document.addEventListener("htmx:responseError", (event) => isQuiet(event) || say("This could not be loaded. Reload the page to try again."));
document.addEventListener("htmx:sendError", (event) => isQuiet(event) || say("The server does not answer. Reload the page to try again."));
document.addEventListener("htmx:afterSettle", (event) => {
  // What had the focus is gone: go on in what came instead.
  const { elt: part, requestConfig: asked } = event.detail;
  const gone = document.activeElement === document.body && ["click", "submit"].includes(asked?.triggeringEvent?.type);
  if (asked?.verb === "post") {
    const { xhr } = event.detail;
    if (xhr.status < 400) arrive(xhr.responseURL);
    // Where it was pressed, as far as that is still there.
    const place = document.getElementById(asked.elt.parentElement?.closest("[id]")?.id) ?? part;
    const next = find("[aria-invalid=true]", part) ?? document.getElementById(asked.triggeringEvent?.submitter?.id) ?? place;
    // Never on another button: it may do away with something.
    if (gone && next === place && !place.hasAttribute("tabindex")) place.tabIndex = -1;
    if (gone) next.focus({ preventScroll: next === part });
    return;
  }
  // The next page is read from its top.
  if (gone || asked?.elt?.matches("[rel=next]")) find("[role=region]", part)?.focus({ preventScroll: true });
});

// Ticks are of the page that is looked at: how many there are is said where they are used.
document.addEventListener("change", ({ target }) => {
  const said = target.form?.id === "many" && target.name === "contact" && find("[data-ticked]");
  if (said) said.textContent = ` (${document.querySelectorAll("[name=contact]:checked").length})`;
});
