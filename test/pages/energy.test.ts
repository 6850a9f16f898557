import assert from 'node:assert/strict';
import type { Locator, Page } from 'playwright-core';
import { ESTIMATED_HOURS_AGO } from '../practice/demo-past.ts';
import { BrokenLine } from './broken-line.ts';
import { browserOf, picture } from './browser.ts';
import {
  DRAWN,
  type Reader,
  type ReaderOptions,
  says,
  signedIn,
  signedInFresh,
  textOf,
} from './dashboard-reader.ts';
import { DashboardWorld, ZONE } from './dashboard-world.ts';
import { settled } from './page-asks.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A time zone whose day and hour differ from the home's. */
const AWAY = 'America/New_York';

/** The local day of the home, `YYYY-MM-DD`. */
function dayOf(atMs: number): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: ZONE, dateStyle: 'short' }).format(atMs);
}

/** A day with a gap of measurements in the middle of it, whatever the hour is now. */
function dayWithGap(): string {
  for (const hours of ESTIMATED_HOURS_AGO) {
    const [before, behind] = [Math.max(...hours) + 2, Math.min(...hours) - 2];
    const day = dayOf(Date.now() - before * HOUR_MS);
    if (day === dayOf(Date.now() - behind * HOUR_MS)) return day;
  }
  throw new Error('Every gap lies at a midnight.');
}

function titleOf(locale: string, day: string): string {
  const options = { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' } as const;
  const at = new Date(`${day}T00:00:00Z`);
  return new Intl.DateTimeFormat(locale, { timeZone: 'UTC', ...options }).format(at);
}

interface Price {
  readonly id: number;
  readonly name: string;
}

describe('The past on the page Energy, in a browser', function () {
  this.timeout(120_000);
  const browser = browserOf(this);
  let balupi: DashboardWorld;
  let admin: Reader;
  let today: string;

  before(async () => {
    balupi = await DashboardWorld.start();
    today = dayOf(Date.now());
    admin = await signIn('admin', {}, '/dashboard/energy');
  });

  after(async () => {
    await balupi.stop();
  });

  const signIn = (username: string, how: ReaderOptions, path?: string): Promise<Reader> =>
    signedIn(browser(), balupi, username, how, path);

  /** Opens the page with a selection in its address, and waits for its data. */
  async function show(page: Page, query: string): Promise<void> {
    await page.goto(`${balupi.url}/dashboard/energy${query}`);
    await page.waitForSelector(DRAWN);
    await page.waitForSelector('.bp-title');
  }

  const titled = (page: Page, text: string): Promise<unknown> =>
    page.waitForSelector(`.bp-title:text-is("${text}")`);

  const queryOf = (page: Page): Record<string, string> =>
    Object.fromEntries(new URL(page.url()).searchParams);

  const named = (form: Locator, name: string): Locator => form.locator(`[name=${name}]`);

  async function prices(): Promise<readonly (Price & Record<string, unknown>)[]> {
    const answered = await balupi.call(await balupi.token('admin'), '/api/energy/prices');
    return (await answered.json()) as (Price & Record<string, unknown>)[];
  }

  it('opens with today, and keeps each choice in its address', async () => {
    const { page } = admin;
    await show(page, '');
    await titled(page, titleOf('en-GB', today));
    await page.click('.bp-pick button:has-text("Month")');
    const month = new Intl.DateTimeFormat('en-GB', {
      ...{ timeZone: ZONE, month: 'long', year: 'numeric' },
    }).format(Date.now());
    await titled(page, month);
    assert.deepEqual(queryOf(page), { period: 'month', date: today });
    await page.click('.bp-pick button[title=Earlier]');
    await page.waitForSelector(`.bp-title:not(:text-is("${month}"))`);
    await page.goBack();
    await titled(page, month);
    await page.click('.bp-pick button:has-text("From – to")');
    await page.waitForSelector('input[aria-label="Last day"]');
    const { from = '', to = '' } = queryOf(page);
    assert.ok(from < to, page.url());
    assert.equal(queryOf(page)['period'], undefined);
  });

  it('shows the same to whoever opens the link, also by way of the sign-in', async () => {
    const date = dayOf(Date.now() - 3 * DAY_MS);
    const path = `/dashboard/energy?period=week&date=${date}&compare=previous`;
    const { page } = await signedInFresh(browser(), balupi, 'alice', {}, path);
    await page.waitForSelector('.bp-title');
    assert.deepEqual(queryOf(page), { period: 'week', date, compare: 'previous' });
    await page.waitForSelector('[data-tile=compared]');
    assert.equal(await page.locator('button[aria-pressed=true]:has-text("Week")').count(), 1);
    await show(admin.page, path.slice('/dashboard/energy'.length));
    const [mine, theirs] = [page, admin.page].map((one) => textOf(one, '.bp-title'));
    assert.equal(await mine, await theirs);
    await page.context().close();
  });

  it('asks once for each change, whatever it shows', async () => {
    const { page } = await signIn('alice', {}, '/dashboard/energy');
    const sent: string[] = [];
    page.on('websocket', (socket) => {
      socket.on('framesent', ({ payload }) => sent.push(String(payload)));
    });
    await page.reload();
    await page.waitForSelector('.bp-title');
    await settled(page);
    sent.length = 0;
    await page.click('.bp-pick button:has-text("Year")');
    await page.waitForFunction('location.search.includes("year")');
    await settled(page);
    const reports = sent.filter((frame) => frame.includes('widget-send'));
    assert.equal(reports.length, 1, reports.join('\n'));
    await page.context().close();
  });

  it('is told what changed where it asks the same again, and all of it after a break', async () => {
    const line = await BrokenLine.to(balupi.port);
    const { page } = await signIn('alice', {}, '/dashboard/energy');
    const told: string[] = [];
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => {
        const text = String(payload);
        if (text.includes('"topic":"report"')) told.push(text);
      });
    });
    const answered = async (act: () => Promise<unknown>): Promise<string> => {
      const before = told.length;
      const frame = page.waitForEvent('console', (message) => message.text() === 'drawn');
      await page.evaluate(`{
        const box = document.querySelector('.bp-past');
        new MutationObserver((_, own) => {
          own.disconnect();
          console.log('drawn');
        }).observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
      }`);
      await Promise.all([frame, act()]);
      return told[before] ?? '';
    };
    const again = (): Promise<unknown> =>
      page.evaluate("window.dispatchEvent(new CustomEvent('balupi-energy-changed'))");
    // Of two days: early in a day there is too little that could stay the same.
    const [from, to] = [-DAY_MS, DAY_MS].map((awayMs) => dayOf(Date.now() + awayMs));
    await page.goto(`${line.url}/dashboard/energy?from=${from ?? ''}&to=${to ?? ''}`);
    await page.waitForSelector('.bp-title');
    const [whole = ''] = told;
    const changed = await answered(again);
    assert.match(changed, /"changes":\[/);
    assert.doesNotMatch(changed, /"payload"/);
    assert.ok(changed.length < whole.length / 10, `${changed.length} of ${whole.length}`);
    line.cut();
    await page.waitForSelector('.bp-lost:not(:empty)');
    line.mend();
    await page.waitForSelector('.bp-lost:empty', { state: 'attached' });
    const anew = await answered(again);
    assert.match(anew, /"payload":\{"device_id"/);
    await says(page, '[data-tile=energy] b', /Wh$/);
    await page.context().close();
    await line.close();
  });

  it('goes by arrows and by its picker, and not beyond now', async () => {
    const { page } = admin;
    await show(page, '');
    assert.ok(await page.locator('button[title=Later]').isDisabled());
    await page.click('button[title=Earlier]');
    const yesterday = dayOf(Date.parse(`${today}T12:00:00Z`) - DAY_MS);
    await titled(page, titleOf('en-GB', yesterday));
    const day = dayOf(Date.now() - 9 * DAY_MS);
    await page.fill('input[aria-label=Day]', day);
    await page.locator('input[aria-label=Day]').dispatchEvent('change');
    await titled(page, titleOf('en-GB', day));
    await page.click('button[title=Later]');
    await titled(page, titleOf('en-GB', dayOf(Date.parse(`${day}T12:00:00Z`) + DAY_MS)));
    await page.click('.bp-pick button:has-text("Now")');
    await titled(page, titleOf('en-GB', today));
  });

  it('shows energy and cost in bars, CO2, and what they are compared with', async () => {
    const { page } = admin;
    await show(page, `?period=week&date=${dayOf(Date.now() - 7 * DAY_MS)}&compare=previous`);
    await page.waitForSelector('rect[data-bar^=energy].bp-measured');
    await page.waitForSelector('rect[data-bar^=cost].bp-measured');
    assert.ok((await page.locator('rect[data-bar^=energy].bp-before').count()) >= 6);
    await says(page, '[data-tile=compared]', /[-+]?\d+\.\d %.*kWh.*€/s);
    await says(page, '[data-tile=co2]', /\d.*CO₂/s);
    await says(page, '[data-tile=covered]', /100\.0 %/);
    await page.locator('rect.bp-hit').nth(2).click();
    const detail = page.locator('.bp-detail');
    await detail.waitFor();
    assert.match((await detail.textContent()) ?? '', /NAS: \d.*Wh/);
    assert.match((await detail.textContent()) ?? '', /Fridge: /);
    await detail.locator('button:has-text("Show this day")').click();
    await page.waitForFunction('location.search.includes("period=day")');
    await settled(page);
    // This month may be only minutes old.
    const month = dayOf(Date.now() - 2 * DAY_MS);
    await show(page, `?period=month&date=${month}&compare=previous`);
    await page.waitForSelector('rect[data-bar^=energy].bp-measured');
    await picture(page, 'dashboard-energy', true);
  });

  it('keeps what is estimated visible, and draws no curve there', async () => {
    const { page } = admin;
    await show(page, `?period=day&date=${dayWithGap()}`);
    await page.waitForSelector('rect.bp-estimated');
    await page.waitForSelector('.bp-legend:has-text("estimated")');
    await says(page, '[data-tile=energy]', /% estimated/);
    const line = await page.locator('path[data-line]').first().getAttribute('d');
    assert.ok((line?.match(/M/g) ?? []).length >= 2, 'the line is broken');
  });

  it('goes to one plug by a touch, and back', async () => {
    const { page } = admin;
    await show(page, `?period=week&date=${dayOf(Date.now() - 7 * DAY_MS)}`);
    assert.equal(await page.locator('[data-device]').count(), 2);
    await page.click('[data-device]:has-text("Fridge")');
    await page.waitForSelector('.bp-title:has-text("Fridge")');
    const { device_id: id = '' } = queryOf(page);
    assert.equal(await page.locator(`[data-device="${id}"][aria-pressed=true]`).count(), 1);
    assert.equal(await page.locator('path[data-line]').count(), 1);
    await page.click('[data-device]:has-text("Fridge")');
    await page.waitForSelector('.bp-title:not(:has-text("Fridge"))');
    assert.equal(queryOf(page)['device_id'], undefined);
  });

  it('says in words where there is nothing', async () => {
    const { page } = admin;
    await show(page, '?period=month&date=2001-05-01');
    await page.waitForSelector(
      '.bp-empty:has-text("Nothing was measured then. The first value is of")',
    );
    await show(page, `?period=day&date=${dayOf(Date.now() + 5 * DAY_MS)}`);
    await page.waitForSelector('.bp-empty:has-text("This period is still to come.")');
    await page.goto(`${balupi.url}/dashboard/energy?device_id=nobody`);
    await page.waitForSelector('[role=alert]:has-text("There is no plug with this id.")');
    await show(page, '?period=nonsense&date=2026-99-99&from=x&to=y&compare=z');
    await titled(page, titleOf('en-GB', today));
  });

  for (const locale of ['en-GB', 'en-US', 'de-DE']) {
    it(`writes dates and numbers as ${locale} does, and times of the home, from elsewhere`, async () => {
      const { page, complaints } = await signIn(
        'admin',
        { locale, timezoneId: AWAY },
        `/dashboard/energy?period=day&date=${dayOf(Date.now() - DAY_MS)}`,
      );
      const day = dayOf(Date.now() - DAY_MS);
      await titled(page, titleOf(locale, day));
      const start = await page.locator('rect.bp-hit').first().getAttribute('aria-label');
      const midnight = new Intl.DateTimeFormat(locale, {
        ...{ timeZone: 'UTC', dateStyle: 'short', timeStyle: 'short' },
      }).format(new Date(`${day}T00:00:00Z`));
      assert.ok(start?.startsWith(midnight), `${String(start)} begins with ${midnight}`);
      const tile = await textOf(page, '[data-tile=energy] b');
      assert.match(tile, locale === 'de-DE' ? /^\d+(?:,\d+)? k?Wh$/ : /^\d+(?:\.\d+)? k?Wh$/);
      const ticks = (await page.locator('text.bp-tick').allTextContents()).join(' ');
      assert.doesNotMatch(ticks, locale === 'de-DE' ? /\d\.\d/ : /\d,\d/);
      await page.goto(`${balupi.url}/dashboard/nas`);
      const seen = page.locator('p.bp-soft:has-text("http")');
      await seen.waitFor();
      const here = new Intl.DateTimeFormat(locale, { timeZone: ZONE, dateStyle: 'short' });
      assert.ok(((await seen.textContent()) ?? '').includes(here.format(Date.now())));
      assert.deepEqual(complaints, []);
      await page.context().close();
    });
  }

  it('saves a price unchanged without changing it, from any zone', async () => {
    const given = {
      ...{ name: 'Odd', price_per_kwh_cents: -1.234567, valid_from: '2026-03-01T06:15:00Z' },
      ...{ valid_to: '2026-10-01T09:45:00Z', time_from: '22:15', time_to: '06:30' },
      ...{ weekdays: [1, 3], vat_percent: 19.5, base_fee_cents_per_month: 1_234.5 },
      is_active: false,
    };
    const token = await balupi.token('admin');
    await balupi.call(token, '/api/energy/prices', {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/json' } },
      body: JSON.stringify(given),
    });
    const before = await prices();
    const away = await signIn('admin', { locale: 'de-DE', timezoneId: AWAY }, '/dashboard/energy');
    const { page } = away;
    const form = page.locator('form.bp-form:has([name=cents])');
    for (const { id } of before) {
      const row = page.locator(`[data-price="${id}"]`);
      await row.locator('button:has-text("Ändern")').click();
      await form.locator('button[type=submit]').click();
      await page.waitForSelector('[role=status]:has-text("Es wurde nichts geändert.")');
    }
    const odd = before.find(({ name }) => name === 'Odd');
    const row = page.locator(`[data-price="${odd?.id ?? 0}"]`);
    const told = (await row.textContent()) ?? '';
    assert.match(told, /01\.03\.26, 07:15.*01\.10\.26, 11:45.*22:15–06:30.*Mo, Mi/s);
    assert.match(told, /19,5 % MwSt\..*12,35\s€ im Monat/s);
    assert.deepEqual(await prices(), before);
    await row.locator('button:has-text("Ändern")').click();
    await named(form, 'cents').fill('0,5');
    await form.locator('button[type=submit]').click();
    await page.waitForSelector(`[data-price="${odd?.id ?? 0}"]:has-text("0,50 ct/kWh")`);
    const after = await prices();
    assert.deepEqual(
      after.find(({ name }) => name === 'Odd'),
      { ...odd, price_per_kwh_cents: 0.5 },
    );
    await row.locator('button:has-text("Entfernen")').click();
    await row.locator('button:has-text("Wirklich entfernen?")').click();
    await row.waitFor({ state: 'detached' });
    assert.deepEqual(away.complaints, []);
    await page.context().close();
  });

  it('takes a price for whole days of the home, says what has a cost, and recalculates', async () => {
    const { page } = admin;
    await show(page, '');
    const form = page.locator('form.bp-form:has([name=cents])');
    await named(form, 'name').fill('Trial');
    await named(form, 'cents').fill('21.5');
    const from = dayOf(Date.now() - 5 * DAY_MS);
    await named(form, 'from').fill(from);
    await named(form, 'last').fill(dayOf(Date.now() - 4 * DAY_MS));
    await form.locator('button[type=submit]').click();
    await page.waitForSelector(
      '[role=status]:has-text("48 hours in its period already have a cost")',
    );
    const kept = (await prices()).find(({ name }) => name === 'Trial');
    const begin = String(kept?.['valid_from']);
    assert.equal(dayOf(Date.parse(begin)), from);
    assert.equal(Date.parse(String(kept?.['valid_to'])) - Date.parse(begin), 2 * DAY_MS);
    const again = page.locator('form[data-form=recalculate]');
    assert.equal(await named(again, 'again').inputValue(), from);
    await again.locator('button').click();
    await page.waitForSelector('[role=status]:has-text("Done. Costs that changed:")');
    const row = page.locator(`[data-price="${kept?.id ?? 0}"]`);
    await row.locator('button:has-text("Change")').click();
    await named(form, 'cents').fill('twenty');
    await form.locator('button[type=submit]').click();
    await page.waitForSelector('[role=alert]:has-text("One of these is not a number.")');
    await named(form, 'cents').fill('22.25');
    await form.locator('button[type=submit]').click();
    await page.waitForSelector('.bp-row:has-text("22.25 ct/kWh")');
    await row.locator('button:has-text("Remove")').click();
    await row.locator('button:has-text("Really remove?")').click();
    await row.waitFor({ state: 'detached' });
  });

  it('lets an admin put an hour right from its bar, and take that back; others see it', async () => {
    const { page } = admin;
    const date = dayOf(Date.now() - 2 * DAY_MS);
    await show(page, `?period=day&date=${date}`);
    await page.click('[data-device]:has-text("Fridge")');
    await page.waitForSelector('.bp-title:has-text("Fridge")');
    await page.locator('rect.bp-hit').nth(10).click();
    await page.locator('.bp-detail button:has-text("Correct it")').click();
    const form = page.locator('form[data-form=correct]');
    assert.equal(await named(form, 'from').inputValue(), `${date}T10:00`);
    assert.equal(await named(form, 'to').inputValue(), `${date}T11:00`);
    await named(form, 'kwh').fill('40');
    await named(form, 'why').fill('it ran');
    await form.locator('button[type=submit]').click();
    await page.waitForSelector('[role=alert]:has-text("4 kW")');
    await named(form, 'kwh').fill('0.75');
    await form.locator('button[type=submit]').click();
    const row = page.locator('[data-correction]:has-text("Fridge")');
    await row.waitFor();
    assert.match((await row.textContent()) ?? '', /→ 0\.75 kWh/);
    await page.waitForSelector('rect.bp-corrected');
    const alice = await signIn('alice', { locale: 'de-DE' }, '/dashboard/energy');
    await alice.page.waitForSelector('[data-correction]:has-text("0,75 kWh")');
    assert.equal(await alice.page.locator('form[data-form]').count(), 0);
    assert.equal(await alice.page.locator('button:has-text("Zurücknehmen")').count(), 0);
    await alice.page.context().close();
    await row.locator('button:has-text("Undo")').click();
    await row.locator('button:has-text("Really undo?")').click();
    await row.waitFor({ state: 'detached' });
    await page.waitForSelector('rect.bp-corrected', { state: 'detached' });
  });

  it('gives each plug’s hours as CSV, on request as German spreadsheets want it', async () => {
    const { page } = admin;
    const date = dayOf(Date.now() - 2 * DAY_MS);
    await show(page, `?period=day&date=${date}`);
    const lines = async (): Promise<[string, string[]]> => {
      const coming = page.waitForEvent('download');
      await page.click('a:has-text("CSV, by the hour")');
      const download = await coming;
      const chunks: Buffer[] = [];
      for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
      return [
        download.suggestedFilename(),
        Buffer.concat(chunks).toString().trimEnd().split('\r\n'),
      ];
    };
    const [name, english] = await lines();
    assert.equal(name, `energy-${date}.csv`);
    assert.equal(english.length, 1 + 2 * 24);
    assert.match(english[1] ?? '', new RegExp(`^${date} 00:00,.*Z,60,.*,measured,0\\.0+$`));
    await page.selectOption('.bp-csv select', 'de');
    const [, german] = await lines();
    assert.match(german[1] ?? '', /^\d\d\.\d\d\.\d{4} 00:00;.*;0,\d+;.*;gemessen;0,0+$/);
    assert.equal(german.length, english.length);
  });

  it('fits a phone in German and in the dark, and pictures of it are kept', async () => {
    for (const [locale, look, width, name] of [
      ['de-DE', 'dark', 400, 'phone-de'],
      ['en-GB', 'light', 400, 'phone'],
      ['de-DE', 'dark', 1_400, 'de'],
    ] as const) {
      const week = `/dashboard/energy?period=week&date=${dayOf(Date.now() - 2 * DAY_MS)}&compare=previous`;
      const { page, complaints } = await signIn('alice', { locale, look, width }, week);
      await page.waitForSelector('rect.bp-measured');
      await settled(page);
      const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
      assert.ok(wide <= width, `${wide} px wide`);
      if (locale === 'de-DE') {
        assert.doesNotMatch(await textOf(page, '.bp-past'), /\[\[|Compared|measured|Energy/);
      }
      await picture(page, `dashboard-energy-${name}`, true);
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
  });

  it('keeps the history of a plug that is forgotten, and hands it to no plug beside it', async () => {
    const { page } = admin;
    const token = await balupi.token('admin');
    const answered = await balupi.call(token, '/api/tapo/devices');
    const devices = (await answered.json()) as { id: string; name: string; ip_address: string }[];
    const fridge = devices.find(({ name }) => name === 'Fridge');
    await balupi.call(token, `/api/tapo/devices/${fridge?.id ?? ''}`, { method: 'DELETE' });
    await show(page, `?period=week&date=${dayOf(Date.now() - 7 * DAY_MS)}`);
    await page.waitForSelector('[data-device]:has-text("Fridge"):has-text("forgotten")');
    const form = page.locator('form[data-form=merge]');
    await named(form, 'old').selectOption(fridge?.id ?? '');
    await named(form, 'into').selectOption({ label: 'NAS' });
    await form.locator('button').click();
    await form.locator('button:has-text("Really hand it over?")').click();
    await page.waitForSelector('[role=alert]:has-text("Both plugs were metered at the same time")');
    await balupi.call(token, '/api/tapo/devices', {
      ...{ method: 'POST', headers: { 'Content-Type': 'application/json' } },
      body: JSON.stringify({ ip_address: fridge?.ip_address, name: 'Fridge' }),
    });
    await show(page, `?period=week&date=${dayOf(Date.now() - 7 * DAY_MS)}`);
    await page.waitForSelector('[data-device]:has-text("Fridge"):not(:has-text("forgotten"))');
  });

  it('asks nobody but the Pi for anything, and complains of nothing', () => {
    assert.deepEqual([admin.foreign, admin.complaints], [[], []]);
  });
});
