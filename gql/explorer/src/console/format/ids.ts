// The end of a version 7 UUID is random, its beginning is the time.
export const shortId = (id: string): string => id.slice(-8);
