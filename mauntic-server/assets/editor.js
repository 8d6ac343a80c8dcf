// The email editor: steps without a reload, blocks that are dragged, and a preview that follows what is written.
const form = document.querySelector("[data-editor]");
const preview = form.querySelector("[data-preview]");
let changed = false;
let last = null;

function unsaved() {
  changed = true;
  form.querySelector("[data-unsaved]").hidden = false;
}
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

// The preview: a moment after the last change.
let timer;
function show(after) {
  clearTimeout(timer);
  timer = setTimeout(() => form.requestSubmit(preview), after);
}

// A step: the form goes to the server, and its content comes back changed.
async function step(value) {
  const data = new URLSearchParams(new FormData(form));
  data.set("step", value);
  const answer = await fetch(form.action, { method: "POST", body: data, headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const come = page.querySelector("#body");
  if (!answer.ok || answer.redirected || !come) throw new Error("no blocks");
  form.querySelector("#body").replaceWith(document.adoptNode(come));
  unsaved();
  show(0);
  // Where the work was is where it goes on.
  const touched = form.querySelector("[data-touched]");
  const again = form.querySelector(`button[value="${CSS.escape(value)}"]`);
  (again ?? touched?.querySelector("summary"))?.focus();
  touched?.scrollIntoView({ block: "nearest" });
}

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button === preview) return;
  const value = button?.name === "step" ? button.value : "save";
  if (value === "save" || value === "to_mjml") { changed = false; return; }
  event.preventDefault();
  step(value).catch(() => { changed = false; last = button; plain(value); });
});

// As without scripting: the whole page.
function plain(value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "step", value });
  form.append(field);
  form.submit();
}

form.addEventListener("input", () => { unsaved(); show(600); });

// Variables go to where was written last.
form.addEventListener("focusin", (event) => {
  if (event.target.matches("input[type=text], textarea")) last = event.target;
});
form.addEventListener("click", (event) => {
  const token = event.target.closest("[data-token]")?.dataset.token;
  if (!token || !last?.isConnected || !last.setRangeText) return;
  last.setRangeText(token, last.selectionStart, last.selectionEnd, "end");
  last.focus();
  last.dispatchEvent(new Event("input", { bubbles: true }));
});

// Dragging: a block is dropped before or behind another one, or into an empty list.
let dragged = null;
const marked = () => form.querySelector("[data-drop]");
function place(event) {
  const list = event.target.closest("[data-list]");
  if (!dragged || !list || dragged.contains(list)) return null;
  const over = event.target.closest("[data-block]");
  const blocks = [...list.children];
  if (!over || over.parentElement !== list) return { list, index: blocks.length, mark: list, side: "end" };
  const box = over.getBoundingClientRect();
  const behind = event.clientY > box.top + box.height / 2;
  return { list, index: blocks.indexOf(over) + Number(behind), mark: over, side: behind ? "end" : "start" };
}
form.addEventListener("dragstart", (event) => {
  if (!event.target.matches?.("[data-handle]")) return;
  dragged = event.target.closest("[data-block]");
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.dataset.block);
});
form.addEventListener("dragover", (event) => {
  const to = place(event);
  marked()?.removeAttribute("data-drop");
  if (!to) return;
  event.preventDefault();
  to.mark.dataset.drop = to.side;
});
form.addEventListener("drop", (event) => {
  const to = place(event);
  marked()?.removeAttribute("data-drop");
  if (!to) return;
  event.preventDefault();
  const value = `move:${dragged.dataset.block}:${to.list.dataset.list}:${to.index}`;
  dragged = null;
  step(value).catch(() => plain(value));
});
form.addEventListener("dragend", () => { marked()?.removeAttribute("data-drop"); dragged = null; });

show(0);
