// Each node's page loads this file, so its names stay in a block.
{
  /**
   * What BaluPi's nodes have in common in the editor: each does one of several operations, chosen as `op`,
   * which decides how many outputs there are, what they are called, and which values the dialog asks
   * for. Each value is one of Node-RED's typed inputs, kept in `fields` by its name; one that is left
   * at the message's own property is not kept.
   *
   * @param key the node's key in its locales
   * @param definition what deploy/node-pages.ts writes of the node's declaration
   * @returns a definition for `RED.nodes.registerType`
   */
  globalThis.balupiOperations = (key, definition) => {
    const { operations, config, hasUsers, settings = {}, version, ...look } = definition;
    const [[first, { outputs }]] = Object.entries(operations);
    const configs = { store: ['balupi-store', 'this-balupi'], nas: ['balupi-nas', 'this-nas'] };
    const [configType, configId] = configs[config];
    return globalThis.balupiWords({
      category: 'BaluPi',
      ...look,
      defaults: {
        name: { value: '' },
        op: { value: first, required: true },
        fields: { value: {} },
        ...Object.fromEntries(Object.keys(settings).map((name) => [name, { value: '' }])),
        ...(hasUsers ? { as: { value: '' } } : {}),
        // Kept for nodes that were made before there were fields, until they are edited.
        ...Object.fromEntries(formerOf(operations).map((name) => [name, { value: undefined }])),
        [config]: { type: configType, value: configId, required: true },
        version: { value: version },
        outputs: { value: outputs },
      },
      inputs: 1,
      outputs,
      paletteLabel() {
        return this._(`${key}.title`);
      },
      label() {
        return this.name || this._(`${key}.op.${this.op || first}`);
      },
      labelStyle() {
        return this.name ? 'node_label_italic' : '';
      },
      outputLabels(index) {
        if (isBeforeOutcomes(this, operations[this.op])) return '';
        const label = `${key}.output.${this.op}-${index + 1}`;
        const text = this._(label);
        return text === label ? '' : text;
      },
      oneditprepare() {
        const $ = globalThis.$;
        const op = $('#node-input-op').val(this.op || first);
        showMore(op, operations);
        const stored = keptFields(this, operations);
        const form = new FieldForm((word) => this._(`${key}.${word}`), config);
        this.balupiForm = form;
        const show = () => {
          const operation = operations[op.val()];
          form.show(operation, stored);
          $('.balupi-as').toggle(operation.isUsers === true);
          for (const [name, ops] of Object.entries(settings)) {
            $(`.balupi-${name}`).toggle(ops.length === 0 || ops.includes(op.val()));
          }
        };
        op.on('change', show);
        show();
        if (hasUsers) offerUsers(config);
      },
      oneditsave() {
        const op = globalThis.$('#node-input-op').val();
        const isOther = op !== (this.op || first);
        const isAsBefore = !isOther && isBeforeOutcomes(this, operations[op]);
        if (!isAsBefore) this.outputs = operations[op].outputs;
        keep(this, this.balupiForm.fields, formerOf(operations), isAsBefore ? 1 : version);
        if (isOther) this.version = version;
        this.balupiForm.close();
        delete this.balupiForm;
      },
      oneditcancel() {
        this.balupiForm.close();
        delete this.balupiForm;
      },
    });
  };

  /** The operation leaves such a node at its one output, which its wires are for. */
  function isBeforeOutcomes(node, operation) {
    return operation !== undefined && operation.hadOneOutput === true && !(node.version >= 2);
  }

  /** Whoever has a credential stored; another name may be typed, as theirs may be stored later. */
  function offerUsers(config) {
    const { $ } = globalThis;
    const input = $('#node-input-as').attr({ list: 'balupi-users', autocomplete: 'off' });
    const list = $('<datalist id="balupi-users">').insertAfter(input);
    const chosen = $(`#node-input-${config}`).val();
    $.getJSON(`balupi/users/${encodeURIComponent(chosen)}`, (names) => {
      for (const name of names) $('<option>').val(name).appendTo(list);
    });
  }

  /** Names of the node's own properties that held a field's value before there were fields. */
  function formerOf(operations) {
    const fields = Object.values(operations).flatMap((operation) => operation.fields || []);
    return [...new Set(fields.flatMap(({ was }) => (was === undefined ? [] : [was])))];
  }

  /** A node that was only looked at stays as it is, whatever version it is of. */
  function keep(node, fields, former, version) {
    const hadSome = node.fields !== undefined || former.some((name) => node[name] !== undefined);
    if (!hadSome && Object.keys(fields).length === 0) return;
    node.fields = fields;
    node.version = version;
    for (const name of former) delete node[name];
  }

  const FIXED = { text: 'str', number: 'num', flag: 'bool', json: 'json', code: 'code' };

  /** What the node keeps, by the name of the field; of a node of before as what it was. */
  function keptFields(node, operations) {
    const kept = { ...node.fields };
    const fields = (operations[node.op] || Object.values(operations)[0]).fields || [];
    for (const { name, kind, was } of node.version >= 1 ? [] : fields) {
      const value = was === undefined ? undefined : node[was];
      if (kept[name] || value === undefined || value === '' || value === false) continue;
      kept[name] = { type: FIXED[kind] || kind, value: String(value) };
    }
    return kept;
  }

  /** What API, pages and schedules do is offered to a node that does it, and to who asks for it. */
  function showMore(op, operations) {
    const box = globalThis.$('#balupi-more');
    const internal = op.children('optgroup').eq(1);
    const options = internal.children();
    const isInternal = () => options.toArray().some((option) => option.value === op.val());
    const isOffered = box.length === 0 || internal.length === 0;
    if (isOffered) return;
    if (isInternal() && operations[op.val()]) box.prop('checked', true);
    const show = () => {
      if (box.prop('checked')) op.append(internal);
      else if (!isInternal()) internal.detach();
    };
    box.on('change', show);
    show();
  }

  /** The typed inputs of one operation. */
  class FieldForm {
    #say;
    #config;
    #inputs = new Map();
    #editor = null;

    constructor(say, config) {
      this.#say = say;
      this.#config = config;
    }

    /** Asks for what an operation takes; what was put in for another one of the same name stays. */
    show(operation, stored) {
      const $ = globalThis.$;
      Object.assign(stored, this.fields);
      this.close();
      this.#inputs.clear();
      const place = $('.balupi-fields').empty();
      for (const field of operation.fields || []) {
        const id = `balupi-field-${field.name}`;
        const row = $('<div class="form-row">').appendTo(place);
        const words = this.#say(`field.${field.label || field.name}`);
        $('<label>').attr('for', id).text(words).appendTo(row);
        if (field.kind === 'code') this.#showCode(field, row, stored[field.name], words);
        else
          this.#showInput(field, row, id, stored[field.name], operation.isSource === true, words);
      }
    }

    /** What is to be kept. */
    get fields() {
      const kept = {};
      for (const [name, { field, read }] of this.#inputs) {
        const { type, value } = read();
        const isMessages = type === 'msg' && value === field.property;
        const isUnset = value === '' || (field.property === null && value === 'false');
        if (!isMessages && !isUnset) kept[name] = { type, value };
      }
      return kept;
    }

    close() {
      if (this.#editor !== null) this.#editor.destroy();
      this.#editor = null;
    }

    #showCode(field, row, stored, words) {
      const id = 'balupi-code';
      globalThis
        .$('<div class="node-text-editor" style="height: 160px">')
        .attr({ id, 'aria-label': words })
        .appendTo(row);
      const value = stored ? stored.value : '';
      const { RED } = globalThis;
      const editor = RED.editor.createEditor({ id, mode: 'ace/mode/sql', value });
      this.#editor = editor;
      this.#inputs.set(field.name, {
        field,
        read: () => ({ type: 'code', value: editor.getValue() }),
      });
    }

    #showInput(field, row, id, stored, isSource, words) {
      const input = globalThis.$('<input type="text" style="width: 70%">').attr('id', id);
      input.appendTo(row);
      const shown = stored || this.#unset(field);
      const types = (plugs) => this.#types(field, isSource, plugs);
      const chosen = shown.type === 'plug' && shown.value !== '' ? [{ id: shown.value }] : [];
      input.typedInput({ types: types(chosen) });
      const put = ({ type, value }) => {
        input.typedInput('type', type);
        input.typedInput('value', value);
      };
      put(shown);
      row.find('.red-ui-typedInput-input').attr('aria-label', words);
      const read = () => ({ type: input.typedInput('type'), value: input.typedInput('value') });
      this.#inputs.set(field.name, { field, read });
      if (field.kind === 'plug') {
        this.#plugs((plugs) => {
          // The dialog may be shut by now, or show another operation.
          if (!globalThis.document.contains(input[0])) return;
          const now = read();
          const isThere = plugs.some((plug) => plug.id === now.value);
          const kept =
            now.type === 'plug' && now.value !== '' && !isThere ? [{ id: now.value }] : [];
          input.typedInput('types', types([...plugs, ...kept]));
          put(now);
        });
      }
    }

    #unset({ kind, property }) {
      if (property !== null) return { type: 'msg', value: property };
      return { type: FIXED[kind] || kind, value: kind === 'flag' ? 'false' : '' };
    }

    /** What the dialog alone may say is fixed, or set once for all nodes. */
    #types({ kind, choices, property }, isSource, plugs) {
      const fixed = this.#fixed(kind, choices, isSource, plugs);
      if (property === null) return [...fixed, 'env'];
      return ['msg', ...fixed, 'flow', 'global', 'env', 'jsonata'];
    }

    #fixed(kind, choices, isSource, plugs) {
      if (kind === 'choice') {
        const options = choices.map((value) => ({ value, label: value }));
        return [{ value: 'choice', label: this.#say('type.choice'), options }];
      }
      if (kind !== 'plug') return [FIXED[kind]];
      const all = isSource ? [{ value: '', label: this.#say('type.all') }] : [];
      const options = plugs.map(({ id, name = id }) => ({ value: id, label: name }));
      const label = this.#say('type.plug');
      return [{ value: 'plug', label, icon: 'fa fa-plug', options: [...all, ...options] }, 'str'];
    }

    #plugs(show) {
      const { $ } = globalThis;
      $.getJSON(`balupi/plugs/${encodeURIComponent($(`#node-input-${this.#config}`).val())}`, show);
    }
  }

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
}
