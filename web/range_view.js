// A time line with a waveform on which a range is drawn, and played. Plain DOM, no ComfyUI.
import { ICONS, relabel } from "./elements.js";
import { gainOf, sharpContext } from "./line_drawing.js";
import { followTheme } from "./line_events.js";
import { coloursOn, drawRange } from "./range_drawing.js";
import { listenToKeys } from "./range_keys.js";
import { parseRange, RangeModel, rangeText } from "./range_model.js";
import { buildRange, EDGES } from "./range_parts.js";
import { RangePlayer } from "./range_player.js";
import { RangePointer } from "./range_pointer.js";
import { wordsOf } from "./words.js";

export class RangeView {
  // onChange(text): the artist changed the range; the text of the node's input.
  constructor({ onChange = () => {}, words = wordsOf("en") } = {}) {
    Object.assign(this, { words, onChange, model: new RangeModel(), peaks: [], gain: 1 });
    // Where the artist clicked last; null once the range was changed after that.
    this.cue = null;
    this.linked = false;
    this.unread = false;
    this.life = new AbortController();
    Object.assign(this, buildRange(words));
    this.player = new RangePlayer({
      video: this.video,
      onChange: () => this.#later(),
      onEnd: () => this.#ended(),
    });
    this.pointer = new RangePointer(this.area, this.model, {
      isOff: () => this.linked,
      changed: () => this.#later(),
      done: () => this.#changed(true),
      clicked: (time, part) => this.#clicked(time, part),
      clear: () => this.#clear(),
    }, this.life.signal);
    this.#listen();
    this.#later();
  }

  #listen() {
    const { signal } = this.life;
    this.playButton.onclick = () => this.#toggle();
    this.clearButton.onclick = () => this.#clear();
    this.loopButton.onclick = () => {
      this.player.loop = !this.player.loop;
      this.#later();
    };
    this.edges.forEach((handle, index) => {
      handle.onfocus = () => this.#focused(EDGES[index]);
    });
    listenToKeys(this.element, (what, value) => this.#act(what, value), signal);
    this.sizes = new ResizeObserver(() => this.#later());
    this.sizes.observe(this.area);
    followTheme(() => this.#later(), signal);
  }

  // peaks: least and greatest value of equal parts; audio, picture: URLs, or null.
  show({ peaks, seconds, onsets, audio, picture = null }) {
    this.peaks = peaks;
    this.gain = gainOf(peaks);
    this.model.setSound(seconds, onsets);
    this.cue = null;
    if (audio !== this.heard || picture !== this.seen) this.player.load(audio, picture);
    [this.heard, this.seen] = [audio, picture];
    this.#later();
  }

  // The range as it stands in the input; says nothing back.
  setText(text) {
    const range = parseRange(text);
    this.unread = range === undefined;
    this.pointer.cancel();
    this.model.setRange(range);
    this.#later();
  }

  // Whether the range comes over a wire: then none is drawn.
  setLinked(linked) {
    this.linked = linked;
    this.pointer.cancel();
    this.#later();
  }

  #focused(edge) {
    const { model, pointer } = this;
    model.edge = edge;
    if (model.range && !pointer.drag) model.reveal(model.range[edge]);
    this.#later();
  }

  #changed(focus = false) {
    this.cue = null;
    this.unread = false;
    this.player.pause();
    this.onChange(rangeText(this.model.range));
    this.#draw();
    // Keys go on where the pointer left off.
    if (focus) this.edges[EDGES.indexOf(this.model.edge)].focus({ preventScroll: true });
  }

  #clear() {
    if (!this.model.range && !this.unread) return;
    this.model.setRange(null);
    if (this.edges.includes(document.activeElement)) this.area.focus({ preventScroll: true });
    this.#changed();
  }

  #clicked(time, part) {
    this.cue = Math.max(0, Math.min(time, this.model.length));
    const edge = EDGES.indexOf(part);
    (edge < 0 ? this.area : this.edges[edge]).focus({ preventScroll: true });
    if (this.player.playing) this.#play();
    this.#later();
  }

  #play() {
    const { range, length } = this.model;
    let from = this.cue ?? range?.start ?? 0;
    if (from >= length) from = 0;
    const within = range && from >= range.start && from < range.stop;
    this.player.play(from, within ? { from: range.start, until: range.stop }
      : { from: this.cue ?? 0, until: length });
  }

  // What was played is played again from its start.
  #ended() {
    const { range } = this.model;
    if (range && this.cue >= range.start && this.cue < range.stop) this.cue = null;
  }

  #toggle() {
    if (!this.player.playing) return this.#play();
    // It goes on from there.
    this.cue = this.player.time;
    return this.player.pause();
  }

  // What a key asks for; false where there is nothing to do.
  #act(what, value) {
    const { model } = this;
    if (what === "play") return this.heard ? this.#toggle() : false;
    if (what === "zoom") {
      model.zoom(value, this.#middle());
      return this.#later();
    }
    if (this.linked) return false;
    if (what === "clear") {
      if (this.pointer.cancel()) return true;
      return model.range || this.unread ? this.#clear() : false;
    }
    if (what === "step") return this.#step(value);
    const now = this.player.playing ? this.player.time : this.cue;
    model.setEdge(value, now ?? model.range?.[value] ?? (value === "start" ? 0 : model.length));
    return this.#changed();
  }

  // The edge, or the playhead where there is no range.
  #step(seconds) {
    const { model } = this;
    if (!model.range) {
      this.cue = Math.max(0, Math.min((this.cue ?? 0) + seconds, model.length));
      model.reveal(this.cue);
      return this.#later();
    }
    model.setEdge(model.edge, model.range[model.edge] + seconds);
    model.reveal(model.range[model.edge]);
    return this.#changed();
  }

  #middle() {
    const { model } = this;
    return this.cue ?? model.range?.[model.edge] ?? model.from + model.span / 2;
  }

  #later() {
    this.frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.frame);
    this.frame = null;
    const { area, model, player, words } = this;
    const { seen } = player.clock;
    this.element.classList.toggle("with-picture", seen);
    this.stage.hidden = !seen;
    this.empty.textContent = this.heard ? "" : words.runOnce;
    this.note.textContent = this.#news();
    this.note.hidden = !this.note.textContent;
    this.#drawBar();
    const size = { width: area.offsetWidth, height: area.offsetHeight };
    if (!size.width || !size.height) return;
    EDGES.forEach((edge, index) => this.#drawEdge(edge, this.edges[index], size.width));
    this.#drawCanvas(size, {
      model, peaks: this.peaks, gain: this.gain, off: this.linked,
      head: player.playing ? player.time : this.cue,
    });
  }

  #news() {
    const { model, player, words } = this;
    if (this.linked) return words.wired;
    if (this.unread) return words.unread;
    if (model.seconds && model.range?.stop > model.seconds) return words.beyond;
    return player.lost ? words.soundLost : "";
  }

  #drawBar() {
    const { player, words, model } = this;
    relabel(this.playButton, player.playing ? ICONS.pause : ICONS.play,
      player.playing ? words.pause : words.play);
    this.playButton.disabled = this.loopButton.disabled = !this.heard;
    this.playButton.hidden = this.loopButton.hidden = !this.heard;
    this.loopButton.setAttribute("aria-pressed", String(player.loop));
    this.clearButton.hidden = this.linked || !(model.range || this.unread);
    this.times.textContent = model.range ? words.fromTo(model.range) : words.drag;
    if (this.linked) this.times.textContent = "";
  }

  #drawEdge(edge, handle, width) {
    const { model } = this;
    handle.hidden = !model.range || this.linked;
    if (handle.hidden) return;
    const time = model.range[edge];
    handle.style.left = `${model.place(time, width)}px`;
    handle.setAttribute("aria-valuemax", String(model.length));
    handle.setAttribute("aria-valuenow", String(time));
    handle.setAttribute("aria-valuetext", `${time.toFixed(3)} s`);
  }

  #drawCanvas({ width, height }, scene) {
    const shown = this.area.getBoundingClientRect().width;
    const context = sharpContext(this.canvas, { width, height }, shown);
    const { backgroundColor, color } = getComputedStyle(this.element);
    drawRange(context, { width, height }, scene, coloursOn(backgroundColor, color));
  }

  // Silence, no key heard, no file held.
  end() {
    cancelAnimationFrame(this.frame);
    this.life.abort();
    this.sizes.disconnect();
    this.player.end();
  }
}
