// How a timeline looks: as a drawn range does, in the colours of ComfyUI's theme.
import { addStyle } from "./elements.js";

const ID = "foley-timeline-style";

const CSS = `
.foley-timeline {
  --ground: var(--comfy-input-bg, #222);
  --ink: var(--input-text, #ddd);
  --edge: var(--border-color, #4e4e4e);
  box-sizing: border-box; display: flex; flex-direction: column; gap: 6px;
  width: 100%; height: 100%; min-height: 390px; padding: 6px; overflow: hidden;
  border: 1px solid var(--edge); border-radius: 6px;
  background: var(--ground); color: var(--ink);
  font: 12px/1.3 system-ui, sans-serif; text-align: left; outline: none;
}
.foley-timeline.with-picture { min-height: 560px; }
.foley-timeline [hidden] { display: none; }
.foley-timeline-stage {
  flex: 2 1 160px; min-height: 0; margin: 0; border-radius: 4px; background: #000; overflow: hidden;
}
.foley-timeline-stage video {
  display: block; width: 100%; height: 100%; max-width: none; object-fit: contain;
}
.foley-timeline-lanes { flex: 1 1 290px; min-height: 290px; display: flex; gap: 4px; }
.foley-timeline-gutter { position: relative; flex: 0 0 62px; }
.foley-timeline .foley-timeline-label {
  position: absolute; left: 0; width: 100%; min-width: 0; padding: 0 4px; height: auto;
  justify-content: flex-end; border: 0; font-size: 11px;
}
.foley-timeline .foley-timeline-label::before { content: "+"; margin-right: 4px; opacity: 0; }
.foley-timeline .foley-timeline-label:hover::before,
.foley-timeline .foley-timeline-label:focus-visible::before { opacity: 1; }
.foley-timeline-area {
  position: relative; flex: 1 1 100px; min-width: 0; overflow: hidden; border-radius: 4px;
  touch-action: none; user-select: none; outline: none;
}
.foley-timeline-area canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.foley-timeline-handle {
  position: absolute; margin: 0; padding: 0; pointer-events: none; appearance: none;
  background: transparent; border: 0; border-radius: 3px; outline: none;
}
.foley-timeline-handle::-webkit-slider-thumb { appearance: none; width: 1px; opacity: 0; }
.foley-timeline-handle::-moz-range-thumb { width: 1px; border: 0; opacity: 0; }
.foley-timeline-handle:focus-visible { outline: 1px solid var(--ink); outline-offset: -1px; }
.foley-timeline-empty {
  position: absolute; left: 8px; right: 8px; top: 24px; margin: 0; text-align: center;
  pointer-events: none;
}
.foley-timeline-bar, .foley-timeline-fields {
  flex: 0 0 28px; display: flex; align-items: center; gap: 6px; min-width: 0;
}
.foley-timeline-lane { font-weight: 600; flex: 0 0 auto; }
.foley-timeline-field { display: flex; align-items: center; gap: 4px; flex: 0 0 auto; }
.foley-timeline-field.words { flex: 1 1 60px; min-width: 0; }
.foley-timeline-field input {
  box-sizing: border-box; width: 62px; height: 24px; margin: 0; padding: 0 4px;
  border: 1px solid var(--edge); border-radius: 4px; outline: none;
  background: var(--ground); color: var(--ink); font: inherit; font-variant-numeric: tabular-nums;
}
.foley-timeline-field.words input { width: 100%; min-width: 30px; }
.foley-timeline-field input::placeholder { color: var(--ink); opacity: 0.65; }
.foley-timeline-field input:focus { border-color: var(--ink); }
.foley-timeline-hint { flex: 1 1 0; }
.foley-timeline .foley-timeline-remove { margin-left: auto; }
.foley-timeline-times {
  flex: 1 1 40px; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-variant-numeric: tabular-nums;
}
.foley-timeline button {
  box-sizing: border-box; display: inline-flex; align-items: center; justify-content: center;
  flex: 0 0 auto; min-width: 30px; height: 28px; margin: 0; padding: 0 6px; cursor: pointer;
  border: 1px solid var(--ink); border-radius: 4px;
  background: var(--ground); color: var(--ink); opacity: 1; font: inherit;
}
.foley-timeline button:disabled { opacity: 0.4; cursor: default; }
.foley-timeline button[aria-pressed="true"] { background: var(--ink); color: var(--ground); }
.foley-timeline button:focus-visible { outline: 2px solid var(--ink); outline-offset: 1px; }
.foley-timeline-label:focus-visible { outline-offset: -2px; }
.foley-timeline svg { width: 14px; height: 14px; fill: currentColor; }
.foley-timeline-note { flex: 0 0 auto; margin: 0; color: var(--ink); }
`;

export function addTimelineStyle() {
  addStyle(ID, CSS);
}
