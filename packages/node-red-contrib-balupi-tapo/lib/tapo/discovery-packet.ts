import { crc32 } from 'node:zlib';
import { readTpapOffer, type TpapOffer } from './tpap/tpap-offer.ts';
import { asIdentifier, asMac, asRecord, cleanText, parseRecord } from './wire-values.ts';

const HEADER_BYTES = 16;
/** Where in the header the checksum lies, and what stands there while it is computed. */
const CRC_OFFSET = 12;
const CRC_PRESET = 0x5a6b7c8d;
/** Recorded answers are about 1 KB with `encrypt_info`. */
const LARGEST_ANSWER_BYTES = 8_192;

/** What a plug tells everybody on its network, without a login. All of it may be a lie. */
export interface PlugAnnouncement {
  /** `device_id` of the announcement: 32 digits, another one than `get_device_info` gives. */
  readonly discoveryId: string;
  /** `AA:BB:CC:DD:EE:FF`; the same as in `get_device_info`. */
  readonly mac: string;
  readonly port: number;
  /** With its region, such as `P110(EU)`. */
  readonly model: string;
  /** `KLAP`, `AES`, `TPAP` or something newer; empty when not told. */
  readonly encryptType: string;
  /** `lv`: 2 on later firmware, 0 when not told. */
  readonly level: number;
  /** How it speaks TPAP; null when it does not say. */
  readonly tpap: TpapOffer | null;
}

/**
 * The query plugs answer on UDP 20002: a header `>BBHHBBII` (version 2, 0, operation 1, size of
 * the body, flags 17, 0, serial, CRC-32 over the packet with the field preset), then JSON.
 *
 * @param publicPem an RSA key for the encrypted part of the answer, which we do not need
 * @param serial any number; the answer does not have to repeat it
 */
export function discoveryQuery(publicPem: string, serial: number): Buffer {
  const body = Buffer.from(JSON.stringify({ params: { rsa_key: publicPem } }));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(2, 0);
  header.writeUInt16BE(1, 2);
  header.writeUInt16BE(body.length, 4);
  header.writeUInt8(17, 6);
  header.writeUInt32BE(serial >>> 0, 8);
  header.writeUInt32BE(CRC_PRESET, CRC_OFFSET);
  const packet = Buffer.concat([header, body]);
  packet.writeUInt32BE(crc32(packet), CRC_OFFSET);
  return packet;
}

/**
 * Reads an answer; null when it is none of a plug's. The checksum is not looked at: it protects
 * from accidents, which UDP's own does, and a forger would get it right.
 */
export function parseAnnouncement(packet: Uint8Array): PlugAnnouncement | null {
  if (packet.length <= HEADER_BYTES || packet.length > LARGEST_ANSWER_BYTES) return null;
  const answer = parseRecord(packet.subarray(HEADER_BYTES));
  const result = asRecord(answer?.['result']);
  if (result === null || (answer?.['error_code'] ?? 0) !== 0) return null;
  // Cameras, hubs and bulbs answer as well.
  if (!/PLUG/i.test(cleanText(result['device_type']))) return null;
  const discoveryId = asIdentifier(result['device_id']);
  const mac = asMac(result['mac']);
  const scheme = readScheme(result['mgt_encrypt_schm']);
  if (discoveryId === null || mac === null || scheme === null) return null;
  const tpap = readTpapOffer(result['tpap']);
  return { discoveryId, mac, model: cleanText(result['device_model']), tpap, ...scheme };
}

function readScheme(
  value: unknown,
): Pick<PlugAnnouncement, 'port' | 'encryptType' | 'level'> | null {
  const scheme = asRecord(value);
  const port = asPort(scheme?.['http_port'] ?? 80);
  if (port === null) return null;
  const level = scheme?.['lv'];
  return {
    port,
    encryptType: cleanText(scheme?.['encrypt_type']).toUpperCase(),
    level: typeof level === 'number' && Number.isInteger(level) ? level : 0,
  };
}

function asPort(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535
    ? value
    : null;
}
