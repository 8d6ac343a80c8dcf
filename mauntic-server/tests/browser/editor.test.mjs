// The editor of emails loses nothing: not while the server is slow, not when saving is refused; and images are chosen in it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { World, becomes, button, heading, link } from "./world.mjs";

/** A square of one colour, 2 by 2 pixels. */
const PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEklEQVR42mP8z8AARAwQwAgAFQMBAf7nMMsAAAAASUVORK5CYII=";
let page;

const world = new World({}, async () => {
  page = await world.visitor();
  await world.setUp(page);
  const file = join(world.installation.folder, "people.csv");
  await writeFile(file, "email,firstname\nann@example.com,Ann");
  await world.installation.command("contacts", "import", file, "--tag", "newsletter");
  await world.installation.command("segments", "create", "Readers", "--where", 'tag in ("newsletter")');
});

const blocks = () => page.locator("#body [data-list=top] > [data-block]");
const kinds = async () => (await blocks().locator("> details > summary > strong").allTextContents()).join(", ");
const START = "Heading, Text, Button, Divider, Text";

/** Steps take that long from now on. */
async function slow(milliseconds) {
  await page.unroute("**/app/emails/new");
  await page.route("**/app/emails/new", async (route) => {
    if (route.request().method() === "POST") await new Promise((done) => setTimeout(done, milliseconds));
    await route.continue();
  });
}

test("what is written while a step is on its way stays, and steps are done one after the other", async () => {
  await page.goto(world.at("/app/emails/new"));
  await slow(800);
  const add = page.getByRole("button", { name: "Add block at the end of this list" }).last();
  const kind = page.getByLabel("Kind of the block to add").last();
  await kind.selectOption("divider");
  await add.click();
  await kind.selectOption("heading");
  await add.click();
  const text = blocks().nth(0).getByLabel("Text", { exact: true });
  await text.fill("");
  await text.pressSequentially("Written while the server was busy, letter by letter", { delay: 40 });
  await becomes(kinds, `${START}, Divider, Heading`);
  assert.equal(await text.inputValue(), "Written while the server was busy, letter by letter");
  assert.equal(await text.evaluate((field) => field === document.activeElement), true, "and goes on where it was");
  // Whoever only went into a field meanwhile stays there as well.
  await blocks().nth(6).getByRole("button", { name: /^Move up/ }).click();
  await text.focus();
  await becomes(kinds, `${START}, Heading, Divider`);
  assert.equal(await text.evaluate((field) => field === document.activeElement), true, "and is not moved away");
  await blocks().nth(5).getByRole("button", { name: /^Move down/ }).click();
  await becomes(kinds, `${START}, Divider, Heading`);
});

test("saving waits for the steps that are on their way", async () => {
  await page.getByLabel("Name", { exact: true }).fill("Welcome");
  await page.getByLabel("Subject").fill("Hello {{ contact.firstname }}");
  await page.locator("[name=from_address]").fill("news@example.com");
  await blocks().nth(2).locator("[name$='.href']").fill("https://example.com/news");
  await blocks().nth(6).getByLabel("Text", { exact: true }).fill("The end");
  await blocks().nth(5).getByRole("button", { name: /^Delete/ }).click();
  await button(page, "Save").click();
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
  await link(page, "Edit").click();
  await becomes(kinds, `${START}, Heading`);
  assert.equal(await blocks().nth(5).getByLabel("Text", { exact: true }).inputValue(), "The end");
  assert.equal(await page.getByText("Not saved yet").isVisible(), false);
});

for (const [name, leads] of [
  ["saving was refused", async () => {
    await page.getByLabel("Subject").fill("{{ broken");
    await button(page, "Save").click();
    await heading(page, "Nothing was saved yet: please mend this").waitFor();
  }],
  ["the blocks became MJML", async () => {
    await button(page, "Turn the blocks into MJML").click();
    await page.getByLabel("Body").waitFor();
  }],
]) {
  test(`after ${name} it says that it is not saved, and leaving asks first`, async () => {
    await page.goto(world.at("/app/emails/new"));
    await page.getByLabel("Name", { exact: true }).fill("Draft");
    await leads();
    await page.getByText("Not saved yet", { exact: true }).waitFor();
    const asked = page.waitForEvent("dialog");
    await page.mouse.click(5, 5);
    const leaving = page.goto(world.at("/app/")).catch(() => {});
    const dialog = await asked;
    assert.equal(dialog.type(), "beforeunload");
    await dialog.accept();
    await leaving;
  });
}

test("an image is uploaded and chosen in the editor, and is seen in the preview and in the inbox", async () => {
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await link(page, "Edit").click();
  await page.getByLabel("Kind of the block to add").last().selectOption("image");
  await page.getByRole("button", { name: "Add block at the end of this list" }).last().click();
  await page.getByRole("button", { name: /^Choose an image/ }).click();
  await page.getByText("There are none yet.").waitFor();
  await page.locator("[data-upload-to]").setInputFiles({ name: "square.png", mimeType: "image/png", buffer: Buffer.from(PICTURE, "base64") });
  await page.getByRole("button", { name: "Take square.png" }).click();
  const address = page.locator("[name$='.src']");
  await becomes(async () => /^http:\/\/127\.0\.0\.1:\d+\/i\/.+\.png$/.test(await address.inputValue()), true);
  await page.getByLabel("What it shows").fill("A square");
  // A frame that may not load it asks for nothing, and says so, which is a fault; whatever would count is asked for too.
  const shown = new Set();
  const tracked = [];
  page.context().on("request", (request) => { if (/\/t\/[oc]\//.test(request.url())) tracked.push(request.url()); });
  page.context().on("requestfinished", (request) => {
    if (request.resourceType() === "image" && /\/i\//.test(request.url())) shown.add(new URL(request.frame().url()).pathname.replace(/[0-9a-f-]{36}/, "ID"));
  });
  const isShownIn = (frame) => becomes(async () => shown.has(frame), true);
  await isShownIn("/app/emails/preview");
  await button(page, "Save").click();
  await page.waitForURL(/\/app\/emails\/[0-9a-f-]{36}/);
  await page.frameLocator("iframe.mail").first().getByRole("img", { name: "A square" }).scrollIntoViewIfNeeded();
  await isShownIn("/app/emails/ID/preview");
  await link(page, "Send").click();
  await button(page, "Go on to the summary").click();
  await button(page, "Send it now").click();
  await page.waitForFunction(() => document.querySelector("main .badge")?.textContent === "completed", null, { timeout: 120_000 });
  await page.goto(world.at("/app/inbox"));
  await page.getByRole("main").locator("tbody a").first().click();
  await heading(page, "Hello Ann").waitFor();
  const mail = page.frameLocator("iframe.mail").first();
  await mail.getByRole("img", { name: "A square" }).scrollIntoViewIfNeeded();
  await isShownIn("/app/inbox/ID/html");
  // A link opens beside the mail, at its target, and nothing of this is counted.
  const opened = page.context().waitForEvent("page");
  await page.context().route("https://example.com/**", (route) => route.fulfill({ contentType: "text/html", body: "<title>News</title>" }));
  await mail.locator("a[href='https://example.com/news']").first().click();
  await becomes(async () => (await opened).url(), "https://example.com/news");
  await (await opened).close();
  assert.deepEqual(tracked, []);
});

test("an earlier version is brought back", async () => {
  await page.goto(world.at("/app/emails"));
  await link(page, "Welcome").click();
  await link(page, "Versions").click();
  await link(page, "Version 1").click();
  await button(page, "Bring this version back").click();
  await page.getByText("The change was saved.").waitFor();
  await link(page, "Versions").click();
  await page.getByRole("main").locator("tr", { hasText: "Version 3" }).getByText("now").waitFor();
  await link(page, "Edit").click();
  await becomes(kinds, `${START}, Heading`);
});

world.expectNoFaults();
