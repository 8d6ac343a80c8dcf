// Coming in: the first run, the login with its second factor, sessions elsewhere.
import { test } from "node:test";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { Authenticator } from "./totp.mjs";
import { OWNER, World, button, heading, link } from "./world.mjs";

const owner = { ...OWNER };
let page;
let app;
let codes;

const world = new World({}, async () => { page = await world.visitor(); });

async function giveCode(text) {
  await page.getByLabel("Code").fill(text);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

test("first run: the first to come names the organisation and owns it", async () => {
  await world.setUp(page, owner);
  await heading(page, "There are no contacts yet").waitFor();
  const late = await world.visitor();
  await late.goto(world.at("/app/setup"));
  assert.equal(late.url(), world.at("/app/login"));
  await late.context().close();
});

test("a wrong password stays outside, the right one comes in", async () => {
  await world.logOut(page);
  await world.giveLogin(page, { ...owner, password: "wrong horse battery" });
  await page.getByText("The email address or the password is wrong.").waitFor();
  assert.equal(await page.getByLabel("Email address").inputValue(), owner.email);
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  await world.logIn(page, owner);
});

test("forms work over plain HTTP under a name of the local network", async () => {
  const args = ["--no-sandbox", "--host-resolver-rules=MAP mauntic.lan 127.0.0.1"];
  const elsewhere = await chromium.launch({ executablePath: process.env.CHROMIUM, args });
  try {
    const lan = world.at("/").slice(0, -1).replace("127.0.0.1", "mauntic.lan");
    const other = await elsewhere.newPage();
    await other.goto(`${lan}/app/login`);
    assert.equal(await other.evaluate(() => isSecureContext), false);
    await other.getByLabel("Email address").fill(owner.email);
    await other.getByLabel("Password").fill(owner.password);
    await button(other, "Log in").click();
    await other.waitForURL(`${lan}/app/`);
  } finally {
    await elsewhere.close();
  }
});

test("a second factor is set up with an authenticator app", async () => {
  await page.goto(world.at("/app/account"));
  await link(page, "Second factor").click();
  await button(page, "Set it up").click();
  await page.getByRole("img", { name: "QR code of the secret" }).waitFor();
  const secret = await page.locator("dd code").first().textContent();
  await page.getByLabel("Code that the app shows").fill("000000");
  await page.getByLabel("Your password").fill(owner.password);
  await button(page, "Switch it on").click();
  await page.getByText("This code is wrong.").waitFor();
  assert.equal(await page.locator("dd code").first().textContent(), secret, "the secret stays while it is set up");
  app = new Authenticator(secret);
  await page.getByLabel("Code that the app shows").fill(app.code());
  await page.getByLabel("Your password").fill(owner.password);
  await button(page, "Switch it on").click();
  await heading(page, "Your recovery codes").waitFor();
  codes = (await page.locator("pre.code").textContent()).trim().split("\n");
  assert.ok(codes.length >= 8, codes.join(" "));
  await link(page, "I have kept them").click();
  await heading(page, "It is on").waitFor();
});

test("a login takes the password and a code, and the password alone leads nowhere", async () => {
  await world.logOut(page);
  await world.giveLogin(page, owner);
  await heading(page, "Prove that it is you").waitFor();
  await page.goto(world.at("/app/emails"));
  assert.match(page.url(), /\/app\/login/);
  await world.giveLogin(page, owner);
  await giveCode("123456");
  await page.getByText("This code is wrong or was used before.").waitFor();
  await giveCode(app.code());
  await page.waitForURL(world.at("/app/"));
});

test("a recovery code lets in, once", async () => {
  await world.logOut(page);
  await world.giveLogin(page, owner);
  await giveCode(codes[0]);
  await page.waitForURL(world.at("/app/"));
  await page.goto(world.at("/app/account/second-factor"));
  const left = page.locator("dt", { hasText: "Recovery codes left" }).locator("+ dd");
  assert.equal((await left.textContent()).trim(), `${codes.length - 1}`);
  await world.logOut(page);
  await world.giveLogin(page, owner);
  await giveCode(codes[0]);
  await page.getByText("This code is wrong or was used before.").waitFor();
  await giveCode(codes[1]);
  await page.waitForURL(world.at("/app/"));
});

test("the second factor is switched off with the password", async () => {
  await page.goto(world.at("/app/account/second-factor"));
  await page.locator("[name=password-to-end]").fill(owner.password);
  await button(page, "Switch it off").click();
  await heading(page, "It is off").waitFor();
  await world.logOut(page);
  await world.logIn(page, owner);
});

test("a forgotten password is set anew through a link that was mailed, once", async () => {
  const other = await world.visitor();
  await other.goto(world.at("/app/login"));
  await other.getByRole("link", { name: "Forgot your password?" }).click();
  await other.getByLabel("Email address").fill(owner.email);
  await other.keyboard.press("Enter");
  await heading(other, "Look into your mailbox").waitFor();
  const mailed = await world.installation.linkMailedTo(owner.email);
  await other.goto(mailed);
  owner.password = "another horse battery";
  await other.getByLabel("New password").fill(owner.password);
  await other.keyboard.press("Enter");
  await heading(other, "Done").waitFor();
  // Whoever knew the old password is out.
  await page.goto(world.at("/app/emails"));
  assert.match(page.url(), /\/app\/login/);
  await world.logIn(page, owner);
  await other.goto(mailed);
  await heading(other, "The link is over").waitFor();
  await other.context().close();
});

test("a session is ended from another browser, and is over with its next request", async () => {
  const elsewhere = await world.visitor();
  await world.logIn(elsewhere, owner);
  await page.goto(world.at("/app/account"));
  await button(page, "Log out there").first().click();
  await page.getByText("The session was ended.").waitFor();
  await elsewhere.goto(world.at("/app/emails"));
  await elsewhere.waitForURL(/\/app\/login/);
  await world.logIn(elsewhere, owner);
  await page.reload();
  await button(page, "Log out everywhere else").click();
  await page.getByText("The session was ended.").waitFor();
  await elsewhere.goto(world.at("/app/"));
  await elsewhere.waitForURL(/\/app\/login/);
  await elsewhere.context().close();
});

test("the menu of organisations leads to another, and a page that was open before changes nothing there", async () => {
  await page.goto(world.at("/app/organization"));
  const tab = await page.context().newPage();
  await tab.goto(world.at("/app/account/organizations/new"));
  await tab.getByRole("main").locator("[name=name]").fill("Zoo");
  await button(tab, "Make it").click();
  await tab.waitForURL(world.at("/app/"));
  // The first tab still shows the members of Acme.
  await page.getByLabel("Email address").fill("eve@example.com");
  await button(page, "Invite").click();
  await heading(page, "You work in Zoo now").waitFor();
  const menu = tab.getByRole("banner").locator("details", { has: tab.locator("summary", { hasText: "change the organisation" }) });
  for (const [place, other] of [["Zoo", "Acme"], ["Acme", "Zoo"]]) {
    await tab.goto(world.at("/app/organization"));
    assert.equal(await tab.getByText("eve@example.com").count(), 0, `nobody was invited into ${place}`);
    await menu.locator("summary").click();
    assert.equal((await menu.locator("[aria-current=true]").textContent()).trim(), place);
    await menu.getByRole("button", { name: other }).click();
    await tab.waitForURL(world.at("/app/"));
    await menu.locator("summary .name", { hasText: other }).waitFor();
  }
  await tab.goto(world.at("/app/organization"));
  await menu.locator("summary").click();
  await menu.getByRole("button", { name: "Acme" }).click();
  await tab.waitForURL(world.at("/app/"));
  await tab.close();
});

test("the theme that was chosen is kept", async () => {
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.goto(world.at("/app/"));
  await page.locator("summary", { has: page.locator(".avatar") }).click();
  await page.getByRole("button", { name: "Light or dark" }).click();
  assert.equal(await theme(), "dark");
  await page.reload();
  assert.equal(await theme(), "dark");
});

world.expectNoFaults();
