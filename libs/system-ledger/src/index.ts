/** system-ledger: how a service brings what it has to say (alerts) into the installation's own ledger. */
export { openAlertBook, readAlertKey } from './open-alert-book.js';
export { openSystemLedger, type SystemLedgerPlace } from './open-system-ledger.js';
export type { SystemLedger } from './system-ledger.js';
