import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatherEnvironment, letKeyHold, openToOthers } from '../../host/environment.ts';
import { KeptSettings, sealedValue, unreadableIn } from '../../host/kept-settings.ts';
import { readSettings, SETTINGS, type Settings } from '../../settings.ts';

const SECRET = '3f9c1d7be5a84602c7d1e9f0ab34cd56';

function settingsOf(environment: Record<string, string>): Settings {
  const read = readSettings({ BALUPI_SECRET_KEY: SECRET, ...environment });
  assert.equal(read.kind, 'settings', JSON.stringify(read));
  return read.settings;
}

function faultsOf(environment: Record<string, string>): readonly string[] {
  const read = readSettings({ BALUPI_SECRET_KEY: SECRET, ...environment });
  return read.kind === 'faults' ? read.faults : [];
}

/** Name, an invalid value, and a word that the error must contain. */
const WRONG: readonly (readonly [name: string, value: string, word: string])[] = [
  ['PORT', '80,abc', 'port'],
  ['PORT', '70000', 'port'],
  ['LOG_LEVEL', 'loud', 'one of debug, info, warn, error'],
  ['TIMEZONE', 'Mars/Olympus', 'IANA'],
  ['TRUSTED_PROXIES', 'proxy.local', 'addresses'],
  ['TRUSTED_PROXIES', '10.0.0.0/33', 'addresses'],
  ['TRUSTED_PROXIES', '1.2.3', 'addresses'],
  ['TRUSTED_PROXIES', '::1/129', 'addresses'],
  ['NAS_URL', 'ftp://nas', 'http'],
  ['NAS_URL', 'http://user:word@nas', 'without a user'],
  ['NAS_TLS_FINGERPRINT', 'abc', '64 hex'],
  ['NAS_MAC_ADDRESS', '02:00:5E:00:53', 'MAC'],
  ['NAS_WAKE_ADDRESS', 'nas:99999', 'port'],
  ['NAS_PROBE_INTERVAL_SECONDS', '0', 'number'],
  ['NAS_PROBE_INTERVAL_SECONDS', 'often', 'number'],
  ['WAKE_ON_MISS', 'maybe', 'true or false'],
  ['OFFLINE_GRACE_HOURS', '-1', 'number'],
  ['CACHE_EVICTION_THRESHOLD', '1.5', 'number'],
  ['CACHE_MAX_SIZE_GB', 'NaN', 'number'],
  ['FLUSH_WAKE', '25:00', 'HH:MM'],
  ['ENERGY_DEFAULT_PRICE_CENTS', '-3', 'number'],
  ['TAPO_DRIVER', 'cloud', 'one of auto, klap, tpap, connect'],
  ['CORS_ORIGINS', 'nas.local', 'origins'],
  ['EDITOR', 'maybe', 'one of on, off'],
  ['ENROL', 'always', 'one of auto, off'],
];

describe('Settings', () => {
  it('have the defaults of the contract', () => {
    const settings = settingsOf({});
    assert.deepEqual(
      [settings.HOST, settings.PORT, settings.DATA_DIR, settings.NAS_URL, settings.EDITOR_PORT],
      ['0.0.0.0', [8000], './data', 'http://192.168.178.53', 1880],
    );
    assert.deepEqual(
      [settings.WAKE_ON_MISS, settings.WAKE_HOLD_SECONDS, settings.OFFLINE_GRACE_HOURS],
      [true, 25, 72],
    );
    assert.deepEqual(
      [settings.CACHE_MAX_SIZE_GB, settings.CACHE_EVICTION_THRESHOLD, settings.CACHE_MIN_FREE_GB],
      [200, 0.85, 2],
    );
    assert.deepEqual(
      [settings.ENERGY_SAMPLE_INTERVAL_SECONDS, settings.ENERGY_COMMIT_SECONDS, settings.ENROL],
      [30, 60, 'auto'],
    );
    assert.deepEqual(
      [settings.EDITOR, settings.EDITOR_HOST, settings.TAPO_USERNAME, settings.FLUSH_WAKE],
      ['off', '127.0.0.1', null, null],
    );
  });

  it('take several ports, fractions, and values with spaces around them', () => {
    const settings = settingsOf({
      BALUPI_PORT: '80, 8000',
      BALUPI_CACHE_MAX_SIZE_GB: ' 0.01 ',
      BALUPI_OFFLINE_GRACE_HOURS: '0',
      BALUPI_ENERGY_SAMPLE_INTERVAL_SECONDS: '1',
      BALUPI_FLUSH_WAKE: '03:30',
      BALUPI_NAS_MAC_ADDRESS: '02-00-5e-00-53-01',
    });
    assert.deepEqual(settings.PORT, [80, 8000]);
    assert.equal(settings.CACHE_MAX_SIZE_GB, 0.01);
    assert.equal(settings.OFFLINE_GRACE_HOURS, 0);
    assert.equal(settings.ENERGY_SAMPLE_INTERVAL_SECONDS, 1);
    assert.deepEqual(settings.FLUSH_WAKE, { kind: 'daily', hour: 3, minute: 30 });
    assert.equal(settings.NAS_MAC_ADDRESS, '02:00:5E:00:53:01');
  });

  it('treat an empty value as a missing one', () => {
    assert.equal(settingsOf({ BALUPI_TAPO_USERNAME: '', BALUPI_PORT: '' }).TAPO_USERNAME, null);
  });

  WRONG.forEach(([name, value, word]) => {
    it(`refuse ${name}=${value} and say what is wanted`, () => {
      const [fault = '', ...more] = faultsOf({ [`BALUPI_${name}`]: value });
      assert.deepEqual(more, []);
      assert.ok(fault.includes(`BALUPI_${name}`) && fault.includes(value), fault);
      assert.ok(fault.includes(word), fault);
    });
  });

  it('name every fault at once', () => {
    const faults = faultsOf(
      Object.fromEntries([...WRONG].map(([name, value]) => [`BALUPI_${name}`, value])),
    );
    assert.equal(faults.length, new Set(WRONG.map(([name]) => name)).size);
  });

  it('want a secret key that is long and no placeholder, and never show it', () => {
    const weak = [
      '',
      'short',
      'change-me-please-change-me-please-ok',
      'a'.repeat(64),
      '<your secret key, 32 characters>',
    ];
    for (const key of weak) {
      const read = readSettings({ BALUPI_SECRET_KEY: key });
      assert.equal(read.kind, 'faults', key);
      const text = JSON.stringify(read);
      assert.match(text, /BALUPI_SECRET_KEY/);
      if (key !== '') assert.ok(!text.includes(key), text);
    }
  });

  it('want the Tapo account whole, and a fingerprint only with https', () => {
    assert.match(faultsOf({ BALUPI_TAPO_USERNAME: 'me@example.com' }).join(), /TAPO_PASSWORD/);
    assert.match(faultsOf({ BALUPI_NAS_TLS_FINGERPRINT: 'ab'.repeat(32) }).join(), /https/);
  });

  it("report the predecessor's names and misspelt ones as unused, never as faults", () => {
    const read = readSettings({
      BALUPI_SECRET_KEY: SECRET,
      BALUPI_PI_IP: '192.168.178.2',
      BALUPI_MODE: 'dev',
      PATH: '/bin',
    });
    assert.equal(read.kind, 'settings');
    assert.deepEqual(read.unused, ['BALUPI_PI_IP', 'BALUPI_MODE']);
  });
});

describe('Where settings come from', () => {
  let folder: string;
  let data: string;

  const gather = (environment: Record<string, string>): Record<string, string | undefined> =>
    gatherEnvironment(
      join(folder, '.env'),
      { BALUPI_DATA_DIR: data, ...environment },
      Object.keys(SETTINGS),
    );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'balupi-settings-'));
    data = join(folder, 'data');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('the environment hides .env, and that what is kept with the data', () => {
    new KeptSettings(data).set('NAS_URL', 'http://kept');
    assert.equal(gather({})['BALUPI_NAS_URL'], 'http://kept');
    writeFileSync(join(folder, '.env'), 'BALUPI_NAS_URL=http://file\n');
    assert.equal(gather({})['BALUPI_NAS_URL'], 'http://file');
    assert.equal(gather({ BALUPI_NAS_URL: 'http://env' })['BALUPI_NAS_URL'], 'http://env');
  });

  it('an unquoted # is part of a value of .env, as passwords have one', () => {
    const lines = [
      '# BALUPI_NAS_URL=http://no',
      'BALUPI_TAPO_PASSWORD=ab#cd # ef',
      'export BALUPI_TAPO_USERNAME=#me@example.org  ',
      'BALUPI_HANDSHAKE_SECRET="with # in quotes" # a note',
      "BALUPI_DNS_NAME='first",
      "BALUPI_DNS_NAME=x#y'",
      'BALUPI_NAS_URL = http://nas/#here\r',
    ];
    writeFileSync(join(folder, '.env'), `${lines.join('\n')}\n`);
    const { BALUPI_DNS_NAME: name, ...got } = gather({});
    assert.equal(got['BALUPI_TAPO_PASSWORD'], 'ab#cd # ef');
    assert.equal(got['BALUPI_TAPO_USERNAME'], '#me@example.org');
    assert.equal(got['BALUPI_HANDSHAKE_SECRET'], 'with # in quotes');
    assert.equal(got['BALUPI_NAS_URL'], 'http://nas/#here');
    assert.equal(name, 'first\nBALUPI_DNS_NAME=x#y');
  });

  it('an .env that everybody can read is told of', () => {
    const file = join(folder, '.env');
    assert.equal(openToOthers(file), null);
    writeFileSync(file, 'BALUPI_NAS_URL=http://file\n');
    chmodSync(file, 0o644);
    assert.match(openToOthers(file) ?? '', /chmod 600/);
    chmodSync(file, 0o640);
    assert.equal(openToOthers(file), null);
  });

  it('an empty value hides nothing', () => {
    new KeptSettings(data).set('NAS_URL', 'http://kept');
    assert.equal(gather({ BALUPI_NAS_URL: ' ' })['BALUPI_NAS_URL'], 'http://kept');
  });

  it('a secret may come from a file, or from the credentials folder of systemd', () => {
    writeFileSync(join(folder, 'password'), 'from # a file\n');
    const named = gather({ BALUPI_TAPO_PASSWORD_FILE: join(folder, 'password') });
    assert.equal(named['BALUPI_TAPO_PASSWORD'], 'from # a file');
    mkdirSync(join(folder, 'credentials'));
    writeFileSync(join(folder, 'credentials', 'tapo_password'), 'loaded');
    const loaded = gather({ CREDENTIALS_DIRECTORY: join(folder, 'credentials') });
    assert.equal(loaded['BALUPI_TAPO_PASSWORD'], 'loaded');
    const read = readSettings({ ...named, BALUPI_TAPO_USERNAME: 'me@example.org' });
    assert.deepEqual(read.kind === 'settings' ? read.unused : read.faults, []);
  });

  it('a file that is named and not there ends the start, without its path', () => {
    const missing = join(folder, 'nowhere');
    assert.throws(() => gather({ BALUPI_TAPO_PASSWORD_FILE: missing }), {
      name: 'StartFault',
      message: 'What BALUPI_TAPO_PASSWORD_FILE names cannot be read (ENOENT).',
    });
  });

  it('a new data folder gets a key, for its owner only, and keeps it', () => {
    const first = gather({})['BALUPI_SECRET_KEY'] ?? '';
    assert.match(first, /^[0-9a-f]{64}$/);
    assert.equal(statSync(join(data, 'secret.key')).mode & 0o777, 0o600);
    writeFileSync(join(data, 'queue.db'), '');
    assert.equal(gather({})['BALUPI_SECRET_KEY'], first);
    assert.equal(gather({ BALUPI_SECRET_KEY: SECRET })['BALUPI_SECRET_KEY'], SECRET);
  });

  it('no key is made where accounts are kept already: they would become unreadable', () => {
    mkdirSync(data);
    writeFileSync(join(data, 'queue.db'), '');
    const gathered = gather({});
    assert.equal(gathered['BALUPI_SECRET_KEY'], undefined);
    const read = readSettings(gathered);
    assert.match(read.kind === 'faults' ? read.faults.join() : '', /SECRET_KEY is missing/);
  });

  it('what is kept is a list for its owner only, and can be forgotten', () => {
    const kept = new KeptSettings(data);
    kept.set('TAPO_PASSWORD', 'secret');
    kept.set('NAS_URL', 'http://nas');
    kept.set('TAPO_PASSWORD', null);
    assert.deepEqual(kept.read(), { BALUPI_NAS_URL: 'http://nas' });
    assert.equal(statSync(join(data, 'settings.json')).mode & 0o777, 0o600);
    writeFileSync(join(data, 'settings.json'), '["NAS_URL"]');
    assert.throws(() => kept.read(), { name: 'StartFault' });
  });

  it('a secret is kept sealed, and its account is left out where another key came', () => {
    const kept = new KeptSettings(data);
    const key = gather({})['BALUPI_SECRET_KEY'] ?? '';
    kept.setAll({
      TAPO_USERNAME: 'me@example.org',
      TAPO_PASSWORD: sealedValue('TAPO_PASSWORD', 'Correct-Horse 7', key),
      NAS_URL: sealedValue('NAS_URL', 'http://nas', key),
    });
    assert.ok(!readFileSync(join(data, 'settings.json'), 'utf8').includes('Correct-Horse'));
    assert.equal(gather({})['BALUPI_TAPO_PASSWORD'], 'Correct-Horse 7');
    const other = gather({ BALUPI_SECRET_KEY: SECRET });
    assert.equal(other['BALUPI_TAPO_PASSWORD'], undefined);
    assert.equal(other['BALUPI_TAPO_USERNAME'], undefined);
    assert.equal(other['BALUPI_NAS_URL'], 'http://nas');
    assert.deepEqual(unreadableIn(kept.read(), SECRET), ['TAPO_PASSWORD']);
    assert.equal(readSettings(other).kind, 'settings', 'the start goes on');
  });

  it('a sealed secret cannot be read as another one', () => {
    const key = gather({})['BALUPI_SECRET_KEY'] ?? '';
    new KeptSettings(data).set('PIHOLE_PASSWORD', sealedValue('TAPO_PASSWORD', 'secret', key));
    assert.equal(gather({})['BALUPI_PIHOLE_PASSWORD'], undefined);
  });

  it('who may come in, and where the data lie, is never kept with the data', () => {
    for (const name of [
      ...['EDITOR', 'EDITOR_HOST', 'TRUSTED_PROXIES', 'SECRET_KEY', 'DATA_DIR'],
      ...['BACKUP_DIR', 'BACKUP_PASSPHRASE_FILE'],
    ]) {
      assert.equal(KeptSettings.takes(name), false, name);
    }
    assert.equal(KeptSettings.takes('NAS_URL'), true);
  });

  it('the key of a backup takes the place of the one the settings’ file names, and of no other', () => {
    const file = join(data, 'balupi.env');
    const name = 'BALUPI_SECRET_KEY';
    const other = 'b'.repeat(64);
    mkdirSync(data, { recursive: true });
    assert.equal(letKeyHold(file, {}, SECRET), 'holds');
    assert.equal(letKeyHold(file, {}, SECRET, other), 'elsewhere', 'a credential of the service');
    assert.equal(
      letKeyHold(file, {}, SECRET, ''),
      'elsewhere',
      'one that nobody but systemd reads',
    );
    assert.equal(letKeyHold(file, {}, SECRET, SECRET), 'holds');
    writeFileSync(file, `# the port\nBALUPI_PORT=80\n${name}=${other}\n`, { mode: 0o600 });
    assert.equal(letKeyHold(file, { [name]: 'c'.repeat(64) }, SECRET), 'elsewhere');
    writeFileSync(join(data, 'key'), `${other}\n`);
    writeFileSync(join(data, 'none.env'), `${name}_FILE=${join(data, 'key')}\n`);
    assert.equal(letKeyHold(join(data, 'none.env'), {}, SECRET), 'elsewhere');
    assert.equal(letKeyHold(join(data, 'none.env'), {}, other), 'holds');
    assert.match(readFileSync(file, 'utf8'), new RegExp(other));
    assert.equal(letKeyHold(file, {}, SECRET), 'changed');
    assert.equal(readFileSync(file, 'utf8'), `# the port\nBALUPI_PORT=80\n${name}=${SECRET}\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(letKeyHold(file, {}, SECRET), 'holds');
  });
});
