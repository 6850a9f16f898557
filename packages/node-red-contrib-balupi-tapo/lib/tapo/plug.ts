/**
 * Why a plug could not be read or switched. These are everyday outcomes, so they are values.
 *
 * - `unreachable`: no answer in time, or not the plug we know at that address
 * - `wrong_password`: the plug does not know the account, or no account is configured
 * - `locked`: the plug takes no password for a while, after too many wrong ones
 * - `third_party_off`: firmware from 1.4.0 on refuses local access until the owner allows it
 * - `unsupported_protocol`: it speaks something this driver does not, or may not use here
 * - `session_taken`: another client logged in right after us; a plug keeps one session only
 * - `bad_answer`: it answered nonsense
 */
export type PlugFailureKind =
  | 'unreachable'
  | 'wrong_password'
  | 'locked'
  | 'third_party_off'
  | 'unsupported_protocol'
  | 'session_taken'
  | 'bad_answer';

/** Finer causes that need another remedy than their kind suggests. */
export type PlugFailureCause =
  | 'no_credentials'
  | 'other_device'
  | 'identity_unproven'
  | 'old_protocol'
  | 'tpap'
  | 'tpap_variant'
  | 'password_doubted'
  | 'impostor'
  | 'downgrade'
  | 'rate_limited';

export interface PlugFailure {
  readonly kind: PlugFailureKind;
  /** An English sentence for the log. Holds no secret and no text of the plug's own. */
  readonly detail: string;
  readonly cause?: PlugFailureCause;
  /** Whoever answered could test one guess at the password. */
  readonly gaveGuess?: true;
  /** How many wrong passwords the plug takes before it locks, where it says so. */
  readonly attemptsLeft?: number;
  /** Of `locked`: for how long. */
  readonly lockedMinutes?: number;
  /** Of `locked`: when that ends, epoch ms. */
  readonly untilMs?: number;
}

/** Who a plug says it is. All texts are cleaned of control characters and cut to 64 characters. */
export interface PlugInfo {
  /** `device_id` of `get_device_info`, 40 hexadecimal digits on recorded plugs. */
  readonly deviceId: string;
  /** What its owner called it in the Tapo app; may be empty. Untrusted: escape it in HTML. */
  readonly nickname: string;
  readonly model: string;
  readonly firmware: string;
  /** `AA:BB:CC:DD:EE:FF` */
  readonly mac: string;
}

/**
 * What could be read of a plug at one instant. Unknown is null, never 0: a method it refuses, or a
 * value that no plug can have, costs that value alone.
 */
export interface PlugReading {
  /** -4,000,000 … 4,000,000; below 0 what is plugged in feeds in. */
  readonly powerMw: number | null;
  /** Only some firmware reports it (`get_emeter_data`). */
  readonly voltageMv: number | null;
  readonly currentMa: number | null;
  /** The plug's own counters in whole Wh, since its local midnight and first of the month. */
  readonly todayEnergyWh: number | null;
  readonly monthEnergyWh: number | null;
  /** Relay closed. */
  readonly isOn: boolean | null;
  /** The plug's local time, `YYYY-MM-DD HH:MM:SS`: to compare and warn, never to time a sample. */
  readonly deviceLocalTime?: string;
  readonly info: PlugInfo;
}

export type PlugReadOutcome =
  | {
      readonly kind: 'reading';
      readonly reading: PlugReading;
      /**
       * Another client keeps taking the session (lost at least twice within 5 minutes). The
       * reading is good all the same, as the driver logged in again within the call.
       */
      readonly isContested: boolean;
    }
  | PlugFailure;

export type PlugRelayOutcome = { readonly kind: 'switched'; readonly isOn: boolean } | PlugFailure;

/** The energy of one hour, as the plug itself counted it. */
export interface PlugHour {
  /** Epoch seconds. */
  readonly startS: number;
  /** Whole Wh. Of the hour that has not ended: so far. */
  readonly energyWh: number;
}

export type PlugHoursOutcome =
  | { readonly kind: 'hours'; readonly hours: readonly PlugHour[] }
  /** Its firmware, or this driver, has no such method. */
  | { readonly kind: 'not_offered' }
  | PlugFailure;

/**
 * A smart plug. Calls may overlap; a driver puts one request at a time on the wire, because a
 * plug's session has one running number. No call rejects for what a plug or a network may do.
 */
export interface Plug {
  /** @param signal ends the call early, as `unreachable` */
  read(signal?: AbortSignal): Promise<PlugReadOutcome>;
  setRelay(on: boolean, signal?: AbortSignal): Promise<PlugRelayOutcome>;
  /**
   * The hours it remembers in [fromS, toS), oldest first; it may tell fewer.
   * @param fromS a local midnight, epoch seconds: plugs count their hours from there
   * @param toS at most 8 days later
   */
  hours(fromS: number, toS: number, signal?: AbortSignal): Promise<PlugHoursOutcome>;
  /** Ends running calls as `unreachable`, and every later one too. */
  close(): void;
}

/** The TP-Link account the plugs are paired with. Both parts are case-sensitive. */
export interface PlugCredentials {
  readonly username: string;
  readonly password: string;
}

export type PlugProtocolName = 'klap' | 'aes' | 'tpap';

/** Where a plug is, and what is known about it. Null is not known yet. */
export interface PlugTarget {
  /** IPv4 */
  readonly ip: string;
  readonly port: number;
  readonly deviceId: string | null;
  readonly mac: string | null;
  /** What it spoke last; a plug is never spoken to in a weaker one (see `plug-login.ts`). */
  readonly protocol: PlugProtocolName | null;
  /**
   * The MAC address for which an admin confirmed that the old protocol AES may be spoken at this
   * address, which hands over the password; null: never.
   */
  readonly oldProtocolMac: string | null;
  /** Called when a login showed which protocol it speaks. */
  readonly onProtocol?: (protocol: PlugProtocolName) => void;
}

/** Makes a driver for one plug. The seam for drivers other than our own. */
export type OpenPlug = (target: PlugTarget) => Plug;
