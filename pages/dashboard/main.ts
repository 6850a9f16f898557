import { createApp, watch } from 'vue';
import { isDrawn } from './drawn.ts';
import { Icon, layoutOf } from './layout.ts';
import { Place, type Wanted } from './place.ts';
import { type GetCompiler, type PageSocket, type Parts, templateWidget } from './template.ts';
import { isDark, themeOf } from './theme.ts';
import { type Config, Told } from './told.ts';

/** Delays before reconnects, in ms; after the last one the page is reloaded. */
const WAITS = [...Array<number>(4).fill(2_500), ...Array<number>(10).fill(5_000)];
const LONG_WAIT_MS = 30_000;
const MOST_TRIES = 22;

/** What the build bundles (`deploy/light-page.ts`). */
interface Built {
  readonly connect: (query: Readonly<Record<string, string>>) => PageSocket;
  readonly parts: Parts;
  readonly compiler: GetCompiler;
  /** The address of this script. */
  readonly script: string;
}

/** Draws Dashboard pages that consist of templates only (ADR 0069). */
export function start({ connect, parts, compiler, script }: Built): void {
  const told = new Told();
  // Tells the Pi which parts this script has, so that it sends those by name.
  const socket = connect({ script: new URL(script).pathname.replace('/dashboard/', '') });
  const place = new Place();
  const app = createApp(
    layoutOf(told, place, socket, templateWidget({ told, socket, parts, compiler })),
  );
  app.component('VIcon', Icon);
  Object.assign(app.config.globalProperties, givenTo(told, place), { $socket: socket });
  let isMounted = false;
  socket.on('ui-config', (_id: string, config: Config) => {
    if (!isAllDrawn(config)) {
      // The Pi then sends the Dashboard's own page. Should it send this one again, the delay keeps the
      // reloads slow.
      setTimeout(() => location.reload(), isMounted ? 0 : WAITS[0]);
      return;
    }
    told.configure(config);
    place.configure(config);
    if (!isMounted) app.mount('#app');
    isMounted = true;
  });
  watch(
    () => place.route.meta.id,
    () => window.scrollTo(0, 0),
  );
  keepConnected(socket);
}

/** What parts use of the Dashboard (`flows/parts/parts.d.ts`). */
function givenTo(told: Told, place: Place): object {
  const ui = {
    get pages() {
      return told.config.pages;
    },
  };
  const nrdb = {
    get dark() {
      return isDark(themeOf(told.config, place.route.meta.id)?.colors ?? {});
    },
  };
  return {
    $route: place.route,
    $router: { push: (wanted: Wanted) => place.push(wanted) },
    $store: { state: { ui } },
    $vuetify: { theme: { themes: { nrdb } } },
  };
}

/** The Pi checks the same before it sends this page, but a deploy may have changed it since. */
function isAllDrawn({ dashboards, pages, groups, widgets }: Config): boolean {
  const nodes = [
    ...Object.values(dashboards).map((one) => ({ ...one, type: 'ui-base' })),
    ...Object.values(pages),
    ...Object.values(groups).map((one) => ({ ...one, type: 'ui-group' })),
    ...Object.values(widgets).map(({ type, props }) => ({ ...props, type })),
  ];
  return nodes.every((node) => isDrawn(node));
}

function keepConnected(socket: PageSocket): void {
  let tries = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      tries += 1;
      if (tries > MOST_TRIES) location.reload();
      else socket.connect();
    }, WAITS[tries] ?? LONG_WAIT_MS);
  };
  socket.on('connect', () => {
    clearTimeout(timer);
    tries = 0;
  });
  socket.on('disconnect', again);
  socket.on('connect_error', again);
}
