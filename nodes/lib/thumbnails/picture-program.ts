/**
 * A separate process (see thumbnails.ts): reports that it is ready, reads one order per line from
 * standard input, and writes each picture to standard output, its length in four bytes before it; a
 * length of 0 means none can be made. Whatever a file does only affects this process.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { type PictureOrder, READY } from './picture-words.ts';

/** The four formats of phones, cameras and screenshots, each with its own decoder only. */
const READERS = ['Jpeg', 'Png', 'Webp', 'Nsgif'].map((name) => `VipsForeignLoad${name}Buffer`);
/** The largest that a phone of today takes is 50 million. */
const MOST_PIXELS = 60_000_000;
const QUALITY = 70;
/** WebP effort, out of 6: beyond this a Pi works twice as long for one byte in fifty. */
const EFFORT = 2;

sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: READERS });
sharp.cache(false);
sharp.concurrency(1);

function bytesOf({ file, sizeBytes }: PictureOrder): Buffer {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size !== sizeBytes) throw new Error('It is another file by now.');
    const bytes = Buffer.allocUnsafe(sizeBytes);
    for (let at = 0; at < sizeBytes;) {
      const count = readSync(fd, bytes, at, sizeBytes - at, at);
      if (count === 0) throw new Error('It ends too early.');
      at += count;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** Upright, in sRGB, without the camera's metadata, and never enlarged. */
async function pictureOf(order: PictureOrder): Promise<Buffer> {
  const { widthPx } = order;
  return await sharp(bytesOf(order), { limitInputPixels: MOST_PIXELS, failOn: 'error' })
    .autoOrient()
    .resize(widthPx, widthPx, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY, effort: EFFORT })
    .toBuffer();
}

process.stdout.write(READY);
for await (const line of createInterface({ input: process.stdin })) {
  const picture = await pictureOf(JSON.parse(line) as PictureOrder).catch(() => Buffer.alloc(0));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(picture.length);
  process.stdout.write(Buffer.concat([length, picture]));
}
