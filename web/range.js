// Draws on text inputs that nodes/ranges.py marks: a range in seconds on the node's waveform. The
// text stays the value; where the drawing cannot be shown, its field does.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { chain } from "./hooks.js";
import { RangeView } from "./range_view.js";
import { wordsOf } from "./words.js";

const MARK = "foley_range";
// The sound of a node that has not ended, or will not for want of a range.
const MESSAGE = "foleystage.range";
const DRAWING = "foley_range_drawing";
// Least height on the canvas, in pixels, without and with a picture, and width of the node.
const HEIGHT = 160;
const HEIGHT_WITH_PICTURE = 310;
const WIDTH = 300;
// Whether Vue nodes are known to show such a drawing: early ones do not.
let vueDraws = false;

function fileUrl(file) {
  if (!file) return null;
  const query = new URLSearchParams({
    filename: file.filename,
    subfolder: file.subfolder ?? "",
    type: file.type ?? "temp",
  });
  return api.apiURL(`/view?${query}`);
}

function vueNodes() {
  return Boolean(window.LiteGraph?.vueNodesMode);
}

// Name of the marked input, and what its mark says.
function markedInput(nodeData) {
  const inputs = { ...nodeData?.input?.required, ...nodeData?.input?.optional };
  const name = Object.keys(inputs).find((one) => inputs[one]?.[1]?.[MARK]);
  return name && { name, ...inputs[name][1][MARK] };
}

function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

function isLinked(node, name) {
  return node.inputs?.find((input) => input.widget?.name === name)?.link != null;
}

// Whether the other inputs ask for a range; what comes over a wire may do so.
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

// One step of the graph's undo.
function setValue(node, widget, value) {
  app.canvas?.emitBeforeChange?.();
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
  app.canvas?.emitAfterChange?.();
  node.setDirtyCanvas?.(true, true);
}

// Shows the drawing while a range is wanted, and the field where early Vue nodes show no drawing.
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

function addDrawing(node, { name, when }) {
  const field = widgetOf(node, name);
  if (!field) return;
  const view = new RangeView({
    onChange: (text) => setValue(node, field, text),
    words: wordsOf(app.extensionManager?.setting?.get("Comfy.Locale")),
  });
  const drawing = node.addDOMWidget(DRAWING, "foley-range", view.element, {
    serialize: false,
    getMinHeight: () => (view.player.clock.seen ? HEIGHT_WITH_PICTURE : HEIGHT),
  });
  // The option keeps it out of what is run, this out of what is saved.
  drawing.serialize = false;
  node.foleyRange = view;
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
  grow(node);
}

// The wheel zooms the graph over the buttons; Nodes 2.0 sees to it by itself.
function zoomCanvas(event) {
  if (!vueNodes()) app.canvas.processMouseWheel?.(event);
}

function showSound(node, output) {
  const shown = output?.[MARK]?.[0];
  if (!node?.foleyRange || !shown) return;
  node.foleyRange.show({
    ...shown, audio: fileUrl(shown.audio), picture: fileUrl(shown.picture),
  });
  grow(node, WIDTH);
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

app.registerExtension({
  name: "FoleyStage.Range",
  setup() {
    api.addEventListener(MESSAGE, ({ detail }) => showSound(nodeOf(detail.node), detail));
  },
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (!markedInput(nodeData)) return;
    chain(nodeType.prototype, "onExecuted", function (output) {
      showSound(this, output);
    });
  },
  nodeCreated(node) {
    const marked = markedInput(node.constructor.nodeData);
    if (marked) addDrawing(node, marked);
  },
  // Results that the frontend kept, when their graph is shown again.
  onNodeOutputsUpdated(outputs) {
    for (const node of app.graph?.nodes ?? []) {
      if (node.foleyRange) showSound(node, outputs?.[String(node.id)]);
    }
  },
});
