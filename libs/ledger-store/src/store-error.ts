/**
 * Every failure of the store, as a closed set of codes. The code decides the fate, and callers decide by the fate or
 * the class, never by the message:
 *
 *   retry    nothing was written; the same call may work later (database away, lock not granted, disk full)
 *   re-read  the answer to COMMIT was lost: neither success nor failure. Read the head and compare; never just repeat
 *   stop     this process must not go on: somebody else holds the ledger, or the database is not what it has to be
 */

const FATES = {
  'store.unavailable': 'retry',
  'store.commit-unknown': 're-read',
  'store.fence-lost': 'stop',
  'store.head-moved': 'stop',
  'store.ledger-closed': 'stop',
  'store.index-moved': 'stop',
  'store.checkpoint-conflict': 'stop',
  'store.not-durable': 'stop',
  'store.roles-missing': 'stop',
  'store.schema-differs': 'stop',
  'store.unsafe-integer': 'stop',
  'store.unexpected-value': 'stop',
  'store.refused': 'stop',
} as const;

export type StoreErrorCode = keyof typeof FATES;
export type StoreFate = (typeof FATES)[StoreErrorCode];

export class StoreError extends Error {
  readonly fate: StoreFate;

  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
    this.fate = FATES[code];
  }
}

/** The database cannot be used at the moment. Nothing was written. */
export class StoreUnavailable extends StoreError {
  constructor(message: string, options?: ErrorOptions) {
    super('store.unavailable', message, options);
  }
}

/** The connection was lost between COMMIT and its answer: the write is there, or it is not. */
export class CommitUnknown extends StoreError {
  constructor(message: string, options?: ErrorOptions) {
    super('store.commit-unknown', message, options);
  }
}

/** Another holder took the ledger over: the fence is no longer ours. */
export class FenceLost extends StoreError {
  constructor(message: string) {
    super('store.fence-lost', message);
  }
}

/** The head, or a row that would be written, is not what this process knew: somebody else wrote. */
export class HeadMoved extends StoreError {
  constructor(message: string, options?: ErrorOptions) {
    super('store.head-moved', message, options);
  }
}

/** A column that holds what was never written. Whoever parses it does not know what is being read: asStoreError says it. */
export class UnreadableValue extends Error {
  constructor(
    readonly code: 'store.unexpected-value' | 'store.unsafe-integer',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Whether a row says what no row of ours can: somebody else wrote there. */
export function isUnreadable(error: unknown): error is StoreError {
  return error instanceof StoreError && ['store.unexpected-value', 'store.unsafe-integer'].includes(error.code);
}

/** SQLSTATEs that a later attempt may not meet again; a whole class where only two characters stand. */
const PASSING = ['08', '53', '57', '58', '40', '55P03', '25P03', '25P04', '25006'];

/** Classes of errors that name a constraint of ours; only 23505 means that somebody else was faster. */
const UNIQUE_VIOLATION = '23505';

/** The five characters of a server's error, or null for anything else (socket, TLS, timeout). */
export function sqlState(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/**
 * The StoreError for whatever a driver call threw.
 *
 * @param doing what was being done, for the message: "committing block 7 of ledger 1"
 */
export function asStoreError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  if (error instanceof UnreadableValue)
    return new StoreError(error.code, `${doing}: ${error.message}`, { cause: error });
  const state = sqlState(error);
  const said = error instanceof Error ? error.message : String(error);
  if (state === null) return new StoreUnavailable(`no answer from Postgres while ${doing}: ${said}`, { cause: error });
  if (PASSING.some((prefix) => state.startsWith(prefix))) {
    return new StoreUnavailable(`Postgres could not go on while ${doing} (${state}): ${said}`, { cause: error });
  }
  if (state === UNIQUE_VIOLATION) {
    return new HeadMoved(`another writer was faster while ${doing}: ${said}`, { cause: error });
  }
  return new StoreError('store.refused', `Postgres refused ${doing} (${state}): ${said}`, { cause: error });
}
