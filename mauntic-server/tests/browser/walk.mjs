// Which pages there are, from the source of the server, and the way to one of each by links, as people go.
import { readdir, readFile } from "node:fs/promises";
import assert from "node:assert/strict";

const SOURCES = new URL("../../src/ui/", import.meta.url);

/** The routes that answer to GET, as they stand in the source: none can be forgotten. */
export async function routes() {
  const found = new Set();
  const files = (await readdir(SOURCES, { recursive: true })).filter((name) => name.endsWith(".rs"));
  for (const file of files) {
    const source = (await readFile(new URL(file, SOURCES), "utf8")).replace(/\s+/g, "");
    const gets = source.match(/\.at\((?:(?!\.at\().)*?,get\(/g) ?? [];
    for (const get of gets) {
      const [, path] = /^\.at\("(\/[^"]*)",get\($/.exec(get) ?? [];
      assert.ok(path, `${file}: the address of a route is not written out: ${get}`);
      if (!path.startsWith("/assets/")) found.add(`/app${path}`);
    }
  }
  assert.ok(found.size > 50, `only ${found.size} routes were found`);
  return [...found].sort((a, b) => (a.match(/[:*]/g) ?? []).length - (b.match(/[:*]/g) ?? []).length);
}

/** The route that an address belongs to: the one with the fewest variables. */
export function routeOf(routes, address) {
  const path = new URL(address, "http://localhost").pathname;
  const fits = (route) => new RegExp(`^${route.replace(/[.]/g, "\\$&").replace(/[:*]\w+/g, "[^/]+")}$`).test(path);
  return routes.find(fits);
}

/** What a form would send, and where to. */
const formsOf = (page) => page.locator("form").evaluateAll((forms) => forms.map((form) => {
  const fields = [...new FormData(form)].map(([name, value]) => [name, typeof value === "string" ? value : ""]);
  return { method: form.method, action: new URL(form.getAttribute("action") ?? "", location.href).href, type: form.enctype, fields };
}));

/**
 * Goes from page to page, to one of each route, and to all of `start`. What a link leads to must be there: a link to what
 * is refused is a fault. Returns the addresses by route, those that are files, and the forms by where they are sent.
 */
export async function walk(page, all, start) {
  const [pages, files, forms, faults] = [new Map(), new Map(), new Map(), []];
  const ahead = start.map((address) => [address, "the start"]);
  const { origin } = new URL(start[0]);
  while (ahead.length > 0) {
    const [address, from] = ahead.shift();
    const { origin: site, pathname } = new URL(address);
    if (site !== origin || !/^\/app(\/|$)/.test(pathname)) continue;
    const route = routeOf(all, address);
    if (!route) faults.push(`${from} leads to ${address}, which is nowhere`);
    if (!route || pages.has(route) || files.has(route)) continue;
    const answer = await page.context().request.get(address, { maxRedirects: 0 });
    const headers = answer.headers();
    if (answer.status() !== 200) {
      faults.push(`${from} leads to ${address}: ${answer.status()}`);
      continue;
    }
    // A file, or what an author wrote, which stands in a frame.
    const isPage = /^text\/html/.test(headers["content-type"] ?? "") && !/^sandbox/.test(headers["content-security-policy"] ?? "");
    (isPage ? pages : files).set(route, address);
    if (!isPage) continue;
    await page.goto(address);
    for (const href of await page.locator("a[href], iframe[src]").evaluateAll((links) => links.map((link) => link.href || link.src))) {
      ahead.push([href, address]);
    }
    for (const form of await formsOf(page)) {
      const key = new URL(form.action).pathname.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "ID");
      if (form.method === "post" && !forms.has(key)) forms.set(key, form);
    }
  }
  return { pages, files, forms, faults };
}

/** Sends a form from within the page, as a script of ours could; answers with the status, 0 for "go on to another page". */
export function send(page, { action, type, fields }) {
  return page.evaluate(async ({ action, type, fields }) => {
    const body = type === "multipart/form-data" ? new FormData() : new URLSearchParams();
    for (const [name, value] of fields) body.append(name, name === "file" ? new File(["a"], "a.csv") : value);
    return (await fetch(action, { method: "POST", body, redirect: "manual" })).status;
  }, { action, type, fields });
}

/** Fills in the form at an address that is sent to `action` and sends it, which must lead on. */
export async function fill(page, address, action, values) {
  await page.goto(address);
  const form = (await formsOf(page)).find((form) => form.method === "post" && new URL(form.action).pathname === action);
  assert.ok(form, `${address} has no form for ${action}`);
  const kept = form.fields.filter(([name]) => !(name in values));
  const status = await send(page, { ...form, fields: [...kept, ...Object.entries(values)] });
  assert.ok(status < 400, `${action} was refused: ${status}`);
}
