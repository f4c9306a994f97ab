// How a drawn range looks: as the takes list does, in the colours of ComfyUI's theme.
import { addStyle } from "./elements.js";

const ID = "foley-range-style";

const CSS = `
.foley-range {
  --ground: var(--comfy-input-bg, #222);
  --ink: var(--input-text, #ddd);
  --edge: var(--border-color, #4e4e4e);
  box-sizing: border-box; display: flex; flex-direction: column; gap: 6px;
  width: 100%; height: 100%; min-height: 146px; padding: 6px; overflow: hidden;
  border: 1px solid var(--edge); border-radius: 6px;
  background: var(--ground); color: var(--ink);
  font: 12px/1.3 system-ui, sans-serif; text-align: left; outline: none;
}
.foley-range.with-picture { min-height: 290px; }
.foley-range [hidden] { display: none; }
.foley-range-stage {
  flex: 2 1 130px; min-height: 0; margin: 0; border-radius: 4px; background: #000; overflow: hidden;
}
.foley-range-stage video {
  display: block; width: 100%; height: 100%; max-width: none; object-fit: contain;
}
.foley-range-area {
  position: relative; flex: 1 1 90px; min-height: 70px; overflow: hidden; border-radius: 4px;
  cursor: crosshair; touch-action: none; user-select: none; outline: none;
}
.foley-range-area:focus-visible { outline: 2px solid var(--ink); outline-offset: -2px; }
.foley-range-area canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.foley-range-edge {
  position: absolute; top: 18px; bottom: 0; width: 14px; margin-left: -7px; pointer-events: none;
  border-radius: 4px; outline: none;
}
.foley-range-edge:focus-visible { outline: 2px solid var(--ink); outline-offset: -2px; }
.foley-range-empty {
  position: absolute; left: 8px; right: 8px; top: calc(50% + 16px); margin: 0; text-align: center;
  pointer-events: none;
}
.foley-range-bar { flex: 0 0 auto; display: flex; align-items: center; gap: 6px; }
.foley-range-times {
  flex: 1 1 40px; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-variant-numeric: tabular-nums;
}
.foley-range button {
  box-sizing: border-box; display: inline-flex; align-items: center; justify-content: center;
  flex: 0 0 auto; min-width: 30px; height: 28px; margin: 0; padding: 0 6px; cursor: pointer;
  border: 1px solid var(--ink); border-radius: 4px;
  background: var(--ground); color: var(--ink); opacity: 1;
}
.foley-range button[aria-pressed="true"] { background: var(--ink); color: var(--ground); }
.foley-range button:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px; }
.foley-range svg { width: 14px; height: 14px; fill: currentColor; }
.foley-range-note { flex: 0 0 auto; margin: 0; color: var(--ink); }
`;

export function addRangeStyle() {
  addStyle(ID, CSS);
}
