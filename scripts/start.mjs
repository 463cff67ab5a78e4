/**
 * `npm start`: a whole installation on this machine, until Ctrl-C. The ledger stays in .everseal; the next start goes on with it.
 *
 *   npm start                        everything
 *   npm start -- --infra             nats-server and Postgres only, to run services by hand from the sources
 *   npm start -- --dir d --policy f  another folder, another policy file
 *   npm start -- --nats-port n --postgres-port n
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, runScript, setup, SetupFailure } from './setup.mjs';

await runScript(async () => {
  const values = parseOptions();
  setup();
  const local = await import('../dist/libs/local/src/index.js');
  const say = (line) => console.log(line);
  try {
    const installation = local.LocalInstallation.open({
      dir: values.dir,
      policyFile: values.policy,
      ports: portsIn(values),
      say,
    });
    stopOnSignal(installation);
    await installation.prepare();
    await installation.startInfra();
    if (!values.infra) await installation.startServices();
    say(values.infra ? infraHints(installation, local.servicesOf(installation.policy)) : hints(installation));
  } catch (error) {
    throw new SetupFailure(local.describeFailure(error), { cause: error });
  }
});

function parseOptions() {
  const text = { type: 'string' };
  const options = { infra: { type: 'boolean' }, dir: text, policy: text, 'nats-port': text, 'postgres-port': text };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new SetupFailure(error.message.split('. ')[0], { cause: error });
  }
}

/** Only the ports that were given; the others keep their fixed values. */
function portsIn(values) {
  const given = [
    ['nats', values['nats-port']],
    ['postgres', values['postgres-port']],
  ].filter(([, text]) => text !== undefined);
  const wrong = given.find(([, text]) => !/^[1-9][0-9]{0,4}$/.test(text) || Number(text) > 65_535);
  if (wrong) throw new SetupFailure(`--${wrong[0]}-port ${wrong[1]} is not a port: give a number from 1 to 65535`);
  return Object.fromEntries(given.map(([name, text]) => [name, Number(text)]));
}

/** The first signal stops everything in order; a second one at once (what still runs then ends by itself when this process is gone). */
function stopOnSignal(installation) {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      console.log('stopping');
      void installation.stop().then(() => process.exit(0));
    });
  }
}

function hints({ layout, policy, ports }) {
  const producer = policy.producers[0]?.name;
  const lines = [
    '',
    `Everseal is running: domain ${policy.domain}, ledgers ${policy.ledgers.map(({ name }) => name).join(', ')}.`,
    `  events in      tls://localhost:${ports.nats}, certificate of a producer: ${shown(layout.pki)}/client/producer-${producer}`,
    `  what to trust  ${shown(layout.dir)}/trust (keep a copy elsewhere: everything is checked from it)`,
    ...Object.values(ports.api).map(
      ({ certificate }) =>
        `  reading        https://localhost:${certificate}/openapi.json, certificate of an auditor in ${shown(layout.pki)}/client`,
    ),
    `  logs           ${shown(layout.services)}`,
    'Next: npm run demo, or npm run everseal -- --help. Ctrl-C stops everything; npm run reset begins a new ledger.',
  ];
  return lines.join('\n');
}

function infraHints({ layout }, services) {
  const commands = services.map(
    ({ service, id }) => `  npx nest start ${service} --watch -- ${shown(layout.configFile(id))}`,
  );
  return [
    '',
    'nats-server and Postgres are running. Services from the sources, each in a terminal of its own:',
    ...commands,
  ].join('\n');
}

function shown(file) {
  const relative = path.relative(ROOT, file);
  return relative.startsWith('..') ? file : relative || '.';
}
