// Keys of a takes list. They act while the pointer is over the list or the focus in it, and then
// nobody else hears them; all other keys and places are left alone.
import { isMeant } from "./line_events.js";

const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

// What a key asks for: ["take", index], ["step", -1 or 1], ["play"], or null for a key that is not
// the list's.
function meaning(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return null;
  if (/^[1-9]$/.test(event.key)) return ["take", Number(event.key) - 1];
  if (event.key in STEPS) return ["step", STEPS[event.key]];
  return event.key === " " ? ["play"] : null;
}

// Listens until `signal` aborts. `act(what, value)` does what a key asks for.
export function listenToKeys(element, act, signal) {
  const view = element.ownerDocument.defaultView;
  let spaceIsOurs = false;

  function onDown(event) {
    const meant = isMeant(element, event) ? meaning(event) : null;
    if (!meant) return;
    const inside = element.contains(event.target);
    event.stopImmediatePropagation();
    // The slider moves by its own arrows, and a button that is no take has its own space.
    if (inside && meant[0] === "step" && event.target.type === "range") return;
    if (inside && meant[0] === "play" && event.target.hasAttribute("aria-pressed")) return;
    event.preventDefault();
    if (meant[0] === "play") spaceIsOurs = true;
    if (!event.repeat || meant[0] === "step") act(...meant);
  }

  // A button would take the end of a space for a click.
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
