/** The fault matrix, in its order. Letters are variants of a row. */
import { BACKLOG_ROWS } from './backlog-rows.js';
import { BOUND_ROWS } from './bound-rows.js';
import { BROKER_ROWS } from './broker-rows.js';
import { CLOCK_ROWS } from './clock-rows.js';
import { DATABASE_ROWS } from './database-rows.js';
import { INGEST_ROWS } from './ingest-rows.js';
import { nemesisRow } from './nemesis.js';
import { isAct, type Row } from './row.js';
import { SEALER_ROWS } from './sealer-rows.js';
import { LEFT_OUT_ROWS, SPEC_ROWS } from './spec-rows.js';

const ALL: readonly Row[] = [
  ...INGEST_ROWS,
  ...BROKER_ROWS,
  ...SEALER_ROWS,
  ...DATABASE_ROWS,
  ...CLOCK_ROWS,
  ...BOUND_ROWS,
  ...BACKLOG_ROWS,
  ...SPEC_ROWS,
  ...LEFT_OUT_ROWS,
];

/** @param minutes of the nemesis; default: half a minute, two with `isLong` */
export function rowsOf(seed: number, isLong: boolean, minutes: number | null): Row[] {
  const nemesis = nemesisRow(seed, minutes ?? (isLong ? 2 : 0.5));
  return [...ALL, nemesis].sort((a, b) => numberOf(a) - numberOf(b) || a.row.localeCompare(b.row));
}

/** What runs without `--all` and `--row`. */
export function isQuick(row: Row): boolean {
  return isAct(row) && row.isQuick;
}

function numberOf({ row }: Row): number {
  return Number.parseInt(row, 10);
}
