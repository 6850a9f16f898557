import { Readable } from 'node:stream';
import type { NasJson } from '../nas/nas-client.ts';
import type { Disk } from './disk.ts';
import { nameOf } from '../files/files.ts';
import { folderOf } from './target.ts';
import type { PlainUpload } from './upload-ports.ts';

/** A multipart upload as the NAS takes it; `HttpNasClient` in BaluPi. */
export interface MultipartSender {
  sendMultipart(
    token: string,
    sent: {
      readonly path: string;
      readonly filename: string;
      readonly body: Readable;
      readonly sizeBytes: number;
    },
  ): Promise<NasJson>;
}

/**
 * Sends a whole file in one piece. The NAS reads `path` as the file itself where its last name has a
 * dot, and as a folder where it has none (docs/NAS.md); a file without a dot in a folder with one
 * cannot be sent so.
 */
export class PlainSend implements PlainUpload {
  readonly #nas: MultipartSender;
  readonly #disk: Pick<Disk, 'read'>;

  constructor(nas: MultipartSender, disk: Pick<Disk, 'read'>) {
    this.#nas = nas;
    this.#disk = disk;
  }

  /** @throws the Pi's disk's error */
  async send(token: string, path: string, file: string, sizeBytes: number): Promise<NasJson> {
    const filename = nameOf(path);
    const target = filename.includes('.') ? path : folderOf(path);
    if (target !== path && nameOf(target).includes('.')) {
      const detail = 'It can be sent in chunks alone, and the NAS keeps no upload session';
      return { kind: 'answer', status: 500, body: { detail } };
    }
    const body = this.#disk.read(file, 0, sizeBytes);
    let readError: unknown = null;
    body.once('error', (error) => {
      readError = error;
    });
    const answered = await this.#nas.sendMultipart(token, {
      path: target,
      filename,
      body,
      sizeBytes,
    });
    // The Pi's own disk failed, whatever the NAS made of the end of the body.
    if (readError !== null) throw readError as Error;
    return answered;
  }
}
