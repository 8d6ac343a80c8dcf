// What each file of journeys begins with: an installation, a browser, and people in front of it.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { Installation } from "./installation.mjs";
import { watch } from "./looks.mjs";

export const OWNER = { name: "Ann Owner", email: "ann@example.com", password: "correct horse battery" };

export class World {
  /** Is there before the tests of the file, which `begin` makes ready for them, and goes after them. */
  constructor(options, begin) {
    this.faults = [];
    before(async () => {
      this.installation = await Installation.start(options);
      this.browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
      await begin();
    });
    after(async () => {
      await this.browser?.close();
      await this.installation?.stop();
    });
  }

  at(path) {
    return new URL(path, this.installation.base).href;
  }

  /** A page of a browser with cookies of its own. */
  async visitor(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1440, height: 900 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    watch(page, this.faults);
    return page;
  }

  /** Fills in the first page of a new installation. */
  async setUp(page, owner = OWNER, base = this.installation.base) {
    await page.goto(`${base}/app/`);
    await page.waitForURL(`${base}/app/setup`);
    await page.getByLabel("Organisation").fill("Acme");
    await page.getByLabel("Time zone").fill("Europe/Oslo");
    await page.getByLabel("Your name").fill(owner.name);
    await page.getByLabel("Your email address").fill(owner.email);
    await page.getByLabel("Password").fill(owner.password);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${base}/app/`);
  }

  /** Sends the form of the login; what comes then is the caller's to see. */
  async giveLogin(page, { email, password }) {
    await page.goto(this.at("/app/login"));
    await page.getByLabel("Email address").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
  }

  async logIn(page, who = OWNER) {
    await this.giveLogin(page, who);
    await page.waitForURL(this.at("/app/"));
  }

  async logOut(page) {
    await page.locator("summary", { has: page.locator(".avatar") }).click();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(this.at("/app/login"));
  }

  /** To be called last: no page may have broken its policy, and no script may have failed. */
  expectNoFaults() {
    test("no policy was broken and no script failed", () => assert.deepEqual(this.faults, []));
  }
}

/** What is in the main part of the page. */
export const button = (page, name) => page.getByRole("main").getByRole("button", { name, exact: true });
export const link = (page, name) => page.getByRole("main").getByRole("link", { name, exact: true });
export const heading = (page, name) => page.getByRole("heading", { name, exact: true });
export const figure = (page, name) => page.locator(".stat", { has: page.locator(".soft", { hasText: new RegExp(`^${name}$`) }) }).locator(".value");

/** Looks again until something is true of the page; what never comes true within two minutes is a failure. */
export async function until(page, what, holds) {
  const end = Date.now() + 120_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `never came true at ${page.url()}: ${what}`);
    await page.waitForTimeout(250);
    await page.reload();
  }
}

/** Reads until it is what is wanted. */
export async function becomes(read, wanted) {
  const end = Date.now() + 20_000;
  for (;;) {
    const is = await read();
    if (is === wanted || Date.now() > end) return assert.equal(is, wanted);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Goes there by the keyboard. */
export async function tabTo(page, target, key = "Tab") {
  for (let step = 0; step < 300; step += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  assert.fail(`${target} is not reached with ${key}`);
}
