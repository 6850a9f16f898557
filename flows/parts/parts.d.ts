/**
 * What the Dashboard gives each part, and what BaluPi gives each page (host/dashboard-files.ts), for
 * the type check of the parts (`npm run lint`).
 */
import 'vue';

/** How every page formats numbers, money and times, and its reader's language. */
interface BalupiPage {
  /** As in the catalogues: `en`, `de`. */
  readonly language: string;
  readonly languages: readonly { readonly id: string; readonly name: string }[];
  /** With a region, for `Intl`. */
  readonly locale: string;
  /** IANA name of BaluPi's time zone. */
  readonly timeZone: string;
  number(value: number, digits: number): string;
  atMost(value: number, digits: number): string;
  money(euro: number): string;
  /** `two hours ago`, of seconds. */
  ago(seconds: number): string;
  date(moment: Date | string | number, options: Intl.DateTimeFormatOptions): string;
  when(moment: Date | string | number): string;
  time(moment: Date | string | number): string;
  /** Parses a number in the reader's format; NaN if it is none. */
  read(text: string): number;
  written(value: number): string;
  /** YYYY-MM-DD in BaluPi's time zone. */
  dayOf(moment: Date | string | number): string;
  /** HH:MM, likewise. */
  clockOf(moment: Date | string | number): string;
  /** The moment, in UTC, of a local YYYY-MM-DDTHH:MM. */
  momentOf(local: string): string;
  addDays(day: string, days: number): string;
  addMonths(day: string, months: number): string;
  dayText(day: string, options: Intl.DateTimeFormatOptions): string;
  /** A copy of a plain value with a message's changes applied. */
  changed(value: any, changes: readonly object[]): any;
}

/** A page as its flow has it. */
interface UiPage {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly order: number;
  readonly visible?: boolean;
}

/** A message from the flow. */
interface PartMessage {
  readonly payload?: any;
  readonly topic?: string;
  readonly action?: string;
  readonly ok?: boolean;
  readonly text?: string;
  /** Instead of the payload, if the request said that it has the previous answer. */
  readonly changes?: readonly object[];
}

declare global {
  /** Of a part's own fields. */
  interface EventTarget {
    readonly value: any;
    readonly open: boolean;
  }
  interface Window {
    readonly balupi: BalupiPage;
  }
  interface WindowEventMap {
    'balupi-correct': CustomEvent<{ from: string; to: string; device_id: string | null }>;
    'balupi-energy-changed': CustomEvent;
  }
}

declare module 'vue' {
  interface ComponentCustomProperties {
    /** The node's id. */
    readonly id: string;
    /** The last message to the node. */
    readonly msg: PartMessage | null;
    /** Sends a message out of the node. */
    send(message: { topic: string; action?: string; payload?: unknown }): void;
    readonly $socket: {
      on(event: string, listener: (message: PartMessage) => void): void;
      off(event: string, listener: (message: PartMessage) => void): void;
    };
    readonly $route: {
      readonly path: string;
      readonly query: Readonly<Record<string, string>>;
      readonly meta: { readonly id: string };
    };
    readonly $store: {
      readonly state: { readonly ui: { readonly pages: Readonly<Record<string, UiPage>> } };
    };
    readonly $router: {
      push(to: { path?: string; query?: Readonly<Record<string, string>> }): void;
    };
    readonly $vuetify: {
      readonly theme: { readonly themes: { readonly nrdb: { readonly dark: boolean } } };
    };
  }
}
