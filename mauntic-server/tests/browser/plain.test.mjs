// The main journey in a browser that runs no scripts: plain links and forms do it all.
import { test } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";
import { OWNER, World, button, figure, heading, link, until } from "./world.mjs";

let page;

const world = new World({}, async () => { page = await world.visitor({ javaScriptEnabled: false }); });

test("setting up, logging out and in", async () => {
  await world.setUp(page);
  await page.locator("summary", { has: page.locator(".avatar") }).click();
  assert.equal(await page.getByRole("button", { name: "Light or dark" }).isVisible(), false, "what needs scripting is not offered");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.waitForURL(world.at("/app/login"));
  await world.logIn(page, OWNER);
});

test("a contact is added, and told at the field what is wrong first", async () => {
  await page.goto(world.at("/app/contacts"));
  await link(page, "New contact").first().click();
  await page.getByLabel(/^Email/).fill("ann@example.org");
  await page.getByLabel(/^First name/).fill("Ann");
  await page.getByLabel(/^Points/).fill("many");
  await button(page, "Save").click();
  assert.equal(await page.locator("[aria-invalid=true]").count(), 1);
  assert.equal(await page.getByLabel(/^First name/).inputValue(), "Ann");
  await page.getByLabel(/^Points/).fill("5");
  await button(page, "Save").click();
  await page.waitForURL(/\/app\/contacts\/[0-9a-f-]{36}/);
  await page.getByText("It was created.").waitFor();
});

test("a file is imported", async () => {
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, ["email,firstname,country", ...Array.from({ length: 60 }, (_, row) => `p${row}@example.com,Person${row},${row % 2 ? "DE" : "NO"}`), "nobody,Nobody,NO"].join("\n"));
  await page.goto(world.at("/app/contacts"));
  await link(page, "Import").first().click();
  await page.getByLabel("File").setInputFiles(file);
  await button(page, "Upload").click();
  await button(page, "See what will happen").click();
  assert.equal(await figure(page, "New").textContent(), "60");
  assert.equal(await figure(page, "Skipped").textContent(), "1");
  await button(page, "Import").click();
  await until(page, "the import is done", () => page.locator("main .badge", { hasText: "done" }).count());
  await link(page, "Show the contacts").click();
  await heading(page, "Contacts").waitFor();
  assert.equal(await page.getByRole("main").locator("tbody tr").count(), 50);
  await link(page, "Next page").click();
  assert.equal(await page.getByRole("main").locator("tbody tr").count(), 11);
});

test("a segment is described by rows, and by text", async () => {
  await page.goto(world.at("/app/segments/new"));
  await page.getByLabel("Name", { exact: true }).fill("In Germany");
  await button(page, "Add condition").click();
  await page.getByLabel("What to ask").selectOption({ label: "Country" });
  await button(page, "Bring rows and text in step").click();
  await page.getByLabel("Value", { exact: true }).fill("DE");
  await button(page, "Count").last().click();
  await page.getByText("Fits 30 contacts").waitFor();
  assert.equal((await page.getByLabel("As text").inputValue()).trim(), 'country = "DE"');
  await page.getByLabel("As text").fill('country in ("DE", "NO")');
  await button(page, "Save").click();
  await heading(page, "In Germany").first().waitFor();
  const members = page.locator("#state dt", { hasText: "Members" }).locator("+ dd");
  await until(page, "the segment is built", async () => (await members.textContent()).trim() === "60");
});

test("an email is built by buttons, turned into MJML, and written in HTML", async () => {
  await page.goto(world.at("/app/emails/new"));
  await page.locator("#body").getByRole("button", { name: /^Move down: Heading/ }).click();
  await page.locator("#body [data-block]").first().locator("summary strong", { hasText: "Text" }).first().waitFor();
  await button(page, "Turn the blocks into MJML").click();
  assert.match(await page.getByLabel("Body").inputValue(), /^<mjml>/);
  await page.getByLabel("Name", { exact: true }).fill("Welcome");
  await page.getByLabel("Subject").fill("Hello {{ contact.firstname }}");
  await page.locator("[name=from_address]").fill("news@example.com");
  await page.getByLabel("Written in").selectOption("html");
  await page.getByLabel("Body").fill('<p>Hello {{ contact.firstname }}</p><p><a href="{{ unsubscribe_url }}">Leave</a></p>');
  await button(page, "Show the preview").click();
  await page.frameLocator("iframe[name=preview]").getByText("Hello").first().waitFor();
  await button(page, "Save").click();
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
  await page.getByText("It was created.").waitFor();
});

test("it is sent, and its result is seen", async () => {
  await link(page, "Send").click();
  await page.getByLabel("To", { exact: true }).selectOption({ index: 0 });
  await button(page, "Go on to the summary").click();
  assert.equal(await figure(page, "Will get it").textContent(), "60");
  await button(page, "Send it now").click();
  await until(page, "the send is completed", () => page.locator("main .badge", { hasText: "completed" }).count());
  assert.equal(await figure(page, "Accepted").textContent(), "60");
  await link(page, "Results of the email").click();
  await until(page, "the result is there", async () => /60/.test(await page.locator(".funnel li", { hasText: "Accepted" }).textContent()));
  await page.goto(world.at("/app/search?q=Person7"));
  await page.getByRole("main").getByRole("link", { name: /p7@example\.com|Person7/ }).first().waitFor();
});

test("what is lost is asked for on a page of its own", async () => {
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await link(page, "Delete").click();
  await page.waitForURL(/\/delete$/);
  await page.getByText("This will be lost and cannot be brought back:").waitFor();
  await link(page, "Keep it").click();
  await heading(page, "Welcome").first().waitFor();
});

world.expectNoFaults();
