import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { Tournament } from '../../../nodes/lib/cache/policy/policy.ts';
import { LowestFirst, SimulatedCache } from '../../../nodes/lib/cache/policy/simulated-cache.ts';
import {
  type Displaced,
  keyOf,
  mayEnter,
  mostRemembered,
  unreadWorthOf,
  VARIANTS,
  usesOnReturn,
  WORTH_FUNCTIONS,
  worthOf,
} from '../../../nodes/lib/cache/policy/worth.ts';

const MB = 1_000_000;
const { even, fresh, steady } = VARIANTS;

function nextOf(entries: readonly Displaced[]): () => Displaced | null {
  let at = 0;
  return () => entries[at++] ?? null;
}

describe('What a kept file is worth', () => {
  it('is its uses per byte above the floor', () => {
    assert.equal(worthOf(even, 0, 2, 4096), 2 / 4096);
    assert.equal(worthOf(even, 1, 2, 4096), 1 + 2 / 4096);
  });

  it('is the same where SQLite ranks many at once', () => {
    const database = new DatabaseSync(':memory:');
    const functions: Readonly<Record<string, (...values: number[]) => number>> = WORTH_FUNCTIONS;
    for (const [name, worth] of Object.entries(functions)) {
      database.function(name, { varargs: true }, (...values) => worth(...values.map(Number)));
    }
    for (const variant of Object.values(VARIANTS)) {
      const told = database
        .prepare(
          `SELECT worth(2, ?1, 3 + ?2, weight) AS worth, unread_worth(2, ?1, 3 + ?2, weight) AS unread
           FROM (SELECT 40960 AS weight)`,
        )
        .get(variant.useExponent, 4);
      assert.equal(told?.['worth'], worthOf(variant, 2, 7, 40_960), variant.name);
      assert.equal(told['unread'], unreadWorthOf(variant, 2, 7, 40_960), variant.name);
    }
    database.close();
  });

  it('grows more slowly with old fame where the cache leans to what is fresh', () => {
    assert.equal(worthOf(fresh, 0, 9, 1), 3);
  });

  it('begins with what time has left of earlier uses', () => {
    const memory = { uses: 10, floor: 0, weight: 1 };
    assert.equal(usesOnReturn(even, 0, null), 1);
    assert.equal(usesOnReturn(even, 0, memory), 11);
    assert.equal(usesOnReturn(even, 10, memory), 1 + 10 * 0.95);
    assert.ok(usesOnReturn(even, 1_000, memory) < 1.1);
    assert.equal(usesOnReturn(even, 5, { ...memory, uses: 0 }), 1);
  });

  it('lets one large file in only past those that are worth less', () => {
    const newcomer = { sizeBytes: 50 * MB, worth: 2, neededBytes: 40 * MB, limitBytes: 60 * MB };
    const low = { worth: 1, sizeBytes: 30 * MB };
    const high = { worth: 3, sizeBytes: 30 * MB };
    assert.equal(mayEnter(even, newcomer, nextOf([low, low])), true);
    assert.equal(mayEnter(even, newcomer, nextOf([low, high])), false);
    assert.equal(mayEnter(even, { ...newcomer, sizeBytes: 20 * MB }, nextOf([high, high])), true);
  });

  it('keeps what is here from any newcomer worth the same where nothing ages', () => {
    const newcomer = { sizeBytes: 1, worth: 2, neededBytes: 1, limitBytes: 100 };
    assert.equal(mayEnter(steady, newcomer, nextOf([{ worth: 2, sizeBytes: 1 }])), false);
    assert.equal(mayEnter(steady, newcomer, nextOf([{ worth: 1, sizeBytes: 1 }])), true);
  });

  it('is remembered of a bounded number of files', () => {
    assert.equal(mostRemembered(0), 64);
    assert.equal(mostRemembered(1_000), 3_000);
    assert.equal(mostRemembered(1_000_000), 65_536);
  });
});

describe('A simulated cache', () => {
  it('is not flushed by files that would fill most of it', () => {
    const cache = new SimulatedCache(even, 60 * MB);
    for (let round = 0; round < 3; round += 1) {
      for (let key = 0; key < 100; key += 1) cache.use(key, 100_000);
    }
    for (let large = 1_000; large < 1_020; large += 1) cache.use(large, 58 * MB);
    for (let key = 0; key < 100; key += 1) assert.equal(cache.use(key, 100_000), true);
  });

  it('still answers from a loop larger than itself when it holds on', () => {
    const [holding, aging] = [new SimulatedCache(steady, 50), new SimulatedCache(even, 50)];
    let [held, aged] = [0, 0];
    for (let turn = 0; turn < 20; turn += 1) {
      for (let key = 0; key < 80; key += 1) {
        if (holding.use(key, 1)) held += 1;
        if (aging.use(key, 1)) aged += 1;
      }
    }
    assert.ok(held > 900, String(held));
    assert.ok(aged < 100, String(aged));
  });

  it('never holds more than its limit, also when that shrinks', () => {
    const cache = new SimulatedCache(even, 1_000);
    for (let key = 0; key < 50; key += 1) cache.use(key, 30 + key);
    assert.ok(cache.heldBytes <= 1_000);
    cache.resize(400, (key) => key % 2 === 0);
    assert.ok(cache.heldBytes <= 400);
    assert.equal(cache.use(49, 79), false);
  });
});

describe('The tournament', () => {
  it('finds out within a few loops that holding on pays, and goes back when it does not', () => {
    const tournament = new Tournament('even', 500 * 4096);
    for (let turn = 0; turn < 12; turn += 1) {
      for (let key = 0; key < 800; key += 1) tournament.see(key, 4096);
    }
    assert.equal(tournament.variant.name, 'steady');
    for (let at = 200; at < 10_000; at += 1) {
      tournament.see(10_000 + at, 4096);
      tournament.see(10_000 + at - 200, 4096);
    }
    assert.notEqual(tournament.variant.name, 'steady');
  });

  it('begins with the leader it is told', () => {
    assert.equal(new Tournament('slow', 1_000).variant.name, 'slow');
  });

  it('holds on to its leader while all do alike', () => {
    const tournament = new Tournament('slow', 1e9);
    let changes = 0;
    for (let at = 0; at < 40_000; at += 1) {
      if (tournament.see(keyOf(`file ${at % 7_000}`), 4096)) changes += 1;
    }
    assert.equal(changes, 0);
  });
});

describe('The number of a path', () => {
  it('is spread evenly in its low bits, and differs from path to path', () => {
    const seen = new Set<number>();
    const counts = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let index = 0; index < 80_000; index += 1) {
      const key = keyOf(`alice/Photos/IMG_${index}.jpg`);
      assert.ok(Number.isSafeInteger(key) && key >= 0);
      seen.add(key);
      counts[key % 8] = (counts[key % 8] ?? 0) + 1;
    }
    assert.equal(seen.size, 80_000);
    for (const count of counts) assert.ok(count > 9_000 && count < 11_000, String(counts));
  });
});

describe('Lowest first', () => {
  it('stays small however often a key is ranked again', () => {
    const queue = new LowestFirst();
    for (let at = 0; at < 50_000; at += 1) queue.set(at % 10, at, at);
    assert.ok(queue.entries <= 2 * 10 + 65, String(queue.entries));
    assert.equal(queue.lowest()?.rank, 49_990);
  });
});
