/** What everybody may hear of the NAS. `nas_goodbye`: it, or a caller, said that it goes. */
export interface NasNews {
  readonly kind: 'nas_awake' | 'nas_asleep' | 'nas_goodbye' | 'wake_failed';
  /** The NAS's own word, or `unreachable`. */
  readonly sleepState: string;
}
