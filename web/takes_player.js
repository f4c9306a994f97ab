// The takes list: a picture, a number for each take, a bar to play and seek. Plain DOM, no ComfyUI.
import { icon, ICONS, make as element, relabel } from "./elements.js";
import { TakesClock } from "./takes_clock.js";
import { listenToKeys } from "./takes_keys.js";
import { addTakesStyle } from "./takes_style.js";
import { wordsOf } from "./words.js";

function make(tag, part, attributes) {
  return element(tag, part && `foley-takes-${part}`, attributes);
}

function clockTime(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

export class TakesPlayer {
  // onPick(number): the artist picked a take, counted from 1.
  constructor({ onPick = () => {}, words = wordsOf("en") } = {}) {
    addTakesStyle();
    this.words = words;
    this.onPick = onPick;
    this.picked = 1;
    this.ranking = [];
    this.order = [];
    this.buttons = [];
    this.life = new AbortController();
    this.element = this.#build();
    this.clock = new TakesClock({ video: this.video, onChange: () => this.#draw() });
    listenToKeys(this.element, (what, value) => this.#act(what, value), this.life.signal);
    this.#draw();
  }

  #build() {
    const { words } = this;
    const list = make("div", "", { tabindex: "0", role: "group", "aria-label": words.takes });
    list.className = "foley-takes";
    list.title = words.keys;
    this.stage = make("div", "stage");
    this.video = make("video", "", { playsinline: "", preload: "auto", tabindex: "-1" });
    this.video.muted = true;
    this.video.disablePictureInPicture = true;
    this.stage.append(this.video);
    this.numbers = make("div", "numbers", { role: "radiogroup", "aria-label": words.takes });
    this.note = make("p", "note", { role: "status" });
    list.append(this.stage, this.numbers, this.#buildBar(), this.note);
    return list;
  }

  #buildBar() {
    const { words } = this;
    this.bar = make("div", "bar");
    this.playButton = make("button", "play", { type: "button" });
    this.playButton.onclick = () => this.clock.toggle();
    this.position = make("input", "position", {
      type: "range", min: "0", step: "0.01", "aria-label": words.position,
    });
    this.position.oninput = () => this.clock.seek(Number(this.position.value));
    this.time = make("span", "time");
    this.loopButton = make("button", "loop", {
      type: "button", title: words.loop, "aria-label": words.loop,
    });
    this.loopButton.append(icon(ICONS.loop));
    this.loopButton.onclick = () => {
      this.clock.loop = !this.clock.loop;
      this.#draw();
    };
    this.bar.append(this.playButton, this.position, this.time, this.loopButton);
    return this.bar;
  }

  // sounds: a URL for each take; picture: a URL, or null for a list that is only heard; ranking:
  // the figures of each take, the best first, or none for a list in the order of the takes.
  show(sounds, picture = null, ranking = []) {
    const takes = new Set(ranking.map(({ take }) => take));
    const isWhole = takes.size === sounds.length && sounds.every((_, i) => takes.has(i + 1));
    this.ranking = isWhole ? ranking : [];
    this.order = isWhole ? ranking.map(({ take }) => take - 1) : sounds.map((_, index) => index);
    this.buttons = sounds.map((_, index) => this.#number(index));
    this.numbers.replaceChildren(...this.order.map((index) => this.buttons[index]));
    this.clock.load(sounds, picture);
    this.clock.switchTo(this.#chosen() - 1);
    this.#draw();
  }

  get isRanked() {
    return this.ranking.length > 0;
  }

  // The number of the take that goes on: 0 stands for the best.
  #chosen() {
    return this.picked || (this.order[0] ?? 0) + 1;
  }

  #number(index) {
    const { words } = this;
    const place = this.isRanked ? this.order.indexOf(index) : -1;
    const reason = place < 0 ? "" : words.reason(this.ranking[place]);
    const label = reason ? words.ranked(index + 1, place + 1, reason) : words.take(index + 1);
    const button = make("button", reason && "ranked", {
      type: "button", role: "radio", "aria-label": label, title: label,
    });
    button.textContent = String(index + 1);
    if (reason) {
      const said = make("span", "reason");
      said.textContent = reason;
      button.append(said);
    }
    button.onclick = () => this.#pick(index, true);
    return button;
  }

  // The pick as it stands elsewhere; says nothing back.
  setPick(number) {
    this.picked = number;
    this.clock.switchTo(this.#chosen() - 1);
    this.#draw();
  }

  #pick(index, listen) {
    if (!this.clock.sounds[index]) return;
    const changed = this.picked !== index + 1;
    this.setPick(index + 1);
    if (listen && !this.clock.playing) this.clock.play();
    if (changed) this.onPick(index + 1);
  }

  #act(what, value) {
    if (what === "take") this.#pick(value, true);
    if (what === "play") this.clock.toggle();
    if (what === "step") {
      const { order } = this;
      const place = order.indexOf(this.clock.index) + value + order.length;
      if (order.length) this.#pick(order[place % order.length], false);
      const focused = this.numbers.contains(document.activeElement);
      if (focused) this.buttons[this.clock.index]?.focus();
    }
  }

  // What is to be said below the bar, if anything.
  #news() {
    const { clock, words } = this;
    if (!clock.sounds.length) return words.empty;
    if (clock.sound.error) return words.lost;
    return clock.unseen ? words.unseen : "";
  }

  #draw() {
    const { clock } = this;
    const empty = !clock.sounds.length;
    this.element.classList.toggle("with-picture", clock.seen);
    this.element.classList.toggle("with-ranks", this.isRanked);
    this.stage.hidden = !clock.seen;
    this.numbers.hidden = this.bar.hidden = empty;
    this.note.textContent = this.#news();
    this.note.hidden = !this.note.textContent;
    this.buttons.forEach((button, index) => {
      const picked = index + 1 === this.#chosen();
      button.setAttribute("aria-checked", String(picked));
      button.tabIndex = index === clock.index ? 0 : -1;
    });
    this.#drawBar();
  }

  #drawBar() {
    const { clock, words } = this;
    const label = clock.playing ? words.pause : words.play;
    relabel(this.playButton, clock.playing ? ICONS.pause : ICONS.play, label);
    this.position.max = String(clock.duration);
    this.position.value = String(clock.time);
    this.time.textContent = `${clockTime(clock.time)} / ${clockTime(clock.duration)}`;
    this.position.setAttribute("aria-valuetext", this.time.textContent);
    this.loopButton.setAttribute("aria-pressed", String(clock.loop));
  }

  // Silence, no key heard, no file held.
  end() {
    this.life.abort();
    this.clock.end();
  }
}
