// What is running is steered by keyboard while its page is looked at again and again; and what was begun is finished or not.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { World, becomes, button, heading, link, tabTo } from "./world.mjs";

const PEOPLE = 40;
let page;
const places = {};

// Nothing goes on by itself until the last tests.
const world = new World({ idle: true }, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const rows = Array.from({ length: PEOPLE }, (_, row) => `p${row}@example.com,Person${row}`);
  const file = join(world.installation.folder, "people.csv");
  const body = join(world.installation.folder, "body.html");
  await writeFile(file, ["email,firstname", ...rows].join("\n"));
  await writeFile(body, '<p>Hello, <a href="{{ unsubscribe_url }}">leave</a></p>');
  await world.installation.command("contacts", "import", file, "--tag", "newsletter");
  await world.installation.command("segments", "create", "Readers");
  await world.installation.command("emails", "create", "Welcome", "--subject", "Hello", "--html", body, "--from", "news@example.com");
});

const state = () => page.locator("main .badge").first();

async function beginSend() {
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await link(page, "Send").click();
  await page.getByLabel("To", { exact: true }).selectOption({ index: 0 });
  await button(page, "Go on to the summary").click();
  await button(page, "Send it now").click();
  await page.waitForURL(/\/app\/sends\//);
}

async function beginChange() {
  await page.goto(world.at("/app/contacts?tag=newsletter"));
  await page.getByLabel("all that fit the search and filters, on every page").check();
  await page.locator("#many").getByRole("button", { name: "Tags" }).click();
  await page.getByLabel(/^Put on/).fill("seen");
  await button(page, `Change ${PEOPLE} contacts`).click();
  await page.waitForURL(/\/app\/bulk\/[0-9a-f-]{36}$/);
}

for (const [name, begin, again] of [["a send", beginSend, "Resume"], ["a change of many", beginChange, "Go on"]]) {
  test(`the focus stays on Pause while ${name} is looked at again, and Enter pauses it without a reload`, async () => {
    await begin();
    places[name] = page.url();
    const pause = button(page, "Pause");
    await tabTo(page, pause);
    const focused = () => page.evaluate(() => document.activeElement.textContent);
    for (let poll = 0; poll < 2; poll += 1) {
      await page.evaluate(() => { document.activeElement.dataset.earlier = ""; });
      await page.waitForFunction(() => !document.querySelector("[data-earlier]"), null, { timeout: 20_000 });
      await becomes(focused, "Pause");
    }
    await page.evaluate(() => { window.kept = true; });
    await page.keyboard.press("Enter");
    await becomes(() => state().textContent(), "paused");
    await becomes(focused, again);
    assert.equal(await page.evaluate(() => window.kept), true, "it was paused without a reload");
    assert.equal(page.url(), places[name]);
  });
}

test("a send that is stopped for good is asked about first, and stays stopped", async () => {
  await page.goto(places["a send"]);
  await link(page, "Stop for good").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("The mail of those who still wait").waitFor();
  await dialog.getByRole("link", { name: "Keep it" }).click();
  await becomes(() => state().textContent(), "paused");
  await link(page, "Stop for good").click();
  await dialog.getByRole("button", { name: "Stop it" }).click();
  await becomes(() => state().textContent(), "cancelled");
  assert.equal(await button(page, "Resume").count(), 0);
  await page.goto(world.at("/app/inbox"));
  await heading(page, "No mail was captured").waitFor();
});

test("a change of many goes on where it was, and shows how far it is without a reload", async () => {
  await page.goto(places["a change of many"]);
  await page.evaluate(() => { window.kept = true; });
  await button(page, "Go on").click();
  await button(page, "Pause").waitFor();
  world.installation.work();
  await page.waitForFunction(() => document.querySelector("main .badge")?.textContent === "done", null, { timeout: 120_000 });
  assert.equal(await page.evaluate(() => window.kept), true, "it went on, and came to its end, without a reload");
  assert.equal(await page.locator("main progress").evaluate((bar) => bar.value), PEOPLE);
  await page.goto(world.at("/app/contacts?tag=seen"));
  assert.equal(await page.getByRole("main").locator("tbody tr").count(), PEOPLE);
});

world.expectNoFaults();
