// A video over the lanes of its cue sheet, to be edited and played. Plain DOM, no ComfyUI.
import { RANGES } from "./cue_sheet.js";
import { gainOf } from "./line_drawing.js";
import { followTheme, listenToKeys } from "./line_events.js";
import { RangePlayer } from "./range_player.js";
import { TimelineActs } from "./timeline_acts.js";
import { TimelineFields } from "./timeline_fields.js";
import { TimelineHandles } from "./timeline_handles.js";
import { History } from "./timeline_history.js";
import { meaningOf } from "./timeline_keys.js";
import { TimelineModel } from "./timeline_model.js";
import { TimelinePainter } from "./timeline_painter.js";
import { buildTimeline } from "./timeline_parts.js";
import { TimelinePointer } from "./timeline_pointer.js";
import { clamp } from "./time_line.js";
import { timelineWordsOf } from "./words.js";

export class TimelineView {
  // onChange(text, step): the artist changed the sheet; the text of the node's input. step: whether
  // the change is whole.
  constructor({ onChange = () => {}, words = timelineWordsOf("en") } = {}) {
    Object.assign(this, { words, onChange, model: new TimelineModel(), history: new History() });
    // What stands in the node's input, and what a wire brought when it ran last.
    this.text = "";
    this.given = "";
    // Where it is played from.
    this.cue = 0;
    this.linked = false;
    this.typing = false;
    this.life = new AbortController();
    Object.assign(this, buildTimeline(words));
    this.film = null;
    this.curve = null;
    this.peaks = null;
    this.gain = 1;
    this.player = new RangePlayer({
      video: this.video,
      onChange: () => this.later(false),
      onEnd: () => {},
    });
    this.painter = new TimelinePainter(this);
    this.acts = new TimelineActs(this);
    this.#listen();
    this.later();
  }

  #listen() {
    const { signal } = this.life;
    const { acts } = this;
    this.pointer = new TimelinePointer(this.area, this.model, {
      isOff: () => this.linked,
      boxes: () => this.painter.boxes,
      leave: () => this.leaveFields(),
      changed: () => this.later(),
      done: (made) => this.#drawn(made),
      chosen: () => this.focusChosen(),
      seek: (time) => this.seek(time),
      watch: (time) => this.watch(time),
      none: () => this.choose(null),
      open: () => this.form.focus(),
      restore: () => this.model.read(this.text),
    }, signal);
    this.handles = new TimelineHandles(this.area, this.words, {
      focused: (lane, entry) => this.#focused(lane, entry),
      moved: (lane, entry, time) => acts.move(lane, entry, time),
    });
    this.form = new TimelineFields(this.fields, this.model, this.words, {
      typed: () => this.#typed(),
      done: () => this.leaveFields(),
      remove: () => acts.remove(),
      leave: () => this.focusChosen(),
    });
    acts.bindButtons();
    listenToKeys(this.element, meaningOf, (...meant) => acts.act(...meant), signal);
    this.sizes = new ResizeObserver(() => this.later());
    this.sizes.observe(this.area);
    followTheme(() => this.later(), signal);
  }

  // What a node has to show. frames: {count, aspect} of the film; curve: {rate, start, values};
  // hits: pairs of time and strength, or null; audio, picture, film: URLs, or null; cues: the sheet
  // that came in.
  show({ seconds, film, frames, curve, hits, peaks, audio, picture, cues }) {
    Object.assign(this, { curve, peaks, given: cues ?? "" });
    this.gain = gainOf(peaks ?? []);
    this.#showFilm(film, frames);
    this.model.setSeen(seconds, hits);
    if (this.linked) this.model.read(this.given);
    this.cue = clamp(this.cue, 0, this.model.length);
    if (audio !== this.heard || picture !== this.seen) this.player.load(audio, picture);
    [this.heard, this.seen] = [audio, picture];
    this.later();
  }

  #showFilm(film, frames) {
    if (!film) {
      this.film = null;
    } else if (film !== this.film?.url) {
      const image = new Image();
      image.onload = () => this.later();
      image.src = film;
      this.film = { url: film, image, ...frames };
    }
  }

  // The sheet as it stands in the input; says nothing back.
  setText(text) {
    if (text === this.text) return;
    this.text = text ?? "";
    this.history.clear();
    this.pointer.cancel();
    if (!this.linked) this.model.read(this.text);
    this.later();
  }

  // Whether the sheet comes over a wire: then it is only shown.
  setLinked(linked) {
    if (linked === this.linked) return;
    this.pointer.cancel();
    this.linked = linked;
    this.model.read(linked ? this.given : this.text);
    this.later();
  }

  // What was edited goes into the input, as one step.
  commit() {
    const { text } = this.model;
    if (text !== this.text) {
      if (!this.typing) this.history.add(this.text);
      this.#say(text, true);
    }
    this.typing = false;
    // At once: the next key may come before the next frame.
    this.draw();
  }

  #say(text, step) {
    this.text = text;
    this.model.unread = false;
    this.onChange(text, step);
  }

  // While something is typed the input follows, and one step comes of all of it.
  #typed() {
    if (!this.typing) this.history.add(this.text);
    this.typing = true;
    this.#say(this.model.text, false);
    this.later();
  }

  leaveFields() {
    if (!this.typing) return;
    this.typing = false;
    this.#say(this.model.text, true);
    this.later();
  }

  // Another text of the history; false where there is none.
  travel(text) {
    if (text === undefined) return false;
    this.pointer.cancel();
    this.model.read(text);
    this.#say(text, true);
    this.draw();
    this.focusChosen();
    return true;
  }

  // A range of words is written at once.
  #drawn(made) {
    const { chosen } = this.model;
    this.commit();
    if (!made || chosen?.lane !== "prompts" || !this.form.focus()) this.focusChosen();
  }

  // Keys go on where the pointer left off.
  focusChosen() {
    const { chosen } = this.model;
    this.handles.focus(chosen?.lane, chosen?.entry);
    this.later();
  }

  choose(lane, entry = null) {
    this.model.choose(lane, entry);
    this.draw();
    this.focusChosen();
  }

  #focused(lane, entry) {
    const { model, pointer } = this;
    if (entry || !pointer.drag) model.choose(lane, entry);
    if (entry && !pointer.drag) model.reveal(entry.start ?? entry.time);
    if (lane === "hits") this.watch(entry.time);
    this.later();
  }

  get head() {
    return this.player.playing ? this.player.time : this.cue;
  }

  // The playhead somewhere else, with the picture of that moment.
  seek(time) {
    this.cue = clamp(time, 0, this.model.length);
    this.player.clock.seek(this.cue);
    this.later();
  }

  // The picture of a moment that is being edited.
  watch(time) {
    if (!this.player.playing) this.seek(time);
  }

  // From the playhead; again and again: what is chosen, or all of it.
  play() {
    const { model } = this;
    const range = RANGES.includes(model.chosen?.lane) ? model.chosen.entry : null;
    const stretch = this.player.loop && range
      ? { from: range.start, until: range.end } : { from: 0, until: model.length };
    const within = this.cue >= stretch.from && this.cue < stretch.until - 0.01;
    this.player.play(within ? this.cue : stretch.from, stretch);
  }

  toggle() {
    if (!this.player.playing) return this.play();
    // It goes on from there.
    this.cue = clamp(this.player.time, 0, this.model.length);
    return this.player.pause();
  }

  // all: whether more than the playhead may have changed.
  later(all = true) {
    this.stale ||= all;
    this.frame ??= requestAnimationFrame(() => this.draw(false));
  }

  draw(all = true) {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    this.painter.draw(all || this.stale);
    this.stale = false;
  }

  // Silence, no key heard, no file held.
  end() {
    cancelAnimationFrame(this.frame);
    this.life.abort();
    this.sizes.disconnect();
    this.player.end();
  }
}
