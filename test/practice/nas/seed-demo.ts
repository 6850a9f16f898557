import { crc32, deflateSync } from 'node:zlib';
import type { PracticeNas } from './practice-nas.ts';

const MIB = 1024 * 1024;

/**
 * The same bytes on every machine: a 32-bit xorshift. A loop, as generators take ten times as long.
 */
export function noiseBytes(seed: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  let state = seed | 1;
  for (let index = 0; index < sizeBytes; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 0xff;
  }
  return bytes;
}

async function* noiseStream(seed: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes; at += MIB) {
    await Promise.resolve();
    yield noiseBytes(seed + at, Math.min(MIB, sizeBytes - at));
  }
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  const check = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** A valid picture of about `side * side * 3` bytes: a sky with film grain, stored uncompressed. */
export function pngPhoto(seed: number, side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const grain = noiseBytes(seed, side * side);
  const row = 1 + side * 3;
  const pixels = Buffer.alloc(row * side);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const at = y * row + 1 + x * 3;
      const light = Math.floor((y / side) * 120) + ((grain[y * side + x] ?? 0) >> 4);
      pixels.set([80 + light, 110 + (light >> 1), 235 - (light >> 1)], at);
    }
  }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels, { level: 0 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function lines(...text: readonly string[]): Buffer {
  return Buffer.from(`${text.join('\n')}\n`, 'utf8');
}

const DOCUMENTS: readonly (readonly [path: string, owner: string, bytes: Buffer])[] = [
  ['alice/Documents/Shopping list.txt', 'alice', lines('bread', 'butter', 'coffee')],
  ['alice/Documents/Größe der Möbel.txt', 'alice', lines('Tisch 80 × 160', 'Schrank 200 × 60')],
  ['alice/Documents/Energy 2025.csv', 'alice', lines('month,kwh', '2025-01,31.2', '2025-02,28.9')],
  ['bob/Notes/todo.txt', 'bob', lines('call the plumber', 'water the plants')],
  ['bob/Notes/Fahrrad.txt', 'bob', lines('Rahmen 56 cm', 'Kette neu')],
  ['Shared/Welcome.txt', 'admin', lines('Everybody in the house may read and write here.')],
  ['Shared/Recipes/Käsekuchen.txt', 'alice', lines('750 g Quark', '4 Eier', '200 g Zucker')],
];

/** Names and sides: from 20 KB to 2 MB. */
const PHOTOS: readonly (readonly [path: string, owner: string, side: number])[] = [
  ['alice/Photos/IMG_0001.png', 'alice', 84],
  ['alice/Photos/IMG_0002.png', 'alice', 260],
  ['alice/Photos/IMG_0003.png', 'alice', 420],
  ['alice/Photos/Sommer am See.png', 'alice', 600],
  ['alice/Photos/Über den Dächern.png', 'alice', 816],
  ['bob/Pictures/bike.png', 'bob', 300],
];

/**
 * Fills a practice NAS for the demo: alice's photos, documents and a 12 MB video, bob's own things,
 * something in Shared, and one folder that alice shares with bob. Always the same bytes.
 */
export async function seedDemo(nas: PracticeNas): Promise<void> {
  for (const [path, owner, bytes] of DOCUMENTS) await nas.putFile(path, bytes, owner);
  for (const [index, [path, owner, side]] of PHOTOS.entries()) {
    await nas.putFile(path, pngPhoto(index + 1, side), owner);
  }
  await nas.putFile('alice/Videos/Birthday.mp4', noiseStream(99, 12 * MIB), 'alice');
  await nas.putFolder('alice/Phone backup', 'alice');
  nas.share('alice/Photos', 'bob');
}
