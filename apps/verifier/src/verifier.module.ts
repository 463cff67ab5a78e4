/** Nest's part of the verifier: the operations endpoints, and the order in which things stop. compose.ts is the rest. */

import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { OperationsModule } from '@everseal/operations';
import type { ServiceContext } from '@everseal/process';
import type { VerifierService } from './compose.js';
import type { VerifierSettings } from './config.js';

class StopVerifier implements OnApplicationShutdown {
  constructor(private readonly verifier: VerifierService) {}

  onApplicationShutdown(): Promise<void> {
    return this.verifier.stop();
  }
}

@Module({})
export class VerifierModule {
  static with({ health, metrics }: ServiceContext<VerifierSettings>, verifier: VerifierService): DynamicModule {
    return {
      module: VerifierModule,
      imports: [OperationsModule.with(health, metrics)],
      providers: [{ provide: StopVerifier, useValue: new StopVerifier(verifier) }],
    };
  }
}
