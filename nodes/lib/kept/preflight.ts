import type { User } from '../accounts/caller.ts';
import { type Files, parseNasPath } from '../files/files.ts';
import type { NasPresence } from '../nas/presence-port.ts';

export interface PreflightDeps {
  readonly files: Pick<Files, 'shownIn'>;
  readonly presence: Pick<NasPresence, 'state'>;
  /** The NAS's `sleep_schedule` as it last told it; null when it told none. */
  readonly sleepSchedule: () => unknown;
}

/** Folders of a phone; more than this is no photo sync that can be vouched for. */
const MOST_FOLDERS = 2_000;

/** The words BaluHost's apps know (its OpenAPI document). */
const STATES = [
  'awake',
  'entering_soft_sleep',
  'soft_sleep',
  'entering_suspend',
  'true_suspend',
  'waking',
];

/**
 * `GET /api/sync/preflight` while the NAS sleeps: a phone may sync when every folder it syncs with
 * can be listed from here in full, as what it sends goes into the queue (contract 6).
 * @param remote where the caller's phones sync to; null while nothing of them is known
 * @param told what the NAS said of its sleep just now; null where it did not
 */
export function preflightAsleep(
  deps: PreflightDeps,
  user: User,
  remote: readonly string[] | null,
  told: Readonly<Record<string, unknown>> | null,
): Readonly<Record<string, unknown>> {
  const isListed = remote !== null && remote.every((path) => isListedWhole(deps, user, path));
  const { sleepState, nextWakeAt } = deps.presence.state;
  const known = {
    current_sleep_state: STATES.includes(sleepState) ? sleepState : 'true_suspend',
    sleep_schedule: deps.sleepSchedule(),
    next_sleep_at: null,
    next_wake_at: nextWakeAt,
  };
  return {
    ...known,
    ...told,
    sync_allowed: isListed,
    block_reason: isListed ? null : 'sleep_active',
  };
}

/** Whether a user was listed a folder and every folder below it. */
function isListedWhole({ files }: PreflightDeps, user: User, text: string): boolean {
  const parsed = parseNasPath(text);
  if (parsed.kind === 'bad_path') return false;
  const waiting = [parsed.path];
  let seen = 0;
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    seen += 1;
    const items = files.shownIn(user, folder);
    if (items === null || seen > MOST_FOLDERS) return false;
    for (const { isDirectory, path } of items) if (isDirectory) waiting.push(path);
  }
  return true;
}
