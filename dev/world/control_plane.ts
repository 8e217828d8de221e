// SPDX-License-Identifier: Apache-2.0
/** A whole control plane: etcd, API server, controller manager and scheduler. */
import { Apiserver, type ApiserverOptions } from "./apiserver.ts";
import { ControllerManager, Scheduler } from "./controllers.ts";
import type { Kubectl } from "./kubectl.ts";

/** Options of {@linkcode ControlPlane.start}. */
export interface ControlPlaneOptions extends ApiserverOptions {
  /** More flags of the controller manager. */
  controllerFlags?: string[];
  /** Client requests per second of the controller manager. @default Kubernetes' own 20 */
  requestsPerSecond?: number;
}

/** A running control plane. */
export class ControlPlane implements AsyncDisposable {
  readonly apiserver: Apiserver;
  readonly controllerManager: ControllerManager;
  readonly #closes: AsyncDisposableStack;

  private constructor(
    { apiserver, controllerManager, closes }: {
      apiserver: Apiserver;
      controllerManager: ControllerManager;
      closes: AsyncDisposableStack;
    },
  ) {
    this.apiserver = apiserver;
    this.controllerManager = controllerManager;
    this.#closes = closes;
  }

  /** kubectl as the administrator. */
  get kubectl(): Kubectl {
    return this.apiserver.kubectl;
  }

  /** Starts the four programs and waits until each is healthy. */
  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    const { controllerFlags: flags = [], requestsPerSecond } = options;
    const closes = new AsyncDisposableStack();
    try {
      const apiserver = closes.use(await Apiserver.start(options));
      const [controllerManager, scheduler] = await Promise.all([
        ControllerManager.start({
          apiserver,
          flags,
          ...requestsPerSecond === undefined ? {} : { requestsPerSecond },
        }),
        Scheduler.start({ apiserver }),
      ]);
      for (const one of [controllerManager, scheduler]) closes.use(one);
      return new ControlPlane({ apiserver, controllerManager, closes });
    } catch (error) {
      await closes.disposeAsync();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closes.disposeAsync();
  }
}
