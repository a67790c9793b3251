export const markdownPage = (run: unknown): string => String(run);
