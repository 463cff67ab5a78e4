/** Everything Everseal keeps in Postgres: the schema with its roles and guards, and every statement that uses it. */
export { databaseSetupSql } from './database-setup.js';
export { assertSchema, migrate } from './data-source.js';
export { assertDurable, readDurability } from './durability.js';
export { DURABILITY_SETTINGS, durabilityProblems, type DurabilityFact } from './durability-problems.js';
export { openReadSource, type EventRecord } from './event-record.js';
export { recordsAt, searchEvents, type EventPage, type EventSearch } from './event-search.js';
export { openPool, type DatabaseAddress, type DatabaseTls, type PoolOptions } from './pool.js';
export { ALL_ROLES, MIGRATOR_ROLE, OWNER_ROLE, READER_ROLE, SEALER_ROLE, VERIFIER_ROLE } from './roles.js';
export {
  asStoreError,
  CommitUnknown,
  FenceLost,
  HeadMoved,
  isUnreadable,
  StoreError,
  StoreUnavailable,
  type StoreErrorCode,
  type StoreFate,
} from './store-error.js';

export type { IndexRow } from './copy/index-row.js';
export { SCHEMA_CATALOG } from './schema-catalog.js';
export {
  anchorPage,
  anchorProgress,
  anchorsAfter,
  anchorsAt,
  checkpointBehind,
  checkpointUpTo,
  insertAnchor,
  newestAnchored,
  strayAnchor,
  type AnchoredRow,
  type AnchorPage,
  type AnchorPlace,
  type AnchorProgress,
  type AnchorRow,
  type SealedCheckpoint,
} from './sql/anchor.js';
export {
  advanceCursor,
  blockOf,
  blockStands,
  commitBlock,
  readBlocks,
  strayBlock,
  type BlockRow,
  type BlockWrite,
} from './sql/block.js';
export { bodyOf, MAX_BODY_BYTES, readBodies, type StoredBlock } from './sql/body.js';
export { readCatalog, type Catalog } from './sql/catalog.js';
export { cosignedCheckpoints, dailyCheckpoints } from './sql/audited-checkpoint.js';
export {
  checkpointAt,
  checkpointsAfter,
  insertCheckpoint,
  newestCheckpoint,
  strayCheckpoint,
  type CheckpointRow,
} from './sql/checkpoint.js';
export { databaseTime } from './sql/clock.js';
export { cosignaturesAt, insertCosignature, newestCosignatureBy, type CosignatureRow } from './sql/cosignature.js';
export { readEntry } from './sql/entry.js';
export { eventPositions, findEvents, type EventQuery, type FoundEvent, type WantedEvent } from './sql/event-lookup.js';
export {
  EventIndexWriter,
  findSameIdentity,
  MOST_SAME_IDENTITY,
  PARTITION_POSITIONS,
  readIndexHead,
  readIndexRows,
  type IndexBatch,
  type Reach,
  type SameIdentity,
} from './sql/event-index.js';
export {
  addIndexRows,
  moveIndexHead,
  removeRowsBehindIndex,
  replaceIndexRows,
  rowsBehindIndex,
  type IndexStretch,
  type KeepRows,
} from './sql/index-repair.js';
export {
  frameHeads,
  framesAt,
  framesBetween,
  heldFrames,
  sealedFrameAfter,
  strayWaiting,
  waitingFrames,
  type SealedFrame,
  type WaitingFrame,
  type WaitingRow,
} from './sql/frame.js';
export { positionsOf } from './sql/identity.js';
export { listGaps, type GapRow } from './sql/gap.js';
export {
  blockAt,
  blocksBetween,
  cosignedAt,
  endOfBody,
  firstSealedFrom,
  newestCosigned,
  newestCosignedBy,
  type CosignedCheckpoint,
} from './sql/published.js';
export { closeLedger, readHead, type ExpectedHead, type LedgerHead, type StreamCursor } from './sql/head.js';
export { acquireLease, releaseLease, renewLease } from './sql/lease.js';
export { createLedger, findLedger, listLedgers, type Ledger } from './sql/ledger.js';
export { restoreBlock, type RestoredBlock } from './sql/restored-block.js';
export {
  countTiles,
  findLeaf,
  readLeafHashes,
  readTileHashes,
  readTiles,
  strayTile,
  tileRoots,
  type TileRow,
} from './sql/tile.js';
export { DuplicateFinder, type LeafSource, type MarkedEvent } from './duplicate-finder.js';
export { differentColumn, type ColumnDifference } from './index-difference.js';
