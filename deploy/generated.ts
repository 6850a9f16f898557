/**
 * The files generated from the code by `npm run docs`; a test keeps them in sync.
 */
import { writeFileSync } from 'node:fs';
import { ENDPOINTS, type Endpoint } from '../nodes/lib/api/api.ts';
import { SETTINGS } from '../settings.ts';
import { NODE_PAGES } from './node-pages.ts';

const WHO: Readonly<Record<Endpoint['access'], string>> = {
  open: 'everyone',
  caller: 'signed in',
  caller_or_loopback: 'signed in, or the Pi itself',
  admin: 'admins',
  wake: 'admins, and users whom the NAS lets wake it',
};

const API_HEAD = `# The API, endpoint by endpoint

Written by \`npm run docs\` from the descriptions in \`nodes/lib/api/\`; not by hand. Every field, type and code of an answer is in \`GET /api/openapi.json\`, to be read at \`/docs\` without a request leaving the house, and made for generators: \`test/fixtures/typed-client.txt\` is a client in TypeScript, without a cast. What callers may rely on is in [CONTRACT.md](CONTRACT.md).

JSON in snake_case, times in UTC. Refusals are \`{"detail": "<a sentence>", "code": "<a stable word>"}\`, never HTML. HEAD is answered wherever GET is. An address is matched as it is written, in lower case.

Files answer with \`X-Balupi-Cache: hit | miss | stale | bypass | queued\`, and with \`Age\` where a kept copy is served; listings kept for the sleep come with \`stale\` and \`Age\`. While flows start, stop or are redeployed the API answers 503 \`restarting\`. What is not here goes to the NAS while it is awake ([APPS.md](APPS.md)). A folder of more than 1,000 entries goes out in pieces; a connection that is cut in the middle is no listing.
`;

const SETTINGS_HEAD = `# Settings

Written by \`npm run docs\` from \`settings.ts\`; not by hand.

From the environment or a file \`.env\` in the program's folder, all with the prefix \`BALUPI_\`; the environment wins. An unquoted \`#\` in a value belongs to it; comments stand on lines of their own. [.env.example](../.env.example) lists them with their defaults. What is missing or wrong is named all at once, and the start ends with exit code 78. None has to be set.

A secret may also come from a file that \`BALUPI_<NAME>_FILE\` names, or from systemd's credentials folder (\`LoadCredential=tapo_password:FILE\`: named as the setting, in small letters, without the prefix). \`DATA_DIR/settings.json\` holds what \`balupi set\` and the page *Settings* keep with the data, under all of these; passwords in it are sealed with \`SECRET_KEY\`. \`SECRET_KEY\` is made in a new data folder and kept there as \`secret.key\`; a folder that holds accounts and has lost its key is not started (exit code 78).
`;

const SETTINGS_TAIL = `
\`TAPO_DRIVER\`: \`klap\` and \`tpap\` speak that protocol alone; \`connect\` speaks through the library \`tp-link-tapo-connect\`, which knows no TPAP, no volts, no amperes and no history; \`auto\` uses our own driver, KLAP or TPAP as the plug says (firmware from 1.4.0 on, whichever way *Third-Party Compatibility* stands), and the library where a plug takes no handshake of ours. The old protocol AES, which hands over the password, is spoken only with a plug that an admin confirmed for it (page Plugs, or \`confirm_old_protocol\`).
`;

/** The text of each generated file, by its path from the project's folder. */
export const GENERATED: Readonly<Record<string, () => string>> = {
  '.env.example': envExample,
  'docs/API.md': apiPage,
  'docs/SETTINGS.md': settingsPage,
  ...NODE_PAGES,
};

function envExample(): string {
  const lines = [
    '# Settings of BaluPi. Copy this file to .env and change what you need; the environment wins.',
    '# A line that is commented out shows the default.',
    '',
  ];
  for (const [name, { standard, meaning }] of Object.entries(SETTINGS)) {
    // Not the zone of whoever runs this.
    const value = name === 'TIMEZONE' ? '' : (standard ?? '');
    lines.push(`# ${meaning}`, `#BALUPI_${name}=${value}`, '');
  }
  return lines.join('\n');
}

function settingsPage(): string {
  const rows = Object.entries(SETTINGS).map(([name, { standard, meaning }]) => {
    const given = standard === null || standard === '' ? '–' : `\`${standard}\``;
    return row(`\`${name}\``, name === 'TIMEZONE' ? "the system's" : given, meaning);
  });
  return [SETTINGS_HEAD, ...head('setting', 'default', 'meaning'), ...rows, SETTINGS_TAIL].join(
    '\n',
  );
}

function apiPage(): string {
  const lines = [API_HEAD];
  const groups = Map.groupBy<string, Endpoint>(ENDPOINTS, ({ tags }) => tags[0] ?? 'other');
  for (const [group, endpoints] of groups) {
    lines.push(`## ${group}`, '', ...head('endpoint', 'what', 'who may', 'query', 'body'));
    for (const endpoint of endpoints) {
      const { method, path, summary, access, query } = endpoint;
      lines.push(
        row(`\`${method} ${path}\``, summary, WHO[access], fields(query), bodyOf(endpoint)),
      );
    }
    lines.push('');
  }
  return lines.join('\n');
}

function bodyOf({ body, bodySchema, streamType }: Endpoint): string {
  if (body === 'none') return '';
  const named = fields(bodySchema);
  return body === 'stream' ? [streamType, named].filter((part) => part !== '').join(': ') : named;
}

/** The names of an object's fields; optional ones with a question mark. */
function fields(schema: unknown): string {
  const { properties = {}, required = [] } = schema as {
    readonly properties?: object;
    readonly required?: readonly string[];
  };
  return Object.keys(properties)
    .map((name) => `\`${name}\`${required.includes(name) ? '' : '?'}`)
    .join(', ');
}

function head(...names: string[]): string[] {
  return [row(...names), row(...names.map(() => '---'))];
}

function row(...cells: string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

if (process.argv[1]?.endsWith('generated.js') === true) {
  for (const [file, text] of Object.entries(GENERATED)) writeFileSync(file, text());
}
