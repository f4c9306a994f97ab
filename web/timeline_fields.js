// The fields of what is chosen on a timeline: its words and figures. Plain DOM, no ComfyUI.
import { ICONS, iconButton, make, relabel } from "./elements.js";
import { GAINS } from "./timeline_model.js";

const SECONDS = { type: "number", min: "0", step: "0.01" };
const WORDS = { type: "text", maxlength: "4096" };
const EDGES = { start: SECONDS, end: SECONDS };
// By lane, in the order in which they stand.
const FIELDS = {
  hits: {
    time: SECONDS, strength: { type: "number", min: "0", max: "1", step: "0.05" }, material: WORDS,
  },
  prompts: {
    prompt: WORDS,
    negative: WORDS,
    guidance: { type: "number", min: "0", max: "100", step: "0.5" },
    ...EDGES,
  },
  takes: { take: { type: "number", min: "1", max: "64", step: "1" }, ...EDGES },
  mutes: EDGES,
  levels: {
    time: SECONDS,
    gain: { type: "number", min: String(GAINS.least), max: String(GAINS.most), step: "0.5" },
  },
};

function clamped(input) {
  const value = Number(input.value);
  if (!input.value.trim() || !Number.isFinite(value)) return null;
  return Math.max(Number(input.min || 0), Math.min(value, Number(input.max || Infinity)));
}

// Puts what was written into an entry; false for what is no value of it.
function put(model, lane, entry, name, input) {
  if (input.type === "text") {
    entry[name] = input.value;
    return true;
  }
  const value = clamped(input);
  if (name === "guidance") entry.guidance = value;
  else if (value === null) return false;
  else if (name === "time") model.moveTo(lane, entry, value);
  else if (name === "strength") model.setStrength(entry, value);
  else if (name === "gain") model.setGain(entry, value);
  else if (name === "take") entry.take = Math.round(value);
  else model.setEdge(lane, entry, name, value);
  return true;
}

export class TimelineFields {
  // acts: {typed(), done(), remove(), leave()}. typed() while something is written, done() when it
  // is finished.
  constructor(element, model, words, acts) {
    Object.assign(this, { element, model, words, acts });
    this.removeButton = iconButton("foley-timeline-remove", ICONS.clear, words.remove);
    this.removeButton.onclick = () => acts.remove();
    this.hint = make("span", "foley-timeline-hint");
    this.inputs = {};
    this.lane = undefined;
    // A press in a field is not the node's.
    for (const event of ["pointerdown", "dblclick"]) {
      element.addEventListener(event, (one) => one.stopPropagation());
    }
  }

  focus() {
    const input = Object.values(this.inputs).find((one) => one.type === "text");
    input?.focus({ preventScroll: true });
    return Boolean(input);
  }

  draw(off) {
    const { chosen } = this.model;
    const lane = chosen?.lane ?? null;
    if (lane !== this.lane) this.#build(lane);
    this.hint.textContent = off ? "" : this.words.choose;
    this.hint.hidden = Boolean(chosen);
    this.removeButton.hidden = !chosen || off;
    if (!chosen) return;
    const back = chosen.entry.removed;
    relabel(this.removeButton, back ? ICONS.undo : ICONS.clear,
      back ? this.words.restore : this.words.remove);
    for (const [name, input] of Object.entries(this.inputs)) {
      input.disabled = off;
      const value = String(chosen.entry[name] ?? "");
      if (input !== document.activeElement && input.value !== value) input.value = value;
    }
  }

  #build(lane) {
    this.lane = lane;
    this.inputs = {};
    const parts = Object.entries(FIELDS[lane] ?? {}).map(([name, kind]) => this.#field(name, kind));
    const name = make("span", "foley-timeline-lane");
    name.textContent = lane ? this.words.lanes[lane] : "";
    // Of prompts the first field says it.
    name.hidden = !lane || lane === "prompts";
    this.element.replaceChildren(name, ...parts, this.hint, this.removeButton);
  }

  #field(name, kind) {
    const label = make("label", `foley-timeline-field ${kind === WORDS ? "words" : ""}`);
    const input = make("input", "", { ...kind, "data-name": name });
    input.placeholder = this.words.hints[name] ?? "";
    input.oninput = () => {
      const { chosen } = this.model;
      if (!chosen) return;
      const entry = this.model.own(chosen.lane, chosen.entry);
      if (put(this.model, chosen.lane, entry, name, input)) this.acts.typed();
    };
    input.onchange = () => this.acts.done();
    input.onblur = () => this.acts.done();
    input.onkeydown = (event) => {
      // Both go back to the timeline; nobody else is to hear of them.
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.stopPropagation();
      this.acts.done();
      this.acts.leave();
    };
    this.inputs[name] = input;
    const text = make("span");
    text.textContent = this.words.fields[name];
    label.append(text, input);
    return label;
  }
}
