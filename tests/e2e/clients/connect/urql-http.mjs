// urql over plain HTTP: subscriptions are Server-Sent Events.
import { connectUrql } from './urql.mjs';

export const connect = (url) => connectUrql(url, { fetchSubscriptions: true });
