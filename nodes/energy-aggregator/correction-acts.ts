import type { CorrectionAnswer, CorrectionBody, CorrectionsQuery } from '../lib/api/api.ts';
import { type CorrectionFault, correctionJson } from '../lib/energy/energy.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const TOO_OLD =
  'The hours of that time are no longer kept (BALUPI_ENERGY_HOURLY_RETENTION_DAYS), only its days.';

const FAULTS: Readonly<Record<CorrectionFault, readonly [string, string]>> = {
  from: ['from', 'must be a time or a day from 1970 on, on a quarter hour'],
  to: ['to', 'must be later than from, on a quarter hour'],
  too_long: ['to', 'must be at most 32 days after from'],
  future: ['to', 'must not be in the future'],
  too_much: ['energy_wh', 'is more than 4 kW carry from begin to end'],
};

export function correct({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const body = callOf(message).body as CorrectionBody;
  const { device_id: deviceId, energy_wh: energyWh, clear = false, from, to, why } = body;
  if (clear === (energyWh !== undefined)) {
    return withAnswer(message, invalid('energy_wh', 'or clear: true is needed, not both'));
  }
  const wish = { deviceId, from, to, energyWh: energyWh ?? null, why: why.trim() };
  const outcome = energy.correct(wish, callerOf(message).user.username);
  switch (outcome.kind) {
    case 'corrected': {
      const payload: CorrectionAnswer = { id: outcome.id };
      return withAnswer(message, answer(payload));
    }
    case 'unknown_device':
      return withAnswer(message, refuse('not_found', { detail: 'There is no plug with this id.' }));
    case 'too_old':
      return withAnswer(message, refuse('conflict', { detail: TOO_OLD }));
    case 'invalid':
      return withAnswer(message, invalid(...FAULTS[outcome.fault]));
  }
}

export function corrections({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { undone } = callOf(message).query as CorrectionsQuery;
  const known = energy.corrections().filter(({ undoneAtS }) => undone || undoneAtS === null);
  return withAnswer(message, answer(known.map(correctionJson)));
}

export function undoCorrection({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const id = Number(callOf(message).params['id']);
  switch (energy.undoCorrection(id, callerOf(message).user.username).kind) {
    case 'undone':
      return withAnswer(message, answer({ message: 'Undone' }));
    case 'unknown_correction':
      return withAnswer(
        message,
        refuse('not_found', { detail: 'There is no correction with this id.' }),
      );
    case 'too_old':
      return withAnswer(message, refuse('conflict', { detail: TOO_OLD }));
  }
}

function invalid(name: string, fault: string): Answer {
  return refuse('invalid', { errors: [{ loc: ['body', name], msg: `${name} ${fault}` }] });
}
