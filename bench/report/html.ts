export const htmlPage = (run: unknown): string => String(run);
