/** A flow file that cannot be used. The message names the file, never its folder. */
export class FlowFileError extends Error {
  readonly fileName: string;

  constructor(fileName: string, problem: string, options?: ErrorOptions) {
    super(`Flow file ${fileName}: ${problem}`, options);
    this.name = 'FlowFileError';
    this.fileName = fileName;
  }
}
