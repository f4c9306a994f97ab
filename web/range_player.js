// Plays a stretch of one sound, with its picture where there is one. Plain DOM, no ComfyUI.
import { TakesClock } from "./takes_clock.js";

export class RangePlayer {
  // onChange() after whatever changes what is shown, each frame while it plays; onEnd() when a
  // stretch was played to its end.
  constructor({ video, onChange, onEnd }) {
    Object.assign(this, { onChange, onEnd });
    this.loop = false;
    // {from, until} in seconds: what is played, and again with `loop`.
    this.stretch = null;
    // Whether it starts as soon as the length of the sound is known.
    this.waits = false;
    this.clock = new TakesClock({ video, onChange: () => this.#heard() });
    this.clock.loop = false;
  }

  load(sound, picture) {
    this.waits = false;
    this.clock.load(sound ? [sound] : [], picture);
  }

  get playing() {
    return this.clock.playing;
  }

  get time() {
    return this.clock.time;
  }

  get lost() {
    return Boolean(this.clock.sound?.error);
  }

  // From a moment, which may lie within the stretch that then goes on to its end.
  play(from, stretch) {
    this.stretch = stretch;
    if (!this.clock.duration) {
      this.waits = true;
      return;
    }
    this.clock.seek(from);
    this.clock.play();
    this.#watch();
  }

  pause() {
    this.waits = false;
    this.clock.pause();
  }

  #heard() {
    if (this.waits && this.clock.duration) {
      this.waits = false;
      this.play(this.stretch.from, this.stretch);
      return;
    }
    // The sound itself came to its end.
    const ended = !this.clock.playing && this.clock.sound?.ended;
    if (ended && this.stretch) this.#atEnd();
    this.onChange();
  }

  #watch() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      if (!this.playing) return;
      if (this.time >= this.stretch.until) this.#atEnd();
      this.onChange();
      if (this.playing) this.#watch();
    });
  }

  #atEnd() {
    const { from } = this.stretch;
    if (this.loop) {
      this.play(from, this.stretch);
      return;
    }
    this.stretch = null;
    this.clock.pause();
    this.clock.seek(from);
    this.onEnd();
  }

  end() {
    cancelAnimationFrame(this.frame);
    this.waits = false;
    this.clock.end();
  }
}
