/** Answers add-checkpoint over NATS: one subject for all ledgers, the checkpoint's first line says which log it is. */
import { serve, type NatsLink } from '@everseal/messaging';
import { witnessSubject } from '@everseal/policy';
import type { ServiceContext } from '@everseal/process';
import type { VerifierSettings } from './config.js';
import type { WitnessAnswer, WitnessLedger } from './witness-ledger.js';

export function answerWitness(
  { settings, logger, stop: end }: ServiceContext<VerifierSettings>,
  link: NatsLink,
  ledgers: readonly { readonly witness: WitnessLedger }[],
): { start: () => void; stop: () => Promise<void> } {
  let serving: ReturnType<typeof serve> | null = null;
  const answer = async (data: Buffer): Promise<WitnessAnswer> => {
    const origin = data.toString('utf8').split('\n\n', 2)[1]?.split('\n', 1)[0];
    const ledger = ledgers.find(({ witness }) => witness.origin === origin);
    return ledger ? ledger.witness.addCheckpoint(data) : { status: 404, body: 'unknown log\n' };
  };
  return {
    start() {
      serving = serve(link, witnessSubject(settings.name), {
        handler: async ({ data }) => {
          const { status, body } = await answer(data);
          return { data: Buffer.from(body), headers: { Status: String(status) } };
        },
        concurrency: 2,
        logger,
        onFault: end,
      });
    },
    stop: async () => serving?.stop(),
  };
}
