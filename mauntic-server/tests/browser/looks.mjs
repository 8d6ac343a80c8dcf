// What is true of every page: no fault that axe finds, nothing wider than the window, light and quick.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import assert from "node:assert/strict";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MOST_BYTES = 150_000;
const MOST_MILLISECONDS = 300;
const WINDOWS = [[1440, 900], [390, 844]];
const SCHEMES = ["light", "dark"];

/** Refuses whatever the policy of the page refused, and errors of scripts. */
export function watch(page, faults) {
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error}`));
  page.on("console", (message) => {
    const text = message.text();
    // A captured mail may load nothing from here: its pixel would count an open.
    if (/^Loading the image '[^']+\/t\/o\//.test(text)) return;
    if (message.type() === "error" && !/the server responded with a status of 4\d\d/.test(text)) faults.push(`${page.url()}: ${text}`);
  });
}

/** The faults that axe finds, one line each. */
export async function axeFaults(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.target.join(" ")} (${node.failureSummary.split("\n").slice(1).join(";").trim()})`));
}

/** What stands out of the window: the innermost of what is too wide and cannot be scrolled. */
async function tooWide(page) {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = (element) => element && (/auto|scroll|hidden|clip/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const wide = [...document.body.querySelectorAll("*")].filter((element) => element.getBoundingClientRect().right > width + 1 && !scrolls(element.parentElement));
    return wide.slice(-3).map((element) => `${element.tagName.toLowerCase()}.${element.className} ends at ${Math.round(element.getBoundingClientRect().right)} of ${width}`);
  });
}

/** Looks at a page in both windows and both schemes; `shot` takes the pictures. */
export async function look(page, address, shot) {
  const faults = [];
  for (const scheme of SCHEMES) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const [width, height] of WINDOWS) {
      await page.setViewportSize({ width, height });
      await page.goto(address);
      const where = `${new URL(address).pathname} (${width}, ${scheme})`;
      faults.push(...(await axeFaults(page)).map((fault) => `${where}: ${fault}`));
      faults.push(...(await tooWide(page)).map((fault) => `${where}: too wide: ${fault}`));
      if (shot) await shot(`${width}-${scheme}`);
    }
  }
  return faults;
}

/** Bytes that come over the wire for a first visit, and when the first content is there: the quickest of five. */
export async function cost(browser, address, state) {
  let bytes = 0;
  let quickest = Infinity;
  for (let visit = 0; visit < 5; visit += 1) {
    const context = await browser.newContext({ storageState: state });
    const page = await context.newPage();
    const sizes = [];
    page.on("requestfinished", (request) => {
      if (["document", "stylesheet", "script"].includes(request.resourceType())) sizes.push(request.sizes());
    });
    await page.goto(address, { waitUntil: "load" });
    const paint = await page.evaluate(() => new Promise((done) => {
      new PerformanceObserver((list) => {
        const found = list.getEntriesByName("first-contentful-paint")[0];
        if (found) done(found.startTime);
      }).observe({ type: "paint", buffered: true });
    }));
    quickest = Math.min(quickest, paint);
    bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size.responseBodySize, 0);
    await context.close();
  }
  return { bytes, paint: Math.round(quickest) };
}

export function assertCheap(costs) {
  for (const [path, { bytes, paint }] of Object.entries(costs)) {
    console.log(`${path.padEnd(44)} ${String(bytes).padStart(8)} bytes ${String(paint).padStart(5)} ms to the first content`);
  }
  for (const [path, { bytes, paint }] of Object.entries(costs)) {
    assert.ok(bytes <= MOST_BYTES, `${path}: ${bytes} bytes of HTML, CSS and scripts`);
    assert.ok(paint < MOST_MILLISECONDS, `${path}: ${paint} ms to the first content`);
  }
}
