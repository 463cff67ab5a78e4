/**
 * What a drill changes, as data: rows of the drill ledger, found by their whole key, or one of a few settings of the
 * database that can be put back. Both sets are closed, and what undoes a change follows from them and from what was saved:
 * no statement is ever read from a file.
 */

/** Tables a drill touches, with the columns of their keys; `ledger_id` is part of each and always the drill ledger's. */
export const DRILL_TABLES = {
  block: { height: 'bigint' },
  block_body: { height: 'bigint' },
  tile: { level: 'smallint', number: 'bigint' },
  checkpoint: { size: 'bigint' },
  cosignature: { size: 'bigint', signer: 'text', key_id: 'bytea' },
  event_index: { position: 'bigint' },
} as const satisfies Record<string, Record<string, string>>;

export type DrillTable = keyof typeof DRILL_TABLES;

/** One row, whether it is there or not. Values are text as Postgres writes them. */
export interface RowPlace {
  readonly table: DrillTable;
  readonly key: Readonly<Record<string, string>>;
}

/** A row as it was: every column that is not generated, or null when there was none. */
export interface SavedRow extends RowPlace {
  readonly row: Readonly<Record<string, string | null>> | null;
}

export interface Statement {
  /** `$1` is the drill ledger's id; values follow from `$2`, each cast from text. */
  readonly sql: string;
  readonly values: readonly string[];
}

export interface RowsChange {
  /** Every row that the statements touch. */
  readonly places: readonly RowPlace[];
  /** Each changes exactly one row. */
  readonly statements: readonly Statement[];
}

interface Setting {
  readonly statement: string;
  readonly undo: string;
  /** One text value that shows the setting. */
  readonly probe: string;
  /** Whether the setting is as it should be, so that `undo` leads back to it. */
  readonly isClean: (probed: string) => boolean;
}

const ACL = `SELECT coalesce(relacl::text, '') AS value FROM pg_catalog.pg_class WHERE oid = 'everseal.anchor'::regclass`;
const TRIGGER = `SELECT tgenabled::text AS value FROM pg_catalog.pg_trigger
  WHERE tgrelid = 'everseal.anchor'::regclass AND tgname = 'append_only'`;
const ROLE = `SELECT count(*)::text AS value FROM pg_catalog.pg_roles WHERE rolname = 'everseal_drill'`;
const CONFIG = `SELECT coalesce((SELECT setconfig::text FROM pg_catalog.pg_db_role_setting
  WHERE setdatabase = 0 AND setrole = 'everseal_reader'::regrole), '') AS value`;

/**
 * Settings a drill changes. Each is chosen so that nothing is weaker meanwhile: without its trigger table `anchor` has its grants, with
 * the grant its trigger; the role cannot log in, the reader writes nothing.
 */
export const DRILL_SETTINGS = {
  trigger: {
    statement: 'ALTER TABLE everseal.anchor DISABLE TRIGGER append_only',
    undo: 'ALTER TABLE everseal.anchor ENABLE ALWAYS TRIGGER append_only',
    probe: TRIGGER,
    isClean: (probed) => probed === 'A',
  },
  grant: {
    statement: 'GRANT UPDATE ON everseal.anchor TO everseal_sealer',
    undo: 'REVOKE UPDATE ON everseal.anchor FROM everseal_sealer',
    probe: ACL,
    isClean: (probed) => probed !== '' && !/everseal_sealer=[a-zA-Z*]*w/.test(probed),
  },
  superuser: {
    statement: 'CREATE ROLE everseal_drill SUPERUSER NOLOGIN',
    undo: 'DROP ROLE IF EXISTS everseal_drill',
    probe: ROLE,
    isClean: (probed) => probed === '0',
  },
  commit: {
    statement: `ALTER ROLE everseal_reader SET synchronous_commit = 'off'`,
    undo: 'ALTER ROLE everseal_reader RESET synchronous_commit',
    probe: CONFIG,
    isClean: (probed) => !probed.includes('synchronous_commit'),
  },
} as const satisfies Record<string, Setting>;

export type DrillSetting = keyof typeof DRILL_SETTINGS;

export type Change = { readonly rows: RowsChange } | { readonly setting: DrillSetting };

/** What has to stand again when the drill is over. */
export type Saved =
  { readonly rows: readonly SavedRow[] } | { readonly setting: DrillSetting; readonly before: string };
