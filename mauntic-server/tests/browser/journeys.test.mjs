// The main journeys, one after the other in one installation, as a person makes them with mouse and keyboard.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Installation } from "./installation.mjs";
import { assertCheap, cost, look, watch } from "./looks.mjs";

const OWNER = { email: "ann@example.com", password: "correct horse battery" };
const PEOPLE = 1500;
const faults = [];
let installation;
let browser;
let context;
let page;

const at = (path) => `${installation.base}${path}`;
const button = (name) => page.getByRole("main").getByRole("button", { name, exact: true });
const link = (name) => page.getByRole("main").getByRole("link", { name, exact: true });
const heading = (name) => page.getByRole("heading", { name });

before(async () => {
  installation = await Installation.start();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(15_000);
  page = await context.newPage();
  watch(page, faults);
});

after(async () => {
  await browser?.close();
  await installation?.stop();
});

async function logIn(on) {
  await on.goto(at("/app/login"));
  await on.getByLabel("Email address").fill(OWNER.email);
  await on.getByLabel("Password").fill(OWNER.password);
  await on.getByRole("button", { name: "Log in" }).click();
  await on.waitForURL(at("/app/"));
}

test("first run: the first to come names the organisation and owns it", async () => {
  await page.goto(at("/app/"));
  await page.waitForURL(at("/app/setup"));
  await page.getByLabel("Organisation").fill("Acme");
  await page.getByLabel("Time zone").fill("Europe/Oslo");
  await page.getByLabel("Your name").fill("Ann Owner");
  await page.getByLabel("Your email address").fill(OWNER.email);
  await page.getByLabel("Password").fill(OWNER.password);
  await page.keyboard.press("Enter");
  await page.waitForURL(at("/app/"));
  await heading("There are no contacts yet").waitFor();
});

test("logging out and in again", async () => {
  await page.locator("summary", { has: page.locator(".avatar") }).click();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(at("/app/login"));
  await page.getByLabel("Email address").fill(OWNER.email);
  await page.getByLabel("Password").fill("wrong horse battery");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("The email address or the password is wrong.").waitFor();
  await logIn(page);
});

test("forms work over plain HTTP under a name of the local network", async () => {
  const args = ["--no-sandbox", "--host-resolver-rules=MAP mauntic.lan 127.0.0.1"];
  const elsewhere = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  try {
    const lan = installation.base.replace("127.0.0.1", "mauntic.lan");
    const other = await elsewhere.newPage();
    await other.goto(`${lan}/app/login`);
    assert.equal(await other.evaluate(() => isSecureContext), false);
    await other.getByLabel("Email address").fill(OWNER.email);
    await other.getByLabel("Password").fill(OWNER.password);
    await other.getByRole("button", { name: "Log in" }).click();
    await other.waitForURL(`${lan}/app/`);
  } finally {
    await elsewhere.close();
  }
});

test("the theme is kept", async () => {
  const dark = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.locator("summary", { has: page.locator(".avatar") }).click();
  await page.getByRole("button", { name: "Light or dark" }).click();
  assert.equal(await dark(), "dark");
  await page.reload();
  assert.equal(await dark(), "dark");
  await page.evaluate(() => localStorage.removeItem("theme"));
});

test("contacts are brought in and a segment is described", async () => {
  const rows = Array.from({ length: PEOPLE }, (_, row) => `p${row}@example.com,Person${row},${row % 2 ? "DE" : "NO"}`);
  const file = join(installation.folder, "people.csv");
  await writeFile(file, ["email,firstname,country", ...rows].join("\n"));
  await installation.command("contacts", "import", file, "--tag", "newsletter");
  await installation.command("segments", "create", "Readers", "--where", "tag in (\"newsletter\")");
  await page.goto(at("/app/"));
  await heading("Nothing was sent yet").waitFor();
});

test("an email is written", async () => {
  await page.goto(at("/app/emails"));
  await link("New email").first().click();
  await page.getByLabel("Name", { exact: true }).fill("Welcome");
  await page.getByLabel("Subject").fill("Hello {{ contact.firstname }}");
  await page.locator("[name=from_address]").fill("news@example.com");
  await page.getByLabel("Written in").selectOption("html");
  await page.locator("[name=body]").fill("<p>Hello</p><p><a href=\"https://example.com/a\">Read on</a></p><p><a href=\"{{ unsubscribe_url }}\">Leave</a></p>");
  await page.getByRole("main").locator("button[type=submit]").first().click();
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
  await heading("Welcome").first().waitFor();
});

test("the search is reached by keyboard and shows what it finds while somebody types", async () => {
  await page.goto(at("/app/"));
  await page.keyboard.press("/");
  await page.keyboard.type("welc");
  if (await page.evaluate(() => typeof window.htmx === "object")) {
    await page.locator("#results").getByRole("link", { name: "Welcome" }).waitFor();
    await page.keyboard.press("ArrowDown");
  } else {
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/app\/search/);
    await page.getByRole("main").getByRole("link", { name: "Welcome" }).focus();
  }
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
});

test("a send is paused, resumed, and reaches everybody once", async () => {
  await link("Send").click();
  await page.getByLabel("To").selectOption({ index: 0 }).catch(() => {});
  await button("Go on to the summary").click();
  await page.getByRole("main").locator("form[method=post] button[type=submit]").first().click();
  await page.waitForURL(/\/app\/sends\//);
  await button("Pause").click();
  await page.getByText("paused", { exact: true }).first().waitFor();
  await button("Resume").click();
  await page.waitForFunction(() => document.querySelector("main .badge")?.textContent === "completed", null, { timeout: 120_000 });
  const accepted = page.locator(".stat", { hasText: "Accepted" }).locator(".value");
  assert.equal(await accepted.textContent(), PEOPLE.toLocaleString("en"));
});

test("captured mail is read, and its one click unsubscribes", async () => {
  await page.goto(at("/app/inbox"));
  await page.getByRole("main").locator("tbody a").first().click();
  await page.waitForURL(/\/app\/inbox\//);
  const source = await page.getByRole("main").textContent();
  const address = /List-Unsubscribe: <(http[^>]+)>/.exec(source.replace(/\r?\n\s+/g, " "));
  assert.ok(address, source);
  const answer = await fetch(address[1], { method: "POST", body: new URLSearchParams({ "List-Unsubscribe": "One-Click" }) });
  assert.ok(answer.ok, `${answer.status}`);
  await page.goto(at("/app/?days=7"));
  await page.locator(".stat", { hasText: "Unsubscribed" }).getByText("1 person").waitFor();
});

test("what will be lost is named in a dialog, and kept when somebody thinks better of it", async () => {
  await page.goto(at("/app/_components"));
  await link("Delete").first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("1,204 memberships").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("a session is revoked from another browser", async () => {
  const other = await browser.newContext();
  const elsewhere = await other.newPage();
  await logIn(elsewhere);
  await page.goto(at("/app/account"));
  await button("Log out there").first().click();
  await page.getByText("The session was ended.").waitFor();
  await elsewhere.goto(at("/app/emails"));
  await elsewhere.waitForURL(/\/app\/login/);
  await other.close();
});

/** Every page that links lead to, one of each kind. */
async function pages() {
  const kind = (path) => path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "ID");
  const seen = new Map([["/app/", "/app/"], ["/app/search", "/app/search?q=p1"]]);
  const ahead = ["/app/"];
  while (ahead.length > 0) {
    const answer = await page.goto(at(ahead.shift()));
    assert.equal(answer.status(), 200, page.url());
    const found = await page.locator("a[href]").evaluateAll((links) => links.map((link) => link.href));
    for (const address of found) {
      const { origin, pathname, search } = new URL(address);
      const skipped = origin !== installation.base || !pathname.startsWith("/app/") || /export|report|download|\/html$/.test(pathname);
      if (skipped || seen.has(kind(pathname))) continue;
      const head = await context.request.head(address).catch(() => null);
      if (head && !(head.headers()["content-type"] ?? "text/html").startsWith("text/html")) continue;
      seen.set(kind(pathname), pathname + search);
      ahead.push(pathname + search);
    }
  }
  return seen;
}

test("every page is without a fault that axe finds, fits, and is light and quick", async (t) => {
  const shots = process.env.MAUNTIC_SHOTS;
  if (shots) await mkdir(shots, { recursive: true });
  const found = await pages();
  found.set("/app/_components", "/app/_components");
  const wrong = [];
  const costs = {};
  const state = await context.storageState();
  for (const [kind, path] of found) {
    const name = kind.replace(/^\/app\/?/, "").replace(/[^a-zA-Z0-9]+/g, "-") || "start";
    const shot = shots && ((suffix) => page.screenshot({ path: join(shots, `${name}-${suffix}.png`), fullPage: true }));
    wrong.push(...(await look(page, at(path), shot)));
    costs[kind] = await cost(browser, at(path), state);
  }
  const visitor = await browser.newContext();
  const outside = await visitor.newPage();
  watch(outside, faults);
  for (const path of ["/app/login"]) {
    const shot = shots && ((suffix) => outside.screenshot({ path: join(shots, `login-${suffix}.png`), fullPage: true }));
    wrong.push(...(await look(outside, at(path), shot)));
    costs[path] = await cost(browser, at(path));
  }
  t.diagnostic(`${Object.keys(costs).length} pages`);
  assert.deepEqual(wrong, [], wrong.join("\n"));
  assertCheap(costs);
});

test("no policy was broken and no script failed", () => {
  assert.deepEqual(faults, []);
});
