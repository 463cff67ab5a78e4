/**
 * A file of events that cannot be taken apart, or an event in it that no ingester would accept. Found before anything is
 * sent, so nothing was.
 */
import { CliFailure } from './cli-failure.js';
import { EXIT } from './exit-code.js';

export class InputError extends CliFailure {
  /**
   * @param file as it was named; `-` is standard input
   * @param position which event of the file, from 0; null when it is about the file as a whole
   */
  constructor(file: string, position: number | null, message: string, options?: ErrorOptions) {
    const where = position === null ? nameOf(file) : `event ${position} of ${nameOf(file)}`;
    super(EXIT.refused, `${where}: ${message}`, options);
    this.name = 'InputError';
  }
}

/** How a file is called in messages. */
export function nameOf(file: string): string {
  return file === '-' ? 'standard input' : file;
}
