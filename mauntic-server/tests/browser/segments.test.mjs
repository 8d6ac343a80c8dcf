// The same segment is built by mouse and by keyboard alone: rows and text stay in step, and whom it fits is counted.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { World, becomes, button, heading, link, tabTo, until } from "./world.mjs";

const PEOPLE = 1200;
const COUNTRIES = ["NO", "DE", "SE", "FR"];
/** In one city of fifty or one country of four; every hundredth is in both. */
const FITTING = PEOPLE / 50 + PEOPLE / 4 - PEOPLE / 100;
let page;

const world = new World({}, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const rows = Array.from({ length: PEOPLE }, (_, row) => `p${row}@example.com,City${row % 50},${COUNTRIES[row % 4]}`);
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, ["email,city,country", ...rows].join("\n"));
  await world.installation.command("contacts", "import", file);
});

const rows = () => page.locator("#editor [data-item]");
const part = (index, name) => rows().nth(index).getByLabel(name, { exact: true }).first();

/** The text form says this, in any order of what `or` joins. */
async function says(...parts) {
  const sorted = (text) => text.replace(/[\s()]+/g, " ").trim().split(" or ").sort().join(" or ");
  await becomes(async () => sorted(await page.getByLabel("As text").inputValue()), parts.sort().join(" or "));
}

async function fits(count) {
  await page.locator("#fits").getByText(`Fits ${count.toLocaleString("en")} contacts`).waitFor();
}

async function isSavedAs(name) {
  await heading(page, name).first().waitFor();
  const members = page.locator("#state dt", { hasText: "Members" }).locator("+ dd");
  await until(page, "the segment is built", async () => (await members.textContent()).trim() === `${FITTING}`);
}

/** Drags by steps, as a hand does. */
async function drag(from, to) {
  const [a, b] = [await from.boundingBox(), await to.boundingBox()];
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(...middle(a));
  await page.mouse.down();
  await page.mouse.move(middle(a)[0] + 6, middle(a)[1] + 6, { steps: 3 });
  await page.mouse.move(...middle(b), { steps: 20 });
  await page.mouse.move(middle(b)[0], middle(b)[1] + 2, { steps: 3 });
  await page.mouse.up();
}

test("by mouse, with a row that is dragged into a group", async () => {
  await page.goto(world.at("/app/segments"));
  await link(page, "New segment").first().click();
  await page.getByLabel("Name", { exact: true }).fill("By mouse");
  await page.getByText("Nobody comes in by itself.").waitFor();
  await button(page, "Add condition").click();
  await part(0, "What to ask").selectOption({ label: "City" });
  await part(0, "How to compare").selectOption({ label: "is" });
  await part(0, "Value").fill("City4");
  await says('city = "City4"');
  await fits(PEOPLE / 50);
  await button(page, "Add group").click();
  await part(2, "What to ask").selectOption({ label: "Country" });
  await part(2, "Value").fill("NO");
  await says('city = "City4" and country = "NO"');
  await drag(rows().nth(0).locator("[data-handle]").first(), rows().nth(2));
  await says('city = "City4"', 'country = "NO"');
  await fits(FITTING);
  await button(page, "Save").click();
  await isSavedAs("By mouse");
});

test("by keyboard alone", async () => {
  await page.goto(world.at("/app/segments"));
  await tabTo(page, link(page, "New segment").first());
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/app\/segments\/new$/);
  await tabTo(page, page.getByLabel("Name", { exact: true }));
  await page.keyboard.type("By keyboard");
  await tabTo(page, button(page, "Add condition"));
  await page.keyboard.press("Enter");
  const focused = () => page.evaluate(() => document.activeElement.name);
  await part(0, "What to ask").waitFor();
  await page.waitForFunction(() => document.activeElement.name === "subject");
  // As fast as people type: what is chosen is not taken away between two letters.
  await page.keyboard.type("City", { delay: 150 });
  await part(0, "Value").waitFor();
  assert.equal(await focused(), "subject", "the keyboard stays where it was");
  await tabTo(page, part(0, "Value"));
  await page.keyboard.type("City4", { delay: 20 });
  await says('city = "City4"');
  assert.equal(await focused(), "value");
  await tabTo(page, button(page, "Add group"));
  await page.keyboard.press("Enter");
  await rows().nth(2).waitFor();
  await page.waitForFunction(() => document.activeElement.name === "subject");
  await page.keyboard.type("Country", { delay: 150 });
  await part(2, "Value").waitFor();
  await tabTo(page, part(2, "Value"));
  await page.keyboard.type("NO");
  await says('city = "City4" and country = "NO"');
  // The first row goes below the group, and from there into it.
  await tabTo(page, part(0, "Value"), "Shift+Tab");
  await page.keyboard.press("Alt+ArrowDown");
  await page.waitForFunction(() => document.querySelector("#editor [data-item]").querySelector(":scope > .rule-group"));
  await page.keyboard.press("Alt+ArrowRight");
  await says('city = "City4"', 'country = "NO"');
  await fits(FITTING);
  assert.match(await page.locator("#told").textContent(), /^Fits/, "readers of the screen hear it");
  await tabTo(page, button(page, "Save"));
  await page.keyboard.press("Enter");
  await isSavedAs("By keyboard");
});

test("the text form is written, and the rows follow it", async () => {
  await page.goto(world.at("/app/segments"));
  await link(page, "By mouse").click();
  await link(page, "Edit").click();
  await page.getByLabel("As text").fill('country in ("NO", "SE")');
  await part(0, "How to compare").waitFor();
  await page.waitForFunction(() => document.querySelectorAll("#editor [data-item]").length === 1);
  assert.equal(await part(0, "What to ask").inputValue(), "country");
  await fits(PEOPLE / 2);
  await page.getByLabel("As text").fill("country in (");
  await page.getByText("The text was changed and cannot be read yet.").waitFor();
});

test("it is said why a contact is in", async () => {
  await page.goto(world.at("/app/segments"));
  await link(page, "By mouse").click();
  await page.locator("form[method=get] [name=contact]").fill("p4@example.com");
  await page.keyboard.press("Enter");
  await page.getByText("is in, by rule.").waitFor();
});

world.expectNoFaults();
