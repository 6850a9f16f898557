import type { Energy } from '../energy/energy.ts';
import type { NasRoom } from '../nas/nas.ts';
import type { System } from '../system/system.ts';
import type { Tapo } from '../tapo/tapo.ts';
import type { Upload } from '../upload/upload.ts';
import { ofCorrection, ofNas, ofPlug, ofSystem, ofUnusual, ofUpload, type Told } from './told.ts';

export { EVENT_KINDS, type EventKind } from './event-kinds.ts';
export { type EventLanguage, sentence } from './event-words.ts';
export type { Audience, Told } from './told.ts';

/** The rooms that tell what happens in them. */
export interface TellingRooms {
  readonly upload: Pick<Upload, 'onNews'>;
  readonly nas: Pick<NasRoom, 'onNews'>;
  readonly tapo: Pick<Tapo, 'onNews'>;
  readonly energy: Pick<Energy, 'onUnusual' | 'onCorrection'>;
  readonly system: Pick<System, 'onNews'>;
}

/** Hears what each room tells of itself. @returns how to stop that */
export function hear(rooms: TellingRooms, tell: (told: Told) => void): () => void {
  const { upload, nas, tapo, energy, system } = rooms;
  const stops = [
    upload.onNews((news) => {
      tell(ofUpload(news));
    }),
    nas.onNews((news) => {
      tell(ofNas(news));
    }),
    tapo.onNews((news) => {
      tell(ofPlug(news));
    }),
    energy.onUnusual((hour) => {
      tell(ofUnusual(hour));
    }),
    energy.onCorrection((news) => {
      tell(ofCorrection(news));
    }),
    system.onNews((news) => {
      tell(ofSystem(news));
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
