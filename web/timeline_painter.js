// Puts on the page what a timeline holds. Plain DOM, no ComfyUI.
import { LANES } from "./cue_sheet.js";
import { ICONS, relabel } from "./elements.js";
import { sharpContext } from "./line_drawing.js";
import { coloursOn, drawTimeline } from "./timeline_drawing.js";
import { laneBoxes } from "./timeline_lanes.js";

// Seconds past the end up to which a cue is still of the video, as core/cues.py has it.
const SLACK = 0.25;

export class TimelinePainter {
  constructor(view) {
    this.view = view;
    this.boxes = laneBoxes(0, false);
  }

  // all: whether more than the playhead is drawn anew.
  draw(all) {
    const { view } = this;
    const { area, model } = view;
    const { seen } = view.player.clock;
    view.element.classList.toggle("with-picture", seen);
    view.stage.hidden = !seen;
    view.empty.textContent = view.heard ? "" : view.words.runOnce;
    view.note.textContent = this.#news();
    view.note.hidden = !view.note.textContent;
    this.#drawBar();
    if (all) view.form.draw(view.linked);
    const size = { width: area.offsetWidth, height: area.offsetHeight };
    if (!size.width || !size.height) return;
    this.boxes = laneBoxes(size.height, Boolean(view.film));
    const { head } = view;
    const scene = { model, boxes: this.boxes, head, off: view.linked };
    view.handles.drawHead(scene, size.width);
    if (this.#followHead() || all) {
      this.#drawGutter();
      view.handles.draw(scene, size.width);
    }
    this.#drawCanvas(size, {
      model, head, boxes: this.boxes, film: view.film, curve: view.curve, peaks: view.peaks,
      gain: view.gain, words: view.words, known: Boolean(view.heard),
    });
  }

  #news() {
    const { linked, model, player, words } = this.view;
    if (linked) return words.wired;
    if (model.unread) return words.unread;
    if (model.seconds && model.last > model.seconds + SLACK) return words.beyond;
    if (model.sheet.hits && !model.seen && model.seconds) return words.unseen;
    return player.lost ? words.soundLost : "";
  }

  // While it plays, the next page of a line that is not seen whole; whether there is one.
  #followHead() {
    const { model, player, pointer } = this.view;
    const ahead = player.time - model.from;
    if (!player.playing || pointer.drag || (ahead >= 0 && ahead <= model.span)) return false;
    model.pan(ahead - model.span * 0.05);
    return true;
  }

  #drawGutter() {
    for (const lane of LANES) {
      const { top, height } = this.boxes[lane];
      Object.assign(this.view.labels[lane].style, { top: `${top}px`, height: `${height}px` });
      this.view.labels[lane].disabled = this.view.linked;
    }
  }

  #drawBar() {
    const { view } = this;
    const { history, linked, model, player, words } = view;
    relabel(view.playButton, player.playing ? ICONS.pause : ICONS.play,
      player.playing ? words.pause : words.play);
    view.playButton.disabled = view.loopButton.disabled = !view.heard;
    view.loopButton.setAttribute("aria-pressed", String(player.loop));
    view.undoButton.disabled = linked || !history.past.length;
    view.redoButton.disabled = linked || !history.future.length;
    view.fitButton.disabled = model.span >= model.length;
    view.seenButton.hidden = linked || !(model.sheet.hits && model.seen);
    view.times.textContent = model.seconds
      ? `${view.head.toFixed(3)} / ${words.at(model.seconds)}` : words.at(view.head);
  }

  #drawCanvas(size, scene) {
    const { area, canvas, element } = this.view;
    const context = sharpContext(canvas, size, area.getBoundingClientRect().width);
    const { backgroundColor, color } = getComputedStyle(element);
    drawTimeline(context, size, scene, coloursOn(backgroundColor, color));
  }
}
