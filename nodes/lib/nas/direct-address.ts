import type { Clock } from '../time/clock.ts';
import type { NasJson } from './nas-client.ts';

/** Where the NAS's own server listens behind its proxy. */
const DIRECT_PORT = '8000';

/** How long "does not answer there" is believed, ms. */
const RECHECK_MS = 10 * 60_000;

/**
 * Which address chunked uploads go to: NAS_DIRECT_URL, else NAS_URL's host at port 8000 when the
 * NAS answers there, else NAS_URL itself. An https NAS_URL is never traded for plain http.
 */
export class DirectAddress {
  readonly #nasUrl: URL;
  readonly #candidate: URL | null;
  readonly #ask: (url: URL) => Promise<NasJson>;
  readonly #clock: Clock;
  #known: URL | null;
  #askedAtMs: number | null = null;
  #asking: Promise<URL> | null = null;

  /**
   * @param setUrl NAS_DIRECT_URL, null when not set
   * @param ask `GET /api/system/info` at another address, which wakes nothing
   */
  constructor(nasUrl: URL, setUrl: URL | null, ask: (url: URL) => Promise<NasJson>, clock: Clock) {
    this.#nasUrl = nasUrl;
    this.#candidate = candidateFor(nasUrl);
    this.#known = setUrl ?? (this.#candidate === null ? nasUrl : null);
    this.#ask = ask;
    this.#clock = clock;
  }

  resolve(): Promise<URL> {
    if (this.#known !== null) return Promise.resolve(this.#known);
    this.#asking ??= this.#find().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #find(): Promise<URL> {
    const candidate = this.#candidate;
    if (candidate === null || this.#askedLately()) return this.#nasUrl;
    const result = await this.#ask(candidate);
    if (isNas(result)) {
      this.#known = candidate;
      return candidate;
    }
    this.#askedAtMs = this.#clock.monotonicMs();
    return this.#nasUrl;
  }

  #askedLately(): boolean {
    if (this.#askedAtMs === null) return false;
    return this.#clock.monotonicMs() - this.#askedAtMs < RECHECK_MS;
  }
}

/**
 * A 401 in JSON is what the NAS says there without a token (measured). On one machine that port may
 * be a BaluPi's, whose refusals carry a `code`; the NAS's do not.
 */
function isNas(result: NasJson): boolean {
  if (result.kind !== 'answer') return false;
  const isOurs = typeof result.body === 'object' && result.body !== null && 'code' in result.body;
  return !isOurs && (result.status === 401 || result.status === 200);
}

function candidateFor(nasUrl: URL): URL | null {
  if (nasUrl.protocol !== 'http:' || nasUrl.port === DIRECT_PORT) return null;
  const candidate = new URL('/', nasUrl);
  candidate.port = DIRECT_PORT;
  return candidate;
}
