// A slider for the playhead and for each entry of a timeline: where keys and screen readers find
// them. As inputs they keep the graph's own undo from Ctrl+Z. Plain DOM, no ComfyUI.
import { LANES, RANGES, startOf } from "./cue_sheet.js";
import { make } from "./elements.js";
import { clamp } from "./time_line.js";

const WIDE = 16;

export class TimelineHandles {
  // acts: {focused(lane, entry), moved(lane, entry, seconds)}; lane and entry are null for the
  // playhead.
  constructor(area, words, acts) {
    Object.assign(this, { words, acts });
    this.head = this.#handle(null);
    this.head.setAttribute("aria-label", words.head);
    this.groups = Object.fromEntries(LANES.map((lane) =>
      [lane, make("div", "", { role: "group", "aria-label": words.lanes[lane] })]));
    area.append(this.head, ...Object.values(this.groups));
  }

  #handle(lane) {
    const handle = make("input", "foley-timeline-handle", {
      type: "range", min: "0", step: "0.001",
    });
    handle.onfocus = () => this.acts.focused(lane, handle.entry ?? null);
    handle.oninput = () => this.acts.moved(lane, handle.entry ?? null, Number(handle.value));
    return handle;
  }

  // The entry whose slider has the focus, {lane, entry}; the playhead has none; null for no slider.
  get focused() {
    const active = document.activeElement;
    if (active === this.head) return { lane: null, entry: null };
    const lane = LANES.find((one) => this.groups[one].contains(active));
    return lane ? { lane, entry: active.entry } : null;
  }

  focus(lane, entry) {
    const handle = [...(this.groups[lane]?.children ?? [])].find((one) => one.entry === entry);
    (handle ?? this.head).focus({ preventScroll: true });
  }

  drawHead({ model, boxes, head }, width) {
    this.#place(this.head, model.place(head, width), WIDE, boxes.ruler, width);
    this.#say(this.head, model, head, this.words.at(head));
  }

  draw({ model, boxes, off }, width) {
    const before = this.focused;
    for (const lane of LANES) this.#drawLane(lane, model, boxes[lane], width, off);
    // An entry that has passed another one, or that others follow, keeps the focus.
    const { chosen } = model;
    if (!before?.lane || this.focused?.entry === chosen?.entry) return;
    this.focus(chosen?.lane, chosen?.entry);
  }

  #drawLane(lane, model, box, width, off) {
    const group = this.groups[lane];
    const entries = [...model.entries(lane)].sort((one, other) => startOf(one) - startOf(other));
    while (group.children.length > entries.length) group.lastChild.remove();
    while (group.children.length < entries.length) group.append(this.#handle(lane));
    entries.forEach((entry, index) => {
      const handle = group.children[index];
      handle.entry = entry;
      handle.disabled = off;
      const range = RANGES.includes(lane);
      const [left, right] = [startOf(entry), range ? entry.end : entry.time]
        .map((time) => model.place(time, width));
      const wide = Math.max(WIDE, right - left);
      this.#place(handle, (left + right) / 2, wide, box, width);
      const name = this.#name(lane, entry);
      if (handle.ariaLabel !== name) handle.ariaLabel = name;
      this.#say(handle, model, startOf(entry), this.#value(lane, entry));
    });
  }

  #name(lane, entry) {
    const name = this.words.labels[lane](entry);
    return lane === "prompts" ? `${this.words.fields.prompt}: ${name}` : name;
  }

  #value(lane, entry) {
    if (RANGES.includes(lane)) return this.words.fromTo(entry);
    return lane === "hits" ? this.words.hitAt(entry) : this.words.levelAt(entry);
  }

  #say(handle, model, time, text) {
    if (handle.max !== String(model.length)) handle.max = String(model.length);
    if (handle.said === text) return;
    handle.said = text;
    handle.value = String(time);
    handle.setAttribute("aria-valuetext", text);
  }

  // Never outside of what is seen, so that the focus scrolls nothing.
  #place(handle, middle, wide, { top, height }, width) {
    const [left, right] = [middle - wide / 2, middle + wide / 2].map((x) => clamp(x, 0, width));
    const first = Math.min(left, width - 2);
    const box = [first, Math.max(2, right - first), top, height].join();
    // Of many only few change at a time.
    if (handle.box === box) return;
    handle.box = box;
    handle.style.left = `${first}px`;
    handle.style.width = `${Math.max(2, right - first)}px`;
    handle.style.top = `${top}px`;
    handle.style.height = `${height}px`;
  }
}
