// The pages by keyboard: past the navigation, into menus, dialogs and panels, and out of them to where it was.
import { test } from "node:test";
import assert from "node:assert/strict";
import { World, becomes, heading, link, tabTo } from "./world.mjs";

let page;

const world = new World({ demo: 60 }, async () => {
  page = await world.visitor();
  await world.logIn(page, world.installation.demoOwner());
});

const isFocused = (target) => target.evaluate((element) => element === document.activeElement);
const isOpen = (summary) => summary.evaluate((element) => element.parentElement.open);

test("the first step leads past the navigation", async () => {
  await page.goto(world.at("/app/contacts"));
  const skip = page.getByRole("link", { name: "Skip to content" });
  await page.keyboard.press("Tab");
  assert.equal(await isFocused(skip), true);
  const { y } = await skip.boundingBox();
  assert.ok(y >= 0, "it shows once it has the focus");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.querySelector("main").contains(document.activeElement)), true);
});

for (const [name, path, find] of [
  ["the menu of the person", "/app/", (page) => page.locator("summary", { has: page.locator(".avatar") })],
  ["the panel of columns", "/app/contacts", (page) => page.locator("summary", { hasText: "Columns" })],
  ["the panel of views", "/app/contacts", (page) => page.locator("summary", { hasText: "Views" })],
  ["the variables of the editor", "/app/emails/new", (page) => page.locator("summary", { hasText: "Variables" })],
]) {
  test(`${name} opens by keyboard, closes on Escape and gives the focus back`, async () => {
    await page.goto(world.at(path));
    const summary = find(page);
    await tabTo(page, summary);
    await page.keyboard.press("Enter");
    assert.equal(await isOpen(summary), true);
    await page.keyboard.press("Tab");
    assert.equal(await summary.evaluate((element) => element.parentElement.contains(document.activeElement) && element !== document.activeElement), true);
    await page.keyboard.press("Escape");
    assert.equal(await isOpen(summary), false);
    assert.equal(await isFocused(summary), true);
  });
}

test("a dialog takes the focus, keeps it, names what will be lost, and gives the focus back", async () => {
  await page.goto(world.at("/app/segments"));
  await page.getByRole("main").locator("tbody a").first().click();
  const ask = link(page, "Delete").first();
  await tabTo(page, ask);
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("This will be lost").waitFor();
  assert.equal(await isFocused(dialog.locator("[data-keep]")), true, "on what loses nothing");
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => !document.querySelector("main").contains(document.activeElement)), true);
  }
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await isFocused(ask), true);
  await page.keyboard.press("Enter");
  await dialog.locator("[data-keep]").waitFor();
  await page.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await isFocused(ask), true);
});

for (const keys of ["/", "Control+k"]) {
  test(`${keys} leads to the search, arrows through what it finds, Escape out of it`, async () => {
    await page.goto(world.at("/app/contacts"));
    await page.keyboard.press(keys);
    const search = page.getByRole("search", { name: "Everything" }).getByRole("searchbox");
    assert.equal(await isFocused(search), true);
    await page.keyboard.type("news");
    const found = page.locator("#results").getByRole("link");
    await found.filter({ hasText: "News from the workshop" }).waitFor();
    await page.keyboard.press("ArrowDown");
    assert.equal(await isFocused(found.first()), true);
    await page.keyboard.press("ArrowUp");
    assert.equal(await isFocused(search), true);
    await page.keyboard.press("Escape");
    assert.equal(await found.count(), 0);
    assert.equal(await isFocused(search), true);
    await page.keyboard.type("letter/");
    assert.match(await search.inputValue(), /\/$/, "it is a letter like any other within a field");
  });
}

test("a list is gone through without losing the place", async () => {
  await page.goto(world.at("/app/contacts"));
  const next = link(page, "Next page");
  await tabTo(page, next);
  await page.keyboard.press("Enter");
  await page.waitForURL(/after=/);
  await becomes(() => page.evaluate(() => document.activeElement !== document.body), true);
  await page.goBack();
  await heading(page, "Contacts").waitFor();
});

world.expectNoFaults();
