import type {
  CorrectionAnswer,
  CorrectionBody,
  CorrectionsQuery,
  PriceSlotsBody,
  RecalculateAnswer,
  RecalculateBody,
} from '../lib/api/api.ts';
import {
  type CorrectionFault,
  correctionJson,
  costedJson,
  type Price,
  priceErrors,
  priceJson,
  type PriceOutcome,
  priceWish,
  slotErrors,
} from '../lib/energy/energy.ts';
import { type ApiMessage, callerOf, callOf, withAnswer } from '../lib/guard/call.ts';
import { type Answer, answer, refuse } from '../lib/http/http.ts';
import type { Rooms } from '../lib/rooms/rooms.ts';

const UNKNOWN = 'There is no price with this id.';

export function listPrices({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, answer(energy.prices().map(priceJson)));
}

export function addPrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(message, outcomeAnswer(energy, energy.createPrice(wishOf(message)), 201));
}

export function updatePrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  return withAnswer(
    message,
    outcomeAnswer(energy, energy.updatePrice(idOf(message), wishOf(message)), 200),
  );
}

export function removePrice({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const { kind } = energy.removePrice(idOf(message));
  const gone = answer({ message: 'Deleted' });
  return withAnswer(message, kind === 'removed' ? gone : refuse('not_found', { detail: UNKNOWN }));
}

export async function recalculate({ energy }: Rooms, message: ApiMessage): Promise<ApiMessage> {
  const { from } = callOf(message).body as RecalculateBody;
  const done = await energy.recalculate(from);
  if (done.kind === 'bad_range') {
    const errors = [
      {
        loc: ['body', 'from'],
        msg: 'must be a day such as 2026-02-22 or a time such as 2026-02-22T14:30:00Z',
      },
    ];
    return withAnswer(message, refuse('invalid', { errors }));
  }
  const payload: RecalculateAnswer = {
    message: 'Recalculated',
    recalculated_hours: done.changedHours,
  };
  return withAnswer(message, answer(payload));
}

/**
 * Takes the slots of a request or, where there is none, of the Pi's own flow in the payload.
 * @throws Error for slots of a flow that are not right, naming their places
 */
export function putSlots({ energy }: Rooms, message: ApiMessage): ApiMessage {
  const isOwn = message.req === undefined;
  const { name, slots } = isOwn
    ? slotsIn(message.payload)
    : (callOf(message).body as PriceSlotsBody);
  const wishes = slots.map(({ price_per_kwh_cents: pricePerKwhCents, from, to }) => ({
    ...{ from, to, pricePerKwhCents },
  }));
  const outcome = energy.putSlots(name, wishes);
  if (isOwn) {
    if (outcome.kind === 'invalid') throw new Error(faultsText(slotErrors(outcome.faults)));
    message.payload = changedJson(energy, outcome);
    return message;
  }
  const given =
    outcome.kind === 'price'
      ? answer(changedJson(energy, outcome))
      : refuse('invalid', { errors: slotErrors(outcome.faults) });
  return withAnswer(message, given);
}

/** What a flow sent; what has not the form of a slot is told as one that is wrong. */
function slotsIn(payload: unknown): PriceSlotsBody {
  const { name, slots } = (payload ?? {}) as Partial<PriceSlotsBody>;
  const list: readonly unknown[] = Array.isArray(slots) ? slots : [];
  const told = list.map((slot) => ({ ...(slot as PriceSlotsBody['slots'][number]) }));
  return { name: typeof name === 'string' ? name : 'Dynamic', slots: told };
}

function faultsText(errors: readonly { loc: readonly (string | number)[]; msg: string }[]): string {
  const places = errors.map(({ loc, msg }) => `${loc.slice(1).join('.')}: ${msg}`);
  return `The prices were not taken. ${places.join('; ')}`;
}

/** With how much of its time has a cost already, which this change leaves as it is. */
function changedJson(energy: Pick<Rooms['energy'], 'costed'>, { price, before }: Changed) {
  return { ...priceJson(price), ...costedJson(energy.costed(price, before)) };
}

interface Changed {
  readonly price: Price;
  readonly before?: Price;
}

function idOf(message: ApiMessage): number {
  return Number(callOf(message).params['id']);
}

function wishOf(message: ApiMessage): ReturnType<typeof priceWish> {
  return priceWish(callOf(message).body as Readonly<Record<string, unknown>>);
}

function outcomeAnswer(
  energy: Pick<Rooms['energy'], 'costed'>,
  outcome: PriceOutcome,
  statusCode: 200 | 201,
): Answer {
  switch (outcome.kind) {
    case 'price':
      return answer(changedJson(energy, outcome), statusCode);
    case 'invalid':
      return refuse('invalid', { errors: priceErrors(outcome.faults) });
    case 'unknown_price':
      return refuse('not_found', { detail: UNKNOWN });
  }
}

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
