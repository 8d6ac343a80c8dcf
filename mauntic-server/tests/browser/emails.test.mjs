// An email is built from blocks, sent with a pause, read where it was captured, and left with one click.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { World, becomes, button, figure, heading, link, tabTo, until } from "./world.mjs";

const PEOPLE = 1500;
let page;

const world = new World({}, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const rows = Array.from({ length: PEOPLE }, (_, row) => `p${row}@example.com,Person${row}`);
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, ["email,firstname", ...rows].join("\n"));
  await world.installation.command("contacts", "import", file, "--tag", "newsletter");
  await world.installation.command("segments", "create", "Readers", "--where", 'tag in ("newsletter")');
});

const blocks = () => page.locator("#body [data-list=top] > [data-block]");
const kinds = async () => (await blocks().locator("> details > summary > strong").allTextContents()).join(", ");
const preview = () => page.frameLocator("iframe[name=preview]");

test("an email is built from blocks beside its preview", async () => {
  await page.goto(world.at("/app/emails"));
  await link(page, "New email").first().click();
  await page.getByLabel("Name", { exact: true }).fill("Welcome");
  await page.getByLabel("Subject").fill("Hello {{ contact.firstname }}");
  await page.locator("[name=from_address]").fill("news@example.com");
  await becomes(kinds, "Heading, Text, Button, Divider, Text");
  await blocks().nth(0).getByLabel("Text", { exact: true }).fill("News from the workshop");
  await preview().getByText("News from the workshop").waitFor();
  await blocks().nth(2).getByLabel("Text", { exact: true }).fill("Read on");
  await blocks().nth(2).locator("[name$='.href']").fill("https://example.com/news");
  await preview().getByRole("link", { name: "Read on" }).waitFor();
  await page.getByLabel("Kind of the block to add").last().selectOption("text");
  await page.getByRole("button", { name: "Add block at the end of this list" }).last().click();
  await becomes(kinds, "Heading, Text, Button, Divider, Text, Text");
  await blocks().nth(5).getByLabel("Text", { exact: true }).fill("With **thanks** to you.");
  await preview().locator("strong", { hasText: "thanks" }).waitFor();
  await page.getByText("Not saved yet").waitFor();
});

test("a block is dragged to another place", async () => {
  // In a window in which both are seen.
  await page.setViewportSize({ width: 1440, height: 3500 });
  await blocks().nth(5).locator("> details > summary").dragTo(blocks().nth(3), { targetPosition: { x: 60, y: 4 } });
  await becomes(kinds, "Heading, Text, Button, Text, Divider, Text");
  assert.equal(await blocks().nth(3).getByLabel("Text", { exact: true }).inputValue(), "With **thanks** to you.");
  await page.setViewportSize({ width: 1440, height: 900 });
});

test("a block is moved by keyboard, which stays at it", async () => {
  const up = (index) => blocks().nth(index).getByRole("button", { name: /^Move up/ });
  await page.getByLabel("Subject").focus();
  await tabTo(page, up(3));
  await page.keyboard.press("Enter");
  await becomes(kinds, "Heading, Text, Text, Button, Divider, Text");
  await becomes(() => up(2).evaluate((element) => element === document.activeElement), true);
  await page.keyboard.press("Enter");
  await becomes(kinds, "Heading, Text, Text, Button, Divider, Text");
  await becomes(() => blocks().nth(1).getByLabel("Text", { exact: true }).inputValue(), "With **thanks** to you.");
});

test("a variable goes to where somebody wrote last, and the email is saved", async () => {
  const text = blocks().nth(1).getByLabel("Text", { exact: true });
  await text.fill("With **thanks** to you, ");
  await page.locator("summary", { hasText: "Variables" }).click();
  await page.getByRole("button", { name: "{{ contact.firstname }}" }).click();
  assert.equal(await text.inputValue(), "With **thanks** to you, {{ contact.firstname }}");
  await button(page, "Save").click();
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
  await heading(page, "Welcome").first().waitFor();
  await heading(page, "Checks").waitFor();
  await page.frameLocator("iframe.mail").first().getByText("News from the workshop").waitFor();
});

test("a send is looked at before it starts, paused, resumed, and reaches everybody once", async () => {
  // Slow enough to be paused.
  await page.goto(world.at("/app/sending"));
  await page.getByLabel("Mails each second").fill("150");
  await button(page, "Save the limits").click();
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await link(page, "Send").click();
  await page.getByLabel("To", { exact: true }).selectOption({ index: 0 });
  await button(page, "Go on to the summary").click();
  assert.equal(await figure(page, "Will get it").textContent(), PEOPLE.toLocaleString("en"));
  await page.getByText("nobody is mailed").waitFor();
  await page.getByText("No sending domain is set up for this address").waitFor();
  await button(page, "Send it now").click();
  await page.waitForURL(/\/app\/sends\//);
  await button(page, "Pause").click();
  const state = page.locator("main .badge").first();
  await becomes(() => state.textContent(), "paused");
  const accepted = async () => Number((await figure(page, "Accepted").textContent()).replace(/\D/g, ""));
  assert.ok((await accepted()) < PEOPLE, "it was paused before its end");
  await page.goto(world.at("/app/"));
  await page.getByText("paused").first().waitFor();
  await page.goBack();
  await page.evaluate(() => { window.kept = true; });
  await button(page, "Resume").click();
  await page.waitForFunction(() => document.querySelector("main .badge")?.textContent === "completed", null, { timeout: 120_000 });
  assert.equal(await page.evaluate(() => window.kept), true, "the figures came without a reload");
  assert.equal(await accepted(), PEOPLE);
  await page.goto(world.at("/app/inbox"));
  await page.getByText(`${PEOPLE.toLocaleString("en")} captured.`).waitFor();
});

let reader;

test("a captured mail is read: as it is shown, its headers and its source", async () => {
  await page.getByRole("main").locator("tbody a").first().click();
  await page.waitForURL(/\/app\/inbox\//);
  reader = await page.locator("dt", { hasText: /^To$/ }).first().locator("+ dd").textContent();
  const person = reader.replace(/^p(\d+)@.*$/, "Person$1");
  await heading(page, `Hello ${person}`).waitFor();
  const mail = page.frameLocator("iframe.mail").first();
  await mail.getByText(`to you, ${person}`).waitFor();
  await mail.getByRole("link", { name: "Read on" }).waitFor();
  await page.getByText("Says that leaving takes one click").waitFor();
  await page.locator("summary", { hasText: "Show the source" }).click();
  await page.getByText("MIME-Version: 1.0").last().waitFor();
});

test("one click on unsubscribe shows in the timeline of the contact, who gets no more mail", async () => {
  const header = await page.locator("dt", { hasText: /^List-Unsubscribe$/ }).locator("+ dd code").textContent();
  const address = /<(https?:[^>]+)>/.exec(header)[1];
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams({ "List-Unsubscribe": "One-Click" }) });
  assert.ok(answer.ok, `${answer.status}`);
  await page.goto(world.at(`/app/contacts?search=${encodeURIComponent(reader)}`));
  await page.getByRole("main").locator("tbody a").first().click();
  await page.waitForURL(/\/app\/contacts\/[0-9a-f-]{36}/);
  await until(page, "the timeline tells of it", () => page.locator(".timeline").getByText("Unsubscribed through Welcome").count());
  await page.locator(".timeline").getByText("Mail: Welcome").first().waitFor();
  await page.locator(".card", { hasText: "May we write?" }).getByText("unsubscribed", { exact: false }).first().waitFor();
  await page.goto(world.at("/app/?days=7"));
  await page.locator(".stat", { hasText: "Unsubscribed" }).getByText("1 person").waitFor();
});

test("the search finds the email while somebody types, and is worked by keyboard", async () => {
  await page.goto(world.at("/app/"));
  await page.keyboard.press("/");
  await page.keyboard.type("welc");
  await page.locator("#results").getByRole("link", { name: "Welcome" }).waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
});

world.expectNoFaults();
