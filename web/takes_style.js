// How the takes list looks, in the colours of ComfyUI's theme. Words and their ground are always
// input-text and comfy-input-bg, which every theme makes legible on each other.
import { addStyle } from "./elements.js";

const ID = "foley-takes-style";

const CSS = `
.foley-takes {
  --ground: var(--comfy-input-bg, #222);
  --ink: var(--input-text, #ddd);
  --edge: var(--border-color, #4e4e4e);
  box-sizing: border-box; display: flex; flex-direction: column; gap: 6px;
  width: 100%; height: 100%; min-height: 112px; padding: 6px; overflow: hidden;
  border: 1px solid var(--edge); border-radius: 6px;
  background: var(--ground); color: var(--ink);
  font: 12px/1.3 system-ui, sans-serif; text-align: left; outline: none;
}
.foley-takes.with-picture { min-height: 280px; }
.foley-takes:focus-visible { outline: 2px solid var(--ink); outline-offset: -1px; }
.foley-takes [hidden] { display: none; }
.foley-takes-stage {
  flex: 1 1 160px; min-height: 0; margin: 0; border-radius: 4px; background: #000; overflow: hidden;
}
.foley-takes-stage video {
  display: block; width: 100%; height: 100%; max-width: none; object-fit: contain;
}
.foley-takes-numbers {
  flex: 0 0 auto; display: flex; flex-wrap: wrap; gap: 4px; max-height: 64px; overflow-y: auto;
}
.foley-takes.with-ranks { min-height: 176px; }
.foley-takes.with-picture.with-ranks { min-height: 344px; }
.with-ranks .foley-takes-numbers { flex-direction: column; flex-wrap: nowrap; max-height: 128px; }
.foley-takes .foley-takes-ranked {
  flex: 0 0 auto; justify-content: flex-start; gap: 8px; width: 100%; height: auto;
  min-height: 28px; padding: 4px 8px; text-align: left;
}
.foley-takes-reason { font: 400 12px/1.3 system-ui, sans-serif; white-space: normal; }
.foley-takes-bar { flex: 0 0 auto; display: flex; align-items: center; gap: 6px; }
.foley-takes button {
  box-sizing: border-box; display: inline-flex; align-items: center; justify-content: center;
  min-width: 30px; height: 28px; margin: 0; padding: 0 6px; cursor: pointer;
  border: 1px solid var(--ink); border-radius: 4px;
  background: var(--ground); color: var(--ink); opacity: 1;
  font: 600 14px/1 system-ui, sans-serif;
}
.foley-takes button[aria-checked="true"], .foley-takes button[aria-pressed="true"] {
  background: var(--ink); color: var(--ground);
}
.foley-takes button:focus-visible, .foley-takes input:focus-visible {
  outline: 2px solid var(--ink); outline-offset: 2px;
}
.foley-takes-numbers button:focus-visible { outline-offset: -4px; outline-color: currentColor; }
.foley-takes svg { width: 14px; height: 14px; fill: currentColor; }
.foley-takes input[type="range"] {
  flex: 1 1 40px; min-width: 40px; height: 20px; margin: 0; accent-color: var(--ink);
}
.foley-takes-time { flex: 0 0 auto; font-variant-numeric: tabular-nums; }
.foley-takes-note { flex: 0 0 auto; margin: 0; color: var(--ink); }
`;

export function addTakesStyle() {
  addStyle(ID, CSS);
}
