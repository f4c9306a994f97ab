// What keys and buttons do on a timeline. Plain DOM, no ComfyUI.
import { LANES, RANGES, startOf } from "./cue_sheet.js";

const ZOOM = 1.5;
// Steps of strength, and of level in decibels.
const STRENGTH = 0.05;
const GAIN = 1;
// These work while the pointer is over the timeline, the others where the focus is in it.
const ANYWHERE = ["play", "zoom"];
const WITHOUT_EDIT = [...ANYWHERE, "head", "end", "lane", "leave"];

export class TimelineActs {
  constructor(view) {
    this.view = view;
  }

  bindButtons() {
    const { view } = this;
    const buttons = {
      playButton: () => view.toggle(),
      loopButton: () => this.#loop(),
      undoButton: () => this.undo(),
      redoButton: () => this.redo(),
      fitButton: () => this.#fit(),
      seenButton: () => this.#asSeen(),
    };
    for (const [name, act] of Object.entries(buttons)) view[name].onclick = act;
    for (const lane of LANES) view.labels[lane].onclick = () => this.add(lane);
  }

  // What a key asks for; false where there is nothing to do.
  act(what, ...values) {
    const { view } = this;
    const { focused } = view.handles;
    if (what === "leave" && view.pointer.cancel()) return true;
    if (!focused && !(ANYWHERE.includes(what) || values[1] === "zoom")) return false;
    if (view.linked && !WITHOUT_EDIT.includes(what) && values[1] !== "zoom") {
      return what === "step" && !focused.entry ? this.#step(focused, ...values) : false;
    }
    const acts = {
      play: () => (view.heard ? view.toggle() : false),
      step: () => this.#step(focused, ...values),
      grade: () => this.#grade(focused, ...values),
      remove: () => (focused.entry ? this.remove() : false),
      add: () => this.add(focused.lane ?? "hits"),
      end: () => this.#head(values[0] ? view.model.length : 0),
      head: () => (focused.entry ? this.#head(startOf(focused.entry)) : false),
      lane: () => this.#lane(focused, values[0]),
      edge: () => this.#edge(focused, values[0]),
      leave: () => this.#leave(focused),
      undo: () => this.undo(),
      redo: () => this.redo(),
    };
    return acts[what]();
  }

  // The playhead, or what has the focus; of a range also its end alone.
  #step({ lane, entry }, seconds, part) {
    const { view } = this;
    if (!entry) return this.#head(view.cue + seconds);
    if (part === "end" && RANGES.includes(lane)) {
      view.model.setEdge(lane, entry, "end", entry.end + seconds);
      view.model.reveal(entry.end);
      view.watch(entry.end);
      return view.commit();
    }
    return this.move(lane, entry, startOf(entry) + seconds);
  }

  move(lane, entry, time) {
    const { view } = this;
    if (!entry) return this.#head(time);
    const moved = view.model.moveTo(lane, entry, time);
    view.model.choose(lane, moved);
    view.model.reveal(startOf(moved));
    if (lane === "hits") view.watch(moved.time);
    return view.commit();
  }

  #head(time) {
    const { view } = this;
    view.seek(time);
    view.model.reveal(view.cue);
    return true;
  }

  // Harder or louder; where neither can be, + and - zoom.
  #grade(focused, sign, otherwise) {
    const { view } = this;
    const { lane, entry } = focused ?? {};
    if (entry && lane === "hits" && !view.linked) {
      view.model.setStrength(entry, entry.strength + sign * STRENGTH);
    } else if (entry && lane === "levels" && !view.linked) {
      view.model.setGain(entry, entry.gain + sign * GAIN);
    } else if (otherwise) {
      view.model.zoom(ZOOM ** sign, view.head);
      return view.later();
    } else {
      return Boolean(entry);
    }
    return view.commit();
  }

  add(lane) {
    const { view } = this;
    if (view.linked) return false;
    view.leaveFields();
    const made = view.model.add(lane, view.head);
    if (!made) return false;
    view.commit();
    view.choose(lane, made);
    if (lane === "prompts") view.form.focus();
    return true;
  }

  remove() {
    const { view } = this;
    const { model } = view;
    view.leaveFields();
    if (!model.chosen || view.linked) return false;
    const { lane, entry } = model.chosen;
    const time = startOf(entry);
    model.remove(lane, entry);
    view.commit();
    // The one that is nearest is next.
    const next = model.chosen?.entry ?? model.nearest(lane, time, Infinity);
    view.choose(next && lane, next);
    return true;
  }

  #edge({ lane, entry }, edge) {
    const { view } = this;
    if (!entry || !RANGES.includes(lane)) return false;
    view.model.setEdge(lane, entry, edge, view.head);
    return view.commit();
  }

  // What is nearest in the next lane that holds anything; the playhead before the first lane.
  #lane(focused, step) {
    const { view } = this;
    const filled = [null, ...LANES.filter((lane) => view.model.entries(lane).length)];
    const place = filled.indexOf(focused.lane);
    const lane = filled[(place + step + filled.length) % filled.length];
    const time = focused.entry ? startOf(focused.entry) : view.cue;
    view.choose(lane, lane && view.model.nearest(lane, time, Infinity));
    return true;
  }

  #leave(focused) {
    if (!focused.entry) return false;
    this.view.choose(null);
    return true;
  }

  undo() {
    const { view } = this;
    view.leaveFields();
    return view.travel(view.linked ? undefined : view.history.undo(view.text));
  }

  redo() {
    const { view } = this;
    view.leaveFields();
    return view.travel(view.linked ? undefined : view.history.redo(view.text));
  }

  #loop() {
    const { view } = this;
    view.player.loop = !view.player.loop;
    view.later();
  }

  #fit() {
    this.view.model.seeAll();
    this.view.later();
  }

  #asSeen() {
    this.view.model.hitsAsSeen();
    this.view.commit();
  }
}
