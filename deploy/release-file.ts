import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageFault } from './usage-fault.ts';

const SUMS = 'SHA256SUMS';
const SIGNATURE = '.sig';
/** A release is about 50 MB. */
const MOST_BYTES = 250_000_000;
/** For a whole release over a slow line. */
const FETCH_MS = 900_000;

/** A release's archive, with its signature and checksums. */
export interface ReleaseFile {
  readonly name: string;
  readonly bytes: Buffer;
  /** Base64; null for none. */
  readonly signature: string | null;
  /** Lines of sha256sum; null if there is no such file. */
  readonly sums: string | null;
}

/**
 * @param source a file, its address, or that of a folder whose SHA256SUMS names one for this machine
 * @throws UsageFault if there is none
 */
export async function readRelease(source: string): Promise<ReleaseFile> {
  if (/^https?:\/\//i.test(source)) return await fetchRelease(new URL(source));
  if (!existsSync(source)) throw new UsageFault(`There is no file ${source}.`);
  const beside = (name: string): string | null =>
    existsSync(name) ? readFileSync(name, 'utf8') : null;
  return {
    name: basename(source),
    bytes: readFileSync(source),
    signature: beside(source + SIGNATURE),
    sums: beside(join(dirname(source), SUMS)),
  };
}

async function fetchRelease(given: URL): Promise<ReleaseFile> {
  const isFolder = !given.pathname.endsWith('.tar.xz');
  const folder = isFolder && !given.pathname.endsWith('/') ? new URL(`${given.href}/`) : given;
  const sums = textOf(await fetched(new URL(SUMS, folder)));
  const name = isFolder ? nameFor(process.arch, sums, given) : basename(given.pathname);
  const url = isFolder ? new URL(name, folder) : given;
  const bytes = await fetched(url);
  if (bytes === null) throw new UsageFault(`There is nothing at ${url.href}.`);
  const signature = textOf(await fetched(new URL(url.href + SIGNATURE)));
  return { name, bytes, signature, sums };
}

function nameFor(machine: string, sums: string | null, folder: URL): string {
  const name = new RegExp(`\\b(balupi-[\\w.-]+-linux-${machine}\\.tar\\.xz)$`, 'm').exec(
    sums ?? '',
  );
  if (name?.[1] !== undefined) return name[1];
  throw new UsageFault(`The ${SUMS} of ${folder.href} names no release for ${machine}.`);
}

/** @returns null if there is no such file */
async function fetched(url: URL): Promise<Buffer | null> {
  let answer: Response;
  try {
    answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS) });
    if (answer.status === 404) return null;
    if (!answer.ok) throw new UsageFault(`${url.href} answers ${answer.status}.`);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of answer.body ?? []) {
      sizeBytes += chunk.length;
      if (sizeBytes > MOST_BYTES) throw new UsageFault(`${url.href} is too large for a release.`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof UsageFault) throw error;
    const { cause, name } = error as Error;
    const { code = name } = (cause ?? {}) as NodeJS.ErrnoException;
    throw new UsageFault(`${url.href} cannot be fetched (${code}).`);
  }
}

function textOf(bytes: Buffer | null): string | null {
  return bytes?.toString('utf8') ?? null;
}

/**
 * Checks a release before anything is unpacked.
 * @param keys public Ed25519 keys, any of which may have signed it
 * @param allowsUnsigned accepts a release without a signature, or without a known key
 * @returns the fault as a sentence; null for none
 */
export function faultOfRelease(
  release: ReleaseFile,
  keys: readonly KeyObject[],
  allowsUnsigned: boolean,
): string | null {
  const { name, bytes, signature } = release;
  const wanted = sumOf(release);
  const found = createHash('sha256').update(bytes).digest('hex');
  if (wanted !== null && wanted !== found) {
    return `${name} is damaged: its SHA-256 is not the one in ${SUMS}.`;
  }
  if (signature !== null && keys.length > 0) {
    const signed = Buffer.from(signature, 'base64');
    const isOurs = keys.some((key) => verify(null, bytes, key, signed));
    // Signed by somebody else is worse than unsigned.
    return isOurs ? null : `${name} is not signed by the key that this installation knows.`;
  }
  if (allowsUnsigned) return null;
  return signature === null
    ? `${name} is not signed: there is no ${name}${SIGNATURE} next to it. To install it anyway: --unsigned`
    : `This installation knows no key to check the signature of ${name} by. Put the maker's public key into /etc/balupi/release.pub, or take it unchecked: --unsigned`;
}

/**
 * @param files each with a public key in PEM, if it exists
 * @throws UsageFault for any other content
 */
export function keysIn(files: readonly string[]): readonly KeyObject[] {
  return files
    .filter((file) => existsSync(file))
    .map((file) => {
      const key = keyIn(readFileSync(file, 'utf8'));
      if (key?.asymmetricKeyType === 'ed25519') return key;
      throw new UsageFault(`${file} holds no public Ed25519 key.`);
    });
}

function keyIn(pem: string): KeyObject | null {
  try {
    return createPublicKey(pem);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

function sumOf({ name, sums }: ReleaseFile): string | null {
  for (const line of (sums ?? '').split('\n')) {
    const [, sum, file] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (file === name) return sum ?? null;
  }
  return null;
}
