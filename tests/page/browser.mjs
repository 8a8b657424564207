// Chromium, and the rules of accessibility.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

export const WIDE = { width: 1280, height: 900 };
export const TELEPHONE = { width: 390, height: 844 };

/** Starts the browser. */
export async function launch() {
  const executablePath = process.env.ARCHON_CHROMIUM ?? "/usr/bin/chromium";
  assert.ok(existsSync(executablePath), `${executablePath} is missing: run \`apt-get install chromium\``);
  // Chromium's sandbox does not start for root.
  return chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
}

/** Opens an empty page in a context of its own, whose requests, messages, errors and dialogs are collected. */
export async function observed(browser, options) {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const [requests, complaints] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => complaints.push(dialog.message()));
  return { context, page, requests, complaints };
}

/** Returns the violations of accessibility, with the elements. axe was loaded into the page. */
export async function violations(page, rules) {
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: { type: "rule", values: rules } }) };
  const found = await page.evaluate((options) => globalThis.axe.run(document, options), options);
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).slice(0, 3).join(" ")}`);
}
