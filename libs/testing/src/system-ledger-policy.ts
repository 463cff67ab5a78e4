/** Policies with a system ledger, for `InstalledSystem.start({ policy })`. */

/** The smallest one: what the verifier says of ledger main is sealed in ledger system. */
export const SYSTEM_LEDGER_POLICY = `domain: audit.example.com
ledgers: [{ name: main, ingesters: [a] }, { name: system, ingesters: [a] }]
systemLedger: system
producers: [{ name: orders, ledgers: [main], sources: ['*'] }]
ingest: [{ name: a }]
sealers: [{ name: s1 }]
verifiers: [{ name: v1 }]
ops: [{ name: ops }]
`;

/** With a reader, and an auditor who may read both ledgers there. */
export const READER_POLICY = `${SYSTEM_LEDGER_POLICY}readers: [{ name: r1 }]
auditors: [{ name: anna, ledgers: [main, system] }]
`;
