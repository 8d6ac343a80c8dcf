// What is true of every page: no fault that axe finds, nothing wider than the window, the focus is seen, light and quick.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import assert from "node:assert/strict";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** HTML, stylesheet and scripts of a first visit, over the wire. */
const MOST_BYTES = 150_000;
const VISITS = 5;
/** Until the first content, in milliseconds, as the median of the visits. */
const SOONEST = 300;
/** How much of the window moves by itself, as browsers sum it up. */
const MOST_SHIFT = 0.1;
/** More than a person would press to see whether the focus is lost. */
const MOST_STEPS = 60;
const WINDOWS = [[1440, 900], [390, 844]];
const SCHEMES = ["light", "dark"];
const SHOTS = process.env.MAUNTIC_SHOTS;

/** Refuses whatever the policy of the page refused, and errors of scripts. */
export function watch(page, faults) {
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    const text = message.text();
    // Whoever looks into the frame of a mail tries to run a script in it.
    if (/^Blocked script execution in '.*\/(html|preview)' because the document's frame is sandboxed/.test(text)) return;
    if (message.type() === "error" && !/the server responded with a status of 4\d\d/.test(text)) faults.push(`${page.url()}: ${text}`);
  });
}

/** The faults that axe finds, one line each. */
async function axeFaults(page, rules) {
  await page.evaluate(axe);
  const options = { resultTypes: ["violations"], rules };
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")} (${node.failureSummary.split("\n").slice(1).join(";").trim()})`));
}

/** What stands out of the window: the innermost of what is too wide and cannot be scrolled. */
function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = (element) => element && (/auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const wide = [...document.body.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement));
    return wide.slice(-3).map((element) => `too wide: ${element.tagName.toLowerCase()}.${element.className} ends at ${Math.round(element.getBoundingClientRect().right)} of ${width}`);
  });
}

/** Lists whose rows stack on a phone, and that would have to be scrolled sideways all the same. */
function sideways(page) {
  return page.evaluate(() => {
    if (!matchMedia("(max-width: 48rem)").matches) return [];
    const lists = [...document.querySelectorAll(".scroll:has(.stacks)")].filter((list) => list.scrollWidth > list.clientWidth + 1);
    return lists.map((list) => `“${list.getAttribute("aria-label")}” is scrolled sideways: ${list.scrollWidth} in ${list.clientWidth}`);
  });
}

/** What moves by itself though whoever looks asked for less of that. */
function moving(page) {
  return page.evaluate(() => {
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) return ["nobody asked for less motion"];
    return document.getAnimations().map((animation) => `${animation.animationName ?? animation.transitionProperty} moves ${animation.effect?.target?.className}`);
  });
}

/** Steps through the page with the Tab key: what has the focus must be seen, and seen to have it. */
async function lostFocus(page) {
  const lost = new Set();
  await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await page.keyboard.press("Tab");
    const fault = await page.evaluate(() => {
      // A file is chosen by its label, which shows the focus.
      const at = document.activeElement?.closest("label[data-upload]") ?? document.activeElement;
      if (!at || at === document.body) return null;
      const called = `${at.tagName.toLowerCase()} “${(at.getAttribute("aria-label") ?? at.name ?? at.textContent).trim().slice(0, 40)}”`;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      // A frame, and the parts of a date, show it by themselves.
      if (!at.matches("iframe, [type^=date]") && (outlineStyle === "none" || outlineWidth === "0px")) return `nothing shows that ${called} has the focus`;
      // Of what is larger than the window, the part that is in it.
      const within = (side, most) => Math.min(Math.max(side, 0), most);
      const spots = [...at.getClientRects()].flatMap((at) => {
        const [left, right] = [at.left, at.right].map((side) => within(side, innerWidth));
        const [top, bottom] = [at.top, at.bottom].map((side) => within(side, innerHeight));
        return left < right && top < bottom ? [0.1, 0.5, 0.9].map((part) => [left + (right - left) * part, top + (bottom - top) * part]) : [];
      });
      const seen = spots.some(([x, y]) => { const hit = document.elementFromPoint(x, y); return hit && (at.contains(hit) || hit.closest("label")?.control === at); });
      return seen ? "" : `${called} has the focus and is hidden`;
    });
    if (fault === null) break;
    if (fault) lost.add(fault);
  }
  return [...lost];
}

/** The faults in a window that shows the whole page: what a bar that stays covers for now can be scrolled to. */
async function faultsAt(page, width, opened = false) {
  await page.setViewportSize({ width, height: 1000 });
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(1000, height) });
  // Menus that are open at once lie over what they belong to.
  return [...(await axeFaults(page, { "target-size": { enabled: !opened } })), ...(await tooWide(page)), ...(await sideways(page)), ...(await moving(page))];
}

/** Looks at the page that is open in both windows and both schemes, and a second time with all that opens opened. */
export async function look(page, name) {
  const faults = [];
  const add = (where, found) => faults.push(...found.map((fault) => `${name} (${where}): ${fault}`));
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    for (const [width, height] of WINDOWS) {
      add(`${width}, ${scheme}`, await faultsAt(page, width));
      await page.setViewportSize({ width, height });
      if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name.replace(/[^a-zA-Z0-9]+/g, "-").replace(/^-|-$/g, "")}.${width}-${scheme}.png`), fullPage: true });
      if (scheme === "light") add(width, await lostFocus(page));
    }
  }
  const closed = await page.locator("details:not([open])").elementHandles();
  if (closed.length > 0) {
    for (const details of closed) await details.evaluate((details) => { details.open = true; });
    for (const [width] of WINDOWS) add(`${width}, opened`, await faultsAt(page, width, true));
    for (const details of closed) await details.evaluate((details) => { details.open = false; });
  }
  await page.setViewportSize({ width: WINDOWS[0][0], height: WINDOWS[0][1] });
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
  return faults;
}

/** What a visit costs with nothing kept of earlier ones: bytes over the wire, and the median time until the first content. */
async function once(browser, address, storageState) {
  const context = await browser.newContext({ storageState });
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  let bytes = new Map();
  // What frames show is an author's mail, not a page of ours.
  wire.on("Network.responseReceived", ({ requestId, type, frameId }) => {
    const document = type === "Document" && frameId === main;
    if (document || ["Stylesheet", "Script"].includes(type)) bytes.set(requestId, 0);
  });
  wire.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (bytes.has(requestId)) bytes.set(requestId, encodedDataLength);
  });
  const main = (await wire.send("Page.getFrameTree")).frameTree.frame.id;
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  const paints = [];
  const sums = [];
  const shifts = [];
  for (let visit = 0; visit < VISITS; visit += 1) {
    bytes = new Map();
    await page.goto(address, { waitUntil: "load" });
    paints.push(await page.evaluate(() => new Promise((done) => {
      new PerformanceObserver((list) => {
        const found = list.getEntriesByName("first-contentful-paint")[0];
        if (found) done(found.startTime);
      }).observe({ type: "paint", buffered: true });
    })));
    sums.push([...bytes.values()].reduce((sum, size) => sum + size, 0));
    // What moves once everything is there, as far as two frames later.
    shifts.push(await page.evaluate(() => new Promise((done) => {
      let sum = 0;
      const add = (entries) => { for (const { value, hadRecentInput } of entries) if (!hadRecentInput) sum += value; };
      const observer = new PerformanceObserver((list) => add(list.getEntries()));
      observer.observe({ type: "layout-shift", buffered: true });
      requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { add(observer.takeRecords()); done(sum); })));
    })));
  }
  await context.close();
  const paint = Math.round(paints.sort((a, b) => a - b)[VISITS >> 1]);
  return { bytes: Math.max(...sums), paint, shift: Math.max(...shifts) };
}

/** The same; a page that was slow while something else went on in the machine is looked at again. */
export async function cost(browser, address, storageState) {
  let found = await once(browser, address, storageState);
  for (let again = 0; again < 2 && found.paint > SOONEST; again += 1) {
    const next = await once(browser, address, storageState);
    found = { ...next, paint: Math.min(found.paint, next.paint), shift: Math.max(found.shift, next.shift) };
  }
  return found;
}

/** Prints what pages cost, and holds them to it. */
export function assertLight(costs) {
  for (const [path, { bytes, paint, shift }] of costs) {
    console.log(`${path.padEnd(56)} ${String(bytes).padStart(8)} bytes ${String(paint).padStart(5)} ms to the first content, ${shift.toFixed(3)} moved`);
  }
  const paints = [...costs.values()].map(({ paint }) => paint).sort((a, b) => a - b);
  console.log(`first content: median ${paints[paints.length >> 1]} ms, slowest page ${paints.at(-1)} ms`);
  const heavy = [...costs].filter(([, { bytes }]) => bytes > MOST_BYTES).map(([path, { bytes }]) => `${path}: ${bytes} bytes`);
  assert.deepEqual(heavy, []);
  const slow = [...costs].filter(([, { paint }]) => paint > SOONEST).map(([path, { paint }]) => `${path}: ${paint} ms`);
  assert.deepEqual(slow, []);
  const moving = [...costs].filter(([, { shift }]) => shift >= MOST_SHIFT).map(([path, { shift }]) => `${path}: ${shift.toFixed(3)}`);
  assert.deepEqual(moving, []);
}
