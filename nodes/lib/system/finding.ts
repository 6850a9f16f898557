/**
 * What one look of the doctor found.
 * @typeParam Text words of the pages, which each shows in its reader's language, or what they are in
 *   English
 */
export interface Finding<Text = string> {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly subject: Text;
  readonly found: Text;
  /** What to do; empty where there is nothing to do. */
  readonly advice: Text;
}
