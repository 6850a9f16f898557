import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  type FlowNode,
  flowText,
  parseFlowText,
} from '../../packages/node-red-flow-files/lib/flow-storage.ts';
import { BootedBaluPi } from '../fakes/boot-balupi.ts';

const EXAMPLE = join('examples', '12 - Prices of tomorrow.json');
const HOUR_S = 3_600;

interface WirePrice {
  readonly name: string;
  readonly slots: number;
  readonly price_per_kwh_cents: number;
  readonly valid_from: string;
  readonly valid_to: string;
}

/** EUR/MWh; sometimes negative. */
const market = (index: number): number => [80.5, -12.25, 0, 141][index % 4] ?? 0;
const MEAN = (80.5 - 12.25 + 0 + 141) / 4;

/**
 * The day-ahead prices of two sources in their own formats: hours in ms with each one's end
 * (aWATTar, `v1/marketdata`), and two lists in seconds, of which a price may be null
 * (Energy-Charts, `price`).
 */
class PracticeExchange {
  readonly asked: URL[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://exchange');
      this.asked.push(url);
      const body = url.pathname === '/v1/marketdata' ? hours(url) : quarters(url);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(url.searchParams.has('junk') ? { error: 'busy' } : body));
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function hours({ searchParams }: URL): unknown {
  const [start, end] = ['start', 'end'].map((name) => Number(searchParams.get(name)));
  const data: unknown[] = [];
  for (let at = start ?? 0; at < (end ?? 0); at += HOUR_S * 1_000) {
    const times = { start_timestamp: at, end_timestamp: at + HOUR_S * 1_000 };
    data.push({ ...times, marketprice: market(data.length), unit: 'Eur/MWh' });
  }
  return { object: 'list', data, url: '/de/v1/marketdata' };
}

function quarters({ searchParams }: URL): unknown {
  const fromS = Date.parse(`${searchParams.get('start') ?? ''}T00:00:00Z`) / 1_000;
  const toS = Date.parse(`${searchParams.get('end') ?? ''}T00:00:00Z`) / 1_000 + 24 * HOUR_S;
  const at = Array.from({ length: (toS - fromS) / 900 }, (_, index) => fromS + index * 900);
  const price = at.map((_, index) => (index >= at.length - 4 ? null : market(index)));
  return { license_info: '', unix_seconds: at, price, unit: 'EUR / MWh', deprecated: false };
}

/** The tab once for each source, querying the practice exchange soon after the start. */
function importExample(flowsFolder: string, exchangeUrl: string): void {
  const text = readFileSync(EXAMPLE, 'utf8');
  const copies = { hours: 'awattar', quarters: 'energy-charts', junk: 'awattar' };
  for (const [name, source] of Object.entries(copies)) {
    const own = text
      .replaceAll('lesson-prices', `lesson-${name}`)
      .replaceAll(/https:\/\/api\.(?:awattar\.de|energy-charts\.info)/g, exchangeUrl)
      .replaceAll('Day-ahead', `Day-ahead ${name}`)
      .replace('"to": "awattar"', `"to": "${source}"`)
      .replaceAll('end={{end}}', name === 'junk' ? 'junk=1' : 'end={{end}}');
    const nodes = (parseFlowText(own) as FlowNode[])
      .filter(({ z, type }) => z !== undefined || type === 'tab')
      .map((node) => (node.type === 'inject' ? { ...node, onceDelay: 0.5 } : node));
    writeFileSync(join(flowsFolder, `lesson-${name}.json`), flowText(nodes));
  }
}

describe('The example that fetches the prices of tomorrow', function () {
  this.timeout(60_000);
  const exchange = new PracticeExchange();
  let balupi: BootedBaluPi;
  let prices: readonly WirePrice[] = [];

  before(async () => {
    const url = await exchange.start();
    balupi = await BootedBaluPi.start({
      hurry: 5,
      prepare: ({ flows }) => {
        importExample(flows, url);
      },
    });
    const headers = { Authorization: `Bearer ${await balupi.signIn('admin')}` };
    await balupi.until('two prices', async () => {
      const told = await fetch(`${balupi.url}/api/energy/prices`, { headers });
      prices = (await told.json()) as WirePrice[];
      return prices.length >= 2;
    });
    assert.equal(prices.length, 2, balupi.output);
  });

  after(async () => {
    await balupi.stop();
    await exchange.stop();
  });

  const called = (name: string): WirePrice => {
    const found = prices.find((price) => price.name === `Day-ahead ${name}`);
    assert.ok(found !== undefined, name);
    return found;
  };
  const midnight = (): number => Math.floor(Date.now() / 86_400_000) * 86_400;
  /** As in the example: EUR/MWh in cents, plus 18.5 cents, plus 19 %. */
  const paid = (euros: number): number => (euros / 10 + 18.5) * 1.19;

  it('takes hours in the form of aWATTar, with all that is paid on top', () => {
    const { slots, price_per_kwh_cents: cents, valid_from: from, valid_to: to } = called('hours');
    assert.equal(slots, 48);
    assert.ok(Math.abs(cents - paid(MEAN)) < 0.001, `${cents} cents`);
    assert.equal(Date.parse(from) / 1_000, midnight());
    assert.equal(Date.parse(to) / 1_000, midnight() + 48 * HOUR_S);
  });

  it('takes quarter hours in the form of Energy-Charts, without those that have no price yet', () => {
    const { slots, price_per_kwh_cents: cents, valid_to: to } = called('quarters');
    assert.equal(slots, 2 * 96 - 4);
    assert.ok(Math.abs(cents - paid(MEAN)) < 0.001, `${cents} cents`);
    assert.equal(Date.parse(to) / 1_000, midnight() + 47 * HOUR_S);
  });

  it('asks for today and tomorrow, and takes nothing of an answer that is none', () => {
    assert.equal(exchange.asked.length, 3);
    assert.ok(exchange.asked.some(({ searchParams }) => searchParams.get('bzn') === 'DE-LU'));
    assert.ok(!prices.some(({ name }) => name.endsWith('junk')));
  });
});
