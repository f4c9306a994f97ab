// Pointer, wheel, keys and theme of the pack's own widgets. Plain DOM, no ComfyUI.

const ZOOM = 1.0015;
const OURS = [".foley-takes", ".foley-range", ".foley-timeline"];

function isTyping(target) {
  return (
    target?.isContentEditable ||
    ["TEXTAREA", "SELECT"].includes(target?.tagName) ||
    (target?.tagName === "INPUT" && target.type !== "range" && target.type !== "checkbox")
  );
}

// Whether a key is meant for a widget of ours: the pointer is over it, or the focus in it and the
// pointer over no other.
export function isMeant(element, event) {
  if (!(event.target instanceof Node) || isTyping(event.target)) return false;
  if (element.matches(":hover")) return true;
  const other = element.ownerDocument.querySelector(OURS.map((one) => `${one}:hover`).join());
  return !other && element.contains(element.ownerDocument.activeElement);
}

// Listens until `signal` aborts. meaning(event): what a key asks for, as the values of `act`, or
// null for a key that is not the widget's. act(what, value) returns false where there is nothing to
// do, and the key is then somebody else's.
export function listenToKeys(element, meaning, act, signal) {
  const view = element.ownerDocument.defaultView;
  let spaceIsOurs = false;

  function onDown(event) {
    const meant = isMeant(element, event) ? meaning(event) : null;
    if (!meant) return;
    const onButton = [" ", "Enter"].includes(event.key) && element.contains(event.target) &&
      event.target.tagName === "BUTTON";
    if (onButton) {
      event.stopImmediatePropagation();
      return;
    }
    if (event.repeat && meant[0] === "play") event.stopImmediatePropagation();
    else if (act(...meant) === false) return;
    else event.stopImmediatePropagation();
    event.preventDefault();
    if (meant[0] === "play") spaceIsOurs = true;
  }

  function onUp(event) {
    if (event.key !== " " || !spaceIsOurs) return;
    spaceIsOurs = false;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // Before everybody else: the frontend listens on the window too.
  view.addEventListener("keydown", onDown, { capture: true, signal });
  view.addEventListener("keyup", onUp, { capture: true, signal });
}

// Place of an event in an element, in its own pixels; the graph may show it larger or smaller.
export function placeIn(area, event) {
  const box = area.getBoundingClientRect();
  const scale = box.width ? area.offsetWidth / box.width : 0;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

// A drag over the end of what is seen goes on there.
export function panBeyond(model, area, place) {
  const beyond = Math.min(place, 0) + Math.max(place - area.offsetWidth, 0);
  if (beyond) model.pan((beyond / area.offsetWidth) * model.span * 0.25);
}

// The wheel zooms a line; sideways, or with Shift, it scrolls it; with Ctrl it is the graph's.
export function listenToWheel(area, model, changed, signal) {
  function onWheel(event) {
    if (!area.contains(event.target) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      model.pan((sideways / area.offsetWidth) * model.span);
    } else {
      model.zoom(ZOOM ** -event.deltaY, model.time(placeIn(area, event)[0], area.offsetWidth));
    }
    changed();
  }
  // Before everybody else: Nodes 2.0 gives the wheel to the graph on its way down.
  area.ownerDocument.defaultView.addEventListener(
    "wheel", onWheel, { signal, passive: false, capture: true });
}

// Calls back whenever the page may have other colours.
export function followTheme(changed, signal) {
  const theme = new MutationObserver(changed);
  for (const part of [document.documentElement, document.body]) {
    theme.observe(part, { attributes: true, attributeFilter: ["class", "style"] });
  }
  signal.addEventListener("abort", () => theme.disconnect());
}
