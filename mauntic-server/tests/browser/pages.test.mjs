// Every page of an installation in use, and of an empty one: looked at in both windows and schemes, weighed and timed.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { Installation } from "./installation.mjs";
import { assertLight, cost, look } from "./looks.mjs";
import { Authenticator } from "./totp.mjs";
import { fill, routeOf, routes, walk } from "./walk.mjs";
import { OWNER, World, button, heading, link, until } from "./world.mjs";

const PASSWORD = "a password of mine";
/** They lead to a provider of logins and back, and are looked at with one in `logins.test.mjs`. */
const ELSEWHERE = ["/app/login/with/:provider", "/app/login/with/:provider/return", "/app/invitation/with/:provider"];
const PROVIDER = { id: "sso", kind: "oidc", label: "Example SSO", issuer: "http://127.0.0.1:9", client_id: "mauntic", client_secret: "secret" };
const costs = new Map();
/** The routes that were looked at. */
const looked = new Set();
let all;
let page;

/** Looks at the page that is open. */
async function lookAt(page, called = "") {
  const route = routeOf(all, page.url());
  looked.add(route);
  const faults = await look(page, `${route.slice(4)} ${called}`.trim());
  assert.deepEqual(faults, [], faults.join("\n"));
}

const world = new World({ demo: 600, settings: () => ({ MAUNTIC_LOGIN_PROVIDERS: JSON.stringify([PROVIDER]) }) }, async () => {
  if (process.env.MAUNTIC_SHOTS) await mkdir(process.env.MAUNTIC_SHOTS, { recursive: true });
  all = await routes();
  page = await world.visitor();
  await world.logIn(page, world.installation.demoOwner());
});

test("pages of those who are not logged in yet", async (t) => {
  const guest = await world.visitor();
  const at = async (name, address) => {
    await t.test(name, async () => {
      await guest.goto(address);
      await lookAt(guest);
      costs.set(new URL(address).pathname, await cost(world.browser, address));
    });
  };
  await at("login", world.at("/app/login"));
  await at("forgot", world.at("/app/forgot"));
  await t.test("a login that failed", async () => {
    await world.giveLogin(guest, { email: "nobody@example.com", password: PASSWORD });
    await lookAt(guest, "refused");
  });
  await fill(page, world.at("/app/organization"), "/app/organization/invitations", { email: "mo@example.com", role: "member" });
  await at("invitation", await world.installation.linkMailedTo("mo@example.com"));
  await guest.getByLabel("Your name").fill("Mo Member");
  await guest.getByLabel("Password").fill(PASSWORD);
  await button(guest, "Make an account and join").click();
  await guest.waitForURL(world.at("/app/"));
  await fill(guest, world.at("/app/account/email"), "/app/account/email", { email: "mo@example.org", password: PASSWORD });
  await at("confirm-email", await world.installation.linkMailedTo("mo@example.org"));
  await t.test("a second factor, from its secret to its codes", async () => {
    await guest.goto(world.at("/app/account/second-factor"));
    await button(guest, "Set it up").click();
    const app = new Authenticator(await guest.locator("dd code").first().textContent());
    await look(guest, "/account/second-factor enrolment").then((faults) => assert.deepEqual(faults, []));
    await guest.getByLabel("Code that the app shows").fill(app.code());
    await guest.getByLabel("Your password").fill(PASSWORD);
    await button(guest, "Switch it on").click();
    await heading(guest, "Your recovery codes").waitFor();
    await look(guest, "/account/second-factor codes").then((faults) => assert.deepEqual(faults, []));
    await link(guest, "I have kept them").click();
    await lookAt(guest, "on");
    await world.logOut(guest);
    await world.giveLogin(guest, { email: "mo@example.com", password: PASSWORD });
    await heading(guest, "Prove that it is you").waitFor();
    await lookAt(guest);
  });
  await guest.goto(world.at("/app/forgot"));
  await guest.getByLabel("Email address").fill("mo@example.com");
  await guest.keyboard.press("Enter");
  await heading(guest, "Look into your mailbox").waitFor();
  await lookAt(guest, "asked");
  await at("reset", await world.installation.linkMailedTo("mo@example.com"));
  await at("a link that is over", world.at("/app/reset?token=over"));
});

/** Makes what the demo does not, so that every page can be reached by links. */
async function furnish() {
  const at = (path) => world.at(path);
  await fill(page, at("/app/contacts?search=a"), "/app/contacts/views", { view: "With an a", shared: "on" });
  await fill(page, at("/app/sending/suppressions"), "/app/sending/suppressions", { address: "never@example.com", note: "asked for it by telephone" });
  await fill(page, at("/app/organization"), "/app/organization/invitations", { email: "late@example.com", role: "viewer" });
  await fill(page, at("/app/organization/tokens"), "/app/organization/tokens", { name: "Shop", role: "member" });
  await fill(page, at("/app/segments/new"), "/app/segments/new", { name: "By hand", rule: "", description: "Those whom we met at the fair" });
  // A contact of many words, who may not be written to.
  await fill(page, at("/app/contacts/new"), "/app/contacts/new", {
    "field-email": "a.very.long.address.indeed.that.goes.on.and.on@subdomain.of.a.long.domain.example.com",
    "field-firstname": "Wolfeschlegelsteinhausenbergerdorff", "field-company": "<b>Bold & Sons</b>",
  });
  await page.goto(at("/app/contacts?search=a.very.long"));
  await page.getByRole("main").locator("tbody a").first().click();
  const contact = new URL(page.url()).pathname;
  await fill(page, page.url(), `${contact}/tags`, { add: "a tag of several words" });
  await fill(page, at(contact), `${contact}/do-not-contact`, { channel: "email", comment: "by telephone" });
  // An app, which acts for whoever is logged in.
  const callback = at("/healthz");
  await fill(page, at("/app/organization/apps"), "/app/organization/apps", { name: "Shop sync", redirect_uris: callback, kind: "confidential" });
  await page.goto(at("/app/organization/apps"));
  const app = new URL(await link(page, "Shop sync").getAttribute("href"), page.url()).pathname;
  const asked = new URLSearchParams({
    response_type: "code", client_id: app.split("/").at(-1), redirect_uri: callback, scope: "contacts:read", state: "x",
    code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256",
  });
  await page.goto(at(`/app/oauth/authorize?${asked}`));
  await button(page, "Allow").click();
  await page.waitForURL(/healthz/);
  // An image that no email shows.
  await page.goto(at("/app/emails/images"));
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  await page.getByLabel("File").setInputFiles({ name: "a picture with a long name.png", mimeType: "image/png", buffer: Buffer.from(pixel, "base64") });
  await button(page, "Upload").click();
  await page.getByText("a picture with a long name.png", { exact: true }).waitFor();
  // A change of many, a file on its way in, an email in HTML, one that is sent later.
  await fill(page, at("/app/bulk?action=tags&whom=all&search=a"), "/app/bulk", { add: "seen" });
  const first = async (path) => {
    await page.goto(at(path));
    return new URL(await page.getByRole("main").locator("tbody a").first().getAttribute("href"), page.url()).pathname;
  };
  const change = await first("/app/bulk/done");
  const imported = await first("/app/imports");
  const other = await first("/app/contacts?search=b");
  await page.goto(at("/app/segments"));
  const readers = await link(page, "Readers in Germany and France").getAttribute("href");
  const reader = await first(readers);
  await page.goto(at("/app/imports/new"));
  await page.getByLabel("File").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from("email,firstname,birthday,notes\na@example.com,Ann,1990-01-02,\nb@example.com,Bo,1991-02-03,a note\nnobody,No,,\n") });
  await button(page, "Upload").click();
  const upload = page.url();
  const email = await first("/app/emails");
  await page.goto(at(`${email}/send`));
  const segment = await page.locator("#segment option").first().getAttribute("value");
  const summary = at(`${email}/send/summary?segment=${segment}&at=2090-01-01T09:00`);
  await page.goto(summary);
  await button(page, "Schedule it").click();
  await page.waitForURL(/\/app\/sends\//);
  const sending = new URL(page.url()).pathname;
  return [
    "/app/", "/app/running", "/app/contacts?search=a.very.long", contact, `${contact}/merge${other.slice("/app/contacts".length)}`, "/app/search?q=a", "/app/_components", "/app/bulk?action=delete&whom=all&search=a", "/app/bulk/done",
    `/app/oauth/authorize?${asked}&prompt=consent`,
    `${reader}${readers.slice("/app".length)}`, sending, `${sending}/retry`, `${email}/versions/1`, `${change}/cancel`, `${imported}/cancel`, `/app/sending/exits/remove?address=x&segment=${segment}&known=never@example.com`,
  ].map(at).concat(upload, summary);
}

test("every page of the source is without a fault that axe finds, fits, and shows the focus", async (t) => {
  const start = await furnish();
  const { pages, files, faults } = await walk(page, all, start);
  assert.deepEqual(faults, [], "links lead to what is there");
  for (const [route, address] of pages) {
    await t.test(route, async () => {
      await page.goto(address);
      await lookAt(page);
    });
  }
  for (const route of files.keys()) looked.add(route);
  t.diagnostic(`${pages.size} pages and ${files.size} files`);
  for (const [route, address] of pages) costs.set(route, await cost(world.browser, address, await page.context().storageState()));
});

test("what people wrote is shown as it is, and never run", async (t) => {
  const script = "<script>window.ran = 1</script>";
  const image = "<img src=x onerror='window.ran = 1'>";
  const at = (path) => world.at(path);
  await fill(page, at("/app/contacts/new"), "/app/contacts/new", { "field-email": "script@example.com", "field-firstname": script, "field-company": image });
  const people = "/app/contacts?search=script@example.com";
  await page.goto(at(people));
  const contact = new URL(await page.getByRole("main").locator("tbody a").first().getAttribute("href"), page.url()).pathname;
  await fill(page, at(contact), `${contact}/tags`, { add: script });
  await fill(page, at("/app/segments/new"), "/app/segments/new", { name: script, rule: "", description: image });
  await page.goto(at("/app/segments"));
  const segment = await link(page, script).getAttribute("href");
  await fill(page, at(segment), `${segment}/add`, { email: "script@example.com" });
  const body = '<p>Hello, <a href="{{ unsubscribe_url }}">leave</a></p>';
  await fill(page, at("/app/emails/new?kind=code"), "/app/emails/new", { name: script, subject: script, kind: "html", body, from_address: "news@example.com" });
  await page.goto(at("/app/emails"));
  const email = await link(page, script).getAttribute("href");
  await page.goto(at(`${email}/send/summary?segment=${segment.split("/").pop()}&at=2090-01-01T09:00`));
  await button(page, "Schedule it").click();
  await page.waitForURL(/\/app\/sends\//);
  const sending = new URL(page.url()).pathname;
  const said = async () => (await page.getByRole("main").textContent()).includes(script);
  const places = ["/app/", "/app/running", people, contact, "/app/tags", "/app/segments", segment, "/app/emails", email, sending, "/app/search?q=script%40example", "/app/search?q=script"];
  for (const place of [...places, "/app/organization/audit"]) {
    await t.test(place, async () => {
      await page.goto(at(place));
      // What somebody did is in the log in a moment.
      await until(page, `${place} shows it`, said);
      assert.equal(await page.evaluate(() => window.ran), undefined);
      assert.ok(await page.evaluate(() => [...document.scripts].every((script) => script.src)), "every script is a file of ours");
    });
  }
  await t.test("what is offered while somebody types", async () => {
    await page.goto(at(segment));
    await page.getByLabel("Put in by hand").pressSequentially("script@");
    const offered = page.locator("#email-found option").first();
    await offered.waitFor({ state: "attached" });
    assert.equal(await offered.textContent(), script);
    assert.equal(await page.evaluate(() => window.ran), undefined);
  });
});

test("pages in other states", async (t) => {
  const state = async (name, go) => t.test(name, async () => {
    await go();
    await lookAt(page, name);
  });
  await state("nobody found", () => page.goto(world.at("/app/contacts?search=zzzzzz")));
  await state("nothing found", () => page.goto(world.at("/app/search?q=zzzzzz")));
  await state("images to choose from", async () => {
    await page.goto(world.at("/app/emails/new"));
    await page.getByLabel("Kind of the block to add").last().selectOption("image");
    await page.getByRole("button", { name: "Add block at the end of this list" }).last().click();
    await page.getByRole("button", { name: /^Choose an image/ }).click();
    await page.getByRole("button", { name: "Take a picture with a long name.png" }).waitFor();
  });
  await state("in code", () => page.goto(world.at("/app/emails/new?kind=code")));
  await state("wrong", async () => {
    await page.goto(world.at("/app/emails/new"));
    await page.getByLabel("Name", { exact: true }).fill(" ");
    await page.getByLabel("Subject").fill("{{ broken");
    await button(page, "Save").click();
    await heading(page, "Nothing was saved yet: please mend this").waitFor();
  });
  await state("wrong contact", async () => {
    await page.goto(world.at("/app/contacts/new"));
    await page.getByLabel(/^Email/).fill("nobody");
    await button(page, "Save").click();
    await page.locator("[aria-invalid=true]").first().waitFor();
  });
  await state("rows and groups", async () => {
    await page.goto(world.at("/app/segments/new"));
    await page.getByLabel("As text").fill('(country in ("NO", "SE") or city contains "a") and not (tag in ("vip") or points >= 5) and created_at > "2020-01-01"');
    await page.locator("#fits h2[data-count]").waitFor();
  });
  await state("nobody to merge with", async () => {
    await page.goto(world.at("/app/contacts"));
    await page.getByRole("main").locator("tbody a").first().click();
    await page.goto(`${page.url()}/merge?with=nobody@example.com`);
    await page.getByText("No contact has this address.").waitFor();
  });
  await state("what will happen", async () => {
    await page.goto(world.at("/app/imports/new"));
    await page.getByLabel("File").setInputFiles({ name: "people.csv", mimeType: "text/csv", buffer: Buffer.from("email,firstname\na@example.com,Ann\nnobody,No\n") });
    await button(page, "Upload").click();
    await button(page, "See what will happen").click();
    await heading(page, "The first rows with problems").waitFor();
  });
  await state("asked", async () => {
    await page.goto(world.at("/app/segments"));
    await link(page, "By hand").click();
    await link(page, "Delete").click();
    await page.getByRole("dialog").waitFor();
  });
  await t.test("no such page", async () => {
    await page.goto(world.at("/app/nowhere"));
    const faults = await look(page, "/nowhere");
    assert.deepEqual(faults, [], faults.join("\n"));
  });
});

test("an installation without any data: the first page, and what is empty", async (t) => {
  const fresh = await Installation.start();
  try {
    const first = await world.visitor();
    await first.goto(`${fresh.base}/app/`);
    await lookAt(first);
    costs.set("/app/setup", await cost(world.browser, `${fresh.base}/app/setup`));
    await world.setUp(first, OWNER, fresh.base);
    const { pages, faults } = await walk(first, all, [`${fresh.base}/app/`]);
    assert.deepEqual(faults, []);
    for (const [route, address] of pages) {
      await t.test(route, async () => {
        await first.goto(address);
        await lookAt(first, "empty");
      });
    }
  } finally {
    await fresh.stop();
  }
});

test("no page was forgotten", () => {
  assert.deepEqual(all.filter((route) => !looked.has(route) && !ELSEWHERE.includes(route)), []);
});

test("every page is light", () => assertLight(costs));

world.expectNoFaults();
