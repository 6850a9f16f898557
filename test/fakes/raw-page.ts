/** An event that the Dashboard sent to a page, with its arguments. */
export type Told = readonly [event: string, ...args: unknown[]];

/** Engine.IO's separator between the packets of one answer. */
const BETWEEN = '\x1e';

/** Signs in at the Dashboard as a browser's form does. @returns the cookie header */
export async function dashboardCookie(url: string, username: string): Promise<string> {
  const answered = await fetch(`${url}/dashboard/sign-in`, {
    method: 'POST',
    headers: { Origin: url },
    body: new URLSearchParams({ username, password: `Practice-${username}-1` }),
    redirect: 'manual',
  });
  if (answered.status !== 303) throw new Error(`The sign-in answered ${answered.status}.`);
  return (answered.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

/**
 * A hostile page of the Dashboard: Socket.IO over polling, by hand, so that any message can be
 * sent.
 */
export class RawPage {
  readonly told: Told[] = [];
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  #sid = '';
  #isOver = false;

  constructor(url: string, cookie: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#headers = { Cookie: cookie, ...headers };
  }

  /** @returns the HTTP status of the handshake */
  async handshake(): Promise<number> {
    const answered = await fetch(this.#at(''), { headers: this.#headers });
    if (answered.status !== 200) return answered.status;
    const { sid } = JSON.parse((await answered.text()).slice(1)) as { readonly sid: string };
    this.#sid = sid;
    return 200;
  }

  /** Opens the page. @returns whether the Dashboard accepted it */
  async open(): Promise<boolean> {
    if ((await this.handshake()) !== 200) return false;
    await this.#post('40');
    await this.listen(
      (told) => told.some(([event]) => event === 'ui-config' || event === '44'),
      10_000,
    );
    return this.told.some(([event]) => event === 'ui-config');
  }

  async send(event: string, ...args: unknown[]): Promise<void> {
    await this.#post(`42${JSON.stringify([event, ...args])}`);
  }

  /** Sends raw Engine.IO packets. */
  async sendRaw(packets: string): Promise<void> {
    await this.#post(packets);
  }

  /** Listens until `enough`, or for `mostMs`; a manual clock cannot reach another process. */
  async listen(enough: (told: readonly Told[]) => boolean, mostMs = 4_000): Promise<void> {
    const endMs = performance.now() + mostMs;
    while (!enough(this.told) && !this.#isOver && performance.now() < endMs) {
      await this.#poll(Math.max(1, endMs - performance.now()));
    }
  }

  /** Whether the Dashboard closes it within the time. */
  async closes(mostMs = 8_000): Promise<boolean> {
    await this.listen(() => false, mostMs);
    return this.#isOver;
  }

  /** Messages to one widget. */
  to(widgetId: string): readonly Record<string, unknown>[] {
    return this.told.flatMap(([event, message]) =>
      event === `msg-input:${widgetId}` || event === `widget-load:${widgetId}`
        ? [message as Record<string, unknown>]
        : [],
    );
  }

  async #poll(mostMs: number): Promise<void> {
    try {
      const signal = AbortSignal.timeout(Math.ceil(mostMs));
      const answered = await fetch(this.#at(this.#sid), { headers: this.#headers, signal });
      if (answered.status !== 200) {
        this.#isOver = true;
        return;
      }
      for (const packet of (await answered.text()).split(BETWEEN)) await this.#take(packet);
    } catch (error) {
      if ((error as Error).name !== 'TimeoutError') throw error;
    }
  }

  async #take(packet: string): Promise<void> {
    if (packet === '2') await this.#post('3');
    else if (packet === '1' || packet === '41') this.#isOver = true;
    else if (packet.startsWith('44')) {
      this.told.push(['44', JSON.parse(packet.slice(2))]);
      this.#isOver = true;
    } else if (packet.startsWith('42')) this.told.push(JSON.parse(packet.slice(2)) as Told);
  }

  async #post(packet: string): Promise<void> {
    const headers = { ...this.#headers, 'Content-Type': 'text/plain;charset=UTF-8' };
    const answered = await fetch(this.#at(this.#sid), { method: 'POST', headers, body: packet });
    if (answered.status !== 200) this.#isOver = true;
  }

  #at(sid: string): string {
    const session = sid === '' ? '' : `&sid=${sid}`;
    return `${this.#url}/dashboard/socket.io/?EIO=4&transport=polling${session}`;
  }
}
