import { HttpNasClient } from '../../../nodes/lib/nas/http-nas-client.ts';
import { NasCalls } from '../../../nodes/lib/nas/nas-calls.ts';
import { NasTransport } from '../../../nodes/lib/nas/nas-transport.ts';
import type { NasFault } from '../../../nodes/lib/nas/presence.ts';
import type { IdentityCheck } from '../../../nodes/lib/nas/server-profile.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

/** What presence was told, in order: `heard`, `heard soft_sleep`, `silent`, `silent nas_tls`. */
export class NewsLog {
  readonly news: string[] = [];

  heard(told: { readonly sleepState?: string } = {}): void {
    this.news.push(['heard', told.sleepState].filter(Boolean).join(' '));
  }

  silent(fault?: NasFault): void {
    this.news.push(['silent', fault].filter(Boolean).join(' '));
  }
}

export interface ClientRig {
  readonly client: HttpNasClient;
  readonly clock: ManualClock;
  readonly presence: NewsLog;
  readonly close: () => void;
}

export function clientFor(
  url: URL,
  checks: { readonly fingerprint?: string; readonly identityOf?: IdentityCheck } = {},
): ClientRig {
  const clock = new ManualClock();
  const presence = new NewsLog();
  const options = {
    url,
    clock,
    fingerprint: checks.fingerprint ?? null,
    identityOf: checks.identityOf ?? null,
  };
  const transport = new NasTransport(options);
  const calls = new NasCalls(transport, presence, clock);
  const client = new HttpNasClient(calls, clock, () => {
    const own = new NasTransport({ ...options, maxSockets: 1, idleSocketMs: 60_000 });
    const ownCalls = new NasCalls(own, presence, clock);
    return Promise.resolve({
      json: (wanted) => ownCalls.json(wanted),
      close: () => {
        own.close();
      },
    });
  });
  return {
    client,
    clock,
    presence,
    close: () => {
      transport.close();
    },
  };
}
