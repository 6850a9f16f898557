import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Proof, ProofOptions, ProofResult } from './proof.ts';
import { hostileName } from './world/hostile-names.ts';
import { Household } from './world/household.ts';
import { BOUNDARY } from './world/mutated-bodies.ts';
import { Onlooker } from './world/onlooker.ts';
import { Random } from './world/random.ts';
import { contractFault, exchange } from './world/raw-exchange.ts';

const CLIENTS = 4;
/** What first requests load and compile is not the names' doing. */
const WARM_UP = 50;
const ALLOWED = [200, 206, 304, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 503, 507];
/** BaluPi's own files in its data folder. */
const OWN_FILES = /^(queue|cache|energy)\.db(-wal|-shm)?$|^[a-z.-]+$/;

/** Names that try to leave their folder, or to crash whoever reads them. */
export const names: Proof = {
  title:
    'hostile names by every endpoint: nothing outside its place, no answer outside the contract',
  counts: 'names',
  shortCount: 150,
  run: proveNames,
};

async function proveNames({ count, seed, log }: ProofOptions): Promise<ProofResult> {
  const household = await Household.open();
  try {
    await household.start();
    await household.signIn();
    const random = new Random(seed);
    const failures: string[] = [];
    const counts = new Map<string, number>();
    const onlooker = new Onlooker(household);
    let left = WARM_UP + count;
    const client = async (until: number): Promise<void> => {
      while (left > until && household.pi.isRunning) {
        left -= 1;
        if (left % 500 === 0) {
          await household.signIn();
          log(`${count - left} names`);
        }
        const name = hostileName(random);
        for (const [endpoint, request] of requestsWith(name, household.token)) {
          const answered = await exchange(household.pi.port, request);
          const fault = contractFault(answered, ALLOWED);
          if (fault !== null)
            failures.push(`${endpoint} ${JSON.stringify(name.toString())}: ${fault}`);
          counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
        }
      }
    };
    const all = (until: number): Promise<unknown> =>
      Promise.all(Array.from({ length: CLIENTS }, () => client(until)));
    await all(count);
    onlooker.start();
    await all(0);
    const watched = await onlooker.stop();
    failures.push(...watched.failures, ...strangers(household));
    return { failures, figures: { ...Object.fromEntries(counts), ...watched.figures } };
  } finally {
    await household.close();
  }
}

/** Bodies, their intents, the ends of each month, folders: none contains a part of a sent name. */
const OWN_QUEUED =
  /^(?:[0-9A-HJKMNP-TV-Z]{26}|\d{12}-[0-9A-HJKMNP-TV-Z]{26}\.intents|ends-\d{4}-\d{2}\.log|[a-z]+)$/;

/** Files where no sent name may create any. */
function strangers({ folder, dataFolder }: Household): string[] {
  const beside = readdirSync(folder).filter((name) => !['balupi', 'nas', 'flows'].includes(name));
  const inside = readdirSync(dataFolder).filter((name) => !OWN_FILES.test(name));
  const queued = readdirSync(join(dataFolder, 'queue')).filter((name) => !OWN_QUEUED.test(name));
  return [...beside, ...inside, ...queued].map((name) => `a file of its own: ${name}`);
}

type NamedRequest = readonly [endpoint: string, request: Buffer];

function requestsWith(name: Buffer, token: string): NamedRequest[] {
  const coded = [...name].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  const quoted = Buffer.from(name.toString('latin1').replaceAll('"', '\\"'), 'latin1');
  const text = JSON.stringify(name.toString());
  const init = Buffer.from(`{"filename":${text},"total_size":1,"target_path":"alice"}`);
  const initIn = Buffer.from(`{"filename":"a","total_size":1,"target_path":${text}}`);
  const chunked = '/api/files/upload/chunked';
  const json = 'application/json';
  const form = `multipart/form-data; boundary=${BOUNDARY}`;
  const ask = (line: string, type = '', body: Buffer = Buffer.alloc(0)): Buffer =>
    Buffer.concat([
      Buffer.from(`${line} HTTP/1.1\r\nHost: pi\r\nConnection: close\r\n`),
      Buffer.from(`Authorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n`),
      Buffer.from(type === '' ? '\r\n' : `Content-Type: ${type}\r\n\r\n`),
      body,
    ]);
  const list = `GET /api/files/list?path=${coded}`;
  return [
    ['upload, as file name', ask('POST /api/files/upload', form, formWith(quoted, 'alice'))],
    ['upload, as path', ask('POST /api/files/upload', form, formWith(Buffer.from('a'), name))],
    ['upload, as query', ask(`POST /api/files/upload?path=${coded}`, form, formWith(quoted, null))],
    ['init, as file name', ask(`POST ${chunked}/init`, json, init)],
    ['init, as folder', ask(`POST ${chunked}/init`, json, initIn)],
    ['chunk, as id', ask(`POST ${chunked}/${coded}/chunk?chunk_index=0`, '', Buffer.from('x'))],
    ['list', ask(list)],
    ['download', ask(`GET /api/files/download/${coded}`)],
    ['download by query', ask(`GET /api/files/download?path=${coded}`)],
    ['drop, as id', ask(`DELETE /api/files/uploads/${coded}`)],
  ];
}

function formWith(filename: Buffer, path: Buffer | string | null): Buffer {
  const field =
    path === null
      ? []
      : [
          Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="path"\r\n\r\n`),
          Buffer.from(path),
          Buffer.from('\r\n'),
        ];
  return Buffer.concat([
    ...field,
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="`),
    filename,
    Buffer.from(`"\r\n\r\nx\r\n--${BOUNDARY}--\r\n`),
  ]);
}
