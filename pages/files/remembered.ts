/** Of unfinished uploads, by their ids: the version of the file. No name is kept in a browser. */
const PREFIX = 'balupi-upload-';

/** What this browser knows of uploads that a page before this one began. */
export const remembered = {
  /** @param lastModified of the file, epoch ms: another version must not go on where this one broke off */
  keep(id: string, lastModified: number): void {
    try {
      localStorage.setItem(`${PREFIX}${id}`, String(lastModified));
    } catch (problem) {
      // A browser that keeps nothing begins anew after a reload, and loses no more than that.
      if (!(problem instanceof DOMException)) throw problem;
    }
  },
  versionOf(id: string): number | null {
    const kept = localStorage.getItem(`${PREFIX}${id}`);
    return kept === null ? null : Number(kept);
  },
  forget(id: string): void {
    localStorage.removeItem(`${PREFIX}${id}`);
  },
};
