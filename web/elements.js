// Small pieces that the pack's own widgets are built of. Plain DOM, no ComfyUI.
export const ICONS = {
  play: "M3 1 L13 7 L3 13 Z",
  pause: "M2 1 H6 V13 H2 Z M8 1 H12 V13 H8 Z",
  loop: "M7 2 A5 5 0 1 0 12 7 H10.4 A3.4 3.4 0 1 1 7 3.6 V6 L11.5 2.8 L7 -0.4 Z",
  clear: "M2 3.4 L3.4 2 L7 5.6 L10.6 2 L12 3.4 L8.4 7 L12 10.6 L10.6 12 L7 8.4 L3.4 12 L2 10.6 L5.6 7 Z",
  undo: "M5 1 L1 5 L5 9 V6.2 H8.5 A2.8 2.8 0 0 1 8.5 11.8 H4 V13 H8.5 A4 4 0 0 0 8.5 3.8 H5 Z",
  redo: "M9 1 L13 5 L9 9 V6.2 H5.5 A2.8 2.8 0 0 0 5.5 11.8 H10 V13 H5.5 A4 4 0 0 1 5.5 3.8 H9 Z",
  fit: "M1 3 H2.2 V11 H1 Z M11.8 3 H13 V11 H11.8 Z M3 7 L5.5 4.5 V6.4 H8.5 V4.5 L11 7 L8.5 9.5 V7.6 H5.5 V9.5 Z",
};

export function make(tag, name, attributes = {}) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 14 14");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(space, "path");
  line.setAttribute("d", path);
  drawing.append(line);
  return drawing;
}

// A button of an icon, with its words for the pointer and for screen readers.
export function iconButton(name, path, label) {
  const button = make("button", name, { type: "button", title: label, "aria-label": label });
  button.append(icon(path));
  return button;
}

// Gives a button another icon and other words, where they are others.
export function relabel(button, path, label) {
  if (button.title === label && button.firstChild) return;
  button.title = label;
  button.setAttribute("aria-label", label);
  button.replaceChildren(icon(path));
}

// Puts a style into the page, once.
export function addStyle(id, css, page = document) {
  if (page.getElementById(id)) return;
  const style = page.createElement("style");
  style.id = id;
  style.textContent = css;
  page.head.append(style);
}
