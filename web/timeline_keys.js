// Keys of a timeline: what each asks for.

// Seconds that an arrow moves by, without and with Shift.
const STEP = 0.01;
const LONG_STEP = 0.1;
const SIDEWAYS = { ArrowLeft: -1, ArrowRight: 1 };
const PLAIN = {
  " ": ["play"],
  ArrowUp: ["grade", 1],
  ArrowDown: ["grade", -1],
  "+": ["grade", 1, "zoom"],
  "=": ["grade", 1, "zoom"],
  "-": ["grade", -1, "zoom"],
  Delete: ["remove"],
  Backspace: ["remove"],
  Insert: ["add"],
  n: ["add"],
  Home: ["end", 0],
  End: ["end", 1],
  PageUp: ["lane", -1],
  PageDown: ["lane", 1],
  Enter: ["head"],
  i: ["edge", "start"],
  o: ["edge", "end"],
  Escape: ["leave"],
};

// As the values of what acts on them; null for a key that is not the timeline's.
export function meaningOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (event.altKey) return null;
    if (key === "z") return [event.shiftKey ? "redo" : "undo"];
    return key === "y" && !event.shiftKey ? ["redo"] : null;
  }
  if (key in SIDEWAYS) {
    const seconds = SIDEWAYS[key] * (event.shiftKey ? LONG_STEP : STEP);
    return ["step", seconds, event.altKey ? "end" : "all"];
  }
  return event.altKey ? null : PLAIN[key] ?? null;
}
