/**
 * What a policy of the right shape must also satisfy: names that formats.md allows, nothing said twice, every reference
 * to something that is there, rings large enough. Each check yields problems with their place; none throws.
 */
import { FormatError, parseDomain, parseLedgerName, parseName, SYSTEM_SOURCE } from '@everseal/audit-core';
import { isSourcePattern, MOST_SOURCE_BYTES } from './access.js';
import { commonNameOf, type Service } from './identities.js';
import { RING_FACTOR, type Policy } from './policy.js';
import type { PolicyCode } from './policy-error.js';
import type { Path, ValueProblem } from './policy-yaml.js';

/** X.520 bounds a common name; a certificate with a longer one is refused by some readers and cut by others. */
const MOST_COMMON_NAME_BYTES = 64;

const SERVICE_LISTS: readonly {
  list: 'ingest' | 'sealers' | 'verifiers' | 'ops' | 'readers' | 'followers' | 'producers' | 'auditors';
  service: Service;
}[] = [
  { list: 'ingest', service: 'ingest' },
  { list: 'sealers', service: 'sealer' },
  { list: 'verifiers', service: 'verifier' },
  { list: 'ops', service: 'ops' },
  { list: 'readers', service: 'reader' },
  { list: 'followers', service: 'follower' },
  { list: 'producers', service: 'producer' },
  { list: 'auditors', service: 'auditor' },
];

/** All problems, in the order of the checks. */
export function checkPolicy(policy: Policy): ValueProblem[] {
  return [
    ...nameProblems(policy),
    ...duplicateProblems(policy),
    ...referenceProblems(policy),
    ...systemProblems(policy),
    ...drillProblems(policy),
    ...sourceProblems(policy),
    ...ringProblems(policy),
  ];
}

function nameProblems(policy: Policy): ValueProblem[] {
  const services = SERVICE_LISTS.flatMap(({ list, service }) =>
    policy[list].flatMap(({ name, generation }, index) => {
      const path = [list, index, 'name'];
      return [
        ...nameProblem(parseName, name, path),
        ...commonNameProblem(commonNameOf(service, name, generation), path),
      ];
    }),
  );
  const ledgers = policy.ledgers.flatMap(({ name }, index) =>
    nameProblem(parseLedgerName, name, ['ledgers', index, 'name']),
  );
  return [...nameProblem(parseDomain, policy.domain, ['domain']), ...ledgers, ...services];
}

function nameProblem(parse: (text: string) => string, text: string, path: Path): ValueProblem[] {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [{ code: 'policy.name', path, message: error.message }];
  }
}

function commonNameProblem(commonName: string, path: Path): ValueProblem[] {
  if (commonName.length <= MOST_COMMON_NAME_BYTES) return [];
  const message = `its certificate's common name, ${commonName}, is longer than ${MOST_COMMON_NAME_BYTES} bytes: shorten the name`;
  return [{ code: 'policy.name', path, message }];
}

/** One problem for every value that stood before, at its later place. */
function repeated(values: readonly string[], place: (index: number) => Path): ValueProblem[] {
  const code: PolicyCode = 'policy.duplicate';
  return values.flatMap((value, index) =>
    values.indexOf(value) === index ? [] : [{ code, path: place(index), message: `"${value}" stands here twice` }],
  );
}

function duplicateProblems(policy: Policy): ValueProblem[] {
  const lists = ['ledgers', ...SERVICE_LISTS.map(({ list }) => list)] as const;
  return [
    ...lists.flatMap((list) =>
      repeated(
        policy[list].map(({ name }) => name),
        (index) => [list, index, 'name'],
      ),
    ),
    ...policy.ledgers.flatMap(({ ingesters }, l) => repeated(ingesters, (i) => ['ledgers', l, 'ingesters', i])),
    ...policy.producers.flatMap(({ ledgers }, p) => repeated(ledgers, (i) => ['producers', p, 'ledgers', i])),
    ...policy.auditors.flatMap(({ ledgers }, a) => repeated(ledgers, (i) => ['auditors', a, 'ledgers', i])),
    ...policy.producers.flatMap(({ sources }, p) => repeated(sources, (i) => ['producers', p, 'sources', i])),
  ];
}

function referenceProblems(policy: Policy): ValueProblem[] {
  const code: PolicyCode = 'policy.reference';
  const ingesters = new Set(policy.ingest.map(({ name }) => name));
  const ledgers = new Set(policy.ledgers.map(({ name }) => name));
  const missing = (names: string[], known: Set<string>, what: string, place: (index: number) => Path): ValueProblem[] =>
    names.flatMap((name, index) =>
      known.has(name)
        ? []
        : [{ code, path: place(index), message: `no ${what} is named "${name}": add it or correct this` }],
    );
  return [
    ...policy.ledgers.flatMap((ledger, l) =>
      missing(ledger.ingesters, ingesters, 'ingest instance', (i) => ['ledgers', l, 'ingesters', i]),
    ),
    ...policy.producers.flatMap((producer, p) =>
      missing(producer.ledgers, ledgers, 'ledger', (i) => ['producers', p, 'ledgers', i]),
    ),
    ...policy.auditors.flatMap((auditor, a) =>
      missing(auditor.ledgers, ledgers, 'ledger', (i) => ['auditors', a, 'ledgers', i]),
    ),
    ...policy.ingest.flatMap(({ name }, i): ValueProblem[] =>
      policy.ledgers.some((ledger) => ledger.ingesters.includes(name))
        ? []
        : [
            {
              code,
              path: ['ingest', i, 'name'],
              message: `no ledger lists "${name}" among its ingesters: list it or remove it`,
            },
          ],
    ),
  ];
}

/** The system ledger is one of the ledgers, and the services' alone: nobody else can say there what a service has to say. */
function systemProblems({ systemLedger, ledgers, producers, followers }: Policy): ValueProblem[] {
  const code: PolicyCode = 'policy.system';
  if (systemLedger === undefined) {
    const nowhere =
      'followers write into the system ledger, and none is named: name one as systemLedger or remove this';
    return followers.length === 0 ? [] : [{ code, path: ['followers'], message: nowhere }];
  }
  const named = ledgers.some(({ name }) => name === systemLedger);
  const missing = `no ledger is named "${systemLedger}": list it among the ledgers or correct this`;
  const taken = `"${systemLedger}" is the system ledger, which only services write to: remove it here`;
  return [
    ...(named ? [] : [{ code, path: ['systemLedger'], message: missing }]),
    ...producers.flatMap((producer, p) =>
      producer.ledgers.flatMap((ledger, l): ValueProblem[] =>
        ledger === systemLedger ? [{ code, path: ['producers', p, 'ledgers', l], message: taken }] : [],
      ),
    ),
  ];
}

/**
 * The drill ledger is one of the ledgers, and nothing that counts is in it: what is tampered with on purpose must be nobody's
 * evidence. So who writes there writes nowhere else, and services do not.
 */
function drillProblems({ drillLedger, systemLedger, ledgers, producers }: Policy): ValueProblem[] {
  if (drillLedger === undefined) return [];
  const code: PolicyCode = 'policy.drill';
  const path = ['drillLedger'];
  const named = ledgers.some(({ name }) => name === drillLedger);
  const missing = `no ledger is named "${drillLedger}": list it among the ledgers or correct this`;
  const system = `"${drillLedger}" is the system ledger, which holds real alerts: give drills a ledger of their own`;
  const mixed = `this producer has the drill ledger "${drillLedger}" and others, so real events could end in it: give drills a producer of their own`;
  return [
    ...(named ? [] : [{ code, path, message: missing }]),
    ...(drillLedger === systemLedger ? [{ code, path, message: system }] : []),
    ...producers.flatMap((producer, p): ValueProblem[] =>
      producer.ledgers.includes(drillLedger) && producer.ledgers.length > 1
        ? [{ code, path: ['producers', p, 'ledgers'], message: mixed }]
        : [],
    ),
  ];
}

function sourceProblems(policy: Policy): ValueProblem[] {
  return policy.producers.flatMap(({ sources }, p) =>
    sources.flatMap((source, i): ValueProblem[] =>
      isSourcePattern(source) && !source.startsWith(SYSTEM_SOURCE)
        ? []
        : [
            {
              code: 'policy.source',
              path: ['producers', p, 'sources', i],
              message: `"${source}" is neither a source nor a prefix ending in one *, of 1 to ${MOST_SOURCE_BYTES} bytes, or begins with ${SYSTEM_SOURCE}, which is the services'`,
            },
          ],
    ),
  );
}

function ringProblems(policy: Policy): ValueProblem[] {
  return policy.ledgers.flatMap(({ frames, ingesters, spoolBytes }, l): ValueProblem[] => {
    const least = RING_FACTOR * ingesters.length * spoolBytes;
    if (frames.maxBytes >= least) return [];
    const message = `${frames.maxBytes} is less than ${least}, ${RING_FACTOR} × ${ingesters.length} ingesters × ${spoolBytes} bytes of spool: raise it or lower spoolBytes`;
    return [{ code: 'policy.ring', path: ['ledgers', l, 'frames', 'maxBytes'], message }];
  });
}
