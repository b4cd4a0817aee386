/** The few parts of Node that the sources use. @types/node would be a second dependency. */
declare const process: { env: Record<string, string | undefined> };

declare module "node:crypto" {
  export function randomUUID(): string;
}
