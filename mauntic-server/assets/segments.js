// Writing a segment: rows and text change in step while somebody types, and rows move by mouse, finger or keys. Without
// this, buttons do the same. Each change posts the form; what comes back is a page, of which the editor is taken.
const form = document.getElementById("segment-form");
const told = document.getElementById("told");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let timer;
let asked = 0;
let typed = 0;

function later() {
  clearTimeout(timer);
  timer = setTimeout(() => ask("update"), 500);
}

async function ask(step) {
  clearTimeout(timer);
  const mine = ++asked;
  const before = typed;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("do", step);
  const editor = document.getElementById("editor");
  editor.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "text/html" } });
    if (mine !== asked) return;
    if (answer.redirected) { location.href = answer.url; return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = page.getElementById("editor");
    if (mine !== asked) return;
    if (!next) throw new Error("no editor");
    // Somebody typed on: what they typed must not be overwritten.
    if (typed !== before && step === "update") { later(); return; }
    replace(editor, next, step);
  } catch {
    if (mine === asked) told.textContent = "The server did not answer. What you typed is still here; Save tries again.";
  } finally {
    document.getElementById("editor").removeAttribute("aria-busy");
  }
}

function replace(editor, next, step) {
  const at = document.activeElement;
  const within = editor.contains(at) ? at.id : "";
  const [start, end] = within && "selectionStart" in at ? [at.selectionStart, at.selectionEnd] : [];
  editor.replaceWith(next);
  const wanted = step === "update" ? null : next.querySelector("[autofocus]");
  const fallback = wanted?.disabled ? wanted.closest(".rule-line").querySelector("select") : wanted;
  const focus = fallback ?? (within && document.getElementById(within));
  if (focus) {
    focus.focus({ preventScroll: !fallback });
    if (!fallback && start != null) {
      try { focus.setSelectionRange(start, end); } catch { /* It is no text. */ }
    }
  }
  told.textContent = next.querySelector("[data-count]")?.textContent ?? "";
  movable(next);
}

function movable(editor) {
  if (!window.Sortable) return;
  form.dataset.drag = "";
  for (const list of editor.querySelectorAll("[data-items]")) {
    new window.Sortable(list, {
      group: "rule",
      draggable: "[data-item]",
      handle: "[data-handle]",
      animation: still.matches ? 0 : 120,
      fallbackOnBody: true,
      invertSwap: true,
      swapThreshold: 0.6,
      emptyInsertThreshold: 12,
      onEnd: (event) => { if (event.from !== event.to || event.oldIndex !== event.newIndex) ask("moved"); },
    });
  }
}

form.addEventListener("input", (event) => {
  if (!event.target.closest("#editor")) return;
  typed++;
  later();
});
// Letters choose in a closed select, one after the other: it stays what it is until they are all there.
let spelling = false;
form.addEventListener("keydown", (event) => { spelling = event.key.length === 1; });
form.addEventListener("change", (event) => {
  if (!event.target.matches("[data-now]")) return;
  if (spelling) later();
  else ask("update");
});
form.addEventListener("pointerdown", () => { spelling = false; });
form.addEventListener("submit", (event) => {
  const step = event.submitter?.name === "do" ? event.submitter.value : "";
  if (!step) return;
  event.preventDefault();
  ask(step);
});

// Alt and an arrow moves the row or group that the keyboard is in.
const verbs = { ArrowUp: "up", ArrowDown: "down", ArrowLeft: "out", ArrowRight: "in" };
form.addEventListener("keydown", (event) => {
  const verb = event.altKey && !event.ctrlKey && !event.metaKey && verbs[event.key];
  const button = verb && event.target.closest("[data-item]")?.querySelector(`.rule-tools [value^="${verb}:"]`);
  if (!button) return;
  event.preventDefault();
  if (!button.disabled) ask(button.value);
});

movable(document);
if (document.querySelector("#fits[data-wanted]")) ask("update");
