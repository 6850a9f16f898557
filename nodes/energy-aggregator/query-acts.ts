import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { EnergyCostsQuery, EnergyHistoryQuery, EnergyReportQuery } from '../lib/api/api.ts';
import type { HistoryWish, ReportRefusal, WishRefusal } from '../lib/energy/energy.ts';
import {
  costsJson,
  currentJson,
  historyCsv,
  historyJson,
  reportCsv,
  reportJson,
  summaryJson,
} from '../lib/energy/energy.ts';
import { type ApiMessage, callOf, responseOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const RANGE = {
  from: 'must be a day or a time of the years 1 to 9998, before to or, without one, before now',
  to: 'must be a day or a time of the years 1 to 9998',
};
const REPORT_RANGE = {
  from: 'must be a day of the years 2 to 9998, before to and at most 40 years before it',
  to: 'must be a day of the years 2 to 9998',
};

export function current({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(currentJson(energy.current())));
}

export function summary({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(summaryJson(energy.summary())));
}

export function costs({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyCostsQuery;
  const found = energy.costs({ deviceId, ...rest });
  return withAnswer(message, found.kind === 'costs' ? answer(costsJson(found)) : refusal(found));
}

/** JSON, or with `Accept: text/csv` all points as a stream. */
export async function history({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { device_id: deviceId, ...rest } = callOf(message).query as EnergyHistoryQuery;
  const wish: HistoryWish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const pages = energy.historyPages(wish);
    if (pages.kind !== 'pages') return withAnswer(message, refusal(pages));
    return await sendCsv(message, 'energy.csv', historyCsv(pages));
  }
  const found = energy.history(wish);
  return withAnswer(
    message,
    found.kind === 'history' ? answer(historyJson(found)) : refusal(found),
  );
}

/** JSON, or with `Accept: text/csv` each plug's hours as a stream. */
export async function report({ energy }: Rooms, message: ApiMessage): Promise<unknown> {
  const { query } = callOf(message);
  const { device_id: deviceId, resolution, language, ...rest } = query as EnergyReportQuery;
  const wish = { deviceId, ...rest };
  if (takesCsv(message.req?.headers.accept ?? '')) {
    const lines = energy.reportLines({ ...wish, byDay: resolution === 'day' });
    if (lines.kind !== 'lines') return withAnswer(message, reportRefusal(lines));
    const name = [...new Set([lines.firstDay, lines.lastDay])].join('_');
    return await sendCsv(message, `energy-${name}.csv`, reportCsv(lines, language));
  }
  const found = energy.report(wish);
  return withAnswer(
    message,
    found.kind === 'report' ? answer(reportJson(found)) : reportRefusal(found),
  );
}

async function sendCsv(
  message: ApiMessage,
  name: string,
  pieces: AsyncIterable<string>,
): Promise<null> {
  const response = responseOf(message);
  response.setHeader('Content-Type', 'text/csv; charset=utf-8');
  response.setHeader('Content-Disposition', `attachment; filename="${name}"`);
  await pipeline(Readable.from(pieces), response);
  return null;
}

function reportRefusal(refused: ReportRefusal): Answer {
  switch (refused.kind) {
    case 'bad_date':
      return invalid('date', 'must be a day of the years 2 to 9998');
    case 'bad_range':
      return invalid(refused.field, REPORT_RANGE[refused.field]);
    case 'unknown_device':
      return refusal(refused);
  }
}

function refusal(refused: WishRefusal): Answer {
  switch (refused.kind) {
    case 'unknown_device':
      return refuse('not_found', { detail: 'There is no plug with this id.' });
    case 'unknown_resolution':
      return invalid('resolution', 'must be raw, 5m, hour, day or auto');
    case 'unknown_period':
      return invalid('period', 'must be day, week, month or year');
    case 'bad_range':
      return invalid(refused.field, RANGE[refused.field]);
  }
}

function invalid(name: string, msg: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['query', name], msg }] });
}

/** Whether an `Accept` asks for CSV; a weight of 0 is how it says no (RFC 9110, 12.4.2). */
function takesCsv(accept: string): boolean {
  return accept.split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'text/csv' && !parameters.some((one) => /^q\s*=\s*0(?:\.0*)?$/.test(one));
  });
}
