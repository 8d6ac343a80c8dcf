// What recipients see: the page that asks before they leave, the choice of lists, what follows, and the mail in a browser.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { look } from "./looks.mjs";
import { World, until } from "./world.mjs";

const SHOTS = process.env.MAUNTIC_SHOTS;
let page;
const found = {};

const world = new World({}, async () => {
  if (SHOTS) await mkdir(SHOTS, { recursive: true });
  page = await world.visitor();
  await world.setUp(page);
  const file = join(world.installation.folder, "people.csv");
  const body = join(world.installation.folder, "body.html");
  await writeFile(file, "email,firstname\nann@example.com,Ann");
  await writeFile(body, '<h1>News</h1><p>Hello {{ contact.firstname }}, <a href="{{ webview_url }}">read it in a browser</a> or <a href="{{ unsubscribe_url }}">leave</a>.</p>');
  await world.installation.command("contacts", "import", file, "--tag", "newsletter");
  for (const [name, list] of [["Plain", ""], ["Listed", "News of the week"]]) {
    await world.installation.command("segments", "create", name, "--where", 'tag in ("newsletter")');
    if (list) await world.installation.command("segments", "update", name, "--list-name", list);
    await world.installation.command("segments", "rebuild", name);
    await world.installation.command("emails", "create", name, "--subject", name, "--html", body, "--from", "news@example.com");
    await world.installation.command("emails", "send", name, "--segment", name);
  }
  await page.goto(world.at("/app/inbox"));
  await until(page, "both mails are there", async () => (await page.getByRole("main").locator("tbody tr").count()) === 2);
  for (const name of ["Plain", "Listed"]) {
    await page.goto(world.at("/app/inbox"));
    await page.getByRole("main").getByRole("link", { name, exact: true }).click();
    const header = await page.locator("dt", { hasText: /^List-Unsubscribe$/ }).locator("+ dd code").textContent();
    const text = await page.locator("main").textContent();
    found[name] = { leave: /<(https?:[^>]+)>/.exec(header)[1], view: /https?:\/\/[^\s"<>]+\/v\/[\w-]+/.exec(text)[0] };
  }
});

async function lookAt(name) {
  const faults = await look(page, `public ${name}`);
  assert.deepEqual(faults, [], faults.join("\n"));
}

test("leaving all mail: asked first, done, and taken back", async () => {
  await page.goto(found.Plain.leave);
  await page.getByRole("heading", { name: /^Unsubscribe from|^Email from/ }).waitFor();
  await lookAt("asked");
  await page.getByRole("button", { name: /^Unsubscribe$|^Stop all email/ }).click();
  await page.getByRole("heading", { name: "You are unsubscribed" }).waitFor();
  await lookAt("left");
  await page.getByRole("button", { name: "Subscribe again" }).click();
  await page.getByRole("heading", { name: "You are subscribed again" }).waitFor();
  await lookAt("back");
});

test("the choice of lists: left one, and chosen again", async () => {
  await page.goto(found.Listed.leave);
  await page.getByLabel("News of the week").waitFor();
  await lookAt("lists");
  await page.getByRole("button", { name: "Unsubscribe", exact: true }).click();
  await page.getByRole("heading", { name: /You are unsubscribed from/ }).waitFor();
  await lookAt("left a list");
  await page.getByLabel("News of the week").check();
  await page.getByRole("button", { name: "Save my choice" }).click();
  await page.getByRole("heading", { name: "Your choice was saved" }).waitFor();
  assert.equal(await page.getByLabel("News of the week").isChecked(), true);
  await lookAt("chosen");
});

test("a mail in a browser, and a link that was cut off", async () => {
  await page.goto(found.Plain.view);
  await page.getByText("Hello Ann").waitFor();
  // What an author wrote, in which no script runs, not even one that looks for faults.
  assert.equal(await page.title(), "Plain");
  for (const width of SHOTS ? [1440, 390] : []) {
    await page.setViewportSize({ width, height: 900 });
    await page.screenshot({ path: join(SHOTS, `public-web-view.${width}.png`), fullPage: true });
  }
  await page.goto(`${found.Plain.leave.slice(0, -9)}AAAAAAAAA`);
  await page.getByRole("heading", { name: "This link does not work" }).waitFor();
  await lookAt("broken");
});

world.expectNoFaults();
