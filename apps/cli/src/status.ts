/** `everseal status`: is everything doing its work, and how far has it come? */
import type { Context } from './context.js';
import { formatAge } from './durations.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { gatherStatus } from './gather-status.js';
import type { LedgerFacts, StatusFacts } from './status-facts.js';
import { problemsOf } from './status-problems.js';
import { count, printable, type Terminal } from './terminal.js';

export interface StatusOptions {
  json?: boolean | undefined;
}

export async function status(context: Context, { json }: StatusOptions): Promise<ExitCode> {
  const { terminal, now } = context;
  const facts = await gatherStatus(context.settings());
  const problems = problemsOf(facts, now());
  if (json) terminal.json({ healthy: problems.length === 0, problems, ...facts });
  else tell(terminal, facts, problems, now());
  return problems.length === 0 ? EXIT.ok : EXIT.unhealthy;
}

function tell(terminal: Terminal, facts: StatusFacts, problems: readonly string[], now: number): void {
  const { green, red } = terminal.colors;
  const yes = (ok: boolean, good: string, bad: string): string => (ok ? green(good) : red(bad));
  terminal.heading('services');
  terminal.table(
    ['service', 'live', 'ready', 'at'],
    facts.services.map(({ service, name, live, ready, url }) => [
      `${service} ${name}`,
      yes(live, 'live', 'NOT LIVE'),
      yes(ready, 'ready', 'NOT READY'),
      url,
    ]),
  );
  tellLedgers(terminal, facts.ledgers, now);
  tellAnchors(terminal, facts.ledgers, now);
  tellVerifiers(terminal, facts, now);
  tellWitnesses(terminal, facts, now);
  tellStreams(terminal, facts);
  terminal.line();
  for (const problem of problems) terminal.line(`${red('problem')}: ${printable(problem)}`);
  terminal.line(
    problems.length === 0 ? green('healthy: everything does its work, no alert is open') : red('not healthy'),
  );
}

function tellLedgers(terminal: Terminal, ledgers: readonly LedgerFacts[], now: number): void {
  const ago = (time: number | null): string =>
    time === null ? '-' : `${formatAge(now - time)} ago`.replace('now ago', 'now');
  terminal.line();
  terminal.heading('ledgers');
  terminal.table(
    ['ledger', 'entries', 'blocks', 'newest block', 'sealer', 'checkpoint', 'announced', 'cosigned by', 'indexed'],
    ledgers.map(({ ledger, stored, announced }) => {
      const signed = announced.ok ? announced.value : null;
      const database = stored?.ok
        ? [
            count(stored.value.size),
            count(stored.value.height + 1),
            ago(stored.value.sealed),
            stored.value.holder ?? '-',
          ]
        : ['?', '?', '?', '?'];
      const cosigners = signed?.cosigners.map(({ name, at }) => `${name.split('/').at(-1)} ${ago(at)}`).join(', ');
      const checkpoint = [signed ? count(signed.size) : '-', ago(signed?.stored ?? null), cosigners ?? '-'];
      return [ledger, ...database, ...checkpoint, stored?.ok ? count(stored.value.indexed) : '?'].map(printable);
    }),
  );
}

function tellAnchors(terminal: Terminal, ledgers: readonly LedgerFacts[], now: number): void {
  const rows = ledgers.flatMap(({ ledger, stored }) =>
    (stored?.ok ? stored.value.anchors : []).map(({ kind, name, size, count: anchored, stored: at }) => [
      printable(ledger),
      printable(`${name} (${kind})`),
      count(anchored),
      count(size),
      `${formatAge(now - at)} ago`.replace('now ago', 'now'),
    ]),
  );
  if (rows.length === 0) return;
  terminal.line();
  terminal.heading('anchors');
  terminal.table(['ledger', 'anchor', 'checkpoints', 'newest size', 'anchored'], rows);
}

function tellVerifiers(terminal: Terminal, { verifiers }: StatusFacts, now: number): void {
  if (verifiers.length === 0) return;
  const ago = (time: number | null): string =>
    time === null ? '-' : `${formatAge(now - time)} ago`.replace('now ago', 'now');
  terminal.line();
  terminal.heading('verifiers');
  terminal.table(
    ['verifier', 'ledger', 'derived again', 'behind', 'cosigned'],
    verifiers.map(({ name, origin, verified, behind, cosigned }) => [
      printable(name),
      printable(origin),
      count(verified),
      behind.entries === 0 ? '-' : `${count(behind.entries)} for ${formatAge(behind.seconds * 1_000)}`,
      count(cosigned),
    ]),
  );
  terminal.line();
  terminal.heading('what they covered');
  terminal.table(
    ['verifier', 'ledger', 'sweep', 'passes', 'last full pass', 'took', 'a second', 'oldest re-read', 'left out'],
    verifiers.flatMap(({ name, origin, sweeps }) =>
      sweeps.map((sweep) => [
        printable(name),
        printable(origin),
        sweep.name,
        count(sweep.passes),
        ago(sweep.ended),
        `${sweep.seconds.toFixed(1)} s`,
        count(sweep.perSecond),
        ago(sweep.oldestRead),
        count(sweep.notCovered),
      ]),
    ),
  );
}

function tellWitnesses(terminal: Terminal, { witnesses, witnessed }: StatusFacts, now: number): void {
  if (witnessed.length > 0) {
    terminal.line();
    terminal.heading('logs of others that are witnessed here');
    terminal.table(
      ['verifier', 'log', 'cosigned'],
      witnessed.map(({ verifier, log, size }) => [printable(verifier), printable(log), count(size)]),
    );
  }
  if (witnesses.length === 0) return;
  terminal.line();
  terminal.heading('witnesses of others');
  terminal.table(
    ['witness', 'ledger', 'cosigned', 'when', 'in time', 'not answered'],
    witnesses.map(({ witness, ledger, size, at, overdue, failures }) => [
      printable(witness),
      printable(ledger),
      count(size),
      at === null ? '-' : `${formatAge(now - at)} ago`.replace('now ago', 'now'),
      overdue ? terminal.colors.red('OVERDUE') : terminal.colors.green('yes'),
      count(failures),
    ]),
  );
}

function tellStreams(terminal: Terminal, { streams, alerts }: StatusFacts): void {
  terminal.line();
  terminal.heading('streams');
  if (streams.ok) {
    terminal.table(
      ['stream', 'messages', 'bytes', 'first', 'last'],
      streams.value.map(({ name, messages, bytes, firstSequence, lastSequence }) => [
        name,
        count(messages),
        count(bytes),
        count(firstSequence),
        count(lastSequence),
      ]),
    );
  }
  terminal.line(`open alerts: ${alerts.ok ? count(alerts.value.open) : '?'}`);
}
