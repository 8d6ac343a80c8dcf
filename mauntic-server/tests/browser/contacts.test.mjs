// Contacts come in by the wizard; segments are built by mouse and by keyboard alone.
import { test } from "node:test";
import assert from "node:assert/strict";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { World, button, figure, heading, link } from "./world.mjs";

const ROWS = 100_000;
const BAD = 500;
const COUNTRIES = ["NO", "DE", "SE", "FR"];
let page;

const world = new World({}, async () => {
  page = await world.visitor({ acceptDownloads: true });
  await world.setUp(page);
});

const number = (count) => count.toLocaleString("en");

/** One row in 200 has no address that could be written to. */
async function makeFile(path) {
  const file = await open(path, "w");
  await file.write("Email,First name,City,Country\n");
  for (let start = 0; start < ROWS; start += 10_000) {
    const rows = Array.from({ length: 10_000 }, (_, index) => {
      const row = start + index;
      const address = row % (ROWS / BAD) === 7 ? `person ${row} at example` : `person${row}@example.com`;
      return `${address},Person${row},City${row % 50},${COUNTRIES[row % COUNTRIES.length]}`;
    });
    await file.write(`${rows.join("\n")}\n`);
  }
  await file.close();
}

test("the wizard tells what a file of 100,000 rows will do before it does it", async () => {
  const path = join(world.installation.folder, "people.csv");
  await makeFile(path);
  await page.goto(world.at("/app/contacts"));
  await heading(page, "There are no contacts yet").waitFor();
  await link(page, "Import").first().click();
  await page.getByLabel("File").setInputFiles(path);
  await button(page, "Upload").click();
  await heading(page, "What the columns become").waitFor();
  assert.equal(await page.getByLabel("Email", { exact: true }).inputValue(), "email");
  assert.equal(await page.getByLabel("First name", { exact: true }).inputValue(), "firstname");
  await page.getByLabel("City", { exact: true }).selectOption({ label: "Leave it out" });
  await page.getByLabel("Tags for all of them").fill("newsletter");
  await button(page, "See what will happen").click();
  await heading(page, "The first rows with problems").waitFor({ timeout: 120_000 });
  assert.equal(await figure(page, "New").textContent(), number(ROWS - BAD));
  assert.equal(await figure(page, "Skipped").textContent(), number(BAD));
  await page.getByText("Left out: City.").waitFor();
  await button(page, "Change something").click();
  assert.equal(await page.getByLabel("City", { exact: true }).inputValue(), "", "what was chosen is kept");
  assert.equal(await page.getByLabel("Tags for all of them").inputValue(), "newsletter");
  await page.getByLabel("City", { exact: true }).selectOption("city");
  await button(page, "See what will happen").click();
  await button(page, "Import").waitFor({ timeout: 120_000 });
});

test("the import shows how far it is without a reload, and what became of the rows", async (t) => {
  await button(page, "Import").click();
  await page.waitForURL(/\/app\/imports\/[0-9a-f-]{36}$/);
  await page.evaluate(() => {
    window.seen = [];
    const look = () => window.seen.push(document.querySelector("main progress").value);
    look();
    new MutationObserver(look).observe(document.querySelector("main"), { childList: true, subtree: true });
  });
  await page.locator("main .badge", { hasText: "done" }).waitFor({ timeout: 300_000 });
  const seen = await page.evaluate(() => [...new Set(window.seen)]);
  t.diagnostic(`seen on the way, in thousandths: ${seen.join(", ")}`);
  assert.equal(seen.at(-1), 1000);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b), "it only goes forward");
  assert.equal(await figure(page, "New").textContent(), number(ROWS - BAD));
  assert.equal(await figure(page, "Skipped").textContent(), number(BAD));
});

test("the bad rows are downloaded with what is wrong with each", async () => {
  const coming = page.waitForEvent("download");
  await link(page, "Download the bad rows").click();
  const text = await readFile(await (await coming).path(), "utf8");
  const lines = text.trim().split(/\r?\n/);
  assert.equal(lines.length, BAD + 1, lines[0]);
  for (const line of lines.slice(1)) assert.match(line, /person \d+ at example/);
  const shown = page.getByRole("table", { name: "Bad rows" });
  assert.equal(await shown.locator("tbody tr").count(), 50);
  await link(page, "Next page").click();
  await page.waitForURL(/after=/);
  await shown.getByText("person 10007 at example").waitFor();
});

test("what was imported is found", async () => {
  await page.goto(world.at("/app/contacts"));
  await page.getByRole("main").getByLabel("Search").fill("person4321@");
  await page.getByRole("main").getByLabel("Search").press("Enter");
  await page.getByRole("main").getByRole("link", { name: /person4321@example\.com|Person4321/ }).first().click();
  await heading(page, "What happened").waitFor();
  await page.getByRole("main").getByRole("link", { name: "newsletter" }).waitFor();
});

world.expectNoFaults();
