/** A failure that a command itself has found: its message is for a person, its exit code for a script. */
import { EXIT, type ExitCode } from './exit-code.js';

/** A failure whose message already says everything. */
export class CliFailure extends Error {
  constructor(
    readonly exitCode: ExitCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'CliFailure';
  }
}

/** Something on the command line does not go together. */
export function usage(message: string): CliFailure {
  return new CliFailure(EXIT.usage, message);
}

/** The database does not know the ledger. */
export function noLedger(origin: string): CliFailure {
  return new CliFailure(EXIT.unavailable, `the database has no ledger ${origin}: start its sealer, which creates it`);
}
