import type { DeviceState, HintLanguage, Hints } from './device-states.ts';
import type { Device } from './devices.ts';
import { formatPlugAddress } from './plug-address.ts';
import type { DeviceRole } from './tapo-rows.ts';

/** A plug as callers see it (contract 5). */
export interface TapoDevice {
  readonly id: string;
  readonly name: string;
  /** With `:port` when it is not 80. */
  readonly ipAddress: string;
  /** `AA:BB:CC:DD:EE:FF`; null until learned. */
  readonly macAddress: string | null;
  readonly model: string;
  readonly role: DeviceRole;
  /** The last read succeeded. */
  readonly isOnline: boolean;
  /** Null until read, and while it cannot be read. */
  readonly isOn: boolean | null;
  readonly firmware: string;
  /** Epoch ms of the last reading. */
  readonly lastSeenMs: number | null;
  readonly state: DeviceState;
  /** What to do about the state; empty when `ok`. */
  readonly stateHint: string;
  /**
   * Whether it asks for the old protocol, which hands over the password, or an admin confirmed it
   * for this plug; null for all others.
   */
  readonly oldProtocol: 'asked' | 'confirmed' | null;
  /** Short number for apps that want one; never given twice. */
  readonly deviceNumber: number;
  /** Epoch ms. */
  readonly addedAtMs: number;
}

/** A plug that an admin forgot; its history is kept under its id. */
export interface ForgottenPlug {
  readonly id: string;
  readonly name: string;
  readonly macAddress: string | null;
  readonly model: string;
  readonly deviceNumber: number;
  /** Epoch ms. */
  readonly forgottenMs: number;
}

/** @param timeZone IANA name, in which a hint names a time */
export function viewDevice(
  device: Device,
  hints: Hints,
  language: HintLanguage,
  timeZone: string,
): TapoDevice {
  const { row } = device;
  return {
    id: row.id,
    name: row.name,
    ipAddress: formatPlugAddress(row),
    macAddress: row.mac,
    model: row.model,
    role: row.role,
    isOnline: device.isOnline,
    isOn: device.isOn,
    firmware: row.firmware,
    lastSeenMs: row.lastSeenMs,
    state: row.state,
    stateHint: hints(device.topic, language, untilOf(device, language, timeZone)),
    oldProtocol: oldProtocolOf(device),
    deviceNumber: row.deviceNumber,
    addedAtMs: row.createdMs,
  };
}

function oldProtocolOf({ row, topic }: Device): TapoDevice['oldProtocol'] {
  if (row.oldProtocolMac !== null && row.oldProtocolMac === row.mac) return 'confirmed';
  return topic === 'old_protocol' ? 'asked' : null;
}

function untilOf(
  { lockedUntilMs }: Device,
  language: HintLanguage,
  timeZone: string,
): string | undefined {
  if (lockedUntilMs === null) return undefined;
  const style = { dateStyle: 'medium', timeStyle: 'short', timeZone } as const;
  // Plain `en` would be read as American, with the month first.
  return new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, style).format(
    lockedUntilMs,
  );
}
