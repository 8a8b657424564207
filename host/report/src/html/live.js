// Exchanges the <main> of a page with each event, and keeps what its reader has opened, focused and scrolled.
"use strict";
(() => {
  const { dataset, classList } = document.body;
  let { seen } = dataset;
  let [source, silence, later] = [];

  const named = (root, selector) => new Map(Array.from(root.querySelectorAll(selector), (it) => [nameOf(it), it]));
  const nameOf = (it) =>
    [it.tagName, it.dataset.key ?? it.parentElement.dataset.key, it.id, it.getAttribute("href"), it.ariaLabel].join(" ");

  const show = (html) => {
    // A selection is not taken away: its text may be about to be copied.
    if (!getSelection().isCollapsed) return void (later = html);
    later = undefined;
    const [old, fresh] = [document.querySelector("main"), new DOMParser().parseFromString(html, "text/html").querySelector("main")];
    const [opened, wide] = [named(old, "details[open]"), named(old, ".scroll")];
    const lefts = new Map(Array.from(wide, ([name, it]) => [name, it.scrollLeft]));
    const focused = old.contains(document.activeElement) && nameOf(document.activeElement);
    const [x, y] = [scrollX, scrollY];
    const place = (it) => it.getBoundingClientRect();
    const read = [...opened].find(([, it]) => place(it).bottom > 0 && place(it).top < innerHeight);
    const anchor = read ?? [...named(old, "section, details")].find(([, it]) => it.checkVisibility() && place(it).top >= 0);
    const top = anchor && place(anchor[1]).top;
    named(fresh, "details").forEach((it, name) => (it.open = opened.has(name)));
    old.replaceWith(fresh);
    document.title = fresh.dataset.title;
    named(fresh, ".scroll").forEach((it, name) => (it.scrollLeft = lefts.get(name) ?? 0));
    if (focused) named(fresh, "summary, a, [tabindex]").get(focused)?.focus({ preventScroll: true });
    // The text being read keeps its place when something above it grows: an opened session, or else the first title.
    const again = y > 0 && anchor && named(fresh, "section, details").get(anchor[0]);
    scrollTo(x, again ? scrollY + place(again).top - top : y);
  };

  const is = (live) => {
    classList.toggle("lost", !live);
    const text = live ? "Live: this page changes with each round." : "No connection: this page is as old as its report.";
    if (state.textContent !== text) state.textContent = text;
    clearTimeout(silence);
    silence = setTimeout(() => (is(false), listen()), live ? 45_000 : 10_000);
  };
  const state = document.getElementById("live");

  const listen = () => {
    source?.close();
    if (document.hidden) return clearTimeout(silence);
    source = new EventSource(`${dataset.events}?build=${dataset.build}&seen=${seen}`);
    source.onopen = () => is(true);
    source.onerror = () => is(false);
    source.onmessage = ({ data, lastEventId }) => (is(true), (seen = lastEventId), show(data));
    source.addEventListener("alive", () => is(true));
    source.addEventListener("reload", () => location.reload());
  };
  // A page in the background takes no connection: browsers allow six for each address.
  document.addEventListener("visibilitychange", listen);
  document.addEventListener("selectionchange", () => later && show(later));
  listen();
})();
