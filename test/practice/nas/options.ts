/** Power rights of an account. BaluHost gives users none unless an admin does. */
export type PowerRight =
  | 'can_soft_sleep'
  | 'can_wake'
  | 'can_suspend'
  | 'can_wol'
  | 'can_toggle_desktop'
  | 'can_unlock_session';

/** An account of the practice NAS. */
export interface PracticeUser {
  readonly id: number;
  readonly username: string;
  readonly password: string;
  readonly role: 'admin' | 'user';
  /** A fixed code in place of an authenticator app's; omitted: no second factor. */
  readonly twoFactorCode?: string;
  readonly power?: readonly PowerRight[];
}

/**
 * How a suspended NAS is silent. `reset`: cuts the connection once a request has come. `refused`:
 * nothing listens (the control routes neither). `blackholed`: never answers.
 */
export type Silence = 'reset' | 'refused' | 'blackholed';

/** `html_503` and `html_429` are the two nginx templates that BaluHost ships (docs/NAS.md). */
export type NginxLimits = 'off' | 'html_503' | 'html_429';

/** The sleep schedule in preflight's answer; times are `HH:MM` in the process's time zone. */
export interface SleepSchedule {
  readonly sleepTime: string;
  readonly wakeTime: string;
  readonly mode: 'soft' | 'suspend';
}

export interface PracticeNasOptions {
  readonly users?: readonly PracticeUser[];
  /** Wakes on a magic packet for this address. */
  readonly macAddress?: string;
  /** Worker processes, each with upload sessions and rate limits of its own. Default 1. */
  readonly workers?: number;
  /** Opens the second listener that stands in for nginx. Default: if there are several workers. */
  readonly proxy?: boolean;
  /**
   * `mild` shows the headers but never limits, as a NAS in development mode; except for signing in,
   * refreshing, registering and sharing, which that one limits as production does.
   */
  readonly rateLimits?: 'mild' | 'production';
  /** Limits of the proxy listener. Default `off`. */
  readonly nginx?: NginxLimits;
  /** From a magic packet to the first answer, on the clock. Default 0. */
  readonly bootMs?: number;
  readonly silence?: Silence;
  /** The routes under `/practice`. Default true. */
  readonly control?: boolean;
  readonly quotaBytes?: number;
  readonly version?: string;
  readonly schedule?: SleepSchedule;
  /** How long an idle connection is kept; uvicorn keeps it 5 s. */
  readonly keepAliveMs?: number;
  /** Chooses the worker behind the proxy, by a number in [0, 1). */
  readonly random?: () => number;
}

/** The documentation range of RFC 9542, so that no real machine is ever woken. */
export const PRACTICE_MAC_ADDRESS = '02:00:5e:00:53:01';

/** Accounts of a fresh practice NAS; ids as in the recordings. dora's second factor is `246810`. */
export const PRACTICE_USERS: readonly PracticeUser[] = [
  {
    id: 1,
    username: 'admin',
    password: 'Practice-admin-1',
    role: 'admin',
    power: [
      'can_soft_sleep',
      'can_wake',
      'can_suspend',
      'can_wol',
      'can_toggle_desktop',
      'can_unlock_session',
    ],
  },
  { id: 3, username: 'maria', password: 'Practice-maria-1', role: 'user' },
  { id: 4, username: 'alice', password: 'Practice-alice-1', role: 'user' },
  { id: 5, username: 'bob', password: 'Practice-bob-1', role: 'user' },
  {
    id: 6,
    username: 'dora',
    password: 'Practice-dora-1',
    role: 'user',
    twoFactorCode: '246810',
  },
];

/** The quota of the recorded NAS. */
export const PRACTICE_QUOTA_BYTES = 5_368_709_120;
