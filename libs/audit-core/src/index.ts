/**
 * audit-core: the formats and proofs of a ledger, pure functions over bytes. No I/O, clock, randomness, environment or
 * logger; `node:crypto` is the only import. docs/formats says in words what these files say in code.
 */
export { FormatError } from './format-error.js';

// C2SP layer
export { agreedSeconds, type CosignedTime } from './agreed-time.js';
export { anchorDue, isAnchorOverdue } from './anchor-schedule.js';
export { formatAnchorLine, MOST_ANCHOR_LINE_BYTES, parseAnchorLine, type AnchorLine } from './anchor-file.js';
export { decodeBase64, encodeBase64 } from './base64.js';
export {
  formatCheckpointText,
  openCheckpoint,
  parseCheckpointText,
  signCheckpoint,
  signedByLog,
  type Checkpoint,
  type OpenedCheckpoint,
} from './checkpoint.js';
export { CompactRange, frontierLength, treeRoot, type OnNode } from './compact-range.js';
export { consistencyPlan, proveConsistency, verifyConsistency, verifyGrowth } from './consistency.js';
export {
  appendSignatures,
  cosign,
  cosignaturesOf,
  cosignatureTime,
  verifyCosignature,
  type Cosignature,
} from './cosignature.js';
export { formatDecimal, isCount, parseDecimal } from './decimal.js';
export { DER_TAG, writeDer, writeOid } from './der.js';
export { encodeBundle, EntryOffsets, splitBundle, type BundleBounds } from './entry-bundle.js';
export {
  EMPTY_ROOT,
  equalHash,
  HASH_BYTES,
  leafHash,
  leafHashInPlace,
  nodeHash,
  sha256,
  ZERO_HASH,
  type Hash,
} from './hash.js';
export { inclusionPlan, proveInclusion, verifyInclusion } from './inclusion.js';
export {
  COSIGNATURE_KEY,
  formatVkey,
  isKeyName,
  keyIdOf,
  NOTE_KEY,
  parseVkey,
  SIGNATURE_BYTES,
  SigningKey,
  VerifierKey,
  type KeyType,
} from './key.js';
export {
  alertKeyName,
  deployKeyName,
  ingestKeyName,
  logKeyName,
  operatorKeyName,
  originOf,
  parseDomain,
  parseLedgerName,
  parseName,
  parseOrigin,
  verifierKeyName,
} from './names.js';
export {
  formatNote,
  knownKey,
  MOST_ENTRY_BYTES,
  MOST_NOTE_LINES,
  NoteError,
  openEntryNote,
  openNote,
  parseNote,
  parseSignatureLines,
  signatureLine,
  signNote,
  type Note,
  type NoteErrorCode,
  type SignatureLine,
} from './note.js';
export { quote } from './quote.js';
export { FrameTree, proveRange, rangeRoot } from './range-proof.js';
export { perfectSubtrees, splitPoint, type NodeRef, type Segment } from './segment.js';
export { TileBuilder, type FullTile } from './tile-builder.js';
export {
  frontierFromTiles,
  proveConsistencyFromTiles,
  proveInclusionFromTiles,
  rootFromTiles,
  type TileReader,
} from './tile-proof.js';
export {
  entriesPath,
  fullTiles,
  parseEntriesPath,
  parseTilePath,
  partialWidth,
  TILE_BYTES,
  TILE_ROWS,
  TILE_WIDTH,
  tileAt,
  tileLevels,
  tilePath,
  type TileRef,
} from './tile.js';
export { formatTimestamp, parseTimestamp, type Timestamp } from './timestamp.js';
export {
  formatTlogPolicy,
  NO_QUORUM,
  openUnderPolicy,
  parseTlogPolicy,
  policyOfKeySet,
  policyOfKeySets,
  type Believed,
  type TlogPolicy,
} from './tlog-policy.js';
export { formatTlogProof, parseTlogProof, verifyTlogProof, type ProofPolicy, type TlogProof } from './tlog-proof.js';
export { TileTree } from './tile-tree.js';
export { TreeGrowth, type TileRoot } from './tree-growth.js';
export { decodeUtf8, encodeUtf8 } from './utf8.js';
export { cosignaturesIn, readWitnessAnswer, shownAnswer, type WitnessSaid } from './witness-answer.js';
export {
  judgeAddCheckpoint,
  readWitnessRequest,
  UNKNOWN_LOG,
  type KnownLog,
  type WitnessedHead,
} from './witness-judgement.js';
export {
  formatAddCheckpoint,
  formatWitnessSize,
  parseAddCheckpoint,
  parseWitnessSize,
  type AddCheckpoint,
} from './witness-message.js';
export { meetsQuorum, parseWitnessesFile, withWitnesses, witnessPlaces, type WitnessPlace } from './witnesses-file.js';

// Everseal formats
export { formatAcknowledgement, parseAcknowledgement, type Acknowledgement } from './acknowledgement.js';
export {
  formatAlertEvent,
  openAlertEvent,
  SYSTEM_SOURCE,
  type AlertState,
  type OpenedAlertEvent,
} from './alert-event.js';
export {
  formatAlertText,
  openAlert,
  parseAlertText,
  signAlert,
  splitAlert,
  type AlertNote,
  type OpenedAlert,
} from './alert-note.js';
export {
  announcementTrust,
  MOST_SETS_BEFORE,
  frameOfHead,
  formatAnnouncement,
  isSealed,
  parseAnnouncement,
  verifyAnnouncement,
  type AnnouncedHead,
  type Announcement,
  type AnnouncementTrust,
  type VerifiedAnnouncement,
  type VerifiedHead,
} from './announcement.js';
export { formatBlockText, openBlock, parseBlockText, signBlock, type Block } from './block.js';
export {
  formatCustodyFile,
  parseCustodyFile,
  verifyCustodyFile,
  type CustodyFile,
  type ProvenNote,
  type ProvenPlace,
  type ShownCustody,
} from './custody-file.js';
export { entryKind, FIRST_LINE, type EntryKind } from './entry-kind.js';
export { encodeEventEntry, eventPrefix, eventEntryTest, parseEventEntry, type EventEntry } from './event-entry.js';
export {
  checkFrameEntries,
  checkFrameMessage,
  encodeFrameMessage,
  parseFrameMessage,
  type FrameMessage,
} from './frame-message.js';
export { formatFrameText, openFrame, openFrameAny, parseFrameText, signFrame, type Frame } from './frame.js';
export { formatGapOrderText, openGapOrder, parseGapOrderText, signGapOrder, type GapOrder } from './gap-order.js';
export {
  formatGapReport,
  formatGapRequest,
  parseGapReport,
  parseGapRequest,
  type GapReport,
  type SealedGap,
  type WaitingLane,
} from './gap-report.js';
export { formatGapText, GAP_CAUSES, openGap, parseGapText, signGap, type Gap, type GapCause } from './gap.js';
export { formatKeyFile, parseKeyFile } from './key-file.js';
export {
  followKeySets,
  keySetOfNote,
  openKeyOrder,
  sealKeyOrder,
  signKeyOrder,
  type KeySetEntry,
} from './key-order.js';
export {
  addKey,
  isSameChange,
  keepKey,
  KEY_ROLES,
  keyNameOf,
  keysOfHolder,
  keyTypeOf,
  rotationStep,
  type KeyHolder,
  type KeyRole,
  type RotationStep,
} from './key-rotation.js';
export {
  formatKeysReport,
  formatKeysRequest,
  parseKeysReport,
  parseKeysRequest,
  type SealedKeySet,
} from './keys-report.js';
export { logKeyAt, logKeysOf, verifierKeysOf, type KeysOfLog } from './retired-keys.js';
export {
  formatKeySetText,
  ingestKeysOf,
  openGenesis,
  openKeySet,
  parseKeySetText,
  signKeySet,
  type KeySet,
} from './key-set.js';
export {
  BLOCK_CUT_BYTES,
  BLOCK_CUT_ENTRIES,
  MAX_BLOCK_BYTES,
  MAX_BLOCK_ENTRIES,
  MAX_EVENT_BYTES,
  MAX_FRAME_EVENTS,
  MAX_FRAME_MESSAGE_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_REQUEST_BYTES,
  MAX_REQUEST_EVENTS,
} from './limits.js';
export { MessageReader } from './message-json.js';
export { formatPostureEvents, type EndpointPosture, type PostureEvent } from './posture-event.js';
export { formatBrokerEvent, type BrokerEvent } from './broker-event.js';
export { formatEngineEvent, type EngineEvent, type EngineFact } from './engine-event.js';
export { formatReadEvent, type ReadEvent } from './read-event.js';
export {
  formatReceipt,
  MAX_RECEIPT_BYTES,
  parseReceipt,
  receiptWriter,
  verifyReceipt,
  type Receipt,
  type Submitted,
} from './receipt.js';
export {
  formatRefusal,
  httpStatusOf,
  isRetryable,
  parseAnswer,
  REFUSALS,
  type Answer,
  type Refusal,
  type RefusalCode,
} from './refusal.js';
export {
  checkpointWords,
  entryWords,
  extensionWords,
  numeral,
  receiptWords,
  shown,
  timeOf,
  witnessDoubts,
  type Words,
} from './proof-words.js';
export { verifyProofBundle, type ProofBundle, type ProvenEntry } from './proof-bundle.js';
export { singleReceipts } from './single-receipts.js';
export { formatSurvivingHeads, parseSurvivingHeads, survivingHead, type SurvivingHead } from './surviving-heads.js';
export { formatRestoreText, openRestore, parseRestoreText, signRestore, successorOf, type Restore } from './restore.js';

export {
  formatVerifierHeartbeat,
  heartbeatOrigin,
  MOST_NOT_COVERED,
  openVerifierHeartbeat,
  type Coverage,
  type HeartbeatTrust,
  type NotCovered,
  type OpenedHeartbeat,
  type SweepCoverage,
  type TailCoverage,
} from './verifier-heartbeat.js';

// Reading a log
export { align, type Difference, type Misalignment } from './alignment.js';
export { BlockSplitter } from './block-splitter.js';
export { CheckpointGoals, type CheckpointGoal, type GoalPlace } from './checkpoint-goals.js';
export { DebtBook, type Debt } from './debt.js';
export { LogReplay, type ReplayedBlock, type ReplayResult } from './log-replay.js';
export type { FrameHead, LogTrust, SealedFrame } from './entry-walk.js';
export { LogState, type BlockReading, type BlockResult, type LogMemory } from './log-state.js';
export {
  isVerdictCode,
  VERDICTS,
  type Finding,
  type Severity,
  type VerdictCode,
  type VerdictMeaning,
} from './verdict.js';
export { SeenCheckpoints, type Shown } from './seen-checkpoints.js';
export {
  completenessWords,
  exportedRange,
  stampedSpan,
  fitsQuery,
  formatCompleteness,
  parseCompleteness,
  type Completeness,
  type ExportEvidence,
  type ExportSelection,
} from './completeness.js';
export { EventCensus, type Census, type CensusEvent } from './event-census.js';
export {
  bundlesOf,
  bundleWidth,
  checkpointFile,
  eventFile,
  EXPORT_FILES,
  EXPORT_FOLDERS,
  exportedTiles,
  frameFile,
  keysFile,
  numbersIn,
  readExported,
  stampedFile,
  tokenFile,
  type ExportFiles,
} from './export-layout.js';
export { verifyExportExtends } from './export-extension.js';
export { exportWords, frameFacts, frameWords } from './export-words.js';
export { ExportedKeys } from './exported-keys.js';
export { FrameTally, type ShownFrame } from './frame-tally.js';
export { RangeCustody } from './range-custody.js';
export { listStamps, requireStamped, stampShares } from './stamped-checkpoints.js';
export { verifyExport, type VerifiedExport } from './verify-export.js';
export { verifyLog, type LogInput, type LogReport } from './verify-log.js';
export {
  formatHoldAnswer,
  formatHoldRequest,
  parseHoldAnswer,
  parseHoldRequest,
  type HoldAnswer,
} from './hold-message.js';
export {
  checkClaimedEvents,
  formatClaimAnswer,
  parseClaim,
  parseClaimAnswer,
  verifyClaimAnswer,
  type Claim,
  type ClaimAnswer,
  type ClaimTrust,
} from './claim-message.js';
export { placeOfFrame, type FramePlace, type LaneKnowledge } from './frame-place.js';
export { heartbeatNoteOf, ingestSays, parseIngestHeartbeat, type IngestSays } from './ingest-heartbeat.js';
export { formatLogMemory, parseLogMemory } from './log-memory.js';
export {
  blockEvents,
  blockFrames,
  blockGaps,
  type BlockEvent,
  type BlockFrame,
  type BlockGap,
} from './block-events.js';

// What surrounds a log: the database's catalog, clocks
export { carryAgreement, compareCatalog, firstDifferent, type CatalogDifference } from './catalog-difference.js';
export { openCatalog, signCatalog, type CatalogAgreement } from './catalog-note.js';
export { parseInstant } from './instant.js';
export { judgeClock, judgeWrittenTime, type ClockJudgement, type ClockReading } from './clock-reading.js';
export { heartbeatTime, parseHeartbeatTime, type HeartbeatTime } from './heartbeat-time.js';

// JSON
export { eventIdentity } from './event-identity.js';
export { indexEvent, MAX_COLUMN_BYTES, type EventIndexRow } from './event-index.js';
export { JsonError } from './json-error.js';
export { JsonKind } from './json-node.js';
export { JsonTape, MAX_DEPTH } from './json-tape.js';
export { Refused } from './refused.js';
export { parseSubmission, type Submission, type SubmittedEvent } from './submission.js';
