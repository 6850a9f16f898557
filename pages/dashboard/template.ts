import * as Vue from 'vue';
import {
  type Component,
  type ComponentOptions,
  computed,
  defineAsyncComponent,
  defineComponent,
  h,
  onUnmounted,
  type PropType,
  shallowRef,
  type VNode,
  watch,
} from 'vue';
import type { Told, Widget } from './told.ts';

/** The part of a socket.io socket that is used. */
export interface PageSocket {
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener?: (...args: never[]) => void): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  connect(): unknown;
}

/** What build, Pi and browser provide for a part. */
export interface Given {
  readonly told: Told;
  readonly socket: PageSocket;
  readonly parts: Parts;
  readonly compiler: GetCompiler;
}

interface Drawn {
  readonly part: Component | null;
  readonly styles: readonly string[];
}

/** The same exports of a part's script as the Dashboard reads. */
const READ = ['name', 'data', 'computed', 'methods', 'watch', 'mounted', 'unmounted'];
const EXPORTED = /^\s*export\s+default\s+(\{[^]*\})\s*;?\s*$/;
const DRAWN_SCOPES = ['local', 'widget:page', 'widget:ui'];

/** An indirect eval: a part sees the global scope only. */
// eslint-disable-next-line no-eval -- a part's script is the owner's own, as in the Dashboard
const evaluated = (code: string): unknown => (0, eval)(code);

interface Source {
  readonly template: string;
  readonly styles: readonly string[];
  readonly options: ComponentOptions;
}

/** Parses a part with the browser's parser, as the Dashboard does. */
function sourceOf(format: string): Source {
  const parsed = new DOMParser().parseFromString(format, 'text/html');
  const [template] = parsed.getElementsByTagName('template');
  const styles = [...parsed.getElementsByTagName('style')].map(({ innerHTML }) => innerHTML);
  let options: ComponentOptions = {};
  for (const { innerHTML } of parsed.getElementsByTagName('script')) {
    options = { ...options, ...optionsOf(innerHTML) };
  }
  return { template: template?.innerHTML ?? format, styles, options };
}

function optionsOf(script: string): ComponentOptions {
  const [, exported] = EXPORTED.exec(script) ?? [];
  if (exported === undefined) {
    const run = evaluated(`(function () {${script}\n})`) as (this: unknown) => void;
    return { mounted: run };
  }
  const whole = evaluated(`(${exported})`) as Record<string, unknown>;
  return Object.fromEntries(
    READ.filter((name) => name in whole).map((name) => [name, whole[name]]),
  );
}

function fault(problem: unknown): false {
  // eslint-disable-next-line no-console -- a part's own fault belongs where its writer looks
  console.error(problem);
  return false;
}

/** Adds a widget's style sheets to the head. */
function styled({ id }: Widget, { styles }: Drawn): readonly HTMLStyleElement[] {
  return styles.map((text) => {
    const style = document.createElement('style');
    style.textContent = text;
    style.dataset['templateId'] = id;
    document.head.append(style);
    return style;
  });
}

/** The part, with what every part gets (`flows/parts/parts.d.ts`). */
function partOf(
  id: string,
  options: ComponentOptions,
  told: Told,
  socket: PageSocket,
): ComponentOptions {
  return {
    ...options,
    props: ['id'],
    errorCaptured: fault,
    computed: {
      msg: () => told.messages[id] ?? {},
      value: {
        get: () => told.messages[id]?.['payload'],
        set: (payload: unknown) => {
          told.messages[id] = { ...told.messages[id], payload };
        },
      },
      ...(options.computed as object | undefined),
    },
    methods: {
      send(message: unknown) {
        const isMessage = typeof message === 'object' && message !== null;
        if (message) socket.emit('widget-send', id, isMessage ? message : { payload: message });
      },
      submit(event: SubmitEvent) {
        const fields = new FormData(event.target as HTMLFormElement);
        const payload = Object.fromEntries(fields.entries());
        socket.emit('widget-action', id, { topic: event.type, payload });
      },
      ...(options.methods as object | undefined),
    },
  };
}

/** The shipped parts as the build made them: components, and the texts of style sheets. */
export type Parts = Readonly<Record<string, ComponentOptions | string>>;

/** Fetches the compiler, for a part unknown to the build. */
export type GetCompiler = () => Promise<{ readonly compile: Compile }>;
type Compile = (template: string, options: object) => { readonly code: string };

/** @returns the part once it can be compiled */
function compiledLater(source: Source, part: ComponentOptions, compiler: GetCompiler): Component {
  return defineAsyncComponent(async () => {
    const { compile } = await compiler();
    // As Vue's full build does.
    Vue.registerRuntimeCompiler((template: string, options: object) => {
      const { code } = compile(template, { hoistStatic: true, ...options });
      const made = evaluated(`(function (Vue) {${code}\n})`) as (vue: typeof Vue) => object;
      return Object.assign(made(Vue), { _rc: true });
    });
    return { ...part, template: source.template };
  });
}

/** A widget `ui-template`: a Vue part, or a style sheet of one page or of all. */
export function templateWidget({ told, socket, parts, compiler }: Given): Component {
  /** A part's component and its style sheets. */
  const read = ({ id, props }: Widget): Drawn => {
    const given = told.states[id]?.['format'] ?? props['format'];
    const format = typeof given === 'string' ? given : undefined;
    const made = format === undefined ? parts[String(props['part'])] : undefined;
    const isPart = DRAWN_SCOPES.includes(String(props['templateScope']));
    if (typeof made === 'string') return { part: null, styles: [made] };
    if (made !== undefined) return { part: partOf(id, made, told, socket), styles: [] };
    if (!isPart) return { part: null, styles: [format ?? ''] };
    const source = sourceOf(format ?? '');
    const part = partOf(id, source.options, told, socket);
    return { part: compiledLater(source, part, compiler), styles: source.styles };
  };
  return defineComponent({
    props: { widget: { type: Object as PropType<Widget>, required: true } },
    setup(props) {
      // A configuration that is sent again is mostly unchanged.
      const same = computed(() => {
        const { id, props: own } = props.widget;
        return JSON.stringify([own['part'], own['format'], told.states[id]?.['format']]);
      });
      const drawn = shallowRef(read(props.widget));
      let styles = styled(props.widget, drawn.value);
      watch(same, () => {
        drawn.value = read(props.widget);
        for (const style of styles) style.remove();
        styles = styled(props.widget, drawn.value);
      });
      onUnmounted(() => {
        for (const style of styles) style.remove();
      });
      return (): VNode | null => drawn.value.part && h(drawn.value.part, { id: props.widget.id });
    },
  });
}
