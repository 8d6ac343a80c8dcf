// Logging in with a provider, which is a real one: the npm package oidc-provider, in this process.
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { mkdir } from "node:fs/promises";
import { chromium } from "playwright-core";
import Provider from "oidc-provider";
import { Installation } from "./installation.mjs";
import { look, watch } from "./looks.mjs";

const OWNER = { email: "ann@example.com", password: "correct horse battery" };
const CLIENT = { id: "mauntic", secret: "a secret: 50% + /you" };
const faults = [];
let listener;
let installation;
let browser;
let page;

const at = (path) => `${installation.base}${path}`;

/** A provider that knows everybody who types a name, and vouches for the address unless the name is "unverified". */
async function startProvider(redirect) {
  listener = createServer();
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: CLIENT.id, client_secret: CLIENT.secret, redirect_uris: [redirect] }],
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    cookies: { keys: ["of this test"] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: `${id} elsewhere`, email: `${id}@private.example`, email_verified: id !== "unverified" }),
    }),
    pkce: { required: () => true },
  });
  listener.on("request", provider.callback());
  return issuer;
}

before(async () => {
  const settings = async (base) => {
    const issuer = await startProvider(`${base}/app/login/with/sso/return`);
    const provider = { id: "sso", kind: "oidc", label: "Example SSO", issuer, client_id: CLIENT.id, client_secret: CLIENT.secret };
    return { MAUNTIC_LOGIN_PROVIDERS: JSON.stringify([provider]) };
  };
  installation = await Installation.start({ settings });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  page = await visitor();
  await page.goto(at("/app/setup"));
  await page.getByLabel("Organisation").fill("Acme");
  await page.getByLabel("Time zone").fill("Europe/Oslo");
  await page.getByLabel("Your name").fill("Ann Owner");
  await page.getByLabel("Your email address").fill(OWNER.email);
  await page.getByLabel("Password").fill(OWNER.password);
  await page.keyboard.press("Enter");
  await page.waitForURL(at("/app/"));
});

after(async () => {
  await browser?.close();
  await installation?.stop();
  listener?.closeAllConnections();
  listener?.close();
});

/** A page in a browser of its own. */
async function visitor() {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(15_000);
  // The pages of the provider would wait for them.
  await context.route(/fonts\.googleapis\.com/, (route) => route.abort());
  const opened = await context.newPage();
  watch(opened, faults);
  return opened;
}

/** Says at the provider who one is, and that Mauntic may know. */
async function identify(on, name) {
  await on.locator("input[name=login]").fill(name);
  await on.locator("input[name=password]").fill("anything");
  await on.locator("button[type=submit]").click();
  await on.getByRole("button", { name: "Continue" }).click();
}

async function askToLink() {
  await page.goto(at("/app/account"));
  await page.getByRole("main").getByRole("link", { name: "Linked logins" }).click();
  await page.getByLabel("Your password").fill(OWNER.password);
  await page.getByRole("button", { name: "Link Example SSO" }).click();
}

test("doctor asks the provider", async () => {
  const { findings } = JSON.parse(await installation.command("--json", "doctor").catch((failed) => failed.stdout));
  const found = findings.find(({ what }) => what === "login provider");
  assert.match(found.detail, /sso: .*\/app\/login\/with\/sso\/return/);
});

test("a login whose address is not verified is not linked", async () => {
  await askToLink();
  await identify(page, "unverified");
  await page.getByRole("heading", { name: "Example SSO does not vouch for your address" }).waitFor();
  // The provider forgets who was there.
  await page.context().clearCookies({ name: /^_/ });
});

test("the owner links a login", async () => {
  await askToLink();
  await identify(page, "ann");
  await page.waitForURL(/\/app\/account\/logins/);
  await page.getByText("ann@private.example").waitFor();
});

test("it lets in to the account, and back to where somebody wanted to go", async () => {
  const elsewhere = await visitor();
  await elsewhere.goto(at("/app/contacts"));
  await elsewhere.getByRole("link", { name: "Continue with Example SSO" }).click();
  await identify(elsewhere, "ann");
  await elsewhere.waitForURL(at("/app/contacts"));
  await elsewhere.goto(at("/app/account"));
  await elsewhere.getByText(OWNER.email).waitFor();
  await elsewhere.context().close();
});

test("another one lets nobody in, and giving up at the provider neither", async () => {
  const elsewhere = await visitor();
  await elsewhere.goto(at("/app/login"));
  await elsewhere.getByRole("link", { name: "Continue with Example SSO" }).click();
  await elsewhere.getByText("Cancel").click();
  await elsewhere.getByText("It was not allowed there.").waitFor();
  await elsewhere.getByRole("link", { name: "Go to the login" }).click();
  await elsewhere.getByRole("link", { name: "Continue with Example SSO" }).click();
  await identify(elsewhere, "eve");
  await elsewhere.getByRole("heading", { name: "This Example SSO login is not linked" }).waitFor();
  const answer = elsewhere.url();
  await elsewhere.goto(answer);
  await elsewhere.getByRole("heading", { name: "This login cannot go on" }).waitFor();
  await elsewhere.context().close();
});

test("its pages are without a fault that axe finds, and fit", async () => {
  const shots = process.env.MAUNTIC_SHOTS;
  if (shots) await mkdir(shots, { recursive: true });
  const shot = (on, name) => shots && ((suffix) => on.screenshot({ path: join(shots, `${name}-${suffix}.png`), fullPage: true }));
  const outside = await visitor();
  const wrong = [
    ...(await look(page, at("/app/account/logins"), shot(page, "account-logins"))),
    ...(await look(page, at("/app/account"), shot(page, "account-with-logins"))),
    ...(await look(outside, at("/app/login"), shot(outside, "login-with-providers"))),
    ...(await look(outside, at("/app/login/with/sso/return?error=x"), shot(outside, "login-cannot-go-on"))),
  ];
  await outside.context().close();
  assert.deepEqual(wrong, [], wrong.join("\n"));
});

test("unlinked, it lets in no more", async () => {
  await page.goto(at("/app/account/logins"));
  await page.getByLabel("Your password").fill(OWNER.password);
  await page.getByRole("button", { name: "Unlink Example SSO" }).click();
  await page.getByText("not linked").waitFor();
  const elsewhere = await visitor();
  await elsewhere.goto(at("/app/login"));
  await elsewhere.getByRole("link", { name: "Continue with Example SSO" }).click();
  await identify(elsewhere, "ann");
  await elsewhere.getByRole("heading", { name: "This Example SSO login is not linked" }).waitFor();
});

test("no policy was broken and no script failed", () => {
  const own = faults.filter((fault) => fault.startsWith(installation.base));
  assert.deepEqual(own, []);
});
