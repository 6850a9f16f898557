import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { Page, Request, WebSocket } from 'playwright-core';

/** Two frames: one draws what an answer changed, the next sends what that requests. */
const REDRAWN = `new Promise((drawn) =>
  requestAnimationFrame(() => requestAnimationFrame(() => drawn())))`;
const LONGEST_MS = 15_000;
/** A Socket.IO event behind the packet types of Engine.IO and Socket.IO. */
const EVENT = /^42(?=\[)/;
const ANSWERED = /^(?:msg-input|widget-load):(.+)$/;

/** A page's requests to the Pi, over HTTP and its socket, that have no answer yet. */
class PageAsks {
  readonly #open = new Map<unknown, string>();
  readonly #answers = new EventEmitter();
  /** How many requests it has sent. */
  count = 0;

  constructor(page: Page) {
    page.on('request', (request) => this.#asked(request, request.url()));
    for (const end of ['requestfinished', 'requestfailed'] as const) {
      page.on(end as 'requestfinished', (request: Request) => this.#answered(request));
    }
    page.on('websocket', (socket) => this.#follow(socket));
    page.on('framenavigated', (frame) => {
      // Nobody waits for what the page before it requested.
      if (frame === page.mainFrame()) this.#forgetRequests();
    });
  }

  get open(): readonly string[] {
    return [...this.#open.values()];
  }

  /** Waits until all are answered. */
  async answered(): Promise<void> {
    const signal = AbortSignal.timeout(LONGEST_MS);
    while (this.#open.size > 0) {
      await once(this.#answers, 'answer', { signal }).catch(() => {
        assert.fail(`Nobody answered ${[...this.#open.values()].join(', ')}.`);
      });
    }
  }

  #follow(socket: WebSocket): void {
    socket.on('framesent', ({ payload }) => {
      const [event, id, message] = eventOf(payload);
      const topic = (message as { readonly topic?: unknown } | undefined)?.topic;
      if (event === 'widget-load') this.#asked(`${String(id)} load`, `${String(id)} load`);
      if (event === 'widget-send' && typeof topic === 'string') {
        this.#asked(`${String(id)} ${topic}`, `${String(id)} ${topic}`);
      }
    });
    socket.on('framereceived', ({ payload }) => {
      const [event, message] = eventOf(payload);
      const id = ANSWERED.exec(String(event))?.[1];
      if (id === undefined) return;
      const topic = (message as { readonly topic?: unknown } | null | undefined)?.topic;
      if (String(event).startsWith('widget-load')) this.#answered(`${id} load`);
      else this.#answered(`${id} ${String(topic)}`);
    });
    socket.on('close', () => this.#forgetRequests());
  }

  #asked(what: unknown, words: string): void {
    this.count += 1;
    this.#open.set(what, words);
  }

  #answered(what: unknown): void {
    if (this.#open.delete(what)) this.#answers.emit('answer');
  }

  #forgetRequests(): void {
    for (const what of [...this.#open.keys()]) if (typeof what === 'string') this.#answered(what);
  }
}

function eventOf(payload: string | Buffer): readonly unknown[] {
  if (typeof payload !== 'string' || !EVENT.test(payload)) return [];
  return JSON.parse(payload.replace(EVENT, '')) as readonly unknown[];
}

const followed = new WeakMap<Page, PageAsks>();

/** Tracks a page's requests from now on, for {@link settled}. */
export function followAsks(page: Page): void {
  followed.set(page, new PageAsks(page));
}

/** A tracked page's requests without an answer. */
export function openAsksOf(page: Page): readonly string[] {
  return followed.get(page)?.open ?? [];
}

/** Waits until a page has drawn its answers and sends no further request because of them. */
export async function settled(page: Page): Promise<void> {
  const asks = followed.get(page);
  assert.ok(asks, 'what this page asks for was not followed');
  let count = -1;
  while (count !== asks.count) {
    ({ count } = asks);
    await asks.answered();
    await page.evaluate(REDRAWN);
  }
}
