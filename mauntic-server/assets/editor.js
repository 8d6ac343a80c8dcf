// The email editor: steps without a reload, blocks that are dragged, and a preview that follows what is written.
const form = document.querySelector("[data-editor]");
const preview = form.querySelector("[data-preview]");
// What came back from a step, or was refused, is not saved either.
let changed = form.hasAttribute("data-changed");
let last = null;

function unsaved() {
  changed = true;
  say("Not saved yet");
}

function say(text) {
  const said = form.querySelector("[data-unsaved]");
  said.hidden = false;
  if (said.textContent !== text) said.textContent = text;
}
addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });

// The preview: a moment after the last change.
let timer;
function show(after) {
  clearTimeout(timer);
  timer = setTimeout(() => form.requestSubmit(preview), after);
}

// Steps: the form goes to the server, and its content comes back changed. They go one after the other, each from what the
// one before left; what somebody writes while one is on its way is put into what comes back.
const ahead = [];
const meanwhile = new Map();
let going = false;
let saving = null;

function ask(value) {
  const list = value.startsWith("add:") && `kind.${value.slice(4)}`;
  ahead.push({ value, chosen: list && [list, form.elements[list].value] });
  if (!going) go();
}

async function go() {
  going = true;
  form.setAttribute("aria-busy", "true");
  try {
    while (ahead.length > 0) await step(ahead[0]);
    if (saving) {
      // A form is sent to one place at a time: the preview would take the place of what is saved.
      clearTimeout(timer);
      form.requestSubmit(form.querySelector(`[name=step][value=${saving}]`));
    }
  } catch (error) {
    const [{ value }] = ahead.splice(0);
    if (error instanceof TypeError) say("The server does not answer. What you wrote is still here: try again.");
    else if (error.cause === "login") say("You are logged out by now. What you wrote is still here: copy it before you log in again.");
    else { changed = false; plain(value); }
  } finally {
    going = false;
    saving = null;
    form.removeAttribute("aria-busy");
  }
}

async function step({ value, chosen }) {
  const data = new URLSearchParams(new FormData(form));
  data.set("step", value);
  if (chosen) data.set(...chosen);
  meanwhile.clear();
  const answer = await fetch(form.action, { method: "POST", body: data, headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const come = page.querySelector("#body");
  if (answer.redirected) throw new Error("logged out", { cause: "login" });
  if (!answer.ok || !come) throw new Error("no blocks");
  ahead.shift();
  replace(document.adoptNode(come), value);
  unsaved();
  show(0);
}

function replace(come, value) {
  const body = form.querySelector("#body");
  const at = document.activeElement;
  // Whoever is in a field by now stays there; choosing a file is a step itself.
  const writes = body.contains(at) && at.matches("input:not([type=file]), select, textarea");
  const within = writes ? at.id : "";
  const [start, end] = within && "selectionStart" in at ? [at.selectionStart, at.selectionEnd] : [];
  for (const [name, { text, ticked }] of meanwhile) {
    const field = come.querySelector(`[name="${CSS.escape(name)}"]`);
    if (!field) continue;
    field.value = text;
    if (field.type === "checkbox") field.checked = ticked;
  }
  body.replaceWith(come);
  const writing = within && document.getElementById(within);
  if (writing) {
    // A block that was opened comes back closed.
    for (let fold = writing.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    writing.focus({ preventScroll: true });
    if (start != null) writing.setSelectionRange(start, end);
    if (writing.matches("input[type=text], textarea")) last = writing;
    return;
  }
  // Where the work was is where it goes on.
  const touched = come.querySelector("[data-touched]");
  const again = come.querySelector(`button[value="${CSS.escape(value)}"]`);
  (again ?? touched?.querySelector("summary"))?.focus();
  touched?.scrollIntoView({ block: "nearest" });
}

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button === preview) return;
  const value = button?.name === "step" ? button.value : "save";
  if (value === "save" || value === "to_mjml") {
    // What is on its way comes first.
    if (going && ahead.length > 0) { event.preventDefault(); saving = value; return; }
    changed = false;
    return;
  }
  event.preventDefault();
  ask(value);
});

// As without scripting: the whole page.
function plain(value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "step", value });
  form.append(field);
  form.submit();
}

form.addEventListener("input", ({ target }) => {
  if (target.name) meanwhile.set(target.name, { text: target.value, ticked: target.checked });
  unsaved();
  show(600);
});

// An image is uploaded where it is needed, and stands first among those to choose from.
form.addEventListener("change", async ({ target }) => {
  const [file] = target.matches("[data-upload-to]") ? target.files : [];
  if (!file) return;
  const data = new FormData();
  data.append("csrf", form.elements.csrf.value);
  data.append("file", file);
  say("The image is on its way");
  try {
    const answer = await fetch(target.dataset.uploadTo, { method: "POST", body: data, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) ask(`pick:${target.dataset.block}`);
    else say(page.querySelector(".toast.bad, main p")?.textContent ?? "The image was not taken");
  } catch {
    say("The server does not answer: try again.");
  }
});

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
  ask(value);
});
form.addEventListener("dragend", () => { marked()?.removeAttribute("data-drop"); dragged = null; });

show(0);
