import { writeFileSync } from 'node:fs';
import { SETTINGS } from '../settings.ts';

/** The text of `.env.example`: every setting with its default and a line of meaning. */
export function envExample(): string {
  const lines = [
    '# Settings of BaluPi. Copy this file to .env and change what you need; the environment wins.',
    '# A line that is commented out shows the default.',
    '',
  ];
  for (const [name, { standard, meaning }] of Object.entries(SETTINGS)) {
    // The zone of whoever writes this file is nobody's default.
    const value = name === 'TIMEZONE' ? '' : (standard ?? '');
    lines.push(`# ${meaning}`, `#BALUPI_${name}=${value}`, '');
  }
  return lines.join('\n');
}

if (process.argv[1]?.endsWith('env-example.js')) writeFileSync('.env.example', envExample());
