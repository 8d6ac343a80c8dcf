// What changes one thing of a page leaves the page where it is: a tag, a mark, a place in a segment.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { World, becomes, button, link } from "./world.mjs";

let page;

const world = new World({}, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, "email,firstname\nbo@example.com,Bo\ncy@example.com,Cy\n");
  await world.installation.command("contacts", "import", file);
  await world.installation.command("segments", "create", "By hand");
});

/** Marks the page that is open, which a reload would make anew. */
const keep = () => page.evaluate(() => { window.kept = true; });
const isKept = async () => assert.equal(await page.evaluate(() => window.kept), true, "nothing of it was a reload");
const toasts = () => page.locator(".toasts .toast", { hasText: "The change was saved." });
const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id);
const tags = () => page.locator("#tags a").allTextContents().then((names) => names.join());

test("tags go on and off, and the keyboard stays where it was", async () => {
  await page.goto(world.at("/app/contacts"));
  await link(page, "Bo").click();
  await page.getByLabel("Another tag").waitFor();
  const address = page.url();
  await keep();
  await page.getByLabel("Another tag").fill("one");
  await page.keyboard.press("Enter");
  await becomes(tags, "one");
  await becomes(focused, "add");
  assert.equal(await page.getByLabel("Another tag").inputValue(), "");
  await becomes(() => toasts().count(), 1);
  await page.keyboard.type("two");
  await page.keyboard.press("Enter");
  await becomes(tags, "one,two");
  await becomes(() => toasts().count(), 2);
  await page.getByRole("button", { name: "Take off the tag one" }).focus();
  await page.keyboard.press("Enter");
  await becomes(tags, "two");
  // Not on the next button, which takes off another tag.
  await becomes(focused, "tags");
  assert.equal(page.url(), address, "the address does not say it again");
  await isKept();
});

test("a tag that is none is refused in words, and the page stays", async () => {
  await keep();
  const before = await tags();
  await page.getByLabel("Another tag").fill("x".repeat(2_000));
  await button(page, "Add").click();
  await page.locator(".toasts .toast.bad", { hasText: "The tag cannot be used" }).waitFor();
  assert.equal(await tags(), before);
  await isKept();
});

test("who must not be written to is marked in place", async () => {
  await keep();
  await page.getByText("Do not write by email").click();
  await page.locator("#comment-email").fill("by telephone");
  await page.locator("#channel-email").getByRole("button", { name: "Do not contact" }).click();
  await page.locator("#channel-email").getByText("No: decided here").waitFor();
  await becomes(() => page.evaluate(() => document.activeElement.id), "channel-email");
  await isKept();
});

test("contacts are put into a segment and taken out of it in place", async () => {
  await page.goto(world.at("/app/segments"));
  await link(page, "By hand").click();
  await page.getByLabel("Put in by hand").waitFor();
  const address = page.url();
  await keep();
  await page.getByLabel("Put in by hand").fill("cy@example.com");
  await button(page, "Put in").click();
  await page.locator(".toasts .toast", { hasText: "The contact was put in" }).waitFor();
  await button(page, "Take out").waitFor();
  await page.getByLabel("Put in by hand").fill("nobody@example.com");
  await button(page, "Put in").click();
  await page.locator("#email[aria-invalid=true]").waitFor();
  await becomes(focused, "email");
  await button(page, "Take out").click();
  await page.locator(".toasts .toast", { hasText: "The contact was taken out" }).waitFor();
  await page.getByText("Nobody is in here.").waitFor();
  assert.equal(page.url(), address);
  await isKept();
});

test("an answer that is another page is gone to", async () => {
  await world.installation.command("emails", "create", "Welcome", "--subject", "Hello", "--html", await body(), "--from", "news@example.com");
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await button(page, "Copy").waitFor();
  await button(page, "Copy").click();
  await page.waitForURL(/\/edit$/);
  await page.locator(".toasts .toast", { hasText: "This is the copy." }).waitFor();
});

async function body() {
  const file = join(world.installation.folder, "body.html");
  await writeFile(file, '<p>Hello, <a href="{{ unsubscribe_url }}">leave</a></p>');
  return file;
}

world.expectNoFaults();
