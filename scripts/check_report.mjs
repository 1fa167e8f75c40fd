// Looks at report.html or compare.html in headless Chromium: three widths, light and dark.
//
//   npm install --prefix BROWSER playwright-core axe-core   (once; Chromium from the system)
//   NODE_PATH=BROWSER/node_modules node scripts/check_report.mjs OUT PAGE.html [PAGE.html ...]
//
// Fails on: a console message, a request for anything, a page wider than the screen, text outside
// its figure or over other text there, or a violation that axe finds. Screenshots go to OUT.
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.env.NODE_PATH ?? ".", "x"));
const { chromium } = require("playwright-core");
const axe = require("axe-core");

const WIDTHS = [360, 768, 1280];
const [out, ...pages] = process.argv.slice(2);
mkdirSync(out, { recursive: true });

// Runs in the page: what a reader would see as broken.
function eyesores() {
  const found = [];
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) {
    found.push(`the page is ${document.documentElement.scrollWidth} wide on ${width}`);
  }
  for (const svg of document.querySelectorAll("figure svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")].filter(
      (t) => t.textContent.trim() && getComputedStyle(t).opacity !== "0",
    );
    const boxes = texts.map((t) => t.getBoundingClientRect());
    const name = svg.getAttribute("aria-label");
    boxes.forEach((a, i) => {
      if (a.left < frame.left - 2 || a.right > frame.right + 2 || a.top < frame.top - 2 || a.bottom > frame.bottom + 2) {
        found.push(`${name}: "${texts[i].textContent}" leaves its figure`);
      }
      boxes.slice(i + 1).forEach((b, j) => {
        const over = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (over > -2 && down > 4) {  // closer than 2 pixels reads as one
          found.push(`${name}: "${texts[i].textContent}" and "${texts[i + 1 + j].textContent}" overlap`);
        }
      });
    });
    if (!svg.querySelector("path[d], line")) found.push(`${name}: an empty figure`);
  }
  return found;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let bad = 0;
for (const path of pages) {
  for (const width of WIDTHS) {
    for (const colorScheme of ["light", "dark"]) {
      const context = await browser.newContext({
        viewport: { width, height: 900 }, colorScheme, bypassCSP: true, offline: true,
      });
      const page = await context.newPage();
      const problems = [];
      page.on("console", (message) => problems.push(`console: ${message.text()}`));
      page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
      const address = pathToFileURL(resolve(path)).href;
      page.on("request", (request) => {
        if (request.url() !== address) problems.push(`asks for ${request.url()}`);
      });
      await page.goto(address);
      const name = `${basename(path, ".html")}-${width}-${colorScheme}`;
      await page.screenshot({ path: join(out, `${name}.png`), fullPage: true });
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
      problems.push(...(await page.evaluate(eyesores)));
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => window.axe.run());
      for (const v of violations) {
        problems.push(`axe ${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 140)).join(" | ")}`);
      }
      console.log(`${name}: ${problems.length ? problems.join("\n  ") : "nothing to fix"}`);
      bad += problems.length;
      await context.close();
    }
  }
}
await browser.close();
process.exit(bad ? 1 : 0);
