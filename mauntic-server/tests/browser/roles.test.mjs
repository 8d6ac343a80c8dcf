// People of each role: they come by invitation; what they may not do is not offered, and is refused when forced.
import { test } from "node:test";
import assert from "node:assert/strict";
import { World, button, heading, link } from "./world.mjs";
import { routeOf, routes, send, walk, fill } from "./walk.mjs";

const PASSWORD = "a password of mine";
const people = {};
let all;
let owner;
let owned;

const world = new World({ demo: 100 }, async () => {
  all = await routes();
  owner = await world.visitor();
  await world.logIn(owner, world.installation.demoOwner());
  const contacts = world.at("/app/contacts");
  await fill(owner, contacts, "/app/contacts/views", { view: "Everybody", shared: "on" });
  await fill(owner, world.at("/app/sending/suppressions"), "/app/sending/suppressions", { address: "never@example.com" });
  await fill(owner, world.at("/app/organization/tokens"), "/app/organization/tokens", { name: "Shop", role: "member" });
  await fill(owner, world.at("/app/segments/new"), "/app/segments/new", { name: "By hand", rule: "" });
});

for (const role of ["viewer", "member", "admin"]) {
  test(`somebody is invited as ${role} by mail and makes an account`, async () => {
    const email = `${role}@example.com`;
    await owner.goto(world.at("/app/organization"));
    await owner.getByLabel("Email address").fill(email);
    await owner.getByRole("main").locator("#role").selectOption(role);
    await button(owner, "Invite").click();
    await owner.getByRole("table", { name: "Invitations" }).getByText(email).waitFor();
    const page = await world.visitor();
    await page.goto(await world.installation.linkMailedTo(email));
    await heading(page, "You are invited").waitFor();
    await page.getByLabel("Your name").fill(`A ${role}`);
    await page.getByLabel("Password").fill(PASSWORD);
    await button(page, "Make an account and join").click();
    await page.waitForURL(world.at("/app/"));
    await page.goto(world.at("/app/organization/roles"));
    await page.getByText(`You are ${role} in`).waitFor();
    people[role] = page;
  });
}

test("an owner is offered everything, and nothing of it is refused", async () => {
  owned = await walk(owner, all, [world.at("/app/")]);
  assert.deepEqual(owned.faults, []);
  assert.ok(owned.forms.size > 20, [...owned.forms.keys()].join(" "));
});

test("the pages say what each role may do", async () => {
  const { viewer, member, admin } = people;
  await viewer.goto(world.at("/app/contacts"));
  assert.equal(await link(viewer, "New contact").count(), 0);
  assert.equal(await link(viewer, "Import").count(), 0);
  await viewer.goto(world.at("/app/contacts/new"));
  await heading(viewer, "Not allowed").waitFor();
  await member.goto(world.at("/app/contacts"));
  await link(member, "New contact").waitFor();
  await member.goto(world.at("/app/organization"));
  assert.equal(await button(member, "Invite").count(), 0);
  await admin.goto(world.at("/app/organization"));
  await button(admin, "Invite").waitFor();
  const roles = await admin.getByRole("main").locator("#role option").allTextContents();
  assert.ok(!roles.includes("owner"), "nobody gives a role above their own");
});

for (const role of ["viewer", "member", "admin"]) {
  test(`what is offered to somebody with the role ${role} is allowed, and what is not offered is refused when forced`, async (t) => {
    const page = people[role];
    const { pages, files, forms, faults } = await walk(page, all, [world.at("/app/")]);
    assert.deepEqual(faults, [], "a link leads to what is refused");
    // Whoever knows the address of a page that is not offered is refused, or sees it without anything to do there.
    const seen = [];
    for (const [route, address] of [...owned.pages, ...owned.files]) {
      if (pages.has(route) || files.has(route) || route.startsWith("/app/account")) continue;
      const answer = await page.context().request.get(address, { maxRedirects: 0 });
      if (answer.status() === 403) continue;
      await page.goto(address);
      const done = await page.getByRole("main").locator("form[method=post]").count();
      if (owned.files.has(route) || done > 0) seen.push(`${route}: ${answer.status()}`);
    }
    assert.deepEqual(seen, [], "pages that are not offered and yet open");
    // Whoever makes the form by hand, with a token of their own, is refused.
    await page.goto(world.at("/app/account"));
    const token = await page.locator("[name=csrf]").first().inputValue();
    const forced = [...owned.forms].filter(([key]) => !forms.has(key) && !key.startsWith("/app/account") && !key.startsWith("/app/notifications"));
    const done = [];
    for (const [key, form] of forced) {
      const fields = form.fields.map(([name, value]) => [name, name === "csrf" ? token : value]);
      const status = await send(page, { ...form, fields });
      if (status !== 403) done.push(`POST ${key}: ${status}`);
    }
    t.diagnostic(`${role}: ${pages.size} pages and ${forms.size} forms offered, ${forced.length} forms forced and refused`);
    assert.deepEqual(done, [], "forms that are not offered and yet taken");
    assert.equal(forced.length > 0, true);
  });
}

test("a blocked member is out with the next request, and back when unblocked", async () => {
  await owner.goto(world.at("/app/organization"));
  const row = owner.getByRole("table", { name: "Members" }).locator("tr", { hasText: "viewer@example.com" });
  await row.getByRole("link", { name: "Block" }).click();
  await owner.getByRole("dialog").getByRole("button", { name: "Block" }).click();
  await row.getByText("blocked", { exact: true }).waitFor();
  const answer = await people.viewer.goto(world.at("/app/contacts"));
  assert.equal(answer.status(), 403);
  await row.getByRole("button", { name: "Unblock" }).click();
  await row.getByText("blocked", { exact: true }).waitFor({ state: "detached" });
  await people.viewer.goto(world.at("/app/contacts"));
  await heading(people.viewer, "Contacts").waitFor();
});

test("a role that is taken is gone with the next request", async () => {
  const row = owner.getByRole("table", { name: "Members" }).locator("tr", { hasText: "admin@example.com" });
  await row.locator("select").selectOption("viewer");
  await row.getByRole("button", { name: "Change" }).click();
  await owner.getByText("The change was saved.").waitFor();
  await people.admin.goto(world.at("/app/sending"));
  assert.equal(await button(people.admin, "Save the limits").count(), 0);
  assert.equal(routeOf(all, people.admin.url()), "/app/sending");
});

world.expectNoFaults();
