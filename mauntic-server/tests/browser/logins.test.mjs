// Logging in with a provider, which is a real one: the npm package oidc-provider, in this process.
import { test, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import Provider from "oidc-provider";
import { look } from "./looks.mjs";
import { OWNER, World } from "./world.mjs";

const CLIENT = { id: "mauntic", secret: "a secret: 50% + /you" };
let listener;
let page;

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

const settings = async (base) => {
  const issuer = await startProvider(`${base}/app/login/with/sso/return`);
  const provider = { id: "sso", kind: "oidc", label: "Example SSO", issuer, client_id: CLIENT.id, client_secret: CLIENT.secret };
  return { MAUNTIC_LOGIN_PROVIDERS: JSON.stringify([provider]) };
};

const world = new World({ settings }, async () => {
  page = await visitor();
  await world.setUp(page);
});
const at = (path) => world.at(path);

after(() => {
  listener?.closeAllConnections();
  listener?.close();
});

/** A page in a browser of its own. */
async function visitor() {
  const opened = await world.visitor();
  // The pages of the provider would wait for them.
  await opened.context().route(/fonts\.googleapis\.com/, (route) => route.abort());
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
  const { findings } = JSON.parse(await world.installation.command("--json", "doctor").catch((failed) => failed.stdout));
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
  const outside = await visitor();
  const wrong = [];
  for (const [on, path] of [[page, "/app/account/logins"], [page, "/app/account"], [outside, "/app/login"], [outside, "/app/login/with/sso/return?error=x"]]) {
    await on.goto(at(path));
    wrong.push(...(await look(on, `${path} with a provider`)));
  }
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
  const own = world.faults.filter((fault) => fault.startsWith(world.installation.base));
  assert.deepEqual(own, []);
});
