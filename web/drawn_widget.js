// Drawings on text inputs that nodes mark: the text stays the value; where a drawing cannot be
// shown, its field is.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { chain } from "./hooks.js";
import { timelineWordsOf, wordsOf } from "./words.js";

// Whether Vue nodes are known to show such a drawing: early ones do not.
let vueDraws = false;

export function fileUrl(file) {
  if (!file) return null;
  const query = new URLSearchParams({
    filename: file.filename,
    subfolder: file.subfolder ?? "",
    type: file.type ?? "temp",
  });
  return api.apiURL(`/view?${query}`);
}

function locale() {
  return app.extensionManager?.setting?.get("Comfy.Locale");
}

export function localWords() {
  return wordsOf(locale());
}

export function localTimelineWords() {
  return timelineWordsOf(locale());
}

function vueNodes() {
  return Boolean(window.LiteGraph?.vueNodesMode);
}

// Name of the marked input, and what its mark says.
function markedInput(nodeData, mark) {
  const inputs = { ...nodeData?.input?.required, ...nodeData?.input?.optional };
  const name = Object.keys(inputs).find((one) => inputs[one]?.[1]?.[mark]);
  return name && { name, ...inputs[name][1][mark] };
}

export function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

function isLinked(node, name) {
  return node.inputs?.find((input) => input.widget?.name === name)?.link != null;
}

// Whether the other inputs ask for the drawing; what comes over a wire may do so.
function isWanted(node, when) {
  return Object.entries(when ?? {}).every(
    ([name, choices]) => isLinked(node, name) || choices.includes(widgetOf(node, name)?.value));
}

// On the canvas; older ones keep the place of what is hidden, and the gap that follows it.
function hide(widget, hidden) {
  widget.hidden = hidden;
  if (hidden) widget.computeSize = () => [0, -4];
  else delete widget.computeSize;
}

// In Nodes 2.0, which looks at its widgets again when their list changes.
function hideInVue(node, widget, hidden) {
  if (!widget.options || Boolean(widget.options.hidden) === hidden) return;
  widget.options.hidden = hidden;
  node.widgets.push(node.widgets.pop());
}

function grow(node, width = 0) {
  const needed = node.computeSize();
  node.setSize([
    Math.max(node.size[0], needed[0], width),
    Math.max(node.size[1], needed[1]),
  ]);
  node.setDirtyCanvas?.(true, true);
}

// step: whether it is one of the graph's undo; what is still being typed is none.
function setValue(node, widget, value, step) {
  if (step) app.canvas?.emitBeforeChange?.();
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  if (step) app.canvas?.emitAfterChange?.();
  node.setDirtyCanvas?.(true, true);
}

// Shows the drawing while it is wanted, and the field where early Vue nodes show no drawing.
function keepOneShown(node, field, drawing, when) {
  hide(field, true);
  const look = () => {
    vueDraws ||= vueNodes() && drawing.element.isConnected;
    hideInVue(node, field, vueDraws);
    fold(node, drawing, !isWanted(node, when) && (vueDraws || !vueNodes()));
  };
  const sizes = new ResizeObserver(look);
  sizes.observe(drawing.element);
  look();
  for (const name of Object.keys(when ?? {})) {
    const other = widgetOf(node, name);
    if (other) chain(other, "callback", look);
  }
  for (const event of ["onAdded", "onConfigure", "onConnectionsChange"]) chain(node, event, look);
  chain(node, "onRemoved", () => sizes.disconnect());
}

// Hides the drawing, or shows it, with the height that it takes.
function fold(node, drawing, hidden) {
  if (Boolean(drawing.hidden) === hidden) return;
  const taken = hidden ? drawing.computedHeight ?? 0 : 0;
  hide(drawing, hidden);
  hideInVue(node, drawing, hidden);
  node.setSize([node.size[0], Math.max(node.computeSize()[1], node.size[1] - taken)]);
  grow(node);
}

// The wheel zooms the graph over what does not use it; Nodes 2.0 sees to it by itself.
function zoomCanvas(event) {
  if (!vueNodes()) app.canvas.processMouseWheel?.(event);
}

function addDrawing(node, { name, when }, { property, type, makeView, height, firstWidth }) {
  const field = widgetOf(node, name);
  if (!field) return;
  const view = makeView((text, step = true) => setValue(node, field, text, step));
  const drawing = node.addDOMWidget(`${type}_drawing`, type, view.element, {
    serialize: false,
    getMinHeight: () => height(view),
  });
  // The option keeps it out of what is run, this out of what is saved.
  drawing.serialize = false;
  node[property] = view;
  keepOneShown(node, field, drawing, when);
  const follow = () => {
    view.setLinked(isLinked(node, name));
    view.setText(field.value);
  };
  chain(field, "callback", follow);
  for (const event of ["onAdded", "onConfigure", "onConnectionsChange"]) chain(node, event, follow);
  chain(node, "onRemoved", () => view.end());
  view.element.addEventListener("wheel", zoomCanvas);
  follow();
  grow(node, firstWidth);
}

// The node of an id as the server has it, "12" or "3:12" in a subgraph.
function nodeOf(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(Number(part));
    graph = node?.subgraph;
  }
  return node;
}

// Draws on every input that is marked with `mark`, under which a node shows what is drawn.
// kind: {name, mark, message, property, type, firstWidth, width, makeView, height, files}. message:
// of what is shown before a node ends; property: of the node, the view; firstWidth, width: least
// ones of a new node and of one that shows something, in pixels; makeView(setText): a view with
// `element`, show, setLinked, setText and end; height(view): its least one on the canvas; files:
// names of what is shown that are files, whose URLs the view gets.
export function registerDrawing(kind) {
  const { mark, property } = kind;
  const show = (node, output) => {
    const shown = output?.[mark]?.[0];
    if (!node?.[property] || !shown) return;
    const urls = kind.files.map((name) => [name, fileUrl(shown[name])]);
    node[property].show({ ...shown, ...Object.fromEntries(urls) });
    grow(node, kind.width);
  };
  app.registerExtension({
    name: kind.name,
    setup() {
      api.addEventListener(kind.message, ({ detail }) => show(nodeOf(detail.node), detail));
    },
    async beforeRegisterNodeDef(nodeType, nodeData) {
      if (!markedInput(nodeData, mark)) return;
      chain(nodeType.prototype, "onExecuted", function (output) {
        show(this, output);
      });
    },
    nodeCreated(node) {
      const marked = markedInput(node.constructor.nodeData, mark);
      if (marked) addDrawing(node, marked, kind);
    },
    // Results that the frontend kept, when their graph is shown again.
    onNodeOutputsUpdated(outputs) {
      for (const node of app.graph?.nodes ?? []) {
        if (node[property]) show(node, outputs?.[String(node.id)]);
      }
    },
  });
}
