// What a text was before and after, step by step. No page, no ComfyUI.
const MOST = 200;

export class History {
  past = [];
  future = [];

  // The text that a change replaces.
  add(text) {
    this.past.push(text);
    if (this.past.length > MOST) this.past.shift();
    this.future = [];
  }

  clear() {
    this.past = [];
    this.future = [];
  }

  // The text before `now`, or after it; undefined where there is none.
  undo(now) {
    return this.#step(this.past, this.future, now);
  }

  redo(now) {
    return this.#step(this.future, this.past, now);
  }

  #step(from, to, now) {
    if (!from.length) return undefined;
    to.push(now);
    return from.pop();
  }
}
