import { type Static, Type } from '@sinclair/typebox';
import { endpoint, json } from './endpoint.ts';
import { flag, instant, MessageAnswer, moment, nullable, oneLine, rowId, text } from './wire.ts';

const TAGS = ['energy'];
const PATH = '/api/energy/corrections';
const PARAMS = Type.Object({ id: rowId('Number of the correction.') });

export const CorrectionBody = Type.Object(
  {
    device_id: Type.String({ minLength: 1, maxLength: 128, description: 'Id of the plug.' }),
    from: moment('Begin, on a quarter hour.'),
    to: moment('End, not included, on a quarter hour; not in the future.'),
    energy_wh: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 10_000_000,
        description: 'What was used from begin to end, spread evenly; at most 4 kW all the time.',
      }),
    ),
    clear: Type.Optional(
      Type.Boolean({ description: 'True instead of energy_wh: nothing is known of it.' }),
    ),
    why: oneLine(500, { description: 'The reason, for whoever asks later.' }),
  },
  { title: 'CorrectionBody' },
);
export type CorrectionBody = Static<typeof CorrectionBody>;

export const CorrectionAnswer = Type.Object(
  { id: rowId('Number of the correction.') },
  { title: 'CorrectionAnswer' },
);
export type CorrectionAnswer = Static<typeof CorrectionAnswer>;

export const EnergyCorrection = Type.Object(
  {
    id: rowId('Number of the correction.'),
    device_id: nullable(text('Id of the plug; null where nobody knows it any more.')),
    device_name: nullable(text('Name of the plug; null where nobody knows it any more.')),
    from: instant('Begin.'),
    to: instant('End, not included.'),
    energy_wh: nullable(Type.Number({ description: 'What it was put to; null where cleared.' })),
    clear: flag('True: nothing is known of the range.'),
    original_energy_wh: nullable(Type.Number({ description: 'What stood there before.' })),
    why: text('The reason that was given.'),
    corrected_by: text('Name of who did it.'),
    corrected_at: instant('When it was done.'),
    undone_by: nullable(text('Name of who took it back; null while it counts.')),
    undone_at: nullable(instant('When it was taken back; null while it counts.')),
  },
  { title: 'EnergyCorrection' },
);
export type EnergyCorrection = Static<typeof EnergyCorrection>;

export const CorrectionsQuery = Type.Object({
  undone: Type.Boolean({ default: false, description: 'True: also those that were undone.' }),
});
export type CorrectionsQuery = Static<typeof CorrectionsQuery>;

export const CORRECTION_ENDPOINTS = [
  endpoint({
    id: 'energy-history-correct',
    method: 'PATCH',
    path: '/api/energy/history',
    summary: 'Put a range of one plug right. What was metered is kept beside it; costs follow.',
    tags: TAGS,
    access: 'admin',
    bodySchema: CorrectionBody,
    responses: { 200: json(CorrectionAnswer, 'It is corrected.') },
    refusals: ['not_found', 'conflict'],
  }),
  endpoint({
    id: 'energy-corrections-list',
    method: 'GET',
    path: PATH,
    summary: 'What was put right, by whom and why, and what stood there before.',
    tags: TAGS,
    access: 'caller',
    query: CorrectionsQuery,
    responses: { 200: json(Type.Array(EnergyCorrection), 'The corrections, oldest first.') },
  }),
  endpoint({
    id: 'energy-corrections-undo',
    method: 'DELETE',
    path: `${PATH}/{id}`,
    summary: 'Take a correction back: what was metered counts again.',
    tags: TAGS,
    access: 'admin',
    params: PARAMS,
    responses: { 200: json(MessageAnswer, 'It is undone.') },
    refusals: ['not_found', 'conflict'],
  }),
] as const;
