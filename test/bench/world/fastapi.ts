import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './nginx.ts';
import { ended, findPython, onCore, pidOf } from './programs.ts';
import type { Target } from './target.ts';
import { isOpen } from './is-open.ts';
import { until } from '../../fakes/until.ts';

const APP = `import sys
import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse

folder, port = sys.argv[1], int(sys.argv[2])
app = FastAPI()


@app.get("/{name}")
def download(name: str):
    return FileResponse(f"{folder}/{name}")


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
`;

/**
 * As BaluPi's predecessor did: FastAPI's FileResponse under uvicorn.
 * @returns null if Python or one of the two is not installed
 */
export async function startFastApi(folder: string, workFolder: string): Promise<Target | null> {
  const python = findPython(['fastapi', 'uvicorn']);
  if (python === null) return null;
  mkdirSync(workFolder, { recursive: true });
  const file = join(workFolder, 'serve_files.py');
  writeFileSync(file, APP);
  const port = await freePort();
  const child = spawn(...onCore(0, python, [file, folder, String(port)]), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until('FastAPI to listen', () => isOpen(port));
  return {
    name: 'FastAPI FileResponse',
    port,
    pids: [pidOf(child)],
    headers: {},
    pathOf: (name) => `/${name}`,
    stop: () => ended(child),
  };
}
