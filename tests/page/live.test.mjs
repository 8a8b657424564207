// Reads live pages in Chromium: they follow the rounds, keep what is opened, and reach only their server.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { TELEPHONE, WIDE, launch, observed, violations } from "./browser.mjs";
import { folder } from "./documents.mjs";
import { serve } from "./live.mjs";

const SCRIPT = "<script>alert(1)</script>";

let browser;
let server;

before(async () => {
  server = await serve();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.end();
});

/** Opens a page, and fails on requests to others, errors, dialogs and breaches of its policy. */
async function open(path, options, check) {
  const { context, page, requests, complaints } = await observed(browser, options);
  await page.goto(server.address + path);
  await check(page, complaints);
  const foreign = requests.filter((url) => !url.startsWith(`${server.address}/`));
  assert.deepEqual(foreign, [], `${path}: requests to others`);
  assert.deepEqual(complaints, [], `${path}: messages`);
  await context.close();
}

/** Returns the number of `<main>` elements that the page got, counted from the first call on. */
const rounds = (page) =>
  page.evaluate(() => {
    globalThis.mains ??= new Set();
    globalThis.mains.add(document.querySelector("main"));
    return globalThis.mains.size;
  });

/** Waits until the page was exchanged so many times. */
async function exchanged(page, times) {
  const least = (await rounds(page)) + times;
  const enough = (least) => {
    globalThis.mains.add(document.querySelector("main"));
    return globalThis.mains.size >= least;
  };
  await page.waitForFunction(enough, least, { timeout: 60_000, polling: 50 });
}

const text = (page) => page.locator("main").innerText();
const PAGES = ["/", "/t/hostile", "/t/silent", "/t/gone"];

const MODES = {
  light: { colorScheme: "light", viewport: WIDE },
  dark: { colorScheme: "dark", viewport: WIDE, rules: ["color-contrast"] },
  telephone: { colorScheme: "light", viewport: TELEPHONE, rules: ["scrollable-region-focusable", "target-size", "color-contrast"] },
};

test("live pages are accessible in light and dark and on a telephone", async () => {
  for (const path of PAGES) {
    await open(path, {}, async (page) => {
      await page.waitForFunction(() => document.getElementById("live").textContent.startsWith("Live"));
      await page.evaluate(axe.source);
      for (const [mode, { colorScheme, viewport, rules }] of Object.entries(MODES)) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        await page.screenshot({ path: join(folder, `live${path.replaceAll("/", "-")}-${mode}.png`), fullPage: true });
        assert.deepEqual(await violations(page, rules), [], `${path}, ${mode}`);
        const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
        assert.ok(width <= viewport.width, `${path}, ${mode}: ${width} pixels wide`);
      }
      assert.equal(await page.locator("h1").count(), 1, path);
    });
  }
});

test("the overview shows what is down first, then what leaks, and leads to its report", async () => {
  await open("/", {}, async (page) => {
    assert.match(await page.locator("h1").innerText(), /^[23] of 3 targets need attention/);
    const titles = await page.locator("main h2").allInnerTexts();
    assert.equal(titles[0], "Down");
    assert.ok(titles.includes("Critical") || titles.includes("Warning"), titles.join());
    await page.getByRole("link", { name: "hostile" }).click();
    await page.waitForURL("**/t/hostile");
    assert.match(await page.locator("h1").innerText(), /probably leaks connections/);
    await page.getByRole("link", { name: "All targets" }).click();
    await page.waitForURL(`${server.address}/`);
  });
});

test("names that are markup are shown as text, also after an event", async () => {
  await open("/t/hostile", {}, async (page) => {
    await exchanged(page, 2);
    assert.ok((await page.locator("main").textContent()).split(SCRIPT).length > 10);
    const foreign = "main script, main img, main style, main iframe, main link, main form, main [onerror], main [onload]";
    assert.equal(await page.locator(foreign).count(), 0);
    assert.match(await page.title(), /^hostile: /);
  });
});

test("an event keeps opened sessions, the focus and the position", async () => {
  await open("/t/hostile", {}, async (page) => {
    await exchanged(page, 1);
    const suspects = page.locator("details.suspect");
    const [opened, focused] = await suspects.evaluateAll((all) => [all[1].dataset.key, all[2].dataset.key]);
    const of = (key) => page.locator(`details[data-key="${key}"]`);
    await of(opened).locator("summary").click();
    await page.locator("details[data-key=rounds] summary").click();
    await of(focused).locator("summary").focus();
    await page.locator("details[data-key=rounds] .scroll").evaluate((it) => (it.style.width = "200px", (it.scrollLeft = 40)));
    await of(opened).evaluate((it) => scrollTo(0, it.getBoundingClientRect().top + scrollY - 100));
    const top = () => of(opened).evaluate((it) => Math.round(it.getBoundingClientRect().top));
    assert.equal(await top(), 100);
    const heading = await page.locator("p.moment").first().innerText();
    await server.order("leak");
    await exchanged(page, 3);
    assert.notEqual(await page.locator("p.moment").first().innerText(), heading, "it is another report");
    assert.equal(await of(opened).evaluate((it) => it.open), true);
    assert.equal(await page.locator("details[data-key=rounds]").evaluate((it) => it.open), true);
    const open = await page.locator("details[open]").count();
    assert.equal(open, 2, "and nothing else is open");
    assert.equal(await page.evaluate(() => document.activeElement.parentElement.dataset.key), focused);
    assert.ok(Math.abs((await top()) - 100) <= 2, `it is ${await top()} pixels from the top`);
  });
});

test("a selected text is not taken away before it is copied", async () => {
  await open("/t/hostile", {}, async (page) => {
    await exchanged(page, 1);
    await page.locator("h1").selectText();
    const selected = await page.evaluate(() => String(getSelection()));
    await page.evaluate(() => globalThis.mains.clear());
    await rounds(page);
    await page.waitForTimeout(2_500);
    assert.equal(await rounds(page), 1, "the page waits");
    assert.equal(await page.evaluate(() => String(getSelection())), selected);
    await page.evaluate(() => getSelection().removeAllRanges());
    await exchanged(page, 1);
  });
});

test("without scripts a page says the same, and is reloaded", async () => {
  // The target that is gone changes only with its time.
  const plain = (text) => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME").replaceAll(/\d+ rounds? failed/g, "N failed");
  const texts = [];
  for (const javaScriptEnabled of [true, false]) {
    await open("/t/gone", { javaScriptEnabled }, async (page) => texts.push(plain(await text(page))));
  }
  assert.equal(texts[0], texts[1]);
  assert.match(texts[0], /gone cannot be read/);
  await open("/t/hostile", { javaScriptEnabled: false }, async (page) => {
    assert.ok((await text(page)).includes(SCRIPT));
    assert.equal(await page.locator("meta[http-equiv=refresh]").getAttribute("content"), "30");
    assert.match(await page.locator("footer").innerText(), /reloaded every 30 s/);
  });
});

test("a silent server leaves its last report, with the fault and its age", async () => {
  await open("/t/silent", {}, async (page) => {
    assert.equal(await page.locator("#trouble").count(), 0);
    await server.order("silence");
    await page.locator("#trouble").waitFor({ timeout: 60_000 });
    await page.waitForFunction(() => /[4-9] rounds failed/.test(document.getElementById("trouble")?.innerText), null, { timeout: 120_000 });
    const shown = await text(page);
    assert.match(await page.locator("h1").innerText(), /^silent cannot be read: /);
    assert.match(shown, /last report: critical/i);
    assert.match(shown, /Below is the last report, of .*Z, \d.* older than the last round/);
    assert.ok(shown.includes("Slots") && shown.includes("usable in use"), "the last report is there");
    assert.match(await page.title(), /^silent: cannot be read/);
    await page.screenshot({ path: join(folder, "live-silent-down.png") });
    await page.evaluate(axe.source);
    assert.deepEqual(await violations(page), []);
    await server.order("speak");
    await page.locator("#trouble").waitFor({ state: "detached", timeout: 120_000 });
  });
});

test("a page says when its server is gone, and goes on when it is back", async () => {
  await open("/t/hostile", {}, async (page, complaints) => {
    await exchanged(page, 1);
    const before = await text(page);
    await server.order("end");
    await page.waitForFunction(() => document.body.classList.contains("lost"));
    assert.match(await page.locator("#live").innerText(), /^No connection/);
    assert.equal((await text(page)).split("\n").length, before.split("\n").length, "the last report stays");
    await page.evaluate(axe.source);
    assert.deepEqual(await violations(page, ["color-contrast"]), []);
    await server.order("restart");
    await page.waitForFunction(() => !document.body.classList.contains("lost"), null, { timeout: 60_000 });
    await exchanged(page, 1);
    // Chromium itself reports that the server was gone.
    const own = complaints.filter((message) => !/Failed to load resource|net::ERR/.test(message));
    complaints.splice(0, complaints.length, ...own);
  });
});

test("a page in the background has no stream, and catches up", async () => {
  await open("/t/hostile", {}, async (page) => {
    await exchanged(page, 1);
    const hide = (hidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await hide(true);
    await page.evaluate(() => globalThis.mains.clear());
    await rounds(page);
    await page.waitForTimeout(2_500);
    assert.equal(await rounds(page), 1);
    await hide(false);
    await exchanged(page, 1);
  });
});

test("another site can neither frame a page nor take streams", async () => {
  const headers = (await fetch(`${server.address}/t/hostile`)).headers;
  assert.match(headers.get("content-security-policy"), /frame-ancestors 'none'/);
  assert.doesNotMatch(headers.get("content-security-policy"), /script-src[^;]*unsafe/);
  const status = async (path, fields) => (await fetch(server.address + path, { headers: fields })).status;
  assert.equal(await status("/events", { "Sec-Fetch-Site": "cross-site" }), 403);
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.setContent(`<iframe src="${server.address}/"></iframe>`);
  const frame = page.frames().find((it) => it !== page.mainFrame());
  assert.equal(await frame.locator("main").count(), 0, "Chromium shows its own page");
  await context.close();
});
