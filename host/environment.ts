import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { StartFault } from './start-fault.ts';

/**
 * The environment with `.env` beneath it: what the environment says wins (contract 0).
 * @throws StartFault when the file is there and cannot be read
 */
export function readEnvironment(
  envFile: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return { ...readEnvFile(envFile), ...environment };
}

function readEnvFile(file: string): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new StartFault('The file .env is there but cannot be read.', { cause: error });
  }
}
