// Keys of a drawn range. They act while the pointer is over it or the focus in it.
import { listenToKeys as listenTo } from "./line_events.js";

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

// `act(what, value)` does what a key asks for.
export function listenToKeys(element, act, signal) {
  listenTo(element, meaning, act, signal);
}
