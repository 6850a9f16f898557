import { differenceOf } from './flow-difference.ts';
import { DiskFlowFolder } from '../packages/node-red-flow-files/lib/flow-storage.ts';
import { LayeredFlowFolder, type OwnersChange } from './flow-layers.ts';
import { ShippedFlowFolder } from './shipped-flows.ts';

/** What the owner deployed over the shipped flows, for the editor. */
export interface OwnersFlows {
  /** @throws FlowFileError naming the first file that is broken */
  list(): Promise<readonly OwnersChange[]>;
  /** @returns the changed lines of a shipped tab; null where there is no such tab */
  difference(tab: string): Promise<string | null>;
  /** Takes the change of a shipped tab back, and starts the flows anew. @returns false where there is none */
  reset(tab: string): Promise<boolean>;
}

/**
 * @param flowsFolder the shipped flows
 * @param ownerFolder what was deployed over them
 * @param reload starts the flows anew
 */
export function ownersFlows(
  flowsFolder: string,
  ownerFolder: string,
  reload: () => Promise<void>,
): OwnersFlows {
  const layered = new LayeredFlowFolder(
    new ShippedFlowFolder(flowsFolder),
    new DiskFlowFolder(ownerFolder),
  );
  const fileOf = (tab: string): string => `${tab}.json`;
  return {
    list: () => layered.changes(),
    async difference(tab) {
      const texts = await layered.bothTexts(fileOf(tab));
      return texts === null ? null : differenceOf(texts.shipped, texts.running);
    },
    async reset(tab) {
      if (!(await layered.reset(fileOf(tab)))) return false;
      await reload();
      return true;
    },
  };
}
