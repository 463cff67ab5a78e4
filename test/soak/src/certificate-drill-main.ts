/**
 * `npm run drill:certs`: every certificate of a whole installation renewed three times under load. Nothing may be lost, nothing refused.
 *
 *   npm run drill:certs -- --minutes 5    how long it lasts; the renewals are spread over it. Default 5
 *   npm run drill:certs -- --times 3      how many renewals; default 3
 *
 * Exit code 0 when all is well, 1 when not.
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '@everseal/local';
import { InstalledSystem } from '@everseal/testing';
import { CertificateDrill } from './certificate-drill.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '5' }, times: { type: 'string', default: '3' } },
});
const [minutes, times] = [Number(values.minutes), Number(values.times)];
if (!(minutes > 0) || !(times > 0)) throw new Error('--minutes and --times are numbers above 0');
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const system = await InstalledSystem.start({ policyFile: path.join(repositoryRoot(), 'everseal.yaml') });
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void system.stop().then(() => process.exit(1)));
let exitCode = 1;
let drill: CertificateDrill | undefined;
try {
  drill = await CertificateDrill.start(system);
  const ends = performance.now() + minutes * 60_000;
  for (let done = 1; done <= times; done++) {
    const began = performance.now();
    await drill.renew();
    say(
      `renewal ${done} in use after ${((performance.now() - began) / 1_000).toFixed(1)} s; ${drill.receipts} receipts`,
    );
    await sleep(Math.max(0, (ends - performance.now()) / (times - done + 1)));
  }
  const outcome = await drill.judge();
  console.log(JSON.stringify(outcome));
  exitCode = outcome.findings.length === 0 ? 0 : 1;
} catch (error) {
  console.error(error);
}
await drill?.stop();
await system.stop();
process.exit(exitCode);
