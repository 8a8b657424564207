// Reads the pages in Chromium: they reach nothing, run nothing, fit a telephone, print whole, and are accessible.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { TELEPHONE, WIDE, launch, observed, violations } from "./browser.mjs";
import { HOSTILE, folder, pages } from "./documents.mjs";

let browser;
let documents;

before(async () => {
  browser = await launch();
  documents = pages();
});

after(async () => browser?.close());

/** Opens a page in a context of its own, and fails on requests, errors, dialogs and breaches of its policy. */
async function open({ name, path }, options, check) {
  const { context, page, requests, complaints } = await observed(browser, options);
  await page.goto(pathToFileURL(path).href);
  await check(page, name);
  assert.deepEqual(requests, [pathToFileURL(path).href], `${name}: requests`);
  assert.deepEqual(complaints, [], `${name}: messages`);
  await context.close();
}

/** Opens all pages, two at a time. */
async function each(options, check) {
  const rest = [...documents];
  const worker = async () => {
    for (let next = rest.shift(); next; next = rest.shift()) await open(next, options, check);
  };
  await Promise.all([worker(), worker()]);
}

const one = (name, check) => open(documents.find((document) => document.name === name), {}, check);

/** Opens what is closed, and the other way round. */
const toggle = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = !it.open)));

// All rules once, and again those that depend on colours and on the width.
const MODES = {
  light: { colorScheme: "light", viewport: WIDE },
  dark: { colorScheme: "dark", viewport: WIDE, rules: ["color-contrast"] },
  telephone: {
    colorScheme: "light",
    viewport: TELEPHONE,
    rules: ["scrollable-region-focusable", "target-size", "color-contrast"],
  },
};

test("pages are accessible in light and dark and on a telephone, and reach nothing", async () => {
  await each({}, async (page, name) => {
    await page.evaluate(axe.source);
    for (const [mode, { colorScheme, viewport, rules }] of Object.entries(MODES)) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      await page.screenshot({ path: join(folder, `${name}-${mode}.png`), fullPage: true });
      await toggle(page);
      assert.deepEqual(await violations(page, rules), [], `${name}, ${mode}`);
      const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
      assert.ok(width <= viewport.width, `${name}, ${mode}: ${width} pixels wide`);
      await toggle(page);
    }
  });
});

test("pages have no script, one heading of the first rank and a title for each picture", async () => {
  await each({}, async (page, name) => {
    const count = (selector) => page.locator(selector).count();
    // A script in every field is shown as text.
    const shown = (await page.locator("main").textContent()).split(HOSTILE).length - 1;
    assert.ok(name === "hostile" ? shown > 100 : shown === 0, `${name}: ${shown} times`);
    assert.equal(await count("img, main style"), 0, name);
    assert.equal(await count("script, link, iframe, object, embed, form, [onload], [onerror], [href], [src]"), 0, name);
    assert.equal(await count("h1"), 1, name);
    assert.equal(await count("svg[role=img]:not(:has(> title)):not(:has(> desc))"), 0, name);
    assert.equal(await count("th:not([scope])"), 0, name);
  });
});

test("pages say the same without JavaScript", async () => {
  const texts = { true: {}, false: {} };
  for (const javaScriptEnabled of [true, false]) {
    await each({ javaScriptEnabled }, async (page, name) => {
      texts[javaScriptEnabled][name] = await page.locator("main").innerText();
    });
  }
  assert.deepEqual(texts.true, texts.false);
  assert.ok(texts.true.findings.includes("checkout-service"));
});

test("the verdict names the leaking application first", async () => {
  await one("findings", async (page) => {
    const heading = page.locator("h1");
    assert.match(await heading.textContent(), /^checkout-service probably leaks connections/);
    const { y, height } = await heading.boundingBox();
    assert.ok(y + height < WIDE.height / 2, "it is in the upper half of the first screen");
  });
});

test("evidence against a leak points to the other side", async () => {
  await one("findings", async (page) => {
    await toggle(page);
    const middle = async (selector) => {
      const bar = page.locator(selector).first();
      const [box, whole] = [await bar.boundingBox(), await bar.locator("..").boundingBox()];
      return box.x + box.width / 2 - (whole.x + whole.width / 2);
    };
    assert.ok((await middle(".signed > .for")) > 0);
    assert.ok((await middle(".signed > .against")) < 0);
  });
});

test("a printed page shows what is folded", async () => {
  await each({}, async (page, name) => {
    await page.emulateMedia({ media: "print" });
    // The new styles apply with the next frame.
    const isWhole = page.waitForFunction(() => {
      const folded = [...document.querySelectorAll("details:not([open]) > :not(summary)")];
      return folded.every((it) => it.checkVisibility() && it.getBoundingClientRect().height > 0);
    });
    await isWhole.catch((error) => assert.fail(`${name}: ${error}`));
    await page.pdf({ path: join(folder, `${name}.pdf`), format: "A4", printBackground: false });
  });
});
