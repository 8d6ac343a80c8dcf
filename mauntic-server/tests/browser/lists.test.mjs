// The list of contacts: what depends on what is looked at follows, whichever part of the page it stands in.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OWNER, World, becomes, button, link } from "./world.mjs";

let page;

const world = new World({}, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const rows = Array.from({ length: 120 }, (_, row) => `p${String(row).padStart(3, "0")}@example.com,Person${row},City${row % 2}`);
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, ["email,firstname,city", ...rows].join("\n"));
  await world.installation.command("contacts", "import", file);
});

const list = () => page.getByRole("main").locator("tbody tr");
const first = () => list().first().getByRole("link").textContent();

test("a view that is kept after sorting in place has the order", async () => {
  await page.goto(world.at("/app/contacts"));
  await page.evaluate(() => { window.kept = true; });
  await link(page, "Email").click();
  await page.waitForURL(/sort=email/);
  await becomes(first, "Person0");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Email", "the keyboard stays where it was");
  await page.locator("summary", { hasText: "Views" }).click();
  await page.getByLabel("What you see now, as").fill("By address");
  await button(page, "Keep this view").click();
  await page.waitForFunction(() => !document.querySelector("details.panel[open]"));
  assert.equal(page.url(), world.at("/app/contacts?sort=email"));
  assert.equal(await page.evaluate(() => window.kept), true, "it was kept without a reload");
  await page.goto(world.at("/app/contacts"));
  await page.locator("summary", { hasText: "Views" }).click();
  await link(page, "By address").click();
  await page.waitForURL(/sort=email/);
});

test("filters and columns change the list in place, and keep the order", async () => {
  await page.goto(world.at("/app/contacts?sort=email"));
  await page.evaluate(() => { window.kept = true; });
  await page.getByRole("main").getByRole("searchbox", { name: "Search" }).pressSequentially("person11");
  await becomes(() => list().count(), 11);
  await page.waitForURL(/search=person11/);
  assert.match(page.url(), /sort=email/);
  assert.equal(await page.getByRole("main").getByRole("searchbox", { name: "Search" }).inputValue(), "person11");
  await link(page, "Export these").waitFor();
  await page.locator("summary", { hasText: "Columns" }).click();
  await page.getByLabel("City", { exact: true }).check();
  await page.getByRole("columnheader", { name: "City" }).waitFor();
  await page.waitForURL(/column=city/);
  assert.match(page.url(), /search=person11/);
  assert.match(page.url(), /sort=email/);
  await page.locator("summary", { hasText: "Columns" }).click();
  await link(page, "Name").click();
  await page.waitForURL(/sort=name/);
  assert.match(page.url(), /column=city/);
  assert.equal(await page.evaluate(() => window.kept), true, "nothing of it was a reload");
});

test("after the next page there is a way back to the first, and ticks are counted", async () => {
  await page.goto(world.at("/app/contacts?sort=email"));
  await list().nth(0).getByRole("checkbox").check();
  await list().nth(1).getByRole("checkbox").check();
  await page.getByText("those that are ticked on this page (2)").waitFor();
  await link(page, "Next page").click();
  await becomes(first, "Person50");
  await page.getByText("those that are ticked on this page", { exact: true }).waitFor();
  await link(page, "Back to the first page").click();
  await becomes(first, "Person0");
});

test("whoever works in two organisations goes from one to the other", async () => {
  await world.installation.command("org", "create", "Fjord Books", "--slug", "fjord");
  await world.installation.command("--org", "fjord", "user", "add", OWNER.email, "--role", "viewer");
  await page.goto(world.at("/app/contacts"));
  const menu = page.locator("summary", { hasText: "Acme" });
  await menu.click();
  await page.getByRole("button", { name: "Fjord Books" }).click();
  await page.waitForURL(world.at("/app/"));
  await page.locator("summary", { hasText: "Fjord Books" }).waitFor();
  await page.goto(world.at("/app/contacts"));
  await page.getByText("There are no contacts yet").waitFor();
  assert.equal(await link(page, "New contact").count(), 0, "a viewer there");
  await page.locator("summary", { hasText: "Fjord Books" }).click();
  await page.getByRole("button", { name: "Acme" }).click();
  await page.goto(world.at("/app/contacts"));
  assert.equal(await list().count(), 50);
});

world.expectNoFaults();
