import { shallowReactive } from 'vue';
import type { Config, UiPage } from './told.ts';

const BASE = '/dashboard';

/** The reader's place, as parts use it (`$route`, `$router`). */
export interface Route {
  path: string;
  fullPath: string;
  query: Readonly<Record<string, string>>;
  meta: { readonly id: string; readonly title: string };
}

export type Wanted =
  | string
  | { readonly path?: string; readonly query?: Readonly<Record<string, string>> };

/** The page's address and the page it belongs to. */
export class Place {
  readonly route: Route = shallowReactive({
    ...{ path: '', fullPath: '', query: {}, meta: { id: '', title: '' } },
  });
  #pages: readonly UiPage[] = [];

  constructor() {
    window.addEventListener('popstate', () => this.#read());
  }

  /** Sets the pages, and goes to the first if the address names none of them. */
  configure({ pages }: Config): void {
    this.#pages = Object.values(pages)
      .filter(({ type }) => type === 'ui-page')
      .sort((a, b) => a.order - b.order);
    this.#read();
  }

  push(wanted: Wanted): void {
    const { path = this.route.path, query = {} } =
      typeof wanted === 'string' ? { path: wanted } : wanted;
    const text = new URLSearchParams(query).toString();
    const address = text === '' ? path : `${path}?${text}`;
    if (address !== this.route.fullPath) history.pushState(null, '', address);
    this.#read();
  }

  #read(): void {
    const { pathname, search } = location;
    const page = this.#pages.find(({ path }) => addressOf(path) === pathname.replace(/\/$/, ''));
    const [first] = this.#pages;
    if (page === undefined && first !== undefined) {
      history.replaceState(null, '', addressOf(first.path));
      this.#read();
      return;
    }
    const query = Object.fromEntries(new URLSearchParams(search));
    const isOther = JSON.stringify(query) !== JSON.stringify(this.route.query);
    if (page !== undefined && page.id !== this.route.meta.id) {
      this.route.meta = { id: page.id, title: page.name };
    }
    if (page !== undefined) document.title = page.name;
    Object.assign(this.route, { path: pathname, fullPath: pathname + search });
    if (isOther) this.route.query = query;
  }
}

function addressOf(path: string): string {
  return (BASE + (path.startsWith('/') ? '' : '/') + path).replace(/\/$/, '');
}
