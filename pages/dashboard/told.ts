import { reactive, shallowReactive } from 'vue';

/** A widget as sent to the page; `props` are the node's settings. */
export interface Widget {
  readonly id: string;
  readonly type: string;
  readonly props: Readonly<Record<string, unknown>>;
  readonly layout?: { readonly order?: number };
  readonly state?: Readonly<Record<string, unknown>>;
}

export interface Group {
  readonly id: string;
  readonly name: string;
  readonly page: string;
  readonly order?: number;
  readonly width?: number | string;
  readonly className?: string;
  readonly showTitle?: boolean;
  readonly visible?: boolean;
  readonly disabled?: boolean;
  readonly groupType?: string;
}

export interface UiPage {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly path: string;
  readonly order: number;
  readonly theme: string;
  readonly layout: string;
  readonly className?: string;
  readonly visible?: boolean;
  readonly breakpoints?: readonly {
    readonly px: number | string;
    readonly cols: number | string;
  }[];
}

export interface Theme {
  readonly colors: Readonly<Record<string, string>>;
  readonly sizes: Readonly<Record<string, string>>;
}

export interface Config {
  readonly dashboards: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly pages: Readonly<Record<string, UiPage>>;
  readonly groups: Readonly<Record<string, Group>>;
  readonly widgets: Readonly<Record<string, Widget>>;
  readonly themes: Readonly<Record<string, Theme>>;
}

/** A message of a flow to a widget. */
export type Message = Readonly<Record<string, unknown>>;

const NOTHING: Config = { dashboards: {}, pages: {}, groups: {}, widgets: {}, themes: {} };

/** What the Pi has sent this page: the configuration and each widget's last message. */
export class Told {
  /** Replaced as a whole, so not deeply reactive. */
  readonly #now = shallowReactive<{ config: Config }>({ config: NOTHING });
  readonly messages: Record<string, Record<string, unknown>> = reactive({});
  /** Visibility, enabled state and classes of each widget, by its last messages. */
  readonly states: Record<string, Record<string, unknown>> = reactive({});

  get config(): Config {
    return this.#now.config;
  }

  configure(config: Config): void {
    this.#now.config = config;
    for (const { id, state } of Object.values(config.widgets)) this.#change(id, state);
  }

  hear(id: string, message: Message | null | undefined): void {
    if (typeof message !== 'object' || message === null) return;
    const { ui_update: update } = message as { readonly ui_update?: Message };
    const named = ['enabled', 'visible', 'class'].filter((name) => Object.hasOwn(message, name));
    this.#change(id, Object.fromEntries(named.map((name) => [name, message[name]])));
    this.#change(id, update);
    this.messages[id] = { ...this.messages[id], ...message };
  }

  /** The stored message and state of a widget. */
  load(id: string, message: Message | null | undefined, state: Message | null | undefined): void {
    this.#change(id, state);
    if (message) this.messages[id] = { ...this.messages[id], ...message };
  }

  /** Skips unchanged states, to avoid redraws: every loaded widget brings one. */
  #change(id: string, state: Message | null | undefined): void {
    const now = this.states[id];
    const changed = Object.entries(state ?? {}).filter(([name, value]) => now?.[name] !== value);
    if (changed.length > 0) this.states[id] = { ...now, ...Object.fromEntries(changed) };
  }

  groupsOf(pageId: string): readonly Group[] {
    return ordered(
      Object.values(this.config.groups).filter(
        ({ page, visible, groupType }) =>
          page === pageId && visible !== false && groupType !== 'dialog',
      ),
      ({ order }) => order,
    );
  }

  widgetsIn(groupId: string): readonly Widget[] {
    return ordered(
      this.#widgets(({ group, templateScope }) => group === groupId && templateScope === 'local'),
      ({ layout }) => layout?.order,
    );
  }

  /** Widgets outside of groups: of one page, or of all pages. */
  widgetsOf(place: { readonly page: string } | 'all'): readonly Widget[] {
    return this.#widgets(({ group, page, ui }) =>
      place === 'all' ? Boolean(ui) && !group && !page : !group && page === place.page,
    );
  }

  #widgets(
    wanted: (props: Readonly<Record<string, unknown>>, widget: Widget) => boolean,
  ): readonly Widget[] {
    return Object.values(this.config.widgets).filter((one) => wanted(one.props, one));
  }
}

function ordered<T>(all: readonly T[], order: (one: T) => number | undefined): readonly T[] {
  const place = (one: T): number => order(one) || Number.MAX_SAFE_INTEGER;
  return [...all].sort((a, b) => place(a) - place(b));
}
