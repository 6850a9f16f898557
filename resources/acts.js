/**
 * What BaluPi's nodes have in common in the editor: each does one of several acts, chosen as `op`,
 * which decides how many outputs there are and what they are called.
 *
 * @param key the node's key in its locales
 * @param acts the number of outputs by act; the first act is that of a new node
 * @param defaults properties beside name, act and outputs
 * @param own what else the node brings
 * @returns a definition for `RED.nodes.registerType`
 */
globalThis.balupiActs = (key, { acts, defaults, ...own }) => {
  const [[first, outputs]] = Object.entries(acts);
  return globalThis.balupiWords({
    category: 'BaluPi',
    defaults: {
      name: { value: '' },
      op: { value: first, required: true },
      ...defaults,
      outputs: { value: outputs },
    },
    inputs: 1,
    outputs,
    paletteLabel() {
      return this._(`${key}.title`);
    },
    label() {
      return this.name || this._(`${key}.op.${this.op}`);
    },
    labelStyle() {
      return this.name ? 'node_label_italic' : '';
    },
    outputLabels(index) {
      const label = `${key}.output.${this.op}-${index + 1}`;
      const text = this._(label);
      return text === label ? '' : text;
    },
    oneditsave() {
      this.outputs = acts[globalThis.$('#node-input-op').val()];
    },
    ...own,
  });
};

/**
 * The editor says the key of a status in its reader's language, and knows no way to put a number
 * into it. Ours stands behind a bar: `upload-queue.status.waiting|2`.
 *
 * @param definition what `RED.nodes.registerType` takes, which sets its `_`
 * @returns the same
 */
globalThis.balupiWords = (definition) => {
  let say = (key) => key;
  return Object.defineProperty(definition, '_', {
    enumerable: true,
    get: () => (text, values) => {
      const [, key, count] = /^([\w.:-]+)\|(\d+)$/.exec(text) ?? [];
      return key === undefined ? say(text, values) : say(key, { count });
    },
    set(given) {
      say = given;
    },
  });
};
