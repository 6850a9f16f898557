import type { Clock } from '../../../nodes/lib/time/clock.ts';
import type { NginxLimits } from './options.ts';

interface Zone {
  readonly path: RegExp;
  readonly perSecond: number;
  readonly burst: number;
}

/** The zones of both templates, the specific ones first (docs/NAS.md). */
const ZONES: Readonly<Record<Exclude<NginxLimits, 'off'>, readonly Zone[]>> = {
  html_503: [
    { path: /^\/api\/auth\//, perSecond: 5 / 60, burst: 5 },
    { path: /^\/api\//, perSecond: 100, burst: 20 },
  ],
  html_429: [
    { path: /^\/api\/auth\/(login|register|refresh)/, perSecond: 5 / 60, burst: 3 },
    { path: /^\/api\/files\/upload/, perSecond: 10 / 60, burst: 5 },
    { path: /^\/api\//, perSecond: 10, burst: 20 },
  ],
};

const REASONS: Readonly<Record<number, string>> = {
  413: 'Request Entity Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Temporarily Unavailable',
  504: 'Gateway Time-out',
};

/** nginx's own page for a status. */
export function nginxPage(status: number): string {
  const title = `${String(status)} ${REASONS[status] ?? 'Error'}`;
  return [
    '<html>',
    `<head><title>${title}</title></head>`,
    '<body>',
    `<center><h1>${title}</h1></center>`,
    '<hr><center>nginx</center>',
    '</body>',
    '</html>',
    '',
  ].join('\r\n');
}

/** `client_max_body_size 10G` */
const BODY_LIMIT_BYTES = 10 * 1024 ** 3;

/** The proxy's own limits: leaky buckets with a burst and without delay, per address. */
export class Nginx {
  readonly #clock: Clock;
  readonly #excess = new Map<string, { atMs: number; excess: number }>();
  limits: NginxLimits;

  constructor(limits: NginxLimits, clock: Clock) {
    this.limits = limits;
    this.#clock = clock;
  }

  /** The status with which it refuses before the NAS sees the request, or null. */
  refuses(path: string, address: string, contentLength: number): number | null {
    if (contentLength > BODY_LIMIT_BYTES) return 413;
    if (this.limits === 'off') return null;
    const zone = ZONES[this.limits].find((candidate) => candidate.path.test(path));
    if (zone === undefined || this.#pours(zone, address)) return null;
    return this.limits === 'html_503' ? 503 : 429;
  }

  #pours(zone: Zone, address: string): boolean {
    const key = `${zone.path.source} ${address}`;
    const atMs = this.#clock.monotonicMs();
    const known = this.#excess.get(key);
    const leaked =
      known === undefined
        ? 0
        : Math.max(0, known.excess - ((atMs - known.atMs) / 1000) * zone.perSecond) + 1;
    if (leaked > zone.burst) return false;
    this.#excess.set(key, { atMs, excess: leaked });
    return true;
  }
}
