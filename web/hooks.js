// Joining in on what a node or widget of ComfyUI calls.

// Calls `after` with the same values whenever `owner[name]` was called, whoever else listens.
export function chain(owner, name, after) {
  const before = owner[name];
  owner[name] = function (...values) {
    const result = before?.apply(this, values);
    after.apply(this, values);
    return result;
  };
}
