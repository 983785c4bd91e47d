"use strict";
(() => {
  const root = document.documentElement;

  // The theme: the system's wish until the button says otherwise; kept where the browser lets us.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("farthing-theme"); } catch { return null; } };
  const remember = (value) => { try { localStorage.setItem("farthing-theme", value); } catch { /* kept for this page only */ } };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`); };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  button.hidden = false;
  name();
  system.addEventListener("change", name);
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remember(root.dataset.theme); name(); });

  // Tips: an SVG title becomes a box of our own, by pointer, by touch and by keyboard.
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  box.setAttribute("aria-hidden", "true"); // the mark itself carries the words as its label
  document.body.append(box);
  let shown = null;
  const place = () => {
    const spot = shown.getBoundingClientRect();
    const left = Math.min(Math.max(8, spot.left + spot.width / 2 - box.offsetWidth / 2), innerWidth - box.offsetWidth - 8);
    const above = spot.top - box.offsetHeight - 8;
    box.style.left = `${left}px`;
    box.style.top = `${above < 4 ? spot.bottom + 8 : above}px`;
  };
  const show = (mark) => { shown = mark; box.textContent = mark.dataset.tip; box.hidden = false; place(); };
  const hide = () => { shown = null; box.hidden = true; };
  for (const chart of document.querySelectorAll(".chart")) {
    const marks = [...chart.querySelectorAll(".mark")];
    // One stop of the tab key per chart; the arrow keys walk through its marks.
    marks.forEach((mark, place) => {
      const title = mark.querySelector(":scope > title");
      mark.dataset.tip = title.textContent;
      mark.setAttribute("aria-label", title.textContent);
      title.remove();
      mark.setAttribute("tabindex", place ? "-1" : "0");
      mark.addEventListener("pointerenter", () => show(mark));
      mark.addEventListener("pointerleave", hide);
      mark.addEventListener("focus", () => show(mark));
      mark.addEventListener("blur", hide);
    });
    chart.addEventListener("keydown", (event) => {
      const here = marks.indexOf(event.target.closest(".mark"));
      const to = { ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: marks.length - 1 }[event.key];
      if (here < 0 || to === undefined || !marks[to]) return;
      event.preventDefault();
      marks[here].setAttribute("tabindex", "-1");
      marks[to].setAttribute("tabindex", "0");
      marks[to].focus();
    });
  }
  // Moving to a mark by keyboard may scroll: the tip goes along.
  addEventListener("scroll", () => { if (shown) place(); }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });

  // On paper nothing can be opened.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
})();
