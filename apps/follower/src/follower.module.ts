/** Nest's part of the follower: /live, /ready, /metrics, and the order in which things stop. compose.ts is the rest. */

import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { OperationsModule } from '@everseal/operations';
import type { ServiceContext } from '@everseal/process';
import type { FollowerService } from './compose.js';
import type { FollowerSettings } from './config.js';

class StopFollower implements OnApplicationShutdown {
  constructor(private readonly follower: FollowerService) {}

  onApplicationShutdown(): Promise<void> {
    return this.follower.stop();
  }
}

@Module({})
export class FollowerModule {
  static with({ health, metrics }: ServiceContext<FollowerSettings>, follower: FollowerService): DynamicModule {
    return {
      module: FollowerModule,
      imports: [OperationsModule.with(health, metrics)],
      providers: [{ provide: StopFollower, useValue: new StopFollower(follower) }],
    };
  }
}
