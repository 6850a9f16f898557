/**
 * A process of its own (see thumbnails.ts): says that it is ready, reads orders from its standard input, one a line,
 * and writes each picture to its standard output, its length in four bytes before it; a length of 0
 * says that none can be made. Whatever it meets in a file ends no more than this process.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { type PictureOrder, READY } from './picture-words.ts';

/** The four that phones, cameras and screenshots are made of; each by its own reader and no other. */
const READERS = ['Jpeg', 'Png', 'Webp', 'Nsgif'].map((name) => `VipsForeignLoad${name}Buffer`);
/** The largest that a phone of today takes is 50 million. */
const MOST_PIXELS = 60_000_000;
const QUALITY = 70;
/** How hard WebP tries, of 6: beyond this a Pi works twice as long for one byte in fifty. */
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

/** Upright, in sRGB, without a word of what the camera wrote beside it, and never larger than it was. */
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
