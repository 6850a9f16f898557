import { readNeighbourFile } from '../nodes/lib/nas/nas.ts';

/** A BaluHost that answered. */
export interface FoundNas {
  readonly url: string;
  readonly version: string;
  /** As the neighbour table has it; null behind a router and on this very machine. */
  readonly macAddress: string | null;
}

const PORTS = [80, 8000];
const NAMES = ['baluhost.local'];
const ANSWER_LIMIT_MS = 2_500;
const AT_ONCE = 32;

/**
 * Asks one address whether a BaluHost is there. `GET /api/health` answers anybody and tells its
 * version (BaluHost 1.38); it also wakes a NAS whose disks rest, which a set-up may.
 * @param url without a path
 */
export async function askNas(url: string): Promise<FoundNas | null> {
  const base = url.replace(/\/+$/, '');
  let told: unknown;
  try {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const answer = await fetch(`${base}/api/health`, { signal, redirect: 'error' });
    told = await answer.json();
  } catch (error) {
    // Refused, silent, not JSON: nobody here speaks as a BaluHost, and that is the answer.
    if (error instanceof Error) return null;
    throw error;
  }
  const { version, api_version: apiVersion, service } = (told ?? {}) as Record<string, unknown>;
  // Another BaluPi answers here as well, and says so.
  if (typeof version !== 'string' || apiVersion === undefined || service === 'balupi') return null;
  return { url: base, version, macAddress: macOf(new URL(base).hostname) };
}

/** Looks at the names a BaluHost announces and at every machine this one has spoken to lately. */
export async function findNas(): Promise<readonly FoundNas[]> {
  const hosts = [...NAMES, ...neighbours().map(([address]) => address)];
  const urls = hosts.flatMap((host) =>
    PORTS.map((port) => (port === 80 ? `http://${host}` : `http://${host}:${port}`)),
  );
  const found: FoundNas[] = [];
  for (let from = 0; from < urls.length; from += AT_ONCE) {
    const asked = await Promise.all(urls.slice(from, from + AT_ONCE).map(askNas));
    found.push(...asked.filter((nas) => nas !== null));
  }
  return found;
}

function macOf(host: string): string | null {
  return neighbours().find(([address]) => address === host)?.[1] ?? null;
}

/** Address and MAC of every line of /proc/net/arp whose neighbour has answered. */
function neighbours(): readonly (readonly [address: string, mac: string])[] {
  return readNeighbourFile()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([address, , flags, mac]) =>
      address === undefined || mac === undefined || Number(flags) === 0
        ? []
        : [[address, mac.toLowerCase()] as const],
    );
}
