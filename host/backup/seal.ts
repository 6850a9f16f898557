import {
  createCipheriv,
  createDecipheriv,
  randomBytes,
  scrypt,
  type ScryptOptions,
} from 'node:crypto';
import { promisify } from 'node:util';
import { BackupFault, ByteReader } from './archive.ts';

const MAGIC = Buffer.from('BALUPI-SEALED-1\n');
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NONCE_BYTES = 12;
/** Sealed at a time: so much is held in memory, and no more is believed before its tag was seen. */
const CHUNK_BYTES = 64 * 1024;
/** 64 MB for each guess, which a Pi can spare for a second. */
const COST: ScryptOptions = { N: 65_536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 };
const HEAD_BYTES = 5;

const derive = promisify(scrypt) as (
  passphrase: string,
  salt: Buffer,
  keyBytes: number,
  cost: ScryptOptions,
) => Promise<Buffer>;

/** Whether a stream that begins like this was sealed. */
export function isSealed(beginning: Buffer): boolean {
  return beginning.subarray(0, MAGIC.length).equals(MAGIC);
}

export const SEALED_MARK_BYTES = MAGIC.length;

/**
 * Seals a stream under a passphrase: scrypt, then AES-256-GCM chunk by chunk. Each file has a key of
 * its own by its salt, so a chunk's number is its nonce; that number and whether it is the last are
 * sealed with it, so that chunks cannot be left out, exchanged or cut off.
 */
export async function* sealed(
  bytes: AsyncIterable<Buffer>,
  passphrase: string,
): AsyncGenerator<Buffer> {
  const salt = randomBytes(SALT_BYTES);
  const key = await derive(passphrase, salt, KEY_BYTES, COST);
  const start = Buffer.concat([MAGIC, salt]);
  yield start;
  let number = 0;
  let held: Buffer = Buffer.alloc(0);
  for await (const piece of bytes) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    // One byte more than a chunk: what is held back at the end is never nothing by accident.
    while (held.length > CHUNK_BYTES) {
      yield sealOne(key, start, number, held.subarray(0, CHUNK_BYTES), false);
      number += 1;
      held = held.subarray(CHUNK_BYTES);
    }
  }
  yield sealOne(key, start, number, held, true);
}

/**
 * @returns what {@link sealed} was given; each chunk only once its tag was found right
 * @throws BackupFault for another passphrase, and for what was changed or cut
 */
export async function* opened(
  bytes: AsyncIterable<Buffer>,
  passphrase: string,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(bytes);
  const start = Buffer.from(await reader.exactly(MAGIC.length + SALT_BYTES));
  if (!isSealed(start)) throw new BackupFault('strange');
  const key = await derive(passphrase, start.subarray(MAGIC.length), KEY_BYTES, COST);
  for (let number = 0; ; number += 1) {
    const head = await reader.exactly(HEAD_BYTES);
    const [isLast, length] = [head[0] === 1, head.readUInt32BE(1)];
    if (length > CHUNK_BYTES) throw new BackupFault('damaged');
    const chunk = await reader.exactly(length + TAG_BYTES);
    yield openOne(key, start, number, chunk, isLast);
    if (!isLast) continue;
    if (!(await reader.isAtEnd())) throw new BackupFault('damaged');
    return;
  }
}

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt8(isLast ? 1 : 0, 0);
  nonce.writeBigUInt64BE(BigInt(number), NONCE_BYTES - 8);
  return nonce;
}

function sealOne(
  key: Buffer,
  start: Buffer,
  number: number,
  plain: Buffer,
  isLast: boolean,
): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(start);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt8(isLast ? 1 : 0, 0);
  head.writeUInt32BE(plain.length, 1);
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openOne(
  key: Buffer,
  start: Buffer,
  number: number,
  chunk: Buffer,
  isLast: boolean,
): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(number, isLast)).setAAD(start);
  decipher.setAuthTag(chunk.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(chunk.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new BackupFault(number === 0 ? 'passphrase' : 'damaged', error);
  }
}
