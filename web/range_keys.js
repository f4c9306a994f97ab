// Keys of a drawn range. They act while the pointer is over it or the focus in it.
import { isMeant } from "./takes_keys.js";

// Seconds that an arrow moves an edge by, without and with Shift.
const STEP = 0.01;
const LONG_STEP = 0.1;
const ARROWS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
const PLAIN = {
  " ": ["play"],
  Escape: ["clear"],
  i: ["edge", "start"],
  o: ["edge", "stop"],
  "+": ["zoom", 1.5],
  "=": ["zoom", 1.5],
  "-": ["zoom", 1 / 1.5],
};

// What a key asks for, or null for a key that is not the range's.
function meaning(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  if (event.key in ARROWS) {
    return ["step", ARROWS[event.key] * (event.shiftKey ? LONG_STEP : STEP)];
  }
  return PLAIN[event.key] ?? null;
}

// Listens until `signal` aborts. `act(what, value)` does what a key asks for; it returns false where
// there is nothing to do, and the key is then somebody else's.
export function listenToKeys(element, act, signal) {
  const view = element.ownerDocument.defaultView;
  let spaceIsOurs = false;

  function onDown(event) {
    const meant = isMeant(element, event) ? meaning(event) : null;
    if (!meant) return;
    const ownSpace = event.key === " " && element.contains(event.target) &&
      event.target.tagName === "BUTTON";
    if (ownSpace) {
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
