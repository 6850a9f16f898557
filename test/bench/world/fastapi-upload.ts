import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './nginx.ts';
import { ended, findPython, pidOf } from './programs.ts';
import { isOpen } from './is-open.ts';
import { until } from '../../fakes/until.ts';

/** The fastest way there: the form is parsed as it streams in, nothing is spooled twice. */
const APP = `import asyncio
import hashlib
import os
import sys

import uvicorn
from fastapi import FastAPI, Request
from python_multipart.multipart import MultipartParser, parse_options_header

folder, port = sys.argv[1], int(sys.argv[2])
app = FastAPI()


@app.post("/upload")
async def upload(request: Request):
    _, options = parse_options_header(request.headers["content-type"])
    digest = hashlib.sha256()
    part = os.path.join(folder, "upload.part")
    with open(part, "wb", buffering=1 << 20) as file:

        def on_part_data(data, start, end):
            chunk = data[start:end]
            digest.update(chunk)
            file.write(chunk)

        parser = MultipartParser(options[b"boundary"], {"on_part_data": on_part_data})
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    os.rename(part, os.path.join(folder, "upload"))
    return {"sha256": digest.hexdigest()}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
`;

/** A FastAPI that stores uploads durably in a folder. */
export interface FastApiUpload {
  readonly url: string;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** @returns null if Python or one of its modules is not installed */
export async function openFastApiUpload(workFolder: string): Promise<FastApiUpload | null> {
  const python = findPython(['fastapi', 'uvicorn', 'uvloop', 'python_multipart']);
  if (python === null) return null;
  mkdirSync(workFolder, { recursive: true });
  const file = join(workFolder, 'take_files.py');
  writeFileSync(file, APP);
  const port = await freePort();
  const child = spawn(python, [file, workFolder, String(port)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await until('FastAPI to listen', () => isOpen(port));
  return {
    url: `http://127.0.0.1:${port}/upload`,
    pids: [pidOf(child)],
    stop: () => ended(child),
  };
}
