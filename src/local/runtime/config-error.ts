/** A container that cannot be made as its spec says. `reason` is the waiting reason that `kubectl get pods` shows. */
export class ContainerConfigError extends Error {
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError';

  constructor(
    message: string,
    reason: 'CreateContainerConfigError' | 'CreateContainerError' = 'CreateContainerConfigError',
  ) {
    super(message);
    this.reason = reason;
  }
}
